import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';

import { ChunkTemplate } from '../../src/protocol/chunk-template.ts';
import { CompletionBuilder } from '../../src/protocol/completion-builder.ts';
import { ReplyReader } from '../../src/protocol/reply-reader.ts';
import { seed } from '../support/seed.ts';

/** What a template makes of lines that come one after another; null where it asks for a parse. */
function readLines(lines: string[]): unknown[] {
  const template = new ChunkTemplate();
  return lines.map((line) => {
    const chunk = template.read(line);
    if (chunk === null) template.learn(line);
    return chunk?.chunk ?? null;
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
    fc.property(lines, (each) => {
      const reader = new ReplyReader({ status: 200, contentType: 'text/event-stream' });
      const chunks = each.flatMap((data) => reader.push(new TextEncoder().encode(`data: ${data}\n\n`)));
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
