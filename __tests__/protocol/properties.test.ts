import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';

import { CllmError } from '../../src/outcome/errors.ts';
import { CompletionBuilder } from '../../src/protocol/fold/completion-builder.ts';
import { ReplyReader, type Reply } from '../../src/protocol/reply-reader.ts';
import { SseDecoder, type SseEvent } from '../../src/protocol/sse.ts';
import type { ChatCompletionChunk } from '../../src/protocol/types.ts';
import type { StreamEnd } from '../../src/protocol/verdict.ts';
import { referenceSse } from '../support/reference-sse.ts';
import { cuts, pieces } from '../support/pieces.ts';
import { seed } from '../support/seed.ts';
import { chunkOf, choiceOf, dataLine } from './chunks.ts';

const settings = { seed, numRuns: 300 };
const utf8 = new TextEncoder();
const cleanEnd: StreamEnd = { type: 'end' };

/** Bytes that are likely to mean something to a decoder of event streams. */
const wireBytes = fc
  .array(
    fc.oneof(
      {
        weight: 6,
        arbitrary: fc.constantFrom(
          'data',
          'data:',
          'data: ',
          'event: ',
          'id: 1',
          'retry: 1',
          ':',
          ' ',
          '\n',
          '\n\n',
          '\r',
          '\r\n',
          '\0',
        ),
      },
      {
        weight: 3,
        arbitrary: fc.constantFrom(
          '[DONE]',
          '{"a":1}',
          '{"a":',
          'error',
          'x',
          '\uFEFF',
          'ï»¿',
          'é',
          '€',
          '😀',
          '\u2028',
          '\u0085',
        ),
      },
      { weight: 1, arbitrary: fc.uint8Array({ maxLength: 4 }) },
      {
        weight: 1,
        arbitrary: fc.constantFrom([0xef], [0xbb], [0xbf], [0xe2, 0x82], [0xf0, 0x9f], [0xc0], [0xed, 0xa0], [0xff]),
      },
    ),
    { maxLength: 40 },
  )
  .map((parts) =>
    Uint8Array.from(parts.flatMap((part) => (typeof part === 'string' ? [...utf8.encode(part)] : [...part]))),
  );

function decodeAll(parts: Uint8Array[], maxEventBytes?: number): { events: SseEvent[]; error: string | null } {
  const decoder = new SseDecoder(maxEventBytes === undefined ? {} : { maxEventBytes });
  const events: SseEvent[] = [];
  try {
    for (const part of parts) events.push(...decoder.decode(part));
    events.push(...decoder.end());
  } catch (error) {
    if (!(error instanceof CllmError)) throw error;
    return { events, error: error.code };
  }
  return { events, error: null };
}

function read(
  parts: Uint8Array[],
  end: StreamEnd = cleanEnd,
  contentType: string | null = 'text/event-stream',
): { chunks: ChatCompletionChunk[]; reply: Reply } {
  const reader = new ReplyReader({ status: 200, contentType });
  const chunks = parts.flatMap((part) => reader.push(part).chunks());
  const last = reader.finish(end);
  return { chunks: [...chunks, ...last.arrival.chunks()], reply: last.reply };
}

const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 8 }),
  fc.constantFrom('', ' ', '\n', '[DONE]', 'data: x\n\n', '😀', '"', '\\'),
);
const reasons = fc.constantFrom('stop', 'length', 'tool_calls', 'content_filter', 'end_turn', 'error', 'unheard_of');

const delta = fc.oneof(
  { weight: 4, arbitrary: fc.record({ content: text }) },
  {
    weight: 1,
    arbitrary: fc.record(
      { reasoning_content: text, refusal: fc.option(text), role: fc.constantFrom('assistant', '', null) },
      { requiredKeys: [] },
    ),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      tool_calls: fc.array(
        fc.record({
          index: fc.option(fc.nat(2)),
          id: fc.option(fc.constantFrom('a', 'b', '')),
          function: fc.record({ name: fc.option(fc.constantFrom('f', 'g', '')), arguments: fc.option(text) }),
        }),
        { maxLength: 3 },
      ),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      thinking_blocks: fc.array(
        fc.record({ type: fc.constant('thinking'), thinking: text, signature: fc.constantFrom('s', '', null) }),
        { maxLength: 2 },
      ),
    }),
  },
);

/** The arguments of a call, whole, in pieces that are cut anywhere. */
const argumentsInPieces = fc
  .tuple(fc.dictionary(text, fc.oneof(text, fc.integer(), fc.array(text), fc.constant({ a: {} }))), cuts)
  .map(([value, at]) => {
    const json = JSON.stringify(value);
    const ends = [...new Set([...at.map((each) => each % json.length), json.length])].toSorted((a, b) => a - b);
    return ends.map((end, index) => json.slice(ends[index - 1] ?? 0, end)).filter((piece) => piece !== '');
  });

const chunk = fc
  .record({
    choices: fc.array(
      fc.tuple(delta, fc.nat(1)).map(([each, index]) => choiceOf(each, { index })),
      { maxLength: 2 },
    ),
    usage: fc.option(fc.record({ prompt_tokens: fc.nat(9), completion_tokens: fc.nat(9) })),
  })
  .map(chunkOf);

