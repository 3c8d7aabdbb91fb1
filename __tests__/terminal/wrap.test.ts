import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { colourPaint, type Style } from '../../src/terminal/style.ts';
import { width, withoutTabs } from '../../src/terminal/width.ts';
import { rowsOf, wrap } from '../../src/terminal/wrap.ts';
import { seed } from '../support/seed.ts';

// oxlint-disable-next-line no-control-regex -- styles are what this takes away
const plain = (text: string): string => text.replace(/\u001b\[\d+m/g, '');

const words = fc.constantFrom(
  'a',
  'word',
  'longer-word',
  '漢字',
  'かな。',
  'e\u0301',
  '👩‍👩‍👧',
  'x'.repeat(50),
  ' ',
  '  ',
  '\n',
  'tab\tx',
  'กำลัง',
  'हिन्दी',
  '❤️',
  '1️⃣',
  '🇩🇪',
  '👍🏽',
  '각',
);
const styles = fc.constantFrom<Style>('bold', 'dim', 'italic', 'red', 'underline');
const { text: texts } = fc.letrec<{ text: string }>((tie) => ({
  text: fc.oneof(
    { depthSize: 'small' },
    words,
    fc
      .tuple(styles, fc.array(tie('text'), { maxLength: 5 }))
      .map(([style, parts]) => colourPaint(style, parts.join(''))),
    fc.array(tie('text'), { maxLength: 6 }).map((parts) => parts.join(' ')),
  ),
}));

describe('wrapping', () => {
  test('fits the width, keeps every character but spaces, and closes its styles on every line', () => {
    fc.assert(
      fc.property(texts, fc.integer({ min: 6, max: 30 }), (text, columns) => {
        const lines = wrap(text, columns);
        for (const line of lines) {
          expect(width(line)).toBeLessThanOrEqual(columns);
          expect(plain(line)).not.toMatch(/ $/);
          expect(openStyles(line)).toEqual([]);
        }
        expect(plain(lines.join('')).replace(/\s/g, '')).toBe(plain(text).replace(/\s/g, ''));
      }),
      { seed, numRuns: 500 },
    );
  });

  test.each<[text: string, columns: number, lines: string[]]>([
    ['one two three', 8, ['one two', 'three']],
    ['漢字かな交じり。文', 6, ['漢字か', 'な交じ', 'り。文']],
    ['abcdefghij', 4, ['abcd', 'efgh', 'ij']],
    ['', 4, ['']],
    ['a\nb', 4, ['a', 'b']],
    ['a\n  b', 4, ['a', '  b']],
    ['a\tb', 20, ['a       b']],
    ['漢\tb', 20, ['漢      b']],
    ['a \u001b[1mbold\u001b[22m.', 6, ['a', '\u001b[1mbold\u001b[22m.']],
    ['see https://a.example/bcd now', 10, ['see', 'https://a.example/bcd', 'now']],
    ['参照https://a.example/bcd。次', 10, ['参照', 'https://a.example/bcd。', '次']],
    ['(\u001b[4mhttps://a.example/漢字\u001b[24m).', 10, ['(\u001b[4mhttps://a.example/漢字\u001b[24m).']],
  ])('%j in %i columns', (text, columns, lines) => {
    expect(wrap(text, columns)).toEqual(lines);
  });
});

describe('rows that no terminal breaks', () => {
  test('are as wide as the screen at most, hold every character, and stand for themselves', () => {
    fc.assert(
      fc.property(texts, fc.integer({ min: 6, max: 30 }), (text, columns) => {
        const line = text.replaceAll('\n', '');
        const rows = rowsOf(line, columns);
        for (const row of rows) {
          expect(width(row)).toBeLessThanOrEqual(columns);
          expect(openStyles(row)).toEqual([]);
        }
        expect(plain(rows.join(''))).toBe(plain(withoutTabs(line)));
      }),
      { seed, numRuns: 500 },
    );
  });
});

/** The styles that a line leaves open. */
function openStyles(line: string): number[] {
  let open: number[] = [];
  // oxlint-disable-next-line no-control-regex -- styles are what this reads
  for (const [, code] of line.matchAll(/\u001b\[(\d+)m/g)) {
    const number = Number(code);
    if ([22, 23, 24, 29, 39].includes(number)) {
      open = open.filter((each) => (each <= 2 ? 22 : each >= 30 ? 39 : each + 20) !== number);
    } else open.push(number);
  }
  return open;
}
