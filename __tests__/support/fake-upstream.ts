import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';

/**
 * An OpenAI-compatible upstream on a free loopback port whose replies are data. It records every request that it
 * received. For broken bytes and status lines use fault-server.ts.
 *
 *   const upstream = await startFakeUpstream();
 *   upstream.reply(textReply('Hello.'), { status: 429, headers: { 'retry-after': '0' }, body: { error: { … } } });
 *   upstream.fallback = (request) => textReply(`you said ${lastText(request)}`);   // when the queue is empty
 *   … { baseUrl: upstream.baseUrl } …
 *   upstream.requests[0].body.model;
 *   await upstream.close();
 *
 * Without any script it answers "Hello." in the form that the request asks for, and serves `/v1/models`,
 * `/model/info`, `/key/info` and `/health/readiness` in LiteLLM's form.
 */
export interface RecordedBody {
  model?: string;
  messages?: { role: string; content: unknown; [key: string]: unknown }[];
  stream?: boolean;
  stream_options?: { include_usage?: boolean };
  [key: string]: unknown;
}

export interface RecordedRequest {
  method: string;
  /** With the query. */
  path: string;
  headers: IncomingHttpHeaders;
  /** The parsed JSON body; empty when there was none or it was no JSON. */
  body: RecordedBody;
  text: string;
  /** Settles when the client hung up before the reply was over (true) or the reply was sent whole (false). */
  hungUp: Promise<boolean>;
}

/** What a streamed reply does next. */
export type Step =
  /** One SSE event; an object is sent as JSON. */
  | { data: unknown }
  /** Several events in one write, hence usually in one read of the client. */
  | { burst: unknown[] }
  /** An SSE comment. */
  | { comment: string }
  /** Bytes as they are. */
  | { raw: string | Uint8Array }
  /** A pause in milliseconds. */
  | { wait: number }
  /** Waits for the test, e.g. for what the client did so far. */
  | { gate: Promise<unknown> }
  /** Resets the connection; nothing after it counts. */
  | { reset: true }
  /** Closes the socket without the ending that chunked coding asks for. */
  | { fin: true }
  /** Keeps the socket open, silently, until the client or `close()` ends it. */
  | { stall: true };

export interface ScriptedReply {
  /** Default 200. */
  status?: number;
  /** Added to, and stronger than, the content type that follows from `steps` or `body`. */
  headers?: Record<string, string>;
  /** A pause in milliseconds before the status line. */
  delay?: number;
  /** Waits for the test before the status line. */
  gate?: Promise<unknown>;
  /** A streamed body. The end of the list is a clean end of the body. */
  steps?: Step[];
  /** A whole body: a string as it is, anything else as JSON. */
  body?: unknown;
}

export type Responder = (request: RecordedRequest) => ScriptedReply;

export interface FakeUpstream {
  /** `http://127.0.0.1:PORT` (`https:` with `tls`), without `/v1`. */
  readonly baseUrl: string;
  readonly port: number;
  /** Every request so far, in the order of arrival. */
  readonly requests: RecordedRequest[];
  /** Only those to `/chat/completions`. */
  readonly chatRequests: RecordedRequest[];
  /** The connections that were ever accepted. */
  readonly connectionCount: number;
  /** Whether it waits for a client to take what it has written. */
  readonly isHeldUp: boolean;
  /** What answers when the queue is empty. Default: `textReply('Hello.')` and the small routes. */
  fallback: Responder;
  /** Queues replies for the next chat requests, one each. */
  reply(...replies: (ScriptedReply | Responder)[]): void;
  close(): Promise<void>;
}

