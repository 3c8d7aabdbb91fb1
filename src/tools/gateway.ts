import type { LiteLLMClient } from '../client/client.ts';
import { CllmError, DeadlineError, InterruptedError, ProxyError, UsageError } from '../outcome/errors.ts';
import { isPresent } from '../protocol/error/error-frame.ts';
import { integerOrNull, isJsonObject, type JsonObject, JsonText, objectOf, textOrNull } from '../protocol/json.ts';
import type { Json } from '../protocol/types.ts';
import { type McpResult, readMcpResult, wordsOf } from './mcp-result.ts';
import { mostResultText, type Tool, ToolArgumentsError, type ToolOutcome } from './tool.ts';
import { modelName } from './tool-name.ts';
import { bounded, harmless } from './untrusted.ts';

/** What the gateway needs of a client. */
export type GatewayClient = Pick<LiteLLMClient, 'baseUrl' | 'get' | 'post'>;

/** An MCP server of the proxy; null is what the proxy does not tell. */
export interface McpServer {
  /** What the proxy calls it by. */
  id: string;
  /** What rules and `SERVER/TOOL` name it by: `server_name`, or the id where that is no plain word. */
  name: string;
  /** What else it answers to. */
  aliases: string[];
  transport: string | null;
  description: string | null;
  /** `ok`, or why its tools could not be listed, in LiteLLM's word: `unreachable`, `timeout`, `forbidden`, … */
  status: string | null;
  tools: number | null;
}

/** A tool as its server lists it. All of it was written elsewhere; texts are harmless to a terminal. */
export interface McpTool {
  server: McpServer;
  /** As its server calls it. */
  name: string;
  /** What it is called by through the proxy. */
  calledName: string;
  description: string;
  inputSchema: JsonObject;
}

/** Tools, and those of the list that can not be used, in words. */
export interface McpTools {
  tools: McpTool[];
  leftOut: string[];
}

/** A schema that is longer than this is no description of arguments. */
const longestSchema = 64 * 1024;
const longestDescription = 4 * 1024;
const longestToolName = 256;
/** What goes with one request. Providers take fewer: OpenAI 128. */
const mostTools = 1_000;
/** Of what is left out, so much is told. */
const mostLeftOut = 5;

/**
 * The MCP servers that this key may use, with the number of their tools: each server is asked, one after the other, so
 * one that does not answer takes its time.
 *
 * @throws CllmError
 */
export async function mcpServers(client: GatewayClient, signal: AbortSignal): Promise<McpServer[]> {
  const [known, listed] = await Promise.allSettled([
    serverList(client, signal),
    ask(client, '/mcp-rest/tools/list', signal),
  ]);
  // Some keys may not see the one, and some proxies do not have it.
  if (known.status === 'rejected' && listed.status === 'rejected') throw listed.reason;
  const servers = known.status === 'fulfilled' ? known.value : [];
  const answer = listed.status === 'fulfilled' ? objectOf(listed.value) : {};
  const tools = readTools(answer['tools']).tools;
  for (const { server } of tools) if (!servers.some(({ id }) => id === server.id)) servers.push(server);
  const outcomes = new Map(Object.entries(objectOf(answer['server_outcomes'])));
  for (const server of servers) {
    const outcome = [server.name, server.id, ...server.aliases].map((each) => outcomes.get(each)).find(isJsonObject);
    const count = tools.filter(({ server: { id } }) => id === server.id).length;
    const told = shortWord(outcome?.['status']);
    server.status = told ?? (count > 0 ? 'ok' : server.status);
    server.tools = told === 'ok' || count > 0 ? (integerOrNull(outcome?.['tool_count']) ?? count) : null;
  }
  return servers.toSorted((one, other) => (one.name < other.name ? -1 : 1));
}

/**
 * The tools of these servers, or of every one that this key may use.
 *
 * @param names of servers, as people write them: a name, an alias or an id
 * @throws UsageError `mcp_unknown` for a server that there is none of
 * @throws CllmError `mcp_not_allowed`, `mcp_unavailable`, and whatever keeps the proxy from answering
 */
export async function listMcpTools(
  client: GatewayClient,
  names: readonly string[],
  signal: AbortSignal,
): Promise<McpTools> {
  if (names.length === 0) {
    const answer = await ask(client, '/mcp-rest/tools/list', signal);
    const { tools, leftOut } = readTools(listOf(answer));
    const silent = Object.entries(objectOf(objectOf(answer)['server_outcomes'])).flatMap(([name, outcome]) => {
      const status = shortWord(objectOf(outcome)['status']);
      return status === null || status === 'ok'
        ? []
        : [`the MCP server ${shortWord(name)} does not answer (${status})`];
    });
    return { tools, leftOut: [...silent, ...leftOut] };
  }
  const lists = await Promise.all([...new Set(names)].map((name) => toolsOf(client, name, signal)));
  return readTools(lists.flat());
}

