import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { MarkdownStream } from '../../src/terminal/markdown-stream.ts';
import { colourPaint, plainPaint } from '../../src/terminal/style.ts';
import { width } from '../../src/terminal/width.ts';
import { seed } from '../support/seed.ts';

/** What a document is made of, and what it could be torn in the middle of. */
const pieces = [
  '# T',
  'para word',
  '**bold**',
  '*x',
  '- a',
  '- ',
  '  - b',
  '1. n',
  '2. m',
  '3) z',
  '> q',
  '```js',
  '```',
  '~~~',
  '| a | b |',
  '|---|---|',
  '| 1 | 2 |',
  '---',
  '===',
  '    code',
  '   text',
  '\n',
  '\n',
  '\n\n',
  ' ',
  '\t',
  '<b>',
  '<!-- c',
  '[l](u)',
  '[1]: u',
  '`c`',
  '&amp;',
  '&#27;',
  '日本',
  'e\u0301',
  '👩‍👩‍👧',
  '🇩🇪👍🏽❤️1️⃣',
  'กำลังทำ',
  'हिन्दी में',
  '한글각',
  '**「あ」**の',
  '~5~',
  '~~x~~',
  '$',
  '$$',
  '$a*b$',
  '\\(',
  '\\)',
  '\\[',
  '\\]',
  'https://a.example/b_c*d?e=f&g',
  '\\',
  '-',
  '=',
  '`',
  '[ ] t',
  '* s',
  '+ p',
  'long words that wrap around the line and go on',
];
const documents = fc.array(fc.constantFrom(...pieces), { maxLength: 30 }).map((parts) => parts.join(''));

function rendered(parts: readonly string[], screen: { columns: number; rows: number }, paint = plainPaint): string[] {
  const stream = new MarkdownStream(screen, paint);
  const lines: string[] = [];
  for (const part of parts) {
    stream.push(part);
    lines.push(...stream.frame().committed);
  }
  return [...lines, ...stream.end()];
}

function cutAt(text: string, places: readonly number[]): string[] {
  const sorted = [...new Set(places.map((place) => place % (text.length + 1)))].toSorted((a, b) => a - b);
  return [...sorted, text.length].map((end, at) => text.slice(sorted[at - 1] ?? 0, end));
}

describe('markdown that arrives in pieces', () => {
  test('is the same wherever it was cut: what was committed never has to change', () => {
    fc.assert(
      fc.property(
        documents,
        fc.array(fc.nat(10_000), { maxLength: 20 }),
        fc.constantFrom(20, 80),
        (text, places, columns) => {
          const screen = { columns, rows: 1000 };
          const whole = rendered([text], screen);
          expect(rendered(cutAt(text, places), screen)).toEqual(whole);
          expect(rendered(text.split(''), screen)).toEqual(whole);
        },
      ),
      { seed, numRuns: 300 },
    );
  });

  test('loses no letter on a screen of four rows, where tall blocks are committed early', () => {
    const words = fc.array(
      fc.constantFrom('word ', '**bold** ', '\n- item ', '\n', '\n\n', '\n| a | b |\n|---|---|\n| x | y |\n', '\n> q '),
      { maxLength: 60 },
    );
    const letters = (text: string): string => text.replace(/[^a-z]/g, '');
    fc.assert(
      fc.property(words, (parts) => {
        const text = parts.join('');
        expect(letters(rendered(text.split(/(?<= )/), { columns: 24, rows: 4 }).join(''))).toBe(letters(text));
      }),
      { seed, numRuns: 200 },
    );
  });

  test('has no line wider than the screen but those of code', () => {
    const prose = documents.filter((text) => !/`|~~~|\t| {4}|:\/\//.test(text));
    fc.assert(
      fc.property(prose, (text) => {
        for (const line of rendered([text], { columns: 30, rows: 24 }, colourPaint))
          expect(width(line)).toBeLessThanOrEqual(30);
      }),
      { seed, numRuns: 300 },
    );
  });

  test.each<[name: string, source: string, frames: [committed: string[], open: string[]][]]>([
    [
      'a paragraph is open until the next block',
      'one\ntwo\n|\nthree',
      [
        [[], ['one', 'two']],
        [
          ['one', 'two'],
          ['', 'three'],
        ],
      ],
    ],
    [
      'an item is final when the next one begins',
      '- a\n|- b\n',
      [
        [[], ['• a']],
        [['• a'], ['• b']],
      ],
    ],
    [
      'a line of code is final when it ends',
      '```\none\n|two',
      [
        [['```', 'one'], []],
        [[], ['two']],
      ],
    ],
    [
      'the first letters of a closing fence are no code',
      '```\none\n|``',
      [
        [['```', 'one'], []],
        [[], []],
      ],
    ],
    [
      'a list keeps its numbers',
      '7. a\n|8. b\n\n|c',
      [
        [[], ['7. a']],
        [['7. a'], ['8. b']],
        [[], ['8. b', '', 'c']],
      ],
    ],
  ])('%s', (_name, source, frames) => {
    const stream = new MarkdownStream({ columns: 40, rows: 20 }, plainPaint);
    const seen = source.split('|').map((part) => {
      stream.push(part);
      const { committed, open } = stream.frame();
      return [committed, open];
    });
    expect(seen).toEqual(frames);
  });

  test('an end in the middle shows all that came', () => {
    expect(rendered(['- a\n  - **b'], { columns: 40, rows: 20 })).toEqual(['• a', '  • **b']);
  });

  test.each<[source: string, lines: string[]]>([
    ['# Title\ntext', ['# Title', 'text']],
    ['a [link](http://x.y/z) and <http://a.b>', ['a link (http://x.y/z) and http://a.b']],
    ['| a | b |\n|---|--:|\n| 1 | 22 |', ['a │  b', '──┼───', '1 │ 22']],
    ['- [x] done\n- [ ] not', ['• [x] done', '• [ ] not']],
    ['> a\n> > b', ['│ a', '│ │ b']],
    ['1. a\n   ```sh\n   ls\n   ```', ['1. a', '   ```sh', '   ls', '   ```']],
    ['&lt;b&gt; &copy; &#27;[2J', ['<b> © \\x1b[2J']],
    ['a\\*b', ['a*b']],
    ['one\n  two\nthree', ['one', '  two', 'three']],
    ['where\n$$\n- a\n= b \\\\\n$$ so **c**', ['where', '$$', '- a', '= b \\\\', '$$ so c']],
    ['- x\n  \\[\n  + y\n  \\]\n- z', ['• x', '  \\[', '  + y', '  \\]', '• z']],
    ['$$ is **money**\n\n- a', ['$$ is money', '', '• a']],
    [
      '| a | b |\n|---|---|\n| x | https://a.example/bcdefghijklmnopqrstuvwxyz/ |',
      ['a: x', 'b:', 'https://a.example/bcdefghijklmnopqrstuvwxyz/'],
    ],
  ])('%j', (source, lines) => {
    expect(rendered([source], { columns: 40, rows: 20 })).toEqual(lines);
  });
});
