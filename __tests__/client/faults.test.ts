import { gzipSync, brotliCompressSync, constants } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { LiteLLMClient, type ClientOptions } from '../../src/client/client.ts';
import type { StreamResult } from '../../src/client/completion-stream.ts';
import { chunk, finishChunk, textChunk } from '../support/fake-upstream.ts';
import {
  coded,
  event,
  head,
  lastChunk,
  startFaultServer,
  type Act,
  type FaultServer,
} from '../support/fault-server.ts';

/** What a broken upstream, or something in front of it, can send; each row is one reply, and what cllm makes of it. */
interface Scenario {
  name: string;
  acts: Act[];
  verdict: string | null;
  code: string | null;
  text?: string | null;
  options?: Partial<ClientOptions>;
}

const canary = 'sk-canary-0123456789abcdef';
const hello = textChunk('Hello', { role: 'assistant' });
const world = textChunk(' world');
const good = [event(hello), event(world), event(finishChunk()), event('[DONE]')];
const body = (...events: string[]): Act[] => [head(), ...events.map(coded), lastChunk];
const closing = { 'Content-Type': 'text/event-stream', Connection: 'close' };
const json = (value: unknown, headers: Record<string, string> = {}): Act[] => [
  head(200, { 'Content-Type': 'application/json', ...headers }),
  coded(JSON.stringify(value)),
  lastChunk,
];
const page = '<!DOCTYPE html><html><head><title>Sign in</title></head><body>Please sign in</body></html>';
const completion = {
  id: 'x',
  object: 'chat.completion',
  created: 1,
  model: 'fake',
  choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'Hello world' } }],
};
const toolChunk = (index: number, id: string | null, json_: string) =>
  chunk([
    {
      index: 0,
      delta: {
        tool_calls: [
          { index, ...(id && { id, type: 'function' }), function: { ...(id && { name: id }), arguments: json_ } },
        ],
      },
    },
  ]);
const error = (fields: Record<string, unknown>) =>
  event({ error: { message: 'boom', type: null, param: null, code: '500', ...fields } });
const zipped = gzipSync(good.join(''));
const quick = { firstTokenTimeout: 0.25, idleTimeout: 0.25 };

