import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { blockForm } from '../../../src/cli/asking/block-form.ts';
import { jsonIn } from '../../../src/cli/asking/json-in-reply.ts';
import { fencedBlocks } from '../../../src/terminal/fenced-blocks.ts';
import type { ChatCompletion } from '../../../src/protocol/types.ts';
import { seed } from '../../support/seed.ts';

const reply = (content: string): { completion: ChatCompletion; verdict: 'complete' } => ({
  completion: {
    id: 'x',
    object: 'chat.completion',
    created: 1,
    model: 'm',
    choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
    usage: null,
  },
  verdict: 'complete',
});

const extracted = (content: string, language: string | null = null): string | null =>
  blockForm(language).take(reply(content), false).taken?.text ?? null;

describe('the JSON of a reply', () => {
  test.each<[string, string, unknown, string | null]>([
    ['is the reply', '{"a":1}', { a: 1 }, null],
    ['has blanks around it', '\n  [1, 2]\t\n', [1, 2], null],
    ['stands behind a BOM', '\uFEFF{"a":1}', { a: 1 }, null],
    ['stands behind a thought', '<think>\n{"no": 1}\n</think>\n\n{"a":1}', { a: 1 }, 'the JSON behind <think>'],
    ['stands behind two', '<think>a</think>\n<thinking>b</thinking>[1]', [1], 'the JSON behind <think>'],
    [
      'stands behind a thought whose beginning is missing',
      'Or\n```json\n{"a":1}\n```\n</think>\n\n{"a":2}',
      { a: 2 },
      'the JSON behind <think>',
    ],
    ['says the name of a tag', '{"a":"</think>"}', { a: '</think>' }, null],
    [
      'has names inside of texts',
      '{"a":"{\\"b\\":1,\\"b\\":2}","b":["a","a"]}',
      { a: '{"b":1,"b":2}', b: ['a', 'a'] },
      null,
    ],
    ['stands in a fence', '```json\n{"a":1}\n```', { a: 1 }, 'the JSON of its fenced block'],
    ['stands in a fence of another name', '~~~\n{"a":1}\n~~~', { a: 1 }, 'the JSON of its fenced block'],
    [
      'stands in a fence with words around it',
      'Here:\n\n```json\n{"a":1}\n```\nDone.',
      { a: 1 },
      'the JSON of its fenced block',
    ],
    ['stands in a list', '- the JSON:\n\n  ```json\n  {"a":\n  1}\n  ```\n', { a: 1 }, 'the JSON of its fenced block'],
    ['stands beside other code', '```sh\nls\n```\n```json\n{"a":1}\n```', { a: 1 }, 'the JSON of its fenced block'],
    ['has a fence inside', JSON.stringify({ a: '```json\n{}\n```' }), { a: '```json\n{}\n```' }, null],
    ['is not closed', '```json\n{"a":1}', { a: 1 }, 'the JSON of its fenced block'],
    ['is a text', '"x"', 'x', null],
  ])('%s', (_name, content, value, note) => {
    expect(jsonIn(content)).toMatchObject({ value, note });
  });

  test.each<[string, string, string]>([
    ['words', 'no', 'it is no JSON'],
    ['nothing', '', 'it is no JSON'],
    [
      'two blocks',
      '```json\n{"a":1}\n```\n```json\n{"b":2}\n```',
      'it has 2 blocks of JSON, and nothing says which: {"a":1} | {"b":2}',
    ],
    ['a thought without an end', '<think>{"a":1}', 'it is no JSON, but a thought without an end'],
    [
      'a block in such a thought',
      '<think>\n```json\n{"a":1}\n```\nor not',
      'it is no JSON, but a thought without an end',
    ],
    ['a block in a thought alone', 'Or\n```json\n{"a":1}\n```\n</think>\nSorry.', 'it is no JSON'],
    ['a name that stands there twice', '{"a":1,"b":{"a":2},"\\u0061":3}', 'it has the name "a" twice in one object'],
    ['one in a block', '```json\n[{"a":{},"a":[]}]\n```', 'it has the name "a" twice in one object'],
    ['a number that is none', '{"a":[1,-1e999]}', 'it has the number -1e999, which is too large for most programs'],
    ['JSON with words around it', 'Here: {"a":1}', 'it is no JSON'],
    ['a torn block', '```json\n{"a":\n```', 'it is no JSON'],
    ['what is nested without an end', '['.repeat(100_000), 'it is no JSON'],
  ])('of %s there is none, and that is said', (_name, content, why) => {
    expect(jsonIn(content)).toBe(why);
  });

  test('is found in whatever way it is wrapped', () => {
    fc.assert(
      fc.property(
        fc.jsonValue({ noUnicodeString: false }),
        fc.constantFrom('', '\uFEFF', '<think>a ``` b</think>\n'),
        fc.constantFrom(
          ['', ''],
          ['```json\n', '\n```'],
          ['Text.\n\n````\n', '\n````\n\nMore.'],
          ['~~~ js\n', '\n~~~\n'],
        ),
        (value, before, [open = '', close = '']) => {
          const found = jsonIn(`${before}${open}${JSON.stringify(value, null, 1)}${close}`);
          expect(found).toMatchObject({ value: JSON.parse(JSON.stringify(value)) });
        },
      ),
      { seed, numRuns: 300 },
    );
  });
});

