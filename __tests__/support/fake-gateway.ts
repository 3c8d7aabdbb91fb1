import type { RecordedRequest, Responder, ScriptedReply } from './fake-upstream.ts';

/** An MCP server of a fake proxy. */
export interface FakeMcpServer {
  name: string;
  alias?: string;
  /** Default: of `name`. */
  id?: string;
  transport?: string;
  description?: string;
  /** As MCP lists them; anything may stand there. */
  tools?: unknown[];
  /** Answers a call of one of its tools. Default: a text with the arguments. */
  call?: (tool: string, args: Record<string, unknown>) => unknown;
  /** It answers nobody, in LiteLLM's word for why. */
  fault?: 'unreachable' | 'timeout' | 'internal';
  /** In the list of servers, and not for this key. */
  isForbidden?: boolean;
}

export const textResult = (text: string, isError = false): Record<string, unknown> => ({
  _meta: null,
  content: [{ type: 'text', text, annotations: null, _meta: null }],
  structuredContent: null,
  isError,
});

/** A tool as MCP lists it. */
export const listedTool = (name: string, properties: Record<string, unknown> = {}): Record<string, unknown> => ({
  name,
  description: `does ${name}`,
  inputSchema: { type: 'object', properties },
});

/**
 * The MCP gateway of LiteLLM, as 1.104.2 and 1.108.7 answer: for `upstream.fallback`, with `next` for what is no matter
 * of the gateway.
 *
 *   const { fallback } = upstream;
 *   upstream.fallback = fakeGateway([{ name: 'math', tools: [listedTool('add')] }], fallback);
 */
export function fakeGateway(servers: readonly FakeMcpServer[], next: Responder): Responder {
  return (request) => {
    const url = new URL(request.path, 'http://fake.invalid');
    if (url.pathname === '/v1/mcp/server') return { body: servers.map(serverEntry) };
    if (url.pathname === '/mcp-rest/tools/list') return list(servers, url.searchParams.get('mcp_server_name'));
    if (url.pathname === '/mcp-rest/tools/call') return call(servers, request);
    return next(request);
  };
}

const idOf = ({ id, name }: FakeMcpServer): string => id ?? `id-of-${name}`;

function serverEntry(server: FakeMcpServer): Record<string, unknown> {
  const { name, alias = null, transport = 'http', description = null } = server;
  return { server_id: idOf(server), server_name: name, alias, transport, description, status: null };
}

function listed(server: FakeMcpServer): unknown[] {
  const { name, alias = null, tools = [] } = server;
  const info = { server_name: name, alias, server_id: idOf(server) };
  return tools.map((tool) =>
    typeof tool === 'object' && tool !== null && !('mcp_info' in tool) ? { ...tool, mcp_info: info } : tool,
  );
}

const refusal = (status: number, error: string, message: string): ScriptedReply => ({
  status,
  body: { detail: { error, message } },
});

function list(servers: readonly FakeMcpServer[], name: string | null): ScriptedReply {
  const allowed = servers.filter(({ isForbidden }) => isForbidden !== true);
  const told = { error: null, message: 'Successfully retrieved tools' };
  if (name === null) {
    if (allowed.length === 0) {
      const words = "{'error': 'access_denied', 'message': 'The key is not allowed to access any MCP servers.'}";
      const message = `An unexpected error occurred: ${words}`;
      return { body: { tools: [], error: 'unexpected_error', message } };
    }
    const outcomes = allowed.map((server) => [
      server.alias ?? server.name,
      server.fault === undefined ? { status: 'ok', tool_count: server.tools?.length ?? 0 } : { status: server.fault },
    ]);
    const tools = allowed.filter(({ fault }) => fault === undefined).flatMap(listed);
    return { body: { tools, ...told, server_outcomes: Object.fromEntries(outcomes) } };
  }
  const server = allowed.find((each) => [each.name, each.alias, idOf(each)].includes(name));
  if (server === undefined) return refusal(403, 'access_denied', `The key is not allowed to access server ${name}`);
  if (server.fault !== undefined)
    return refusal(server.fault === 'timeout' ? 504 : 502, server.fault, `Failed to list tools from server ${name}`);
  return { body: { tools: listed(server), ...told } };
}

function call(servers: readonly FakeMcpServer[], { body }: RecordedRequest): ScriptedReply {
  const { server_id: id, name, arguments: args } = body;
  const server = servers.find((each) => idOf(each) === id);
  if (server === undefined) return refusal(404, 'server_not_found', `MCP server '${String(id)}' was not found`);
  const tool = String(name);
  const known = (server.tools ?? []).some((each) => (each as { name?: unknown } | null)?.name === tool);
  if (!known || server.fault !== undefined)
    return refusal(500, 'internal_server_error', `An unexpected error occurred: Tool ${tool} not found`);
  const given = (args ?? {}) as Record<string, unknown>;
  const answer = server.call?.(tool, given) ?? textResult(JSON.stringify(given));
  return isScripted(answer) ? answer : { body: answer };
}

/** A whole answer, in place of a result in one of HTTP 200. */
function isScripted(answer: unknown): answer is ScriptedReply {
  return typeof answer === 'object' && answer !== null && ('status' in answer || 'gate' in answer || 'steps' in answer);
}
