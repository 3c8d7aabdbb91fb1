import { describe, expect, test } from '@jest/globals';

import { CllmError } from '../../src/outcome/errors.ts';
import { SseDecoder, type SseEvent } from '../../src/protocol/sse.ts';
import { referenceSse } from '../support/reference-sse.ts';
import { bytesOf, sseCases } from './sse-cases.ts';

const utf8 = new TextEncoder();

function decodeAll(pieces: Iterable<Uint8Array>, options?: { maxEventBytes?: number }): SseEvent[] {
  const decoder = new SseDecoder(options);
  return [...pieces].flatMap((piece) => decoder.decode(piece));
}

function* inPieces(bytes: Uint8Array, size: number): Generator<Uint8Array> {
  for (let from = 0; from < bytes.length; from += size) yield bytes.subarray(from, from + size);
}

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof CllmError) return error.code;
    throw error;
  }
  return 'no error';
}

describe.each(sseCases)('$name', (sseCase) => {
  const bytes = bytesOf(sseCase);
  const expected = sseCase.events.map(([event, data]) => ({ event, data }));

  test('decoded whole', () => {
    expect(decodeAll([bytes])).toEqual(expected);
  });

  test('decoded byte by byte', () => {
    expect(decodeAll(inPieces(bytes, 1))).toEqual(expected);
  });

  test('decoded in two pieces, cut anywhere', () => {
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      expect({ cut, events: decodeAll([bytes.subarray(0, cut), bytes.subarray(cut)]) }).toEqual({
        cut,
        events: expected,
      });
    }
  });

  test('as the second implementation reads it', () => {
    expect(referenceSse(bytes).events).toEqual(expected);
  });
});

describe('when events are given', () => {
  test.each(['data: x\n\n', 'data: x\r\r', 'data: x\r\n\r', 'data: x\n\r'])('%j gives its event at once', (text) => {
    expect(new SseDecoder().decode(utf8.encode(text))).toEqual([{ event: 'message', data: 'x' }]);
  });

  test('the LF of a CRLF that was cut gives no second event', () => {
    const decoder = new SseDecoder();
    expect(decoder.decode(utf8.encode('data: x\r\n\r'))).toHaveLength(1);
    expect(decoder.decode(utf8.encode(''))).toEqual([]);
    expect(decoder.decode(utf8.encode('\ndata: y\r\n'))).toEqual([]);
    expect(decoder.decode(utf8.encode('\r\n'))).toEqual([{ event: 'message', data: 'y' }]);
  });

  test('a plain Uint8Array over a part of a larger buffer is read from its own offset', () => {
    const all = utf8.encode('xxdata: y\n\nzz');
    expect(new SseDecoder().decode(new Uint8Array(all.buffer, 2, 9))).toEqual([{ event: 'message', data: 'y' }]);
  });
});

describe('end()', () => {
  test.each([
    ['data: [DONE]', '[DONE]'],
    ['data: [DONE]\n', '[DONE]'],
    ['data:  [DONE] ', ' [DONE] '],
    ['data: {"a":1}', '{"a":1}'],
    ['data: {"a":1}\r', '{"a":1}'],
    ['data: {"a":\ndata: 1}', '{"a":\n1}'],
    ['data: {"a":1}\nda', '{"a":1}'],
    ['data: {"a":"é"}', '{"a":"é"}'],
  ])('gives the event of the unclosed block %j, marked', (text, data) => {
    const decoder = new SseDecoder();
    expect(decoder.decode(utf8.encode(text))).toEqual([]);
    expect(decoder.end()).toEqual([{ event: 'message', data, unterminated: true }]);
    expect(decoder.isTorn).toBe(false);
    expect(decoder.end()).toEqual([]);
  });

  test.each(['data: {"a":1', 'data: [DONE', 'data: x', 'event: error\ndata: {"mess'])(
    'drops the torn block %j and says so',
    (text) => {
      const decoder = new SseDecoder();
      decoder.decode(utf8.encode(text));
      expect(decoder.end()).toEqual([]);
      expect(decoder.isTorn).toBe(true);
    },
  );

  test.each(['', 'data: x\n\n', 'data: x\n\ndat', ': ping', 'event: error', 'data:'])(
    'finds nothing torn in %j',
    (text) => {
      const decoder = new SseDecoder();
      decoder.decode(utf8.encode(text));
      expect(decoder.end()).toEqual([]);
      expect(decoder.isTorn).toBe(false);
    },
  );

  test('keeps the name of the unclosed block', () => {
    const decoder = new SseDecoder();
    decoder.decode(utf8.encode('event: error\ndata: {"message":"no"}'));
    expect(decoder.end()).toEqual([{ event: 'error', data: '{"message":"no"}', unterminated: true }]);
  });

  test('is the end: what comes after it is ignored', () => {
    const decoder = new SseDecoder();
    expect(decoder.end()).toEqual([]);
    expect(decoder.decode(utf8.encode('data: x\n\n'))).toEqual([]);
  });
});