/** A stream without a fault: deltas, a finish_reason, perhaps more, and perhaps the end mark. */
const goodStream = fc
  .record({
    deltas: fc.array(chunk, { maxLength: 8 }),
    reason: reasons,
    tail: fc.array(fc.record({ usage: fc.record({ prompt_tokens: fc.nat(9) }) }).map(chunkOf), { maxLength: 1 }),
    hasDone: fc.boolean(),
    lineEnd: fc.constantFrom('\n', '\r\n', '\r'),
  })
  .map(({ deltas, reason, tail, hasDone, lineEnd }) => {
    const encode = (lines: string) => utf8.encode(lines.replaceAll('\n', lineEnd));
    const before = deltas.map(dataLine).join('');
    const finish = dataLine(chunkOf({ choices: [choiceOf({}, { finish_reason: reason })] }));
    const after = tail.map(dataLine).join('') + (hasDone ? 'data: [DONE]\n\n' : '');
    return {
      bytes: encode(before + finish + after),
      // The event of the finish is whole when its JSON is; its line end and blank line are not needed.
      atFinish: encode(before).length + utf8.encode(finish).length - 2,
    };
  });

describe('events', () => {
  test('are the same for any cut of any bytes', () => {
    fc.assert(
      fc.property(wireBytes, cuts, (bytes, at) => {
        expect(decodeAll(pieces(bytes, at))).toEqual(decodeAll([bytes]));
      }),
      settings,
    );
  });

  test('are those of the second implementation', () => {
    fc.assert(
      fc.property(wireBytes, cuts, (bytes, at) => {
        const { events, pending } = referenceSse(bytes);
        const decoded = decodeAll(pieces(bytes, at)).events;
        expect(decoded.filter(({ unterminated }) => unterminated === undefined)).toEqual(events);
        const unterminated = decoded.filter((event) => event.unterminated === true);
        for (const event of unterminated) expect(event).toEqual({ ...pending, unterminated: true });
      }),
      { ...settings, numRuns: 2000 },
    );
  });

  test('and the error of an event that is too large, too', () => {
    fc.assert(
      fc.property(wireBytes, cuts, fc.nat(60), (bytes, at, maxEventBytes) => {
        expect(decodeAll(pieces(bytes, at), maxEventBytes)).toEqual(decodeAll([bytes], maxEventBytes));
      }),
      settings,
    );
  });
});

describe('the fold', () => {
  test('of a stream that is cut anywhere is that of the whole', () => {
    fc.assert(
      fc.property(goodStream, cuts, ({ bytes }, at) => {
        expect(read(pieces(bytes, at))).toEqual(read([bytes]));
      }),
      settings,
    );
  });

  test('of chunks is the same with a snapshot after each', () => {
    fc.assert(
      fc.property(fc.array(chunk), (chunks) => {
        const [plain, watched] = [new CompletionBuilder(), new CompletionBuilder()];
        for (const each of chunks) {
          plain.add(each);
          watched.add(each);
          watched.snapshot();
        }
        expect(watched.build()).toEqual(plain.build());
      }),
      settings,
    );
  });

  test('of interleaved choices is that of each by itself', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(2), delta)), (deltas) => {
        const together = new CompletionBuilder();
        const apart = new Map<number, CompletionBuilder>();
        for (const [index, each] of deltas) {
          const one = chunkOf({ choices: [choiceOf(each, { index })] });
          together.add(one);
          const alone = apart.get(index) ?? new CompletionBuilder();
          apart.set(index, alone);
          alone.add(one);
        }
        const indexes = [...apart.keys()].toSorted((left, right) => left - right);
        const choices = indexes.map((index) => apart.get(index)?.build()?.choices[0]);
        expect(together.build()?.choices ?? []).toEqual(choices);
      }),
      settings,
    );
  });

  test('keeps the arguments of each call whole, however calls with indexes of their own interleave', () => {
    fc.assert(
      fc.property(
        fc.array(argumentsInPieces, { minLength: 1, maxLength: 4 }),
        fc.infiniteStream(fc.nat()),
        (calls, order) => {
          const builder = new CompletionBuilder();
          const waiting = calls.map((args, index) =>
            args.map((piece, at) =>
              at === 0
                ? { index, id: `call_${index}`, function: { name: 'f', arguments: piece } }
                : { index, function: { arguments: piece } },
            ),
          );
          while (waiting.some((fragments) => fragments.length > 0)) {
            const nonEmpty = waiting.filter((fragments) => fragments.length > 0);
            const fragment = nonEmpty[order.next().value % nonEmpty.length]?.shift();
            builder.add(chunkOf({ choices: [choiceOf({ tool_calls: [fragment] })] }));
          }
          const built = builder.build()?.choices[0]?.message.tool_calls;
          expect(built?.map((call) => ('function' in call ? call.function.arguments : null))).toEqual(
            calls.map((args) => args.join('') || '{}'),
          );
        },
      ),
      settings,
    );
  });

  test('throws on no JSON at all, and leaves no trace on the prototypes', () => {
    const key = fc.oneof(
      fc.string(),
      fc.constantFrom(
        '__proto__',
        'constructor',
        'prototype',
        'id',
        'model',
        'choices',
        'delta',
        'index',
        'content',
        'tool_calls',
        'function',
        'arguments',
        'usage',
        'audio',
        'data',
        'thinking_blocks',
        'logprobs',
        'provider_specific_fields',
        'function_call',
        'annotations',
        'role',
        'error',
        'message',
      ),
    );
    const { value } = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        fc.constantFrom(null, true, 0, -1, 1e300, '', 'x', '[DONE]'),
        fc.array(tie('value'), { maxLength: 4 }),
        fc
          .array(fc.tuple(key, tie('value')), { maxLength: 6 })
          .map(
            (entries) =>
              JSON.parse(
                `{${entries.map(([name, each]) => `${JSON.stringify(name)}:${JSON.stringify(each)}`).join(',')}}`,
              ) as unknown,
          ),
      ),
    }));
    const before = Object.getOwnPropertyNames(Object.prototype).join();
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            id: value,
            choices: fc.array(fc.record({ index: value, delta: value, finish_reason: value, logprobs: value })),
            usage: value,
            x: value,
          }),
        ),
        fc.array(value),
        (chunks, others) => {
          const builder = new CompletionBuilder();
          for (const each of [...chunks, ...others]) builder.add(each as ChatCompletionChunk);
          JSON.stringify(builder.build());
          const { reply } = read([utf8.encode([...chunks, ...others].map(dataLine).join(''))]);
          expect(reply.verdict).not.toBeNull();
        },
      ),
      settings,
    );
    expect(Object.getOwnPropertyNames(Object.prototype).join()).toBe(before);
  });
});

