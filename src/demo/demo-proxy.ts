import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import type { ChatMessage, ChatRequest } from '../protocol/types.ts';
import { demoReply, type DemoReply } from './demo-reply.ts';

/** A small proxy in this process that speaks LiteLLM 1.104's dialect over real HTTP on a loopback port. */
export interface DemoProxy {
  baseUrl: string;
  /** Random, for this run: nothing else on this machine can talk to it. */
  apiKey: string;
  /** The one model it serves. */
  model: string;
  /** Ends every answer at once and frees the port. */
  close(): Promise<void>;
}

export interface DemoOptions {
  /** Milliseconds before each delta, about; 0 sends them all at once. Default 20. */
  pace?: number;
}

const model = 'demo';

/** Marked, so that nobody takes the demo's answers for those of a LiteLLM; sorted with the release whose dialect it speaks. */
const version = '1.104.2-cllm-demo';

/** Starts the demo on a free loopback port. The caller closes it. */
export async function startDemoProxy(options: DemoOptions = {}): Promise<DemoProxy> {
  const pace = options.pace ?? 20;
  const apiKey = `sk-demo-${randomBytes(16).toString('hex')}`;
  const closing = new AbortController();
  const server = createServer((request, response) => {
    answer(request, response, { apiKey, pace, closing: closing.signal }).catch(() => {
      // The client is gone, or its bytes were no HTTP: there is nobody left to tell.
      response.destroy();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    baseUrl: `http://127.0.0.1:${port}`,
    apiKey,
    model,
    async close() {
      if (closing.signal.aborted) return;
      closing.abort();
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

interface Demo {
  apiKey: string;
  pace: number;
  closing: AbortSignal;
}

const routes: Readonly<Record<string, { method: 'GET' | 'POST'; answer: (call: Call) => Promise<void> | void }>> = {
  '/v1/chat/completions': { method: 'POST', answer: chatCompletion },
  '/chat/completions': { method: 'POST', answer: chatCompletion },
  '/v1/models': { method: 'GET', answer: listModels },
  '/models': { method: 'GET', answer: listModels },
  '/model/info': { method: 'GET', answer: modelInfo },
  '/v1/model/info': { method: 'GET', answer: modelInfo },
  '/key/info': { method: 'GET', answer: keyInfo },
  '/health/readiness': {
    method: 'GET',
    answer: ({ response }) => sendJson(response, 200, { status: 'healthy', db: 'Not connected' }),
  },
  '/health/liveliness': { method: 'GET', answer: ({ response }) => sendJson(response, 200, "I'm alive!") },
  '/health/liveness': { method: 'GET', answer: ({ response }) => sendJson(response, 200, "I'm alive!") },
};

interface Call {
  request: IncomingMessage;
  response: ServerResponse;
  demo: Demo;
}

async function answer(request: IncomingMessage, response: ServerResponse, demo: Demo): Promise<void> {
  const path = (request.url ?? '/').replace(/[?#].*$/s, '');
  response.setHeader('x-litellm-version', version);
  const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
  if (route === undefined) return sendJson(response, 404, { detail: 'Not Found' });
  if (route.method !== request.method) return sendJson(response, 405, { detail: 'Method Not Allowed' });
  if (!path.startsWith('/health/') && !isKeyGood(request, response, demo.apiKey)) return;
  await route.answer({ request, response, demo });
}

/** Without a database LiteLLM can not look a key up, and a wrong one is a 400. */
function isKeyGood(request: IncomingMessage, response: ServerResponse, apiKey: string): boolean {
  const given = request.headers['x-litellm-api-key'] ?? request.headers.authorization;
  const key = String(given ?? '').replace(/^Bearer(\s+|$)/i, '');
  if (key === apiKey) return true;
  if (key === '') {
    sendError(response, 401, 'Authentication Error, No api key passed in.', 'auth_error', 'None');
  } else {
    sendError(response, 400, 'No connected db.', 'no_db_connection', 'None');
  }
  return false;
}

async function chatCompletion({ request, response, demo }: Call): Promise<void> {
  const startedAt = performance.now();
  const body = readRequest(await readBody(request));
  if ('error' in body) {
    const { status, message, type, param } = body.error;
    return sendError(response, status, message, type, param);
  }
  const reply = demoReply(body.request);
  const callId = request.headers['x-litellm-call-id'];
  const headers = {
    'x-litellm-call-id': typeof callId === 'string' ? callId : randomUUID(),
    'x-litellm-model-id': 'cllm-demo',
    'x-litellm-model-name': model,
    'x-litellm-model-group': model,
    'x-litellm-model-api-base': `http://${request.headers.host ?? '127.0.0.1'}`,
    'x-litellm-key-spend': '0.0',
    'x-litellm-attempted-retries': '0',
    'x-litellm-attempted-fallbacks': '0',
    'x-litellm-response-duration-ms': (performance.now() - startedAt).toFixed(3),
  };
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  if (body.request.stream === true) {
    await stream(response, reply, body.request.stream_options?.include_usage === true, demo);
  } else {
    sendJson(response, 200, {
      ...completionHead('chat.completion'),
      choices: [
        {
          finish_reason: reply.finishReason,
          index: 0,
          message: { content: reply.pieces.join(''), role: 'assistant' },
        },
      ],
      usage: reply.usage,
    });
  }
}

/** The order and the shape of LiteLLM: role, deltas, finish, usage with one empty choice (OpenAI sends none), `[DONE]`. */
async function stream(response: ServerResponse, reply: DemoReply, hasUsage: boolean, demo: Demo): Promise<void> {
  response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache',
    'x-accel-buffering': 'no',
  });
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const signal = AbortSignal.any([gone.signal, demo.closing]);
  const head = completionHead('chat.completion.chunk');
  const send = (choice: Record<string, unknown>, usage?: DemoReply['usage']): void => {
    const chunk = { ...head, choices: [{ index: 0, ...choice }], ...(usage === undefined ? {} : { usage }) };
    response.write(`data: ${JSON.stringify(chunk)}\n\n`);
  };
  send({ delta: { content: '', role: 'assistant' } });
  for (const [index, piece] of reply.pieces.entries()) {
    // From three to five quarters of the pace, so that it looks neither like one block nor like a clock.
    if (demo.pace > 0) await wait(demo.pace * (0.75 + ((index * 7) % 11) / 20), undefined, { signal });
    send({ delta: { content: piece } });
  }
  send({ finish_reason: reply.finishReason, delta: {} });
  if (hasUsage) send({ delta: {} }, reply.usage);
  response.end('data: [DONE]\n\n');
}

function completionHead(object: string): Record<string, unknown> {
  return { id: `chatcmpl-${randomUUID()}`, created: Math.floor(Date.now() / 1000), model, object };
}

function listModels({ response }: Call): void {
  sendJson(response, 200, {
    data: [{ id: model, object: 'model', created: 1677610602, owned_by: 'openai' }],
    object: 'list',
  });
}

function modelInfo({ response }: Call): void {
  sendJson(response, 200, {
    data: [
      {
        model_name: model,
        litellm_params: { model },
        model_info: { id: 'cllm-demo', mode: 'chat', litellm_provider: 'cllm-demo', max_input_tokens: null },
      },
    ],
  });
}

function keyInfo({ response }: Call): void {
  const message =
    'Database not connected. Connect a database to your proxy - https://docs.litellm.ai/docs/simple_proxy';
  sendError(response, 500, message, 'internal_server_error', 'None');
}

async function readBody(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  return Buffer.concat(pieces).toString('utf8');
}

interface Refusal {
  status: number;
  message: string;
  type: string;
  param: string | null;
}

/** Checks what LiteLLM checks before it asks a provider, in its words. */
function readRequest(body: string): { request: ChatRequest } | { error: Refusal } {
  let parsed: unknown;
  try {
    parsed = body.trim() === '' ? {} : JSON.parse(body);
  } catch {
    return refuse('Invalid JSON payload: expected a JSON value', 'request_body');
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    return { error: { status: 500, message: 'Internal server error', type: 'internal_server_error', param: null } };
  }
  const { model: wanted, messages } = parsed as { model?: unknown; messages?: unknown };
  if (!Array.isArray(messages)) {
    return refuse("/chat/completions: Missing required parameter: 'messages'.", 'messages');
  }
  if (!messages.every((message): message is ChatMessage => typeof message === 'object' && message !== null)) {
    return refuse('/chat/completions: each of the messages must be an object.', 'messages');
  }
  if (wanted !== model) {
    const name = typeof wanted === 'string' ? wanted : 'None';
    const hint = 'Call `/v1/models` to view available models for your key.';
    return refuse(`/chat/completions: Invalid model name passed in model=${name}. ${hint}`, null);
  }
  return { request: parsed as ChatRequest };
}

function refuse(message: string, param: string | null): { error: Refusal } {
  return { error: { status: 400, message, type: 'invalid_request_error', param } };
}

/** LiteLLM's error body: the status is in it once more, as a string. */
function sendError(
  response: ServerResponse,
  status: number,
  message: string,
  type: string,
  param: string | null,
): void {
  sendJson(response, status, { error: { message, type, param, code: String(status) } });
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
  response.end(text);
}
