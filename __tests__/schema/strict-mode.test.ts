import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { replySchema } from '../../src/cli/asking/reply-schema.ts';
import { UsageError } from '../../src/outcome/errors.ts';
import { isJsonObject, type JsonObject } from '../../src/protocol/json.ts';
import { strictProblem } from '../../src/schema/strict.ts';
import { wrapped } from '../../src/schema/wrapped.ts';
import { seed } from '../support/seed.ts';
import { strictRefusal } from '../support/strict-mode.ts';

/** What a provider in OpenAI's strict mode says of what goes out for a schema; undefined for one that is refused here. */
function sentFor(schema: unknown): { isStrict: boolean; refusal: string | null; why: string } | undefined {
  try {
    const { responseFormat, strictProblem: problem } = replySchema(JSON.stringify(schema), 'it');
    const sent = responseFormat['json_schema'] as JsonObject;
    const { at, why } = problem ?? { at: '', why: 'it goes out strict' };
    return {
      isStrict: sent['strict'] === true,
      refusal: strictRefusal(sent['schema'] as JsonObject),
      why: `${at}: ${why}`,
    };
  } catch (error) {
    if (error instanceof UsageError) return undefined;
    throw error;
  }
}

const name = fc.constantFrom('a', 'b', 'kind', '$ref', 'a/b', 'type');
const oneOf = <Value>(...values: Value[]): fc.Arbitrary<Value> => fc.constantFrom(...values);
const plain = oneOf<JsonObject>(
  { type: 'string' },
  { type: 'integer', minimum: 1 },
  { type: ['string', 'null'], description: 'Text.' },
  { type: 'string', enum: ['x', 'y'] },
  { type: 'string', const: 'x' },
  { type: 'string', const: 'y' },
  { type: 'string', format: 'date-time' },
  { type: 'string', pattern: '^[a-z]+$' },
  { $ref: '#/$defs/one' },
  { $ref: '#' },
);
const object = (inner: fc.Arbitrary<JsonObject>): fc.Arbitrary<JsonObject> =>
  fc.dictionary(name, inner, { maxKeys: 3, noNullPrototype: true }).map((properties) => ({
    type: 'object',
    properties,
    required: Object.keys(properties),
    additionalProperties: false,
  }));
const { kept } = fc.letrec<{ kept: JsonObject }>((tie) => ({
  kept: fc.oneof(
    { depthSize: 'small' },
    plain,
    object(tie('kept')),
    tie('kept').map((items) => ({ type: 'array', items })),
    fc.array(fc.oneof(tie('kept'), object(plain)), { minLength: 1, maxLength: 3 }).map((anyOf) => ({ anyOf })),
  ),
}));
/** What breaks a rule, or might: put into some schema inside. */
const changes: ((schema: JsonObject) => JsonObject)[] = [
  (schema) => ({ ...schema, minLength: 1 }),
  (schema) => ({ ...schema, default: null }),
  (schema) => ({ ...schema, title: 'T' }),
  (schema) => ({ ...schema, additionalProperties: true }),
  (schema) => ({ ...schema, additionalProperties: { type: 'string' } }),
  (schema) => ({ ...schema, required: ['a'] }),
  (schema) => ({ ...schema, required: ['a', 'nothing'] }),
  (schema) => ({ ...schema, format: 'uri' }),
  (schema) => ({ ...schema, pattern: '^(?=x)' }),
  (schema) => ({ ...schema, enum: [1, 'x'] }),
  (schema) => ({ ...schema, const: null }),
  (schema) => ({ ...schema, allOf: [{ type: 'string' }] }),
  (schema) => ({ ...schema, $defs: { two: { type: 'array' } } }),
  (schema) => ({ ...schema, items: true }),
  ({ type: _type, ...schema }) => schema,
  ({ properties: _properties, ...schema }) => schema,
  ({ items: _items, ...schema }) => schema,
  ({ additionalProperties: _open, ...schema }) => schema,
  ({ required: _required, ...schema }) => schema,
];

function schemasIn(schema: JsonObject): JsonObject[] {
  const inner = [
    ...Object.values(isJsonObject(schema['properties']) ? schema['properties'] : {}),
    ...(Array.isArray(schema['anyOf']) ? (schema['anyOf'] as unknown[]) : []),
    schema['items'],
  ].filter(isJsonObject);
  return [schema, ...inner.flatMap(schemasIn)];
}

const changed = fc
  .tuple(fc.oneof(object(kept), kept), fc.array(fc.tuple(oneOf(...changes), fc.nat()), { maxLength: 2 }))
  .map(([schema, steps]) => {
    const root = structuredClone({
      ...schema,
      $defs: { one: { type: 'object', properties: {}, required: [], additionalProperties: false } },
    });
    for (const [change, at] of steps) {
      const all = schemasIn(root);
      const target = all[at % all.length] as JsonObject;
      const next = change({ ...target });
      for (const key of Object.keys(target)) delete target[key];
      Object.assign(target, next);
    }
    return root;
  });

test('what goes out strict is taken by a provider in strict mode, and nothing else is kept from it', () => {
  const counts = { strict: 0, unstrict: 0 };
  fc.assert(
    fc.property(changed, (schema) => {
      const sent = wrapped(schema);
      const problem = strictProblem(sent);
      const refusal = strictRefusal(sent);
      counts[problem === null ? 'strict' : 'unstrict'] += 1;
      if ((problem === null) !== (refusal === null))
        throw new Error(
          `${refusal ?? 'taken'}, but ${problem === null ? 'it goes out strict' : `${problem.at}: ${problem.why}`}`,
        );
    }),
    { seed, numRuns: 2000 },
  );
  expect(Math.min(counts.strict, counts.unstrict)).toBeGreaterThan(200);
});

test('so it is with schemas as tools and people write them', () => {
  const folder = '__tests__/fixtures/schemas-as-written';
  const files = [folder, `${folder}/schemastore`].flatMap((each) =>
    readdirSync(each)
      .filter((file) => file.endsWith('.json'))
      .map((file) => `${each}/${file}`),
  );
  const found = Object.fromEntries(
    files.map((file) => {
      const sent = sentFor(JSON.parse(readFileSync(file, 'utf8')));
      expect([file, sent?.isStrict ?? false]).toEqual([file, sent?.refusal === null]);
      return [file.slice(folder.length + 1), sent === undefined ? 'refused' : sent.isStrict ? 'strict' : sent.why];
    }),
  );
  expect(found).toMatchInlineSnapshot(`
{
  "pydantic-2.14.4-described.json": "/properties/kind: "discriminator" is not among what strict mode takes",
  "pydantic-2.14.4-report.json": ": the property "note" is not required",
  "pydantic-2.14.4-strict.json": "strict",
  "schemastore/bungee-plugin.json": ": "$id" is not among what strict mode takes",
  "schemastore/chart-lock.json": "/properties/dependencies/items/properties/repository: the format "uri" is not taken",
  "schemastore/first-timers.json": ": "$comment" is not among what strict mode takes",
  "schemastore/github-issue-config.json": ": "$comment" is not among what strict mode takes",
  "schemastore/jsone.json": ": "$id" is not among what strict mode takes",
  "schemastore/minecraft-pack-mcmeta.json": ": "$comment" is not among what strict mode takes",
  "schemastore/openweather.roadrisk.json": ": "$id" is not among what strict mode takes",
  "schemastore/vsconfig.json": "refused",
  "zod-4.6.7-issues.json": "/properties/value/items/properties/name: "minLength" is not among what strict mode takes",
  "zod-4.6.7-strict.json": "strict",
  "zod-4.6.7-union.json": ": the property "site" is not required",
}
`);
});