export async function startFakeUpstream(
  options: { port?: number; tls?: { key: string; cert: string; ca?: string; requestCert?: boolean } } = {},
): Promise<FakeUpstream> {
  const queue: (ScriptedReply | Responder)[] = [];
  const requests: RecordedRequest[] = [];
  const sockets = new Set<Socket>();
  let connectionCount = 0;

  const listener: Parameters<typeof createServer>[1] = (request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('error', () => {});
    response.on('error', () => {});
    request.on('end', () => {
      const text = Buffer.concat(parts).toString();
      const recorded: RecordedRequest = {
        method: request.method ?? '',
        path: request.url ?? '',
        headers: request.headers,
        body: parseJson(text),
        text,
        hungUp: new Promise((resolve) => response.on('close', () => resolve(!response.writableFinished))),
      };
      requests.push(recorded);
      const isChat = recorded.path.split('?')[0]?.endsWith('/chat/completions') === true;
      const scripted = isChat ? queue.shift() : undefined;
      const reply = scripted ?? upstream.fallback;
      play(typeof reply === 'function' ? reply(recorded) : reply, response).catch(() => response.destroy());
    });
  };
  const server: Server = options.tls
    ? createTlsServer({ ...options.tls, rejectUnauthorized: options.tls.requestCert === true }, listener)
    : createServer(listener);
  server.keepAliveTimeout = 60_000;
  server.on('connection', (socket: Socket) => {
    connectionCount += 1;
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;

  const upstream: FakeUpstream = {
    baseUrl: `${options.tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    port,
    requests,
    get chatRequests() {
      return requests.filter((request) => request.path.split('?')[0]?.endsWith('/chat/completions'));
    },
    get connectionCount() {
      return connectionCount;
    },
    get isHeldUp() {
      return [...sockets].some(({ writableNeedDrain }) => writableNeedDrain);
    },
    fallback: defaultReply,
    reply(...replies) {
      queue.push(...replies);
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return upstream;
}

async function play(reply: ScriptedReply, response: ServerResponse): Promise<void> {
  if (reply.delay) await sleep(reply.delay);
  if (reply.gate) await reply.gate;
  if (!reply.steps) {
    const isText = typeof reply.body === 'string';
    const body = isText ? (reply.body as string) : reply.body === undefined ? '' : JSON.stringify(reply.body);
    response.writeHead(reply.status ?? 200, {
      'content-type': isText ? 'text/plain; charset=utf-8' : 'application/json',
      ...reply.headers,
    });
    response.end(body);
    return;
  }
  response.writeHead(reply.status ?? 200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache',
    'x-accel-buffering': 'no',
    ...reply.headers,
  });
  response.flushHeaders();
  for (const step of reply.steps) {
    if (response.destroyed) return;
    if ('wait' in step) await sleep(step.wait);
    else if ('gate' in step) await step.gate;
    else if ('reset' in step) {
      await flushed(response);
      response.socket?.resetAndDestroy();
      return;
    } else if ('fin' in step) {
      await flushed(response);
      response.socket?.end();
      return;
    } else if ('stall' in step) {
      await new Promise((resolve) => response.on('close', resolve));
      return;
    } else if (!response.write(encode(step))) {
      await new Promise<void>((resolve) => {
        const done = () => {
          response.off('drain', done);
          response.off('close', done);
          resolve();
        };
        response.on('drain', done);
        response.on('close', done);
      });
    }
  }
  response.end();
}

function encode(step: Step): string | Uint8Array {
  if ('data' in step) return event(step.data);
  if ('burst' in step) return step.burst.map(event).join('');
  if ('comment' in step) return `: ${step.comment}\n\n`;
  if ('raw' in step) return step.raw;
  return '';
}

const event = (data: unknown) => `data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`;

/** Waits until what was written so far has left for the kernel. */
const flushed = (response: ServerResponse) =>
  new Promise<void>((resolve) => {
    response.write('', () => resolve());
  });

const sleep = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

function parseJson(text: string): RecordedBody {
  try {
    return JSON.parse(text) as RecordedBody;
  } catch {
    return {};
  }
}

/** The text of the request's last message. */
export function lastText(request: RecordedRequest): string {
  const content = request.body.messages?.at(-1)?.content;
  return typeof content === 'string' ? content : JSON.stringify(content ?? null);
}

export const defaultUsage = { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 };

export interface TextReplyOptions {
  /** Default: the request's. */
  model?: string;
  /** Default `stop`; null leaves it out, as in a cut stream. */
  finishReason?: string | null;
  /** Default `defaultUsage`. With `cost` a streamed usage chunk tells the price, as LiteLLM's does. */
  usage?: Record<string, unknown> | null;
  /** Added to LiteLLM's own. */
  headers?: Record<string, string>;
  /** The text is cut into pieces of this many characters. Default 3, as LiteLLM's mock does. */
  pieceLength?: number;
  /** Milliseconds between two pieces. Default 0. */
  pace?: number;
  /** Default true: ends with `[DONE]`. */
  isDone?: boolean;
}

/** A good reply of that text, streamed or as one body, whichever the request asks for. */
export function textReply(text: string, options: TextReplyOptions = {}): Responder {
  return (request) => {
    const model = options.model ?? request.body.model ?? 'fake';
    const usage = options.usage === undefined ? defaultUsage : options.usage;
    const finishReason = options.finishReason === undefined ? 'stop' : options.finishReason;
    const headers = { ...liteLLMHeaders(model), ...options.headers };
    if (request.body.stream !== true) {
      return {
        headers,
        body: {
          id: 'chatcmpl-fake',
          object: 'chat.completion',
          created: 1_790_000_000,
          model,
          choices: [{ index: 0, finish_reason: finishReason, message: { role: 'assistant', content: text } }],
          ...(usage && { usage }),
        },
      };
    }
    const steps: Step[] = [];
    const length = options.pieceLength ?? 3;
    const pieces = text.match(new RegExp(`[^]{1,${length}}`, 'gu')) ?? [];
    pieces.forEach((piece, index) => {
      if (options.pace && index > 0) steps.push({ wait: options.pace });
      steps.push({ data: textChunk(piece, { model, ...(index === 0 && { role: 'assistant' }) }) });
    });
    if (finishReason !== null)
      steps.push({ data: chunk([{ index: 0, delta: {}, finish_reason: finishReason }], { model }) });
    if (usage && request.body.stream_options?.include_usage === true) {
      steps.push({ data: chunk([{ index: 0, delta: {} }], { model, usage }) });
    }
    if (options.isDone !== false) steps.push({ data: '[DONE]' });
    return { headers, steps };
  };
}

/** A call of a tool, as `callReply` makes one. */
export interface ScriptedCall {
  id?: string | null;
  name: string;
  args: unknown;
  /** Further members of the call, `provider_specific_fields` say. */
  rest?: Record<string, unknown>;
}

/** A good reply that calls tools, after a text or without one, streamed in OpenAI's form. */
export function callReply(calls: readonly ScriptedCall[], text = '', model = 'fake'): Responder {
  return () => {
    const steps: Step[] = [{ data: textChunk(text, { model, role: 'assistant' }) }];
    calls.forEach(({ id: given, ...call }, index) => {
      const id = given === undefined ? `call_${index + 1}` : given;
      const input = typeof call.args === 'string' ? call.args : JSON.stringify(call.args);
      const half = Math.ceil(input.length / 2);
      const open = { index, id, type: 'function', ...call.rest, function: { name: call.name, arguments: '' } };
      for (const fragment of [
        open,
        { index, function: { arguments: input.slice(0, half) } },
        { index, function: { arguments: input.slice(half) } },
      ])
        steps.push({ data: chunk([{ index: 0, delta: { tool_calls: [fragment] } }], { model }) });
    });
    steps.push({ data: chunk([{ index: 0, delta: {}, finish_reason: 'tool_calls' }], { model }) });
    steps.push({ data: chunk([{ index: 0, delta: {} }], { model, usage: defaultUsage }) }, { data: '[DONE]' });
    return { headers: liteLLMHeaders(model), steps };
  };
}

/** A `chat.completion.chunk`. */
export function chunk(choices: unknown[], rest: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    id: 'chatcmpl-fake',
    created: 1_790_000_000,
    model: 'fake',
    object: 'chat.completion.chunk',
    choices,
    ...rest,
  };
}

/** A chunk with one text delta. */
export function textChunk(content: string, rest: Record<string, unknown> = {}): Record<string, unknown> {
  const { role, ...others } = rest;
  return chunk([{ index: 0, delta: { content, ...(role !== undefined && { role }) } }], others);
}

/** The chunk that finishes choice 0. */
export const finishChunk = (finishReason = 'stop') => chunk([{ index: 0, delta: {}, finish_reason: finishReason }]);

/** An error body in LiteLLM's form. */
export function errorReply(
  status: number,
  message: string,
  options: { type?: string | null; code?: string; param?: string | null; headers?: Record<string, string> } = {},
): ScriptedReply {
  return {
    status,
    ...(options.headers && { headers: options.headers }),
    body: {
      error: {
        message,
        type: options.type ?? null,
        param: options.param ?? null,
        code: options.code ?? String(status),
      },
    },
  };
}

/** What a LiteLLM proxy says about itself beside a reply. */
export function liteLLMHeaders(model = 'fake'): Record<string, string> {
  return {
    'x-litellm-call-id': '00000000-0000-4000-8000-000000000001',
    'x-litellm-model-id': 'fake-model-id',
    'x-litellm-model-group': model,
    'x-litellm-model-api-base': 'http://upstream.invalid/v1',
    'x-litellm-version': '1.104.2',
    'x-litellm-key-spend': '0.5',
    'x-litellm-key-max-budget': '10.0',
    'x-litellm-attempted-retries': '0',
    'x-litellm-attempted-fallbacks': '0',
  };
}

function defaultReply(request: RecordedRequest): ScriptedReply {
  const path = request.path.split('?')[0] ?? '';
  if (path.endsWith('/chat/completions')) return textReply('Hello.')(request);
  if (path.endsWith('/v1/models')) {
    const owner = { object: 'model', created: 1_677_610_602, owned_by: 'openai' };
    return {
      body: {
        object: 'list',
        data: [
          { id: 'fake', ...owner, mode: 'chat', max_input_tokens: 128_000, max_output_tokens: 16_384 },
          { id: 'other', ...owner },
        ],
      },
    };
  }
  if (path.endsWith('/model/info')) {
    const info = { mode: 'chat', litellm_provider: 'openai', max_input_tokens: 128_000 };
    return {
      body: {
        data: [
          {
            model_name: 'fake',
            litellm_params: { model: 'openai/fake' },
            model_info: { id: 'a', ...info, input_cost_per_token: 1e-6, output_cost_per_token: 2e-6 },
          },
        ],
      },
    };
  }
  if (path.endsWith('/key/info')) {
    return errorReply(500, 'Database not connected. Connect a database to your proxy', {
      type: 'internal_server_error',
    });
  }
  if (path.endsWith('/health/readiness')) return { body: { status: 'healthy', db: 'Not connected' } };
  return { status: 404, body: { detail: 'Not Found' } };
}
