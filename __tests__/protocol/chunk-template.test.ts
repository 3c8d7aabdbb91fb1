import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';

import type { CllmError } from '../../src/outcome/errors.ts';
import { ChunkRun } from '../../src/protocol/chunk-run.ts';
import { ChunkTemplate } from '../../src/protocol/chunk-template.ts';
import { CompletionBuilder } from '../../src/protocol/fold/completion-builder.ts';
import { ReplyReader } from '../../src/protocol/reply-reader.ts';
import { SseDecoder } from '../../src/protocol/sse.ts';
import type { ChatCompletionChunk } from '../../src/protocol/types.ts';
import { cuts, pieces } from '../support/pieces.ts';
import { seed } from '../support/seed.ts';

/** What is no JSON never gets as far as the template. */
function parsed(data: string): ChatCompletionChunk {
  try {
    return JSON.parse(data) as ChatCompletionChunk;
  } catch {
    return JSON.parse(line('')) as ChatCompletionChunk;
  }
}

/** What a template makes of lines that come one after another; null where it asks for a parse. */
function readLines(lines: string[]): unknown[] {
  const template = new ChunkTemplate();
  return lines.map((line) => {
    const block = `data: ${line}\n\n`;
    const known = template.read(block, 0);
    if (known === null) template.learn(line, parsed(line));
    return known?.end === block.length ? known.item.chunks()[0] : known;
  });
}

const line = (content: string, rest = ''): string =>
  `{"id":"1","created":1,"model":"m","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":${JSON.stringify(content)}${rest}}}]}`;

describe('after two chunks that differ in their text alone', () => {
  test.each([
    '',
    'c',
    'a longer text of many words',
    '"',
    '\\',
    '\n',
    '\u0000',
    '\\"',
    'é漢字😀',
    '\uD83D',
    '","role":"x',
    '"}}]}',
  ])('the text %j is read without a parse', (text) => {
    const next = line(text);
    const chunk = readLines([line('a'), line('b'), next])[2];
    expect(chunk).toEqual(JSON.parse(next));
    expect(JSON.stringify(chunk)).toBe(next);
  });

  test.each([
    ['another id', line('c').replace('"1"', '"2"')],
    ['another key', line('c', ',"role":"assistant"')],
    ['a finish', line('c').replace('}}]}', '},"finish_reason":"stop"}]}')],
    ['text that closes its string', line('c').replace('"c"', '"c","content":"d"')],
    ['text that is no JSON string', line('c').replace('"c"', '"\\x"')],
    ['a control character', line('c').replace('"c"', '"\n"')],
    ['a text that ends in a backslash', line('c').replace('"c"', '"c\\"')],
    ['half of it', line('c').slice(0, -3)],
    ['a second line of data', `${line('c')}\ndata: x`],
    ['the event type after it', `${line('c')}\nevent: error`],
    ['nothing', ''],
    ['the end mark', '[DONE]'],
    [
      'the frame with its two parts overlapping',
      '{"id":"1","created":1,"model":"m","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"}}]}',
    ],
  ])('%s has to be parsed', (_name, next) => {
    expect(readLines([line('a'), line('b'), next])[2]).toBeNull();
  });

  test('reasoning is read so, too', () => {
    const reasoning = (text: string) => line(text).replace('"content"', '"reasoning_content"');
    expect(readLines([reasoning('a'), reasoning('b'), reasoning('c')])[2]).toEqual(JSON.parse(reasoning('c')));
  });

  test('each chunk is an object of its own', () => {
    const [, , third, fourth] = readLines(['a', 'b', 'c', 'd'].map((text) => line(text))) as {
      choices: { delta: object }[];
    }[];
    expect(third?.choices).not.toBe(fourth?.choices);
    expect(third?.choices[0]).not.toBe(fourth?.choices[0]);
    expect(third?.choices[0]?.delta).not.toBe(fourth?.choices[0]?.delta);
  });
});

