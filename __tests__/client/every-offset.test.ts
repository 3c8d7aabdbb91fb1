import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { LiteLLMClient } from '../../src/client/client.ts';
import { defaultUsage, chunk, finishChunk, textChunk } from '../support/fake-upstream.ts';
import {
  coded,
  event,
  head,
  lastChunk,
  startFaultServer,
  type Act,
  type FaultServer,
} from '../support/fault-server.ts';

/**
 * One good stream, broken at every byte offset, by a FIN, a reset and a stall. What cllm calls complete must be complete:
 * there is no offset at which a piece of the reply passes for the whole.
 */
const text = 'Grüße, 世界 👋.';
const pieces = ['Grüße', ', 世', '界 👋', '.'];
const events = [
  ...pieces.map((piece, index) => event(textChunk(piece, index === 0 ? { role: 'assistant' } : {}))),
  event(finishChunk()),
  event(chunk([{ index: 0, delta: {} }], { usage: defaultUsage })),
  event('[DONE]'),
];
const chunkedStream = Buffer.concat([Buffer.from(head()), ...events.map(coded), Buffer.from(lastChunk)]);
const closingStream = Buffer.from(
  head(200, { 'Content-Type': 'text/event-stream', Connection: 'close' }) + events.join(''),
);

/** Where a piece of the stream ends, in bytes. */
const endOf = (stream: Buffer, piece: string) => stream.indexOf(piece) + Buffer.byteLength(piece);
const headLength = (stream: Buffer) => stream.indexOf('\r\n\r\n') + 4;

let server: FaultServer;

/** The prompt says where the stream is to break. */
interface Break {
  framing: 'chunked' | 'closing';
  fault: 'fin' | 'reset' | 'stall';
  offset: number;
}

beforeAll(async () => {
  server = await startFaultServer((request) => {
    const { messages } = JSON.parse(request.body) as { messages: { content: string }[] };
    const { framing, fault, offset } = JSON.parse(messages[0]?.content ?? '') as Break;
    const stream = framing === 'chunked' ? chunkedStream : closingStream;
    const end: Act = fault === 'fin' ? { fin: true } : fault === 'reset' ? { reset: true } : { stall: true };
    return [stream.subarray(0, offset), end];
  });
});

afterAll(() => server.close());

/** Every offset, `width` at a time. */
async function sweep(
  framing: Break['framing'],
  fault: Break['fault'],
  check: (offset: number, outcome: Outcome) => void,
): Promise<number> {
  const stream = framing === 'chunked' ? chunkedStream : closingStream;
  const finishEnd = endOf(stream, `${JSON.stringify(finishChunk())}\n\n`);
  // New ones for each sweep: on a connection that is kept from a stream that came whole, the stalled server answers nothing.
  const options = { baseUrl: server.baseUrl, retries: 0 };
  const client = new LiteLLMClient({ ...options, firstTokenTimeout: 0.2, idleTimeout: 0.2 });
  const patient = new LiteLLMClient({ ...options, firstTokenTimeout: 30, idleTimeout: 30 });
  let next = 0;
  const work = async () => {
    while (next <= stream.length) {
      const offset = next;
      next += 1;
      // After the finish_reason no deadline has a part in it, so none may come early on a busy machine.
      const asking = fault === 'stall' && offset < finishEnd ? client : patient;
      const chosen: Break = { framing, fault, offset };
      const { completion, verdict, error } = await asking
        .stream({ model: 'fake', messages: JSON.stringify(chosen) })
        .result();
      check(offset, { content: completion?.choices[0]?.message.content ?? '', verdict, code: error?.code ?? null });
    }
  };
  try {
    await Promise.all(Array.from({ length: fault === 'stall' ? 100 : 16 }, work));
  } finally {
    await client.close();
    await patient.close();
  }
  return next - 1;
}

interface Outcome {
  content: string;
  verdict: string | null;
  code: string | null;
}

describe('one good stream, broken at every byte offset', () => {
  test.each([
    { framing: 'chunked', fault: 'fin' },
    { framing: 'closing', fault: 'fin' },
    { framing: 'chunked', fault: 'reset' },
    { framing: 'closing', fault: 'reset' },
    { framing: 'chunked', fault: 'stall' },
    { framing: 'closing', fault: 'stall' },
  ] as const)(
    '$framing, $fault: complete only with the finish_reason inside',
    async ({ framing, fault }) => {
      const stream = framing === 'chunked' ? chunkedStream : closingStream;
      const finish = JSON.stringify(finishChunk());
      // A body that ends with the connection has ended cleanly there (undici takes a reset for the same), so the blank
      // line after the JSON may be missing.
      const finishEnd = endOf(stream, framing === 'closing' && fault !== 'stall' ? finish : `${finish}\n\n`);
      const surprises: unknown[] = [];
      let silentTruncations = 0;
      const tried = await sweep(framing, fault, (offset, outcome) => {
        const { content, verdict, code } = outcome;
        if (verdict === 'complete' && content !== text) silentTruncations += 1;
        const isPrefix = text.startsWith(content);
        let isExpected: boolean;
        if (fault === 'stall') {
          // A finished reply whose connection stays open is complete; nothing but the grace is waited for.
          isExpected =
            offset >= finishEnd
              ? verdict === 'complete' && code === null
              : verdict === 'timed_out' && (code === 'idle_timeout') === (content !== '');
        } else if (offset < headLength(stream)) {
          isExpected = verdict === null && code === 'connection_failed';
        } else if (fault === 'reset') {
          // A reset may overtake bytes that the kernel still held; they can be missed, never made up.
          isExpected =
            (verdict === 'complete' && offset >= finishEnd) ||
            (verdict === 'cut' && code === 'stream_cut') ||
            code === 'connection_failed';
        } else {
          isExpected = offset >= finishEnd ? verdict === 'complete' : verdict === 'cut' && code === 'stream_cut';
        }
        if (!isPrefix || !isExpected) surprises.push({ offset, ...outcome });
      });
      expect(surprises).toEqual([]);
      expect(silentTruncations).toBe(0);
      expect(tried).toBeGreaterThanOrEqual(stream.length);
    },
    120_000,
  );
});