/**
 * The tools of these servers, to go with a request and to be run.
 *
 * @param say told what of the lists can not be used
 * @param taken names that the model knows other tools by
 * @throws as `listMcpTools`; UsageError `input_invalid` for more tools than go with a request
 */
export async function mcpTools(
  client: GatewayClient,
  names: readonly string[],
  signal: AbortSignal,
  {
    say = () => {},
    sessionId,
    taken: others = new Set(),
  }: { say?: (text: string) => void; sessionId?: string; taken?: ReadonlySet<string> } = {},
): Promise<Tool[]> {
  if (names.length === 0) return [];
  const { tools, leftOut } = await listMcpTools(client, names, signal);
  if (tools.length > mostTools) {
    throw new UsageError(
      `${names.join(', ')}: ${tools.length} tools, more than the ${mostTools} that go with a request`,
      {
        code: 'input_invalid',
        hint: 'name fewer servers with --mcp',
      },
    );
  }
  for (const each of leftOut.slice(0, mostLeftOut)) say(each);
  if (leftOut.length > mostLeftOut) say(`${leftOut.length - mostLeftOut} more tools are left out: cllm mcp tools`);
  const taken = new Set(others);
  return tools.map((tool) => {
    const name = modelName(tool.server.name, tool.name, taken);
    taken.add(name);
    return toolOf(tool, name, { client, sessionId });
  });
}

/**
 * Runs a tool once. It is sent again only where no connection to the proxy was made, and may take as long as the client's
 * `timeout` says.
 *
 * @param input the JSON of the arguments, where there is one: it goes out as it is, with digits that a double does not hold
 * @throws CllmError when there is no result; whether the tool ran is not known then
 */
export async function callMcpTool(
  client: GatewayClient,
  { server, calledName }: Pick<McpTool, 'server' | 'calledName'>,
  args: JsonObject,
  { signal, sessionId, input }: { signal: AbortSignal; sessionId?: string | undefined; input?: string },
): Promise<McpResult> {
  const head = JSON.stringify({ server_id: server.id, name: calledName }).slice(0, -1);
  let answer: unknown;
  try {
    answer = await client.post(
      '/mcp-rest/tools/call',
      new JsonText(`${head},"arguments":${input ?? JSON.stringify(args)}}`),
      { signal, unquoted: args, ...(sessionId !== undefined && { sessionId }) },
    );
  } catch (error) {
    throw afterCall(error);
  }
  return readMcpResult(answer);
}

/** What a call that got no result says: above all whether it may have run. */
function afterCall(error: unknown): unknown {
  if (!(error instanceof CllmError) || error instanceof InterruptedError) return error;
  const isProxys = error instanceof ProxyError && error.status >= 500;
  if (!isProxys && error.code !== 'connection_failed' && error.code !== 'total_timeout') return error;
  const hint = /timed out after/.test(error.message)
    ? 'look before you try again: it may still run. The proxy waits 60 s, or the `timeout` of that MCP server'
    : 'look before you try again: whether the tool ran is not known';
  if (error instanceof DeadlineError) return new DeadlineError(error.deadline, error.message, { cause: error, hint });
  return new CllmError(isProxys ? 'mcp_unavailable' : error.code, error.message, { cause: error, hint });
}

function toolOf(
  tool: McpTool,
  name: string,
  { client, sessionId }: { client: GatewayClient; sessionId: string | undefined },
): Tool {
  const source = `${tool.server.name}/${tool.name}`;
  const asText = (text: string): string => bounded(harmless(text), mostResultText);
  return {
    name,
    definition: {
      type: 'function',
      function: { name, description: tool.description, parameters: tool.inputSchema as Json },
    },
    subject: (args) => {
      argumentsOf(args, source);
      return { kind: 'mcp', server: tool.server.name, tool: tool.name };
    },
    run: async (args, signal, input): Promise<ToolOutcome> => {
      try {
        const result = await callMcpTool(client, tool, argumentsOf(args, source), {
          signal,
          sessionId,
          ...(input !== undefined && input.trim() !== '' && { input }),
        });
        return { text: asText(result.text), isError: result.isError };
      } catch (thrown) {
        if (signal.aborted || thrown instanceof InterruptedError) throw thrown;
        if (thrown instanceof ToolArgumentsError) return { text: thrown.message, isError: true };
        if (!(thrown instanceof CllmError)) throw thrown;
        return { text: asText(`${source} gave no result: ${withoutAddress(thrown)}`), isError: true };
      }
    },
  };
}