describe('no template is made of chunks', () => {
  const wrap =
    (choices: string, rest = ''): ((text: string) => string) =>
    (text) =>
      `{"id":"1"${rest},"choices":[${choices.replace('TEXT', text)}]}`;

  test.each([
    ['that hold an object', wrap('{"index":0,"delta":{"content":"TEXT"}}', ',"usage":{"a":1}')],
    ['whose choice holds a list', wrap('{"index":0,"logprobs":[1],"delta":{"content":"TEXT"}}')],
    ['whose delta holds a list', wrap('{"index":0,"delta":{"content":"TEXT","images":[]}}')],
    ['of two choices', wrap('{"index":0,"delta":{"content":"TEXT"}},{"index":1,"delta":{"content":"b"}}')],
    ['whose text is elsewhere', wrap('{"index":0,"content":"TEXT","delta":{}}')],
    ['whose text a later key replaces', wrap('{"index":0,"delta":{"content":"TEXT","content":"b"}}')],
    ['whose key only ends like it', wrap('{"index":0,"delta":{"x\\"content":"TEXT"}}')],
    ['whose key is written with an escape', wrap('{"index":0,"delta":{"c\\u006fntent":"TEXT"}}')],
    ['that are no objects', (text: string) => `["content":"${text}"]`],
  ])('%s', (_name, of) => {
    expect(readLines(['a', 'b', 'c', 'd'].map(of)).every((chunk) => chunk === null)).toBe(true);
  });

  test('that change with every event', () => {
    expect(readLines(['a', 'b', 'c', 'd'].map((text) => line(text, `,"obfuscation":"${text}"`)))).toEqual([
      null,
      null,
      null,
      null,
    ]);
  });
});

describe('in the text of a read', () => {
  const template = new ChunkTemplate();
  for (const text of ['a', 'b']) template.learn(line(text), parsed(line(text)));
  const blocks = (...texts: string[]): string => texts.map((text) => `data: ${line(text)}\n\n`).join('');

  test('known events are read up to the first that is not', () => {
    const known = blocks('c', 'd"', '', 'e\n');
    const read = template.read(`xyz${known}data: [DONE]\n\n${blocks('f')}`, 3);
    expect(read?.end).toBe(3 + known.length);
    expect(read?.item.texts).toEqual(['c', 'd"', '', 'e\n']);
    expect(read?.item.text).toBe('cd"e\n');
  });

  test('an event that goes on in the next read is left', () => {
    const text = blocks('c', 'd');
    for (let cut = 1; cut < text.length; cut += 1) {
      const isFirstThere = cut >= text.length / 2;
      expect(template.read(text.slice(0, cut), 0)?.item.texts ?? null).toEqual(isFirstThere ? ['c'] : null);
    }
  });

  test.each(['data:', 'event: message\ndata: ', 'id: 1\ndata: ', ': comment\ndata: ', '\n'])(
    'a block that begins with %j is left to the parser',
    (start) => {
      expect(template.read(`${start}${line('c')}\n\n`, 0)).toBeNull();
    },
  );
});

