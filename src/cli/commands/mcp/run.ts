import path from 'node:path';
import { nearestName } from '../../../config/nearest-name.ts';
import { CllmError, UsageError } from '../../../outcome/errors.ts';
import { isJsonObject, type JsonObject, objectOf, parseJson } from '../../../protocol/json.ts';
import { jsonLine } from '../../../terminal/terminal-safe.ts';
import { callMcpTool, listMcpTools, mcpServers, type McpTool, nameOf } from '../../../tools/gateway.ts';
import type { McpResult } from '../../../tools/mcp-result.ts';
import type { Context } from '../../context.ts';
import { readFlagFile } from '../../input/flag-file.ts';
import { OutputFile } from '../../input/output-file.ts';
import type { Io } from '../../io.ts';
import { table } from '../../views/table.ts';

export async function runList(isJson: boolean, { client, io, remark }: Context): Promise<null> {
  const asked = await client();
  const servers = await mcpServers(asked, io.signal);
  if (servers.length === 0) remark(`this key may use no MCP server of ${asked.baseUrl}`);
  if (isJson) {
    await io.stdout.write(jsonLine(servers, 2));
    return null;
  }
  const rows = servers.map(({ name, transport, status, tools, description }) => [
    name,
    transport,
    status,
    tools,
    description,
  ]);
  await io.stdout.write(
    table(io.stdout, ['server', 'transport', 'status', 'tools', 'about'], rows, { isTextLast: true }),
  );
  return null;
}

export async function runTools(
  servers: readonly string[],
  isJson: boolean,
  { client, io, remark }: Context,
): Promise<null> {
  const { tools, leftOut } = await listMcpTools(await client(), servers, io.signal);
  for (const each of leftOut) remark(each);
  if (isJson) {
    const rows = tools.map(({ server, name, description, inputSchema }) => ({
      server: server.name,
      tool: name,
      description,
      input_schema: inputSchema,
    }));
    await io.stdout.write(jsonLine(rows, 2));
    return null;
  }
  const rows = tools.map((tool) => [nameOf(tool), argumentNames(tool.inputSchema), tool.description]);
  await io.stdout.write(table(io.stdout, ['tool', 'arguments', 'about'], rows, { isTextLast: true }));
  return null;
}

export interface CallValues {
  tool: string;
  arguments: string | undefined;
  output: string | undefined;
  json: boolean;
}

export async function runCall(values: CallValues, { client, io, remark }: Context): Promise<CllmError | null> {
  const [server, name] = splitName(values.tool);
  const { args, input } = await argumentsOf(values.arguments, io);
  const file = values.output === undefined ? null : new OutputFile(values.output, io.cwd);
  const asked = await client();
  const { tools } = await listMcpTools(asked, [server], io.signal);
  const tool = tools.find((each) => each.name === name);
  if (tool === undefined) throw unknownTool(server, name, tools);
  const result = await callMcpTool(asked, tool, args, { signal: io.signal, input });
  const { text, isError } = result;
  if (values.json) await io.stdout.write(jsonLine(resultRow(tool, result), 2));
  else if (text !== '') await (isError ? io.stderr : io.stdout).write(text.endsWith('\n') ? text : `${text}\n`);
  // What went wrong is no content for a file.
  if (isError) throw new CllmError('tool_failed', `${nameOf(tool)} says that it failed`);
  if (file !== null) await writeResult(file, result, { io, remark });
  return null;
}

/** Whatever stands after the first slash is the tool's name. */
function splitName(given: string): [server: string, tool: string] {
  const at = given.indexOf('/');
  if (at > 0 && at < given.length - 1) return [given.slice(0, at), given.slice(at + 1)];
  throw new UsageError(`${JSON.stringify(given)} is not SERVER/TOOL`, {
    hint: 'for example: cllm mcp call math/add; cllm mcp tools shows what there is',
  });
}

async function argumentsOf(given: string | undefined, io: Io): Promise<{ args: JsonObject; input: string }> {
  if (given === undefined) return { args: {}, input: '{}' };
  const file = given === '-' ? '-' : given.startsWith('@') ? given.slice(1) : null;
  // Another flag may have it: a key must not go to a tool.
  if (file !== null && (file === '-' || io.stdin.isNamed(path.resolve(io.cwd, file))))
    io.stdin.claim('the arguments of the tool');
  const text = file === null ? given : await readFlagFile('the arguments in', file, io);
  let value: unknown;
  try {
    value = parseJson(text);
  } catch {
    // Below, as any other value that is no object.
  }
  if (isJsonObject(value)) return { args: value, input: text };
  throw new UsageError(`the arguments${file === null ? '' : ` in ${file}`} are no JSON object`, {
    code: 'input_invalid',
    hint: `for example: cllm mcp call math/add '{"a": 2, "b": 3}'; cllm mcp tools shows what a tool takes`,
  });
}

function unknownTool(server: string, name: string, tools: readonly McpTool[]): UsageError {
  const names = tools.map((tool) => tool.name);
  const nearest = nearestName(name, names);
  const shown = names.slice(0, 12).join(', ') + (names.length > 12 ? `, … (${names.length} in all)` : '');
  return new UsageError(
    `the MCP server ${JSON.stringify(server)} has no tool ${JSON.stringify(name)}; it has ${shown || 'none'}`,
    {
      code: 'mcp_unknown',
      ...(nearest !== null && { hint: `try ${server}/${nearest}, or see what each one takes: cllm mcp tools` }),
    },
  );
}

/** `a integer, b? string`, as far as the schema says so. */
function argumentNames(schema: JsonObject): string {
  const needed: unknown[] = Array.isArray(schema['required']) ? schema['required'] : [];
  return Object.entries(objectOf(schema['properties']))
    .map(([name, property]) => {
      const { type } = objectOf(property);
      const types = Array.isArray(type) ? type.filter((each) => typeof each === 'string').join('|') : type;
      return `${name}${needed.includes(name) ? '' : '?'}${typeof types === 'string' ? ` ${types}` : ''}`;
    })
    .join(', ');
}

function resultRow({ server, name }: McpTool, { text, isError, content, structured }: McpResult): JsonObject {
  return { server: server.name, tool: name, is_error: isError, text, content, structured_content: structured };
}

/** One thing into the file of -o, several beside it: `cat-1.png`, `cat-2.png`. */
async function writeResult(
  file: OutputFile,
  { media, text }: McpResult,
  { io, remark }: Pick<Context, 'io' | 'remark'>,
): Promise<void> {
  const contents: (string | Buffer)[] =
    media.length === 0 ? [text] : media.map(({ data }) => Buffer.from(data, 'base64'));
  if (contents.length > 1 && !file.isReplaced) {
    throw new CllmError(
      'output_failed',
      `-o ${file.name} is no file, and takes one thing: there are ${contents.length}`,
      {
        hint: 'name a file: the others go beside it',
      },
    );
  }
  for (const [index, content] of contents.entries()) {
    const { dir, name, ext } = path.parse(file.name);
    const target = contents.length === 1 ? file : new OutputFile(path.join(dir, `${name}-${index + 1}${ext}`), io.cwd);
    const error = await target.write(content, io);
    if (error !== null) throw error;
    const medium = media[index];
    if (medium !== undefined) remark(`${medium.mediaType}, ${content.length} bytes, in ${target.name}`);
  }
}