describe('the verdict', () => {
  const ends: StreamEnd[] = [cleanEnd, { type: 'lost', message: 'reset' }];

  test('no cut of a good stream is complete unless its finish_reason lay before the cut', () => {
    fc.assert(
      fc.property(goodStream, fc.nat(), fc.constantFrom(...ends), ({ bytes, atFinish }, at, end) => {
        const cut = at % atFinish;
        expect(read([bytes.subarray(0, cut)], end).reply.verdict).toBe('cut');
      }),
      { ...settings, numRuns: 2000 },
    );
  });

  test('of a good stream stands from its finish_reason on, whatever becomes of the rest', () => {
    fc.assert(
      fc.property(goodStream, fc.nat(), ({ bytes, atFinish }, at) => {
        const whole = read([bytes]).reply;
        const cut = atFinish + (at % (bytes.length - atFinish + 1));
        expect(read([bytes.subarray(0, cut)]).reply.verdict).toBe(whole.verdict);
      }),
      settings,
    );
  });

  test('every byte of one stream is a cut that is told', () => {
    const stream = utf8.encode(
      dataLine(chunkOf({ choices: [choiceOf({ content: 'Hé' })] })) +
        dataLine(chunkOf({ choices: [choiceOf({}, { finish_reason: 'stop' })] })) +
        'data: [DONE]\n\n',
    );
    const atFinish = stream.length - 'data: [DONE]\n\n'.length - 2;
    for (let cut = 0; cut <= stream.length; cut += 1) {
      const { verdict, error } = read([stream.subarray(0, cut)]).reply;
      expect({ cut, verdict, hasError: error !== null }).toEqual(
        cut < atFinish ? { cut, verdict: 'cut', hasError: true } : { cut, verdict: 'complete', hasError: false },
      );
    }
  });
});

describe('a stream with bytes changed', () => {
  const mutation = fc.record({
    at: fc.nat(),
    remove: fc.nat(3),
    insert: fc.oneof(fc.uint8Array({ maxLength: 3 }), wireBytes),
  });

  test('is always read to an end, and to the same one for every cut', () => {
    fc.assert(
      fc.property(
        goodStream,
        fc.array(mutation, { minLength: 1, maxLength: 4 }),
        cuts,
        fc.constantFrom('text/event-stream', 'application/json', null),
        ({ bytes }, mutations, at, contentType) => {
          let mutated = [...bytes];
          for (const { at: position, remove, insert } of mutations) {
            mutated = mutated.toSpliced(position % (mutated.length + 1), remove, ...insert);
          }
          const whole = read([Uint8Array.from(mutated)], cleanEnd, contentType);
          expect(read(pieces(Uint8Array.from(mutated), at), cleanEnd, contentType)).toEqual(whole);
          expect(whole.reply.error === null).toBe(whole.reply.verdict === 'complete');
        },
      ),
      { ...settings, numRuns: 1000 },
    );
  });

  test('any bytes at all, too', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.uint8Array({ maxLength: 200 }), wireBytes),
        cuts,
        fc.constantFrom('text/event-stream', 'text/html', null),
        (bytes, at, contentType) => {
          expect(read(pieces(bytes, at), cleanEnd, contentType)).toEqual(read([bytes], cleanEnd, contentType));
        },
      ),
      settings,
    );
  });
});
