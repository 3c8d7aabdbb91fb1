// The face of Prisma's query engine that LiteLLM starts (a binary, which has to be downloaded), on the engine that npm's
// @prisma/client carries as WebAssembly, with PostgreSQL behind it. Requests come as GraphQL and go on in the engine's own
// protocol. Known gap: LiteLLM makes its views of spend with the schema engine, so `/global/spend/*` fails.
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import { parse } from 'graphql';

const require = createRequire(import.meta.url);
const pg = require('pg');
const { PrismaPg } = require('@prisma/adapter-pg');
const { bindAdapter } = require('@prisma/driver-adapter-utils');
const bindings = require('@prisma/client/runtime/query_engine_bg.postgresql.js');

const option = (name) => {
  const at = process.argv.indexOf(name);
  return at < 0 ? undefined : process.argv[at + 1];
};
const port = Number(option('-p') ?? option('--port'));
const database = new URL(process.env.DATABASE_URL);
// Settings of Prisma's own pool, which pg does not know.
for (const name of ['connection_limit', 'pool_timeout']) database.searchParams.delete(name);

// Types of PostgreSQL's catalogue that the adapter does not know (name, char, regclass, …) are text to it.
const catalogueTypes = new Set([18, 19, 2205, 2206, 26]);
const textType = 25;
const query = pg.Client.prototype.query;
pg.Client.prototype.query = function (...given) {
  const answer = query.apply(this, given);
  if (typeof answer?.then !== 'function') return answer;
  return answer.then((result) => {
    for (const field of result.fields ?? []) if (catalogueTypes.has(field.dataTypeID)) field.dataTypeID = textType;
    return result;
  });
};

const module = await WebAssembly.instantiate(
  readFileSync(require.resolve('@prisma/client/runtime/query_engine_bg.postgresql.wasm')),
  { './query_engine_bg.js': bindings },
);
bindings['__wbg_set_wasm'](module.instance.exports);
module.instance.exports['__wbindgen_start']?.();

const datamodel = readFileSync(process.env.PRISMA_DML_PATH ?? 'schema.prisma', 'utf8');
const pool = new pg.Pool({ connectionString: database.href, max: 10 });
const engine = new bindings.QueryEngine(
  {
    datamodel,
    logLevel: 'error',
    logQueries: false,
    ignoreEnvVarErrors: true,
    env: { DATABASE_URL: process.env.DATABASE_URL },
    datasourceOverrides: {},
    configDir: '.',
    engineProtocol: 'json',
  },
  () => undefined,
  bindAdapter(new PrismaPg(pool)),
);
const trace = '{}';
await engine.connect(trace);

// The longer name first, where one begins with the other.
const actions = [
  'findUniqueOrThrow',
  'findFirstOrThrow',
  'findUnique',
  'findFirst',
  'findMany',
  'createOne',
  'createManyAndReturn',
  'createMany',
  'updateOne',
  'updateMany',
  'deleteOne',
  'deleteMany',
  'upsertOne',
  'aggregate',
  'groupBy',
];

function valueOf(node, variables) {
  switch (node.kind) {
    case 'Variable':
      return variables[node.name.value];
    case 'IntValue':
    case 'FloatValue':
      return Number(node.value);
    case 'NullValue':
      return null;
    case 'ListValue':
      return node.values.map((each) => valueOf(each, variables));
    case 'ObjectValue':
      return Object.fromEntries(node.fields.map((each) => [each.name.value, valueOf(each.value, variables)]));
    default:
      return node.value;
  }
}

const argumentsOf = (node, variables) =>
  Object.fromEntries((node.arguments ?? []).map((each) => [each.name.value, valueOf(each.value, variables)]));

const selectionOf = (set, variables) =>
  Object.fromEntries(
    (set?.selections ?? []).map((each) => [
      each.name.value,
      each.selectionSet
        ? { arguments: argumentsOf(each, variables), selection: selectionOf(each.selectionSet, variables) }
        : true,
    ]),
  );

// Columns of JSON arrive as text: untagged the engine would store a JSON string.
const jsonFields = Object.fromEntries(
  [...datamodel.matchAll(/^model (\w+) \{([\s\S]*?)^\}/gm)].map(([, model, body]) => [
    model,
    new Set([...body.matchAll(/^\s+(\w+)\s+Json\b/gm)].map(([, name]) => name)),
  ]),
);

function tagged(given, fields) {
  if (Array.isArray(given)) return given.map((each) => tagged(each, fields));
  if (given === null || typeof given !== 'object') return given;
  return Object.fromEntries(
    Object.entries(given).map(([key, each]) => [
      key,
      fields.has(key) && typeof each === 'string' ? { $type: 'Json', value: each } : tagged(each, fields),
    ]),
  );
}

function requestOf(field, variables) {
  const name = field.name.value;
  const action = /^(query|execute)Raw$/.test(name) ? name : actions.find((each) => name.startsWith(each));
  const request = { arguments: argumentsOf(field, variables), selection: selectionOf(field.selectionSet, variables) };
  if (name === action) return { action, query: request };
  const modelName = name.slice(action.length);
  const fields = jsonFields[modelName] ?? new Set();
  return { modelName, action, query: { ...request, arguments: tagged(request.arguments, fields) } };
}

function untagged(data) {
  if (Array.isArray(data)) return data.map(untagged);
  if (data === null || typeof data !== 'object') return data;
  if ('$type' in data) return data.value;
  return Object.fromEntries(Object.entries(data).map(([key, each]) => [key, untagged(each)]));
}

async function run({ query: text, variables }, transaction) {
  const results = {};
  for (const field of parse(text).definitions[0].selectionSet.selections) {
    const request = requestOf(field, variables ?? {});
    const answer = JSON.parse(await engine.query(JSON.stringify(request), trace, transaction));
    if (answer.errors) return answer;
    const data = untagged(Object.values(answer.data)[0]);
    if (request.action === 'queryRaw') {
      for (const row of data.rows) {
        row.forEach((cell, at) => {
          if (data.types[at] === 'json' && typeof cell === 'string') row[at] = JSON.parse(cell);
        });
      }
    }
    results[field.alias?.value ?? field.name.value] = data;
  }
  return { data: results };
}

async function answerTo(url, body, transaction) {
  if (url === '/status') return { status: 'ok' };
  if (url === '/transaction/start') return engine.startTransaction(JSON.stringify(body), trace);
  const [, id, end] = /^\/transaction\/([^/]+)\/(commit|rollback)$/.exec(url) ?? [];
  if (end === 'commit') return (await engine.commitTransaction(id, trace)) ?? '{}';
  if (end === 'rollback') return (await engine.rollbackTransaction(id, trace)) ?? '{}';
  if (!body.batch) return run(body, transaction);
  const batchResult = [];
  for (const each of body.batch) batchResult.push(await run(each, transaction));
  return { batchResult };
}

async function handle(request, response) {
  const parts = [];
  for await (const part of request) parts.push(part);
  let answer;
  try {
    const body = JSON.parse(Buffer.concat(parts).toString() || '{}');
    answer = await answerTo(request.url, body, request.headers['x-transaction-id']);
  } catch (error) {
    const message = String(error);
    const known = { is_panic: false, message, error_code: 'P2010', meta: {} };
    answer = { errors: [{ error: message, user_facing_error: known }] };
  }
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(typeof answer === 'string' ? answer : JSON.stringify(answer));
}

http.createServer((request, response) => void handle(request, response)).listen(port, '127.0.0.1');
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(0));