describe('maxEventBytes', () => {
  test.each([
    ['LF', 'data: 123\n\n'],
    ['CRLF', 'data: 123\r\n\r\n'],
    ['CR', 'data: 123\r\r'],
  ])('counts the bytes of a block without its blank line, %s', (_name, block) => {
    const bytes = utf8.encode(block.repeat(3));
    for (const size of [1, 2, 3, 7, bytes.length]) {
      expect(decodeAll(inPieces(bytes, size), { maxEventBytes: 10 })).toHaveLength(3);
      expect(codeOf(() => decodeAll([...inPieces(bytes, size), utf8.encode('')], { maxEventBytes: 9 }))).toBe(
        'event_too_large',
      );
    }
  });

  test('counts bytes, not characters', () => {
    const bytes = utf8.encode('data: €€€\n\n');
    expect(decodeAll([bytes], { maxEventBytes: 16 })).toHaveLength(1);
    expect(codeOf(() => decodeAll([bytes], { maxEventBytes: 15 }))).toBe('event_too_large');
  });

  test.each(['data: ', ': ', 'unknown: ', 'data: a\ndata: '])(
    'bounds a line that begins with %j and never ends',
    (start) => {
      const decoder = new SseDecoder({ maxEventBytes: 1000 });
      decoder.decode(utf8.encode(start));
      expect(
        codeOf(() => {
          for (let count = 0; count < 1001; count += 1) decoder.decode(utf8.encode('x'));
        }),
      ).toBe('event_too_large');
    },
  );

  test('bounds a block of many short lines', () => {
    const decoder = new SseDecoder({ maxEventBytes: 1000 });
    expect(
      codeOf(() => {
        for (let count = 0; count < 200; count += 1) decoder.decode(utf8.encode('data: x\n'));
      }),
    ).toBe('event_too_large');
  });

  test('never counts blocks that were closed', () => {
    const decoder = new SseDecoder({ maxEventBytes: 20 });
    for (let count = 0; count < 1000; count += 1) {
      expect(decoder.decode(utf8.encode('data: x\n\n: ping\n\n'))).toHaveLength(1);
    }
  });

  test('gives the events before the one that is too large, then throws for good', () => {
    const decoder = new SseDecoder({ maxEventBytes: 10 });
    expect(decoder.decode(utf8.encode('data: 1\n\ndata: 12345678\n\ndata: 2\n\n'))).toEqual([
      { event: 'message', data: '1' },
    ]);
    expect(decoder.error?.code).toBe('event_too_large');
    expect(codeOf(() => decoder.decode(utf8.encode('data: 3\n\n')))).toBe('event_too_large');
    expect(codeOf(() => decoder.end())).toBe('event_too_large');
  });

  test('is 16 MiB by default', () => {
    const line = (length: number) => utf8.encode(`data: ${'x'.repeat(length - 7)}\n\n`);
    expect(decodeAll([line(16 * 1024 * 1024)])).toHaveLength(1);
    expect(codeOf(() => decodeAll([line(16 * 1024 * 1024 + 1)]))).toBe('event_too_large');
  });

  test('may be infinite', () => {
    expect(decodeAll([utf8.encode('data: x\n\n')], { maxEventBytes: Infinity })).toHaveLength(1);
  });
});

test('a million bytes of one event, one at a time, are one event', () => {
  const decoder = new SseDecoder();
  const bytes = utf8.encode(`data: ${'x'.repeat(1_000_000)}\n\n`);
  let events: SseEvent[] = [];
  for (const piece of inPieces(bytes, 1)) {
    const given = decoder.decode(piece);
    if (given.length > 0) events = [...events, ...given];
  }
  expect(events.map(({ data }) => data.length)).toEqual([1_000_000]);
});

test('a megabyte of carriage returns is a megabyte of line ends', () => {
  expect(decodeAll([utf8.encode(`${'\r'.repeat(1_000_000)}data: x\r\r`)])).toEqual([{ event: 'message', data: 'x' }]);
});
