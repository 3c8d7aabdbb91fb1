import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { formatOf, readItem } from '../../src/batch/batch-item.ts';
import { type Line, type LineOptions, readLines } from '../../src/batch/lines.ts';
import { seed } from '../support/seed.ts';

async function* pieces(bytes: Uint8Array, lengths: readonly number[]): AsyncGenerator<Uint8Array> {
  let at = 0;
  for (const length of lengths) yield bytes.subarray(at, (at += length));
  yield bytes.subarray(at);
}

async function linesOf(bytes: Uint8Array | string, lengths: number[] = [], options?: LineOptions): Promise<Line[]> {
  const lines: Line[] = [];
  for await (const line of readLines(pieces(Buffer.from(bytes), lengths), options)) lines.push(line);
  return lines;
}

const texts = (lines: readonly Line[]): (string | null)[] => lines.map(({ text }) => text);

describe('lines', () => {
  test('end with LF or CRLF, lose a byte order mark, and keep a lone CR', async () => {
    expect(texts(await linesOf('\uFEFFa\r\n\nb\rc\n d'))).toEqual(['a', '', 'b\rc', ' d']);
    expect(await linesOf('')).toEqual([]);
    expect((await linesOf('a\nb')).map(({ endsAt, isTerminated }) => [endsAt, isTerminated])).toEqual([
      [2, true],
      [3, false],
    ]);
  });

  test('are the same however the bytes are cut into reads', async () => {
    const text = fc
      .array(fc.constantFrom('a', 'é', '日', '👩‍💻', '\n', '\r\n', '"'), { maxLength: 60 })
      .map((parts) => parts.join(''));
    const lengths = fc.array(fc.nat({ max: 9 }), { maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(text, lengths, async (all, cuts) => {
        expect(await linesOf(all, cuts)).toEqual(await linesOf(all));
        expect(texts(await linesOf(all, cuts)).join('\n')).toBe(
          all.replaceAll('\r\n', '\n').replace(/\n$/, '').replace(/\r$/, ''),
        );
      }),
      { seed },
    );
  });

  test('that are no UTF-8, or too long, have a problem instead of a text, and the next one is found', async () => {
    const lines = await linesOf(Buffer.concat([Buffer.from([0xff, 0x0a]), Buffer.from('123456789\nok\n')]), [4, 4], {
      mostBytes: 8,
    });
    expect(lines.map(({ text, problem }) => text ?? problem)).toEqual([
      'is no UTF-8 text',
      'is longer than 8 bytes',
      'ok',
    ]);
    expect(texts(await linesOf(Buffer.from([0x61, 0xe2, 0x82]), [], { isLossy: true }))).toEqual(['a\ufffd']);
  });
});

describe('the format', () => {
  test.each([
    ['in.jsonl', 'anything', 'jsonl'],
    ['in.NDJSON', 'x', 'jsonl'],
    ['in.txt', '{"prompt":1}', 'jsonl'],
    [null, '  {', 'jsonl'],
    ['in.txt', 'a prompt', 'text'],
    [null, '"quoted"', 'text'],
  ] as const)('of %s beginning with %j is %s', (name, first, format) => {
    expect(formatOf(name, first)).toBe(format);
  });
});

describe('an item', () => {
  const item = (text: string): ReturnType<typeof readItem> =>
    readItem({ number: 7, text, problem: null, endsAt: 0, isTerminated: true }, 'jsonl');

  test.each([
    ['no JSON', 'hello, secret', 'is no JSON'],
    ['a list', '[]', 'is no JSON object'],
    ['neither', '{}', 'has neither a prompt nor messages'],
    ['both', '{"prompt":"a","messages":[{"role":"user"}]}', 'has both a prompt and messages'],
    ['an empty prompt', '{"prompt":" "}', 'has a prompt that is empty or no text'],
    ['no messages', '{"messages":[]}', 'has messages that are no list of some'],
    ['a message without a role', '{"messages":[{"content":"x"}]}', 'has a message without a role'],
    [
      'another route',
      '{"url":"/v1/embeddings","body":{"messages":[{"role":"user"}]}}',
      'has a url other than /v1/chat/completions',
    ],
    ['another method', '{"method":"GET","body":{}}', 'has a method other than POST'],
    ['something beside its body', '{"prompt":"x","body":{}}', 'has prompt beside its body'],
    ['a body that is none', '{"body":[]}', 'has a body that is no object'],
    ['a key', '{"prompt":"x","api_key":"sk-1"}', 'has api_key, which never stands in a request'],
    ['a model that is none', '{"prompt":"x","model":3}', 'has a model that is no name'],
    ['a system that is none', '{"prompt":"x","system":3}', 'has a system that is no text'],
    ['a custom_id that is none', '{"prompt":"x","custom_id":{}}', 'has a custom_id that is no text'],
  ])('with %s has an error that names its line and none of its words', (_name, text, message) => {
    const { request, error } = item(text);
    expect(request).toBeNull();
    expect(error).toMatchObject({ code: 'input_invalid', message: `line 7 ${message}` });
    expect(`${error?.message} ${error?.hint}`).not.toMatch(/secret|sk-1/);
  });

  test('has a number for a name where one was given', () => {
    expect(item('{"custom_id":12,"prompt":"x"}')).toMatchObject({ customId: '12', error: null });
  });
});