test('what a reader gives and folds is what JSON.parse gives and a builder folds, for any order of such chunks', () => {
  const text = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 6 }),
    fc.constantFrom('"', '\\', '","', '"}', '\uD83D', '', 'cllm:probe:text'),
  );
  const frames = [
    (content: unknown) => ({ id: '1', choices: [{ index: 0, delta: { content } }] }),
    (content: unknown) => ({ choices: [{ delta: { content, role: 'assistant' }, index: 0 }], id: '1', usage: null }),
    (content: unknown) => ({ id: '1', x: { content }, choices: [{ index: 0, delta: { content } }] }),
    (content: unknown) => ({ id: '1', content, choices: [{ index: 0, delta: { content } }] }),
    (content: unknown) => ({
      id: '1',
      ['__proto__']: 1,
      choices: [{ index: 0, delta: { reasoning_content: content, constructor: 'x' } }],
    }),
    (content: unknown) => ({ id: '1', choices: [{ index: 0, delta: { content }, finish_reason: content }] }),
    (content: unknown) => ({
      id: '1',
      service_tier: 'a',
      x: 1,
      model: 'm',
      choices: [{ index: 0, delta: { content } }],
    }),
    (content: unknown) => ({
      id: '1',
      service_tier: 'b',
      x: 2,
      model: 'n',
      choices: [{ index: 0, delta: { content } }],
    }),
    (content: unknown) => ({ id: '1', choices: [{ index: 1, delta: { content, refusal: 'no' } }] }),
    (content: unknown) => ({ id: '1', choices: [{ index: 1, delta: { content, refusal: '', audio: null, x: 1 } }] }),
  ];
  const lines = fc
    .array(fc.tuple(fc.constantFrom(...frames), text, fc.nat(4)), { maxLength: 12 })
    .map((parts) =>
      parts.flatMap(([frame, content, repeats]) =>
        Array.from({ length: repeats }, () => JSON.stringify(frame(content))),
      ),
    );
  fc.assert(
    fc.property(lines, cuts, (each, cutAt) => {
      const reader = new ReplyReader({ status: 200, contentType: 'text/event-stream' });
      const bytes = new TextEncoder().encode(each.map((data) => `data: ${data}\n\n`).join(''));
      const chunks = pieces(bytes, cutAt).flatMap((piece) => reader.push(piece).chunks());
      expect(chunks.map((chunk) => JSON.stringify(chunk))).toEqual(
        each.map((data) => JSON.stringify(JSON.parse(data))),
      );
      const builder = new CompletionBuilder();
      for (const data of each) builder.add(JSON.parse(data));
      expect(reader.finish({ type: 'end' }).reply.completion).toEqual(builder.build());
    }),
    { seed, numRuns: 1_000 },
  );
});

test('a decoder with a template gives what one without gives, whatever stands between the blocks, up to the same limit', () => {
  const block = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.constantFrom('', 'c', 'é', '😀', '"\\\n', 'a longer text').map((text) => `data: ${line(text)}\n\n`),
    },
    fc.constantFrom(
      ': ping\n\n',
      '\n',
      'data: [DONE]\n\n',
      `event: message\ndata: ${line('x')}\n\n`,
      `data:${line('y')}\n\n`,
      `data: ${line('z')}\ndata: 1\n\n`,
      `data: ${line('w')}\nid: 1\n\n`,
      `data: ${line('v').slice(0, -1)}\ndata: }\n\n`,
    ),
  );
  const wire = fc
    .tuple(fc.array(block, { maxLength: 12 }), fc.constantFrom('\n', '\r\n', '\r'), fc.boolean())
    .map(([blocks, lineEnd, isTorn]) => {
      const text = blocks.join('').replaceAll('\n', lineEnd);
      return new TextEncoder().encode(isTorn ? text.slice(0, -1) : text);
    });
  const limit = fc.oneof(fc.constant(100_000), fc.integer({ min: 1, max: 200 }));
  fc.assert(
    fc.property(wire, cuts, limit, (bytes, cutAt, maxEventBytes) => {
      const template = new ChunkTemplate();
      for (const text of ['a', 'b']) template.learn(line(text), parsed(line(text)));
      const decoded = (decoder: SseDecoder<ChunkRun>) => {
        const items: unknown[] = [];
        let error: unknown = null;
        try {
          for (const piece of [...pieces(bytes, cutAt), null])
            for (const item of piece === null ? decoder.end() : decoder.decode(piece))
              if (item instanceof ChunkRun) items.push(...item.chunks().map((chunk) => JSON.stringify(chunk)));
              else items.push(item.event === 'message' ? item.data : item);
        } catch (thrown) {
          error = (thrown as CllmError).code;
        }
        return { items, error, isTorn: decoder.isTorn };
      };
      expect(
        decoded(new SseDecoder({ maxEventBytes }, { shortcut: (text, from) => template.read(text, from) })),
      ).toEqual(decoded(new SseDecoder({ maxEventBytes })));
    }),
    { seed, numRuns: 1_000 },
  );
});
