import { gzipSync, brotliCompressSync, constants } from 'node:zlib';
import type { ClientOptions } from '../../src/client/client.ts';
import type { ErrorCode } from '../../src/outcome/errors.ts';
import type { Verdict } from '../../src/outcome/exits.ts';
import { chunk, finishChunk, textChunk } from './fake-upstream.ts';
import { coded, event, head, lastChunk, type Act } from './fault-server.ts';

/**
 * What a broken upstream, or something in front of it, can send; each row is one reply, and what cllm makes of it. The
 * library, the built command and the benchmark beside other clients all play these rows.
 */
export interface FaultScenario {
  name: string;
  acts: Act[];
  verdict: Verdict | null;
  /** Of the error; null when the reply is complete. */
  code: ErrorCode | null;
  /** The text of choice 0, null for none; left out where it depends on how the bytes fall. */
  text?: string | null;
  /** What the client is told to wait for or to take at most. */
  limits?: Limits;
}

type Limits = Partial<
  Pick<ClientOptions, 'firstTokenTimeout' | 'idleTimeout' | 'timeout' | 'maxReplyBytes' | 'maxEventBytes'>
>;

const hello = textChunk('Hello', { role: 'assistant' });
const world = textChunk(' world');
/** The events of a whole reply, "Hello world". */
export const goodReply = [event(hello), event(world), event(finishChunk()), event('[DONE]')];
/** A streamed answer in good order. */
export const streamed = (...events: string[]): Act[] => [head(), ...events.map(coded), lastChunk];
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
        ...(id !== null && { role: 'assistant' }),
        tool_calls: [
          { index, ...(id && { id, type: 'function' }), function: { ...(id && { name: id }), arguments: json_ } },
        ],
      },
    },
  ]);
/** LiteLLM's error frame. */
export const errorFrame = (fields: Record<string, unknown>) =>
  event({ error: { message: 'boom', type: null, param: null, code: '500', ...fields } });
const zipped = gzipSync(goodReply.join(''));
/** A busy machine may take longer than a test's deadline to begin, so only the one that is meant is short. */
const firstTokenLimit = { firstTokenTimeout: 0.25 };
const idleLimit = { idleTimeout: 0.25 };