const scenarios: Scenario[] = [
  // How a good reply may look.
  { name: 'a good reply', acts: body(...good), verdict: 'complete', code: null, text: 'Hello world' },
  {
    name: 'finish_reason and no [DONE]',
    acts: body(...good.slice(0, 3)),
    verdict: 'complete',
    code: null,
    text: 'Hello world',
  },
  {
    name: 'a last event without its blank line',
    acts: body(event(hello), event(finishChunk()).trimEnd()),
    verdict: 'complete',
    code: null,
    text: 'Hello',
  },
  {
    name: '[DONE] with blanks around it',
    acts: body(...good.slice(0, 3), 'data:  [DONE] \n\n'),
    verdict: 'complete',
    code: null,
    text: 'Hello world',
  },
  {
    name: 'data after [DONE]',
    acts: body(...good, event(textChunk('EXTRA'))),
    verdict: 'complete',
    code: null,
    text: 'Hello world',
  },
  {
    name: 'two times [DONE]',
    acts: body(...good, event('[DONE]')),
    verdict: 'complete',
    code: null,
    text: 'Hello world',
  },
  {
    name: '[DONE] with the socket kept open',
    acts: [head(), ...good.map(coded), { stall: true }],
    verdict: 'complete',
    code: null,
    text: 'Hello world',
  },
  {
    name: 'a reset after the finish_reason',
    acts: [head(), ...good.slice(0, 3).map(coded), { wait: 30 }, { reset: true }],
    verdict: 'complete',
    code: null,
    text: 'Hello world',
  },
  {
    name: 'a text that says [DONE]',
    acts: body(event(textChunk('[DONE]')), event(world), event(finishChunk())),
    verdict: 'complete',
    code: null,
    text: '[DONE] world',
  },
  {
    name: 'CRLF line ends',
    acts: body(...good.map((each) => each.replaceAll('\n', '\r\n'))),
    verdict: 'complete',
    code: null,
    text: 'Hello world',
  },
  {
    name: 'an interim answer before the reply',
    acts: ['HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n', ...body(...good)],
    verdict: 'complete',
    code: null,
    text: 'Hello world',
  },
  {
    name: 'a whole completion in place of a stream',
    acts: json(completion),
    verdict: 'complete',
    code: null,
    text: 'Hello world',
  },
  {
    name: 'a stream under the content type of JSON',
    acts: [head(200, { 'Content-Type': 'application/json' }), ...good.map(coded), lastChunk],
    verdict: 'complete',
    code: null,
    text: 'Hello world',
  },
  {
    name: 'chunks with empty choices, and choices without a delta',
    acts: body(event(chunk([])), event(chunk([{ index: 0 }])), ...good),
    verdict: 'complete',
    code: null,
    text: 'Hello world',
  },
  {
    name: 'gzip, unasked',
    acts: [head(200, { 'Content-Encoding': 'gzip' }), coded(zipped), lastChunk],
    verdict: 'complete',
    code: null,
    text: 'Hello world',
  },
  {
    name: 'brotli, unasked',
    acts: [head(200, { 'Content-Encoding': 'br' }), coded(brotliCompressSync(good.join(''))), lastChunk],
    verdict: 'complete',
    code: null,
    text: 'Hello world',
  },
  {
    name: 'two calls on one index',
    acts: body(
      event(toolChunk(0, 'a', '{"x":1}')),
      event(toolChunk(0, 'b', '{"y":2}')),
      event(finishChunk('tool_calls')),
    ),
    verdict: 'complete',
    code: null,
    text: null,
  },
  {
    name: 'interleaved calls',
    acts: body(
      event(toolChunk(0, 'a', '{"x"')),
      event(toolChunk(1, 'b', '{"y"')),
      event(toolChunk(0, null, ':1}')),
      event(toolChunk(1, null, ':2}')),
      event(finishChunk('tool_calls')),
    ),
    verdict: 'complete',
    code: null,
    text: null,
  },
  // Cut.
  {
    name: 'a clean end without finish_reason and [DONE]',
    acts: body(...good.slice(0, 2)),
    verdict: 'cut',
    code: 'stream_cut',
    text: 'Hello world',
  },
  {
    name: '[DONE] without finish_reason',
    acts: body(event(hello), event('[DONE]')),
    verdict: 'cut',
    code: 'stream_cut',
    text: 'Hello',
  },
  {
    name: 'a cut body that ends with the connection',
    acts: [head(200, closing), event(hello), { fin: true }],
    verdict: 'cut',
    code: 'stream_cut',
    text: 'Hello',
  },
  {
    name: 'a reset after text',
    acts: [head(), coded(event(hello)), { wait: 30 }, { reset: true }],
    verdict: 'cut',
    code: 'stream_cut',
    text: 'Hello',
  },
  {
    name: 'a FIN inside a chunked body',
    acts: [head(), coded(event(hello)), { fin: true }],
    verdict: 'cut',
    code: 'stream_cut',
    text: 'Hello',
  },
  {
    name: 'fewer bytes than announced',
    acts: [head(200, { 'Content-Length': '5000' }), event(hello), { fin: true }],
    verdict: 'cut',
    code: 'stream_cut',
    text: 'Hello',
  },
  {
    name: 'a bad chunk size',
    acts: [head(), coded(event(hello)), { wait: 30 }, 'zz\r\nwhat\r\n'],
    verdict: 'cut',
    code: 'stream_cut',
    text: 'Hello',
  },
  {
    name: 'a torn data line',
    acts: body(event(hello), 'data: {"choices":[{"ind'),
    verdict: 'cut',
    code: 'stream_cut',
    text: 'Hello',
  },
  {
    name: 'truncated gzip',
    acts: [
      head(200, { 'Content-Encoding': 'gzip' }),
      coded(gzipSync(event(hello) + 'x'.repeat(5000), { finishFlush: constants.Z_SYNC_FLUSH })),
      lastChunk,
    ],
    verdict: 'cut',
    code: 'stream_cut',
  },
  {
    name: 'bytes that are not the gzip they claim to be',
    acts: [head(200, { 'Content-Encoding': 'gzip' }), coded(good.join('')), lastChunk],
    verdict: 'cut',
    code: 'stream_cut',
    text: null,
  },
  { name: 'an empty stream', acts: body(), verdict: 'cut', code: 'stream_cut', text: null },
  {
    name: 'a reply past the limit',
    acts: body(event(hello), ...Array.from({ length: 50 }, () => event(world)), event(finishChunk())),
    verdict: 'cut',
    code: 'stream_cut',
    options: { maxReplyBytes: 2000 },
  },
  {
    name: 'a gzip bomb',
    acts: [
      head(200, { 'Content-Encoding': 'gzip' }),
      coded(gzipSync(event(hello) + event(textChunk('a'.repeat(400))).repeat(50_000))),
      lastChunk,
    ],
    verdict: 'cut',
    code: 'stream_cut',
    options: { maxReplyBytes: 1_000_000 },
  },
  // Errors in the stream.
  { name: 'an error frame before any text', acts: body(error({})), verdict: 'error', code: 'stream_error', text: null },
  {
    name: 'an error frame after text',
    acts: body(event(hello), error({})),
    verdict: 'error',
    code: 'stream_error',
    text: 'Hello',
  },
  {
    name: 'an error frame after the finish_reason',
    acts: body(...good.slice(0, 3), error({})),
    verdict: 'error',
    code: 'stream_error',
    text: 'Hello world',
  },
  {
    name: 'an error frame and then [DONE]',
    acts: body(event(hello), error({ code: 408 }), event('[DONE]')),
    verdict: 'error',
    code: 'stream_error',
    text: 'Hello',
  },
  {
    name: 'an error that is a string',
    acts: body(event(hello), event({ error: 'boom' })),
    verdict: 'error',
    code: 'stream_error',
    text: 'Hello',
  },
  {
    name: 'a named error event',
    acts: body(event(hello), `event: error\n${event({ message: 'boom' })}`),
    verdict: 'error',
    code: 'stream_error',
    text: 'Hello',
  },
  {
    name: 'a budget that ends in the middle',
    acts: body(event(hello), error({ message: 'No deployments available - crossed budget: Exceeded budget' })),
    verdict: 'error',
    code: 'budget_exceeded',
    text: 'Hello',
  },
  {
    name: 'a data line that is no JSON',
    acts: body(event(hello), event('{"choices":[{]}'), event(world)),
    verdict: 'error',
    code: 'stream_error',
    text: 'Hello',
  },
  {
    name: 'an error body under status 200',
    acts: json({ error: { message: 'boom', code: 500 } }),
    verdict: 'error',
    code: 'stream_error',
    text: null,
  },
  {
    name: 'a finish_reason that nobody knows',
    acts: body(event(hello), event(finishChunk('MALFORMED_FUNCTION_CALL'))),
    verdict: 'error',
    code: 'stream_error',
    text: 'Hello',
  },
  {
    name: 'an event past the limit',
    acts: body(event(hello), `data: ${'x'.repeat(50_000)}\n\n`),
    verdict: 'error',
    code: 'event_too_large',
    text: 'Hello',
    options: { maxEventBytes: 10_000 },
  },
  // Other ends.
  {
    name: 'a finish by length',
    acts: body(event(hello), event(finishChunk('length'))),
    verdict: 'length',
    code: 'reply_short',
    text: 'Hello',
  },
  {
    name: 'a content filter',
    acts: body(event(hello), event(finishChunk('content_filter'))),
    verdict: 'content_filter',
    code: 'reply_filtered',
    text: 'Hello',
  },
  {
    name: 'a finish without content',
    acts: body(event(finishChunk())),
    verdict: 'empty',
    code: 'reply_empty',
    text: '',
  },
  // Deadlines.
  {
    name: 'a stall before the status line',
    acts: [{ stall: true }],
    verdict: 'timed_out',
    code: 'first_token_timeout',
    text: null,
    options: quick,
  },
  {
    name: 'headers that drip',
    acts: [
      'HTTP/1.1 200 OK\r\n',
      ...Array.from({ length: 40 }, (_, index): Act[] => [{ wait: 20 }, `X-${index}: 1\r\n`]).flat(),
      { stall: true },
    ],
    verdict: 'timed_out',
    code: 'first_token_timeout',
    text: null,
    options: quick,
  },
  {
    name: 'comments and nothing else',
    acts: [head(), ...Array.from({ length: 60 }, (): Act[] => [coded(': ping\n\n'), { wait: 20 }]).flat()],
    verdict: 'timed_out',
    code: 'first_token_timeout',
    text: null,
    options: quick,
  },
  {
    name: 'a stall after text',
    acts: [head(), coded(event(hello)), { stall: true }],
    verdict: 'timed_out',
    code: 'idle_timeout',
    text: 'Hello',
    options: quick,
  },
  {
    name: 'text, and then comments that hide a stall',
    acts: [
      head(),
      coded(event(hello)),
      ...Array.from({ length: 60 }, (): Act[] => [coded(': ping\n\n'), { wait: 20 }]).flat(),
    ],
    verdict: 'timed_out',
    code: 'idle_timeout',
    text: 'Hello',
    options: quick,
  },
  {
    name: 'empty deltas and nothing else',
    acts: [head(), ...Array.from({ length: 60 }, (): Act[] => [coded(event(textChunk(''))), { wait: 20 }]).flat()],
    verdict: 'timed_out',
    code: 'first_token_timeout',
    text: '',
    options: quick,
  },
  {
    name: 'text, and then empty deltas that hide a stall',
    acts: [
      head(),
      coded(event(hello)),
      ...Array.from({ length: 60 }, (): Act[] => [coded(event(textChunk(''))), { wait: 20 }]).flat(),
    ],
    verdict: 'timed_out',
    code: 'idle_timeout',
    text: 'Hello',
    options: quick,
  },
  {
    name: 'text that never ends',
    acts: [head(), ...Array.from({ length: 60 }, (): Act[] => [coded(event(world)), { wait: 20 }]).flat()],
    verdict: 'timed_out',
    code: 'total_timeout',
    options: { timeout: 0.3 },
  },
  // No reply at all.
  {
    name: 'a login page under status 200',
    acts: [head(200, { 'Content-Type': 'text/html' }), coded(page), lastChunk],
    verdict: null,
    code: 'unexpected_response',
    text: null,
  },
  {
    name: 'status 204',
    acts: ['HTTP/1.1 204 No Content\r\n\r\n'],
    verdict: null,
    code: 'unexpected_response',
    text: null,
  },
  {
    name: 'a compression that nobody asked for',
    acts: [
      head(200, { 'Content-Encoding': 'gzip, gzip, gzip, gzip, gzip, gzip, gzip, gzip, gzip, gzip' }),
      coded('x'),
      lastChunk,
    ],
    verdict: null,
    code: 'unexpected_response',
    text: null,
  },
  {
    name: '502 with a page',
    acts: [
      head(502, { 'Content-Type': 'text/html' }),
      coded('<html><head><title>502 Bad Gateway</title></head></html>'),
      lastChunk,
    ],
    verdict: null,
    code: 'server_error',
    text: null,
  },
  {
    name: '302 to another host',
    acts: [head(302, { Location: 'https://login.example.com/?token=abc' }), lastChunk],
    verdict: null,
    code: 'redirect_refused',
    text: null,
  },
  {
    name: '307 to another path',
    acts: [head(307, { Location: '/elsewhere' }), lastChunk],
    verdict: null,
    code: 'redirect_refused',
    text: null,
  },
  {
    name: 'something that is no HTTP',
    acts: ['SSH-2.0-OpenSSH_9.6\r\n', { wait: 30 }, { fin: true }],
    verdict: null,
    code: 'connection_failed',
    text: null,
  },
  {
    name: 'two lengths that differ',
    acts: ['HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!'],
    verdict: null,
    code: 'connection_failed',
    text: null,
  },
  {
    name: 'headers without end',
    acts: [`HTTP/1.1 200 OK\r\n${`X-Long: ${'x'.repeat(8000)}\r\n`.repeat(20)}\r\n`],
    verdict: null,
    code: 'connection_failed',
    text: null,
  },
  { name: 'a FIN before the status line', acts: [{ fin: true }], verdict: null, code: 'connection_failed', text: null },
  {
    name: 'a reset before the status line',
    acts: [{ reset: true }],
    verdict: null,
    code: 'connection_failed',
    text: null,
  },
  {
    name: 'an error status whose body never comes',
    acts: [head(401, { 'Content-Length': '100' }), '{"error":', { wait: 30 }, { fin: true }],
    verdict: null,
    code: 'key_rejected',
    text: null,
  },
];