describe('--extract', () => {
  test.each<[string, string, string | null, string | null]>([
    ['the first block', 'a\n```\none\n```\n```\ntwo\n```', null, 'one\n'],
    ['the first of a language', '```sh\nls\n```\n```Python title="x"\nprint()\n```', 'python', 'print()\n'],
    ['a language in other letters', '```python\nx\n```', 'PYTHON', 'x\n'],
    ['one line end, whatever stands there', '```\nx\n\n\n```', null, 'x\n'],
    ['indentation as it is', '```\n  a\n\tb\n```', null, '  a\n\tb\n'],
    ['a shorter fence inside a longer one', '````md\n```\nx\n```\n````', null, '```\nx\n```\n'],
    ['nothing of indented code', 'a\n\n    code\n', null, null],
    ['nothing of another language', '```sh\nls\n```', 'python', null],
    ['an empty block', '```\n```', null, '\n'],
    ['no block of a thought', '<think>\n```\nno\n```\n</think>\n```\nx\n```', null, 'x\n'],
    ['no block of a thought without its beginning', '```\nno\n```\n</think>\n```\nx\n```', null, 'x\n'],
    ['nothing of a thought without an end', '<think>\n```\nno\n```\n', null, null],
    ['a block with the end of a thought in it', '```html\n</think>\n```\n', null, '</think>\n'],
    ['nothing of a block that the reply ends in', 'Look:\n```py\nprint(1\n', null, null],
    ['nothing of such a block in a list', '- Look:\n  ```py\n  print(1\n', null, null],
    ['nothing of a block that a shorter fence ends', '````\nx\n```\n', null, null],
    ['a block that the end of its list closes', '1. Do:\n   ```py\n   x\n```\n', null, 'x\n'],
    ['a block in a quotation', '> ```\n> x\n> ```', null, 'x\n'],
    ['CRLF as line ends', '```\r\na\r\nb\r\n```\r\n', null, 'a\nb\n'],
  ])('takes %s', (_name, content, language, text) => {
    expect(extracted(content, language)).toBe(text);
  });

  test('takes what was put between fences, with one line end', () => {
    const line = fc
      .string({ unit: 'binary' })
      .map((text) => text.replace(/[\r\n\u2028\u2029\u0085\f\v]|[`~]{3,}/g, ''));
    fc.assert(
      fc.property(
        fc.array(line),
        fc.constantFrom('```', '~~~', '`````'),
        fc.constantFrom('', 'py', 'c++'),
        (lines, fence, word) => {
          const inside = lines.join('\n');
          const text = extracted(`Look.\n\n${fence}${word}\n${inside}\n${fence}\n\nAnd so on.`);
          // A tab may be drawn out by whoever reads Markdown; the words and lines stay.
          expect(text?.replace(/\t| {4}/g, ' ')).toBe(`${inside.replace(/\n+$/, '')}\n`.replace(/\t| {4}/g, ' '));
        },
      ),
      { seed, numRuns: 300 },
    );
  });

  test('takes a block that is not closed where a reply may be short', () => {
    expect(blockForm(null).take({ ...reply('```\nx'), verdict: 'length' }, false).taken?.text).toBe('x\n');
    const { error, complaint } = blockForm(null).take(reply('```\nx'), false);
    expect(error?.message).toContain('may be cut');
    expect(complaint).toContain('closing fence');
  });

  test('says which languages there are, and complains to the model', () => {
    const { taken, error, complaint } = blockForm('python').take(reply('```sh\nls\n```'), true);
    expect(taken).toBeNull();
    expect(error).toMatchObject({ code: 'nothing_to_extract', message: expect.stringContaining('only of sh') });
    expect(complaint).toContain('python');
  });

  test('a long reply of many blocks and odd marks ends', () => {
    expect(fencedBlocks('```\nx\n```\n'.repeat(20_000))).toHaveLength(20_000);
    expect(fencedBlocks(`${'> '.repeat(5_000)}\`\`\`\nx\n`).length).toBeLessThan(2);
    expect(fencedBlocks('`'.repeat(200_000)).length).toBeLessThan(2);
  });
});