function argumentsOf(args: unknown, source: string): JsonObject {
  if (isJsonObject(args)) return args;
  throw new ToolArgumentsError(`the arguments of ${source} have to be a JSON object`);
}

/** Where the proxy is, is nothing for a model. */
function withoutAddress({ message }: CllmError): string {
  return message.replace(/(: )?\b(GET|POST) https?:\/\/\S+/, '');
}

async function ask(client: GatewayClient, path: string, signal: AbortSignal): Promise<unknown> {
  try {
    return await client.get(path, { signal });
  } catch (error) {
    if (!(error instanceof CllmError) || error.code !== 'not_found') throw error;
    throw new CllmError('not_found', `this proxy has no MCP gateway: ${error.message}`, {
      cause: error,
      hint: 'check the path in --base-url; LiteLLM has one from 1.104 on at the latest',
    });
  }
}

/** The tools of one server, each as it came. */
async function toolsOf(client: GatewayClient, name: string, signal: AbortSignal): Promise<unknown[]> {
  const path = `/mcp-rest/tools/list?mcp_server_name=${encodeURIComponent(name)}`;
  let listed: unknown[];
  try {
    // An older proxy lists those of all servers.
    listed = listOf(await ask(client, path, signal)).filter((tool) => {
      const info = objectOf(objectOf(tool)['mcp_info']);
      return [info['server_name'], info['alias'], info['server_id']].includes(name);
    });
  } catch (error) {
    throw await explained(error, { client, name, signal });
  }
  if (listed.length === 0) await assertKnown(client, name, signal);
  return listed;
}

/** LiteLLM says the same of a server that a key may not use and of one that there is none of. */
async function explained(
  error: unknown,
  { client, name, signal }: { client: GatewayClient; name: string; signal: AbortSignal },
): Promise<unknown> {
  if (!(error instanceof CllmError) || signal.aborted) return error;
  const shown = JSON.stringify(name);
  if (error instanceof ProxyError && error.status >= 500 && /list tools from server/.test(error.message)) {
    return new CllmError(
      'mcp_unavailable',
      `the MCP server ${shown} does not answer the proxy (HTTP ${error.status})`,
      {
        cause: error,
      },
    );
  }
  if (!(error instanceof ProxyError) || error.status !== 403) return error;
  let servers: McpServer[];
  try {
    servers = await serverList(client, signal);
  } catch {
    // What keeps this key from the list, or the proxy from having one, was said by the first answer already.
    return error;
  }
  if (servers.some((server) => isNamed(server, name))) {
    return error.message.includes('access')
      ? new CllmError('mcp_not_allowed', `this key may not use the MCP server ${shown}`, { cause: error })
      : new CllmError('mcp_unavailable', `the MCP server ${shown} refused the proxy (HTTP ${error.status})`, {
          cause: error,
          hint: "an admin of the proxy has to look at that server's settings; cllm mcp list shows which servers answer",
        });
  }
  if (servers.length === 0)
    return new CllmError('mcp_not_allowed', `the proxy has no MCP server that this key may use, ${shown} among them`, {
      cause: error,
    });
  return unknown(name, servers);
}

async function assertKnown(client: GatewayClient, name: string, signal: AbortSignal): Promise<void> {
  // A list that this key may not see says nothing.
  const servers = await serverList(client, signal).catch((): McpServer[] => []);
  if (servers.length > 0 && !servers.some((server) => isNamed(server, name))) throw unknown(name, servers);
}

function unknown(name: string, servers: readonly McpServer[]): UsageError {
  const names = servers.map((server) => server.name).toSorted();
  const shown = names.slice(0, 12).join(', ') + (names.length > 12 ? `, … (${names.length} in all)` : '');
  return new UsageError(
    `the proxy has no MCP server ${JSON.stringify(name)} that this key may use; there are ${shown}`,
    {
      code: 'mcp_unknown',
      hint: 'cllm mcp list shows them with the number of their tools',
    },
  );
}

function isNamed({ id, name, aliases }: McpServer, given: string): boolean {
  return id === given || name === given || aliases.includes(given);
}

async function serverList(client: GatewayClient, signal: AbortSignal): Promise<McpServer[]> {
  const answer = await ask(client, '/v1/mcp/server', signal);
  const entries: unknown[] = Array.isArray(answer) ? answer : [];
  return entries.flatMap((entry) => {
    const server = readServer(entry);
    return server === null ? [] : [server];
  });
}