let server: FaultServer;
const clients: LiteLLMClient[] = [];
const seen: string[] = [];

const ask = async (options: Partial<ClientOptions> = {}): Promise<StreamResult> => {
  const client = new LiteLLMClient({
    baseUrl: server.baseUrl,
    apiKey: canary,
    retries: 0,
    onDebug: (line) => seen.push(line),
    ...options,
  });
  clients.push(client);
  const stream = client.stream({ model: 'fake', messages: 'a secret prompt that must not be shown' });
  const result = await stream.result();
  seen.push(everythingIn(result.error), JSON.stringify(result));
  return result;
};

/** Message, hint, cause and every other member, however deep. */
function everythingIn(value: unknown, depth = 0): string {
  if (typeof value !== 'object' || value === null || depth > 6) return String(value);
  return Object.getOwnPropertyNames(value)
    .map((name) => `${name}=${everythingIn((value as Record<string, unknown>)[name], depth + 1)}`)
    .join(' ');
}

beforeAll(async () => {
  server = await startFaultServer();
});

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  await server.idle();
});

afterAll(() => server.close());

describe('a broken upstream', () => {
  test.each(scenarios)('$name: $verdict, $code', async ({ acts, verdict, code, text, options }) => {
    server.script = acts;
    const result = await ask(options);
    const content = result.completion?.choices[0]?.message.content ?? null;
    expect({ verdict: result.verdict, code: result.error?.code ?? null, content }).toEqual({
      verdict,
      code,
      content: text === undefined ? content : text,
    });
    expect(result.error?.completion ?? result.completion).toBe(result.completion);
  });

  test('keeps two calls on one index apart', async () => {
    server.script = scenarios.find(({ name }) => name === 'two calls on one index')?.acts ?? [];
    const { completion: folded } = await ask();
    expect(
      folded?.choices[0]?.message.tool_calls?.map((call) => ('function' in call ? call.function.arguments : '')),
    ).toEqual(['{"x":1}', '{"y":2}']);
  });

  test('a deadline is named, with its flag', async () => {
    server.script = [{ stall: true }];
    const result = await ask(quick);
    expect(result.error?.message).toBe(
      `no content within 0.25 s (the first-token deadline): POST ${server.baseUrl}/v1/chat/completions`,
    );
    expect(result.error?.hint).toContain('--first-token-timeout');
  });

  test('a page is named by its title, without any HTML', async () => {
    server.script = scenarios.find(({ name }) => name === '502 with a page')?.acts ?? [];
    const result = await ask();
    expect(result.error?.message).toBe(
      `something in front of the proxy could not reach it: 502 Bad Gateway (HTTP 502): POST ${server.baseUrl}/v1/chat/completions`,
    );
  });

  test('a redirect is named by its host, and nothing is sent there', async () => {
    const other = await startFaultServer(body(...good));
    for (const status of [301, 302, 303, 307, 308]) {
      server.script = [head(status, { Location: `${other.baseUrl}/v1/chat/completions?token=hush` }), lastChunk];
      const { error: refused } = await ask();
      expect(refused?.code).toBe('redirect_refused');
      expect(refused?.message).toContain(other.baseUrl);
      expect(refused?.message).not.toContain('hush');
    }
    expect(other.connectionCount).toBe(0);
    await other.close();
  });

  test('nothing that came out of all this holds the key or the prompt', () => {
    expect(seen.length).toBeGreaterThan(scenarios.length);
    const all = seen.join('\n');
    expect(all).not.toContain(canary);
    expect(all).not.toContain(canary.slice(3));
    expect(all).not.toContain('secret prompt');
  });

  test('a server that quotes the key and the prompt in its error is not repeated', async () => {
    const quote = `Authentication Error: got key ${canary} (Bearer ${canary}) for "a secret prompt that must not be shown"`;
    server.script = [
      head(400, { 'Content-Type': 'application/json', 'X-Litellm-Call-Id': canary }),
      coded(JSON.stringify({ error: { message: quote } })),
      lastChunk,
    ];
    const refused = await ask();
    server.script = body(event(hello), error({ message: quote }));
    const broken = await ask();
    const all = everythingIn([refused.error, broken.error]) + JSON.stringify([refused, broken]);
    expect(all).toContain('Authentication Error: got key **** (Bearer ****)');
    expect(all).not.toContain(canary);
    expect(all).not.toContain('secret prompt');
  });
});