export const faultScenarios: readonly FaultScenario[] = [
  // How a good reply may look.
  { name: 'a good reply', acts: streamed(...goodReply), verdict: 'complete', code: null, text: 'Hello world' },
  {
    name: 'finish_reason and no [DONE]',
    acts: streamed(...goodReply.slice(0, 3)),
    verdict: 'complete',
    code: null,
    text: 'Hello world',
  },
  {
    name: 'a last event without its blank line',
    acts: streamed(event(hello), event(finishChunk()).trimEnd()),
    verdict: 'complete',
    code: null,
    text: 'Hello',
  },
  {
    name: '[DONE] with blanks around it',
    acts: streamed(...goodReply.slice(0, 3), 'data:  [DONE] \n\n'),
    verdict: 'complete',
    code: null,
    text: 'Hello world',
  },
  {
    name: 'data after [DONE]',
    acts: streamed(...goodReply, event(textChunk('EXTRA'))),
    verdict: 'complete',
    code: null,
    text: 'Hello world',
  },
  {
    name: 'two times [DONE]',
    acts: streamed(...goodReply, event('[DONE]')),
    verdict: 'complete',
    code: null,
    text: 'Hello world',
  },
  {
    name: '[DONE] with the socket kept open',
    acts: [head(), ...goodReply.map(coded), { stall: true }],
    verdict: 'complete',
    code: null,
    text: 'Hello world',
  },
  {
    name: 'a reset after the finish_reason',
    acts: [head(), ...goodReply.slice(0, 3).map(coded), { wait: 30 }, { reset: true }],
    verdict: 'complete',
    code: null,
    text: 'Hello world',
  },
  {
    name: 'a text that says [DONE]',
    acts: streamed(event(textChunk('[DONE]', { role: 'assistant' })), event(world), event(finishChunk())),
    verdict: 'complete',
    code: null,
    text: '[DONE] world',
  },
  {
    name: 'CRLF line ends',
    acts: streamed(...goodReply.map((each) => each.replaceAll('\n', '\r\n'))),
    verdict: 'complete',
    code: null,
    text: 'Hello world',
  },
  {
    name: 'an interim answer before the reply',
    acts: ['HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n', ...streamed(...goodReply)],
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
    acts: [head(200, { 'Content-Type': 'application/json' }), ...goodReply.map(coded), lastChunk],
    verdict: 'complete',
    code: null,
    text: 'Hello world',
  },
  {
    name: 'chunks with empty choices, and choices without a delta',
    acts: streamed(event(chunk([])), event(chunk([{ index: 0 }])), ...goodReply),
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
    acts: [head(200, { 'Content-Encoding': 'br' }), coded(brotliCompressSync(goodReply.join(''))), lastChunk],
    verdict: 'complete',
    code: null,
    text: 'Hello world',
  },
  {
    name: 'two calls on one index',
    acts: streamed(
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
    acts: streamed(
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
  {
    name: 'bytes that are no UTF-8',
    acts: [
      head(),
      coded(Buffer.from(event(textChunk('Hell\u00f6 there', { role: 'assistant' })), 'latin1')),
      coded(event(finishChunk())),
      lastChunk,
    ],
    verdict: 'complete',
    code: null,
    text: 'Hell\ufffd there',
  },
  // Cut.
  {
    name: 'a clean end without finish_reason and [DONE]',
    acts: streamed(...goodReply.slice(0, 2)),
    verdict: 'cut',
    code: 'stream_cut',
    text: 'Hello world',
  },
  {
    name: '[DONE] without finish_reason',
    acts: streamed(event(hello), event('[DONE]')),
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
    acts: streamed(event(hello), 'data: {"choices":[{"ind'),
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
    acts: [head(200, { 'Content-Encoding': 'gzip' }), coded(goodReply.join('')), lastChunk],
    verdict: 'cut',
    code: 'stream_cut',
    text: null,
  },
  { name: 'an empty stream', acts: streamed(), verdict: 'cut', code: 'stream_cut', text: null },
  {
    name: 'a reply past the limit',
    acts: streamed(event(hello), ...Array.from({ length: 50 }, () => event(world)), event(finishChunk())),
    verdict: 'cut',
    code: 'stream_cut',
    limits: { maxReplyBytes: 2000 },
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
    limits: { maxReplyBytes: 1_000_000 },
  },
  // Errors in the stream.
  {
    name: 'an error frame before any text',
    acts: streamed(errorFrame({})),
    verdict: 'error',
    code: 'stream_error',
    text: null,
  },
  {
    name: 'an error frame after text',
    acts: streamed(event(hello), errorFrame({})),
    verdict: 'error',
    code: 'stream_error',
    text: 'Hello',
  },
  {
    name: 'an error frame after the finish_reason',
    acts: streamed(...goodReply.slice(0, 3), errorFrame({})),
    verdict: 'error',
    code: 'stream_error',
    text: 'Hello world',
  },
  {
    name: 'an error frame and then [DONE]',
    acts: streamed(event(hello), errorFrame({ code: 408 }), event('[DONE]')),
    verdict: 'error',
    code: 'stream_error',
    text: 'Hello',
  },
  {
    name: 'an error that is a string',
    acts: streamed(event(hello), event({ error: 'boom' })),
    verdict: 'error',
    code: 'stream_error',
    text: 'Hello',
  },
  {
    name: 'a named error event',
    acts: streamed(event(hello), `event: error\n${event({ message: 'boom' })}`),
    verdict: 'error',
    code: 'stream_error',
    text: 'Hello',
  },
  {
    name: 'a budget that ends in the middle',
    acts: streamed(event(hello), errorFrame({ message: 'No deployments available - crossed budget: Exceeded budget' })),
    verdict: 'error',
    code: 'budget_exceeded',
    text: 'Hello',
  },
  {
    name: 'a data line that is no JSON',
    acts: streamed(event(hello), event('{"choices":[{]}'), event(world)),
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
    acts: streamed(event(hello), event(finishChunk('MALFORMED_FUNCTION_CALL'))),
    verdict: 'error',
    code: 'stream_error',
    text: 'Hello',
  },
  {
    name: 'an event past the limit',
    acts: streamed(event(hello), `data: ${'x'.repeat(50_000)}\n\n`),
    verdict: 'error',
    code: 'event_too_large',
    text: 'Hello',
    limits: { maxEventBytes: 10_000 },
  },
  // Other ends.
  {
    name: 'a finish by length',
    acts: streamed(event(hello), event(finishChunk('length'))),
    verdict: 'length',
    code: 'reply_short',
    text: 'Hello',
  },
  {
    name: 'a content filter',
    acts: streamed(event(hello), event(finishChunk('content_filter'))),
    verdict: 'content_filter',
    code: 'reply_filtered',
    text: 'Hello',
  },
  {
    name: 'a finish without content',
    acts: streamed(event(finishChunk())),
    verdict: 'empty',
    code: 'reply_empty',
    text: '',
  },
  {
    name: 'a call that the length cut',
    acts: streamed(event(toolChunk(0, 'a', '{"path":"/et')), event(finishChunk('length'))),
    verdict: 'length',
    code: 'reply_short',
    text: null,
  },
  // Deadlines.
  {
    name: 'a stall before the status line',
    acts: [{ stall: true }],
    verdict: 'timed_out',
    code: 'first_token_timeout',
    text: null,
    limits: firstTokenLimit,
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
    limits: firstTokenLimit,
  },
  {
    name: 'comments and nothing else',
    acts: [head(), ...Array.from({ length: 60 }, (): Act[] => [coded(': ping\n\n'), { wait: 20 }]).flat()],
    verdict: 'timed_out',
    code: 'first_token_timeout',
    text: null,
    limits: firstTokenLimit,
  },
  {
    name: 'a stall after text',
    acts: [head(), coded(event(hello)), { stall: true }],
    verdict: 'timed_out',
    code: 'idle_timeout',
    text: 'Hello',
    limits: idleLimit,
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
    limits: idleLimit,
  },
  {
    name: 'empty deltas and nothing else',
    acts: [head(), ...Array.from({ length: 60 }, (): Act[] => [coded(event(textChunk(''))), { wait: 20 }]).flat()],
    verdict: 'timed_out',
    code: 'first_token_timeout',
    text: '',
    limits: firstTokenLimit,
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
    limits: idleLimit,
  },
  {
    name: 'text that never ends',
    acts: [head(), ...Array.from({ length: 60 }, (): Act[] => [coded(event(world)), { wait: 20 }]).flat()],
    verdict: 'timed_out',
    code: 'total_timeout',
    limits: { timeout: 0.3 },
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
