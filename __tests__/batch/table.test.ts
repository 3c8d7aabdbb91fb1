import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readRowItems } from '../../src/batch/row-items.ts';
import { readTable } from '../../src/batch/table.ts';
import { seed } from '../support/seed.ts';

async function* inPieces(text: string | Uint8Array, size = Infinity): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text as string);
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function rows(text: string | Uint8Array, { size = Infinity, isTabbed = false } = {}): Promise<unknown[]> {
  const found: unknown[] = [];
  for await (const { line, cells } of readTable(inPieces(text, size), { name: 't.csv', isTabbed }))
    found.push([line, ...cells]);
  return found;
}

describe('the rows of a table', () => {
  test.each<[string, string, unknown[]]>([
    [
      'commas',
      'a,b\n1,2\n',
      [
        [1, 'a', 'b'],
        [2, '1', '2'],
      ],
    ],
    [
      'semicolons, a mark and CRLF, as Excel writes them',
      '\uFEFFa;b\r\n1,5;2\r\n',
      [
        [1, 'a', 'b'],
        [2, '1,5', '2'],
      ],
    ],
    [
      'tabs',
      'a\tb\n1,2\t3',
      [
        [1, 'a', 'b'],
        [2, '1,2', '3'],
      ],
    ],
    [
      'a heading whose quotes hold other delimiters',
      '"a;;;",b\n1,2',
      [
        [1, 'a;;;', 'b'],
        [2, '1', '2'],
      ],
    ],
    [
      'quotes, with what they hold',
      'a,b\n"x,""y""\r\nz",2\n3,4\n',
      [
        [1, 'a', 'b'],
        [2, 'x,"y"\r\nz', '2'],
        [4, '3', '4'],
      ],
    ],
    [
      'one column',
      'a\nx y\n',
      [
        [1, 'a'],
        [2, 'x y'],
      ],
    ],
    [
      'blank lines, which are counted',
      '\n\na,b\n\n1,2\n\n',
      [
        [3, 'a', 'b'],
        [5, '1', '2'],
      ],
    ],
    [
      'lines that a CR ends',
      'a,b\r1,2\r',
      [
        [1, 'a', 'b'],
        [2, '1', '2'],
      ],
    ],
    ['nothing', '', []],
  ])('are read with %s', async (_what, text, expected) => {
    for (const size of [Infinity, 1]) expect(await rows(text, { size })).toEqual(expected);
  });

  test('with tabs have quotes as they stand inside of a cell', async () => {
    expect(await rows('a\tb\n5" wide\t"x\ty"\n', { isTabbed: true })).toEqual([
      [1, 'a', 'b'],
      [2, '5" wide', 'x\ty'],
    ]);
  });

  test('are those that were written, however they come', async () => {
    const cell = fc.string({ unit: fc.constantFrom('a', ',', ';', '"', '\n', '\r\n', ' ', 'ü', '😀') });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(cell, cell, fc.constant('z')), { maxLength: 8 }),
        fc.integer({ min: 1, max: 20 }),
        async (written, size) => {
          const all = [['a', 'b', 'c'], ...written];
          const quoted = (each: string): string => `"${each.replaceAll('"', '""')}"`;
          const text = all.map((row) => row.map(quoted).join(',')).join('\n');
          let line = 1;
          const expected = all.map((row) => {
            const at = line;
            line += row.join('').split('\n').length;
            return [at, ...row];
          });
          expect(await rows(text, { size })).toEqual(expected);
        },
      ),
      { seed, numRuns: 60 },
    );
  });

  test.each<[string, string | Uint8Array, string]>([
    ['a quote without an end', 'a,b\n1,2\n"3,4\n5,6\n', 't.csv: row 3 has a quote without an end'],
    ['a quote inside of a cell', 'a,b\n1,5" wide\n', 't.csv: line 2 has a quote in the middle of a cell'],
    ['text after a quote', 'a,b\n"1"x,2\n', 't.csv: line 2 has a quote in the middle of a cell'],
    ['Latin-1', Buffer.from('a,b\n\xfc,2\n', 'latin1'), 't.csv: is no UTF-8 text'],
    ['a NUL', 'a,b\n\0,2\n', 't.csv: is no text: it has a NUL byte'],
    ['half a character at its end', Buffer.from([0x61, 0x0a, 0xc3]), 't.csv: is no UTF-8 text'],
  ])('end with an error at %s', async (_what, text, message) => {
    await expect(rows(text)).rejects.toThrow(message);
  });

  test('take no more memory than the longest may have, also for a quote that never ends', async () => {
    async function* endless(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('a,b\n"');
      const piece = Buffer.alloc(1024 * 1024, 'x');
      for (;;) yield piece;
    }
    const reading = (async () => {
      const reader = readTable(endless(), { name: 't.csv', isTabbed: false });
      while ((await reader.next()).done !== true);
    })();
    await expect(reading).rejects.toThrow('is longer than 16777216 characters');
  });

  test('are read as they are asked for, and no further', async () => {
    let given = 0;
    async function* many(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('a,b\n');
      for (given = 0; given < 100_000; given += 1) yield Buffer.from(`${given},${'x'.repeat(1000)}\n`);
    }
    let taken = 0;
    for await (const { cells } of readTable(many(), { name: 't.csv', isTabbed: false })) {
      taken += cells.length;
      if (taken >= 200) break;
    }
    expect(given).toBeLessThan(2_000);
  });
});

describe('the items of a table', () => {
  const items = async (text: string): Promise<unknown[]> => {
    const found: unknown[] = [];
    const prompts = {
      digest: 'x',
      begin: async (): Promise<void> => {},
      request: (values: ReadonlyMap<string, string>) => ({
        messages: [{ role: 'user', content: JSON.stringify([...values]) }],
        system: null,
        params: {},
      }),
    };
    for await (const item of readRowItems(inPieces(text), { isTabbed: false, prompts }, 't.csv')) found.push(item);
    return found;
  };

  test.each([
    ['a,b,a\n', 'two columns have the heading "a"'],
    ['a, a \n', 'two columns have the heading "a"'],
    ['a,,b\n', 'column 2 has no heading'],
  ])('need a name for each column: %j', async (text, message) => {
    await expect(items(text)).rejects.toThrow(message);
  });

  test('have the values of their row, and a row of another length is an error of its own', async () => {
    expect(await items('custom_id,b\nx,1\n,2\n,\ny,\nz\n')).toMatchObject([
      { line: 2, customId: 'x', request: { messages: [{ content: '[["custom_id","x"],["b","1"]]' }] } },
      { line: 3, customId: null, digest: expect.stringMatching(/^[0-9a-f]{16}$/) },
      { line: 5, customId: 'y', request: { messages: [{ content: '[["custom_id","y"]]' }] } },
      { line: 6, customId: 'z', request: null, error: { message: 'line 6: has 1 cells, and the heading 2' } },
    ]);
  });
});