/** From `/v1/mcp/server`, or from the `mcp_info` of a tool. */
function readServer(entry: unknown): McpServer | null {
  if (!isJsonObject(entry)) return null;
  const given = [entry['server_name'], entry['alias']].flatMap((each) => textOrNull(each) ?? []);
  const id = textOrNull(entry['server_id']) ?? given[0];
  if (id === undefined || id.length > longestToolName) return null;
  const name = given.find((each) => /^\w[\w.-]{0,63}$/.test(each)) ?? id;
  return {
    id,
    name: harmless(name),
    aliases: given.filter((each) => each !== name && each.length <= longestToolName),
    transport: shortWord(entry['transport']),
    description:
      descriptionOf(entry['description']) || descriptionOf(objectOf(entry['mcp_info'])['description']) || null,
    status: shortWord(entry['status']),
    tools: null,
  };
}

/**
 * The list of an answer.
 *
 * @throws CllmError `mcp_unavailable`, `mcp_not_allowed`: LiteLLM answers an error with HTTP 200 as well
 */
function listOf(answer: unknown): unknown[] {
  const { tools, error } = objectOf(answer);
  if (isPresent(error)) {
    const words = wordsOf(objectOf(answer));
    throw /access_denied|not allowed/.test(words)
      ? new CllmError('mcp_not_allowed', `this key may use no MCP server of the proxy: ${words}`)
      : new CllmError('mcp_unavailable', `the proxy could not list the tools: ${words}`);
  }
  if (Array.isArray(tools)) return tools;
  throw new CllmError('unexpected_response', 'the answer of /mcp-rest/tools/list has no list of tools');
}

function readTools(listed: unknown): McpTools {
  const servers = new Map<string, McpServer>();
  const tools: McpTool[] = [];
  const leftOut: string[] = [];
  const seen = new Set<string>();
  for (const entry of Array.isArray(listed) ? (listed as unknown[]) : []) {
    const read = readTool(entry, servers);
    if (typeof read === 'string') {
      leftOut.push(read);
      continue;
    }
    // Whoever lists a tool twice still runs one.
    const key = JSON.stringify([read.server.id, read.name]);
    if (seen.has(key)) leftOut.push(`${nameOf(read)} is listed twice; the first one is used`);
    else tools.push(read);
    seen.add(key);
  }
  const named = [...servers.values()];
  // A rule for the one must not be one for the other.
  for (const server of named.filter(({ name }) => named.filter((each) => each.name === name).length > 1)) {
    server.aliases.push(server.name);
    server.name = harmless(server.id);
  }
  const known = named.flatMap(({ name, id, aliases }) => [name, id, ...aliases]);
  for (const tool of tools) tool.calledName = nameAtProxy(tool, known);
  return { tools, leftOut };
}

/** A tool, or why it can not be used. */
function readTool(entry: unknown, servers: Map<string, McpServer>): McpTool | string {
  const { name, description, inputSchema, mcp_info: info } = objectOf(entry);
  const read = readServer(info);
  if (read === null) return 'a tool is left out: the proxy does not say whose it is';
  const server = servers.get(read.id) ?? read;
  servers.set(server.id, server);
  if (
    typeof name !== 'string' ||
    name === '' ||
    name.length > longestToolName ||
    /[\t\r\n]/.test(name) ||
    name !== harmless(name)
  )
    return `a tool of ${server.name} is left out: it has no name that can be used`;
  const problem = schemaProblem(inputSchema);
  if (problem !== null) return `${server.name}/${name} is left out: ${problem}`;
  return {
    server,
    name,
    calledName: name,
    description: descriptionOf(description),
    inputSchema: inputSchema as JsonObject,
  };
}

function schemaProblem(schema: unknown): string | null {
  if (!isJsonObject(schema)) return 'its inputSchema is no object';
  const { length } = JSON.stringify(schema);
  return length > longestSchema ? `its inputSchema has ${length} characters, more than ${longestSchema}` : null;
}

/**
 * A tool whose own name begins like a server's (`math-add` of `math`) would be taken for that server's `add`; with its
 * server's name before it, it is itself. Measured with litellm 1.104.2 and 1.108.7.
 */
function nameAtProxy({ server, name }: McpTool, known: readonly string[]): string {
  if (!known.some((each) => name.startsWith(`${each.replaceAll(' ', '_')}-`))) return name;
  return `${server.name.replaceAll(' ', '_')}-${name}`;
}

export function nameOf({ server, name }: Pick<McpTool, 'server' | 'name'>): string {
  return `${server.name}/${name}`;
}

function descriptionOf(value: unknown): string {
  return bounded(harmless(textOrNull(value) ?? '').trim(), longestDescription);
}

function shortWord(value: unknown): string | null {
  const text = textOrNull(value);
  return text === null ? null : bounded(harmless(text), 64);
}
