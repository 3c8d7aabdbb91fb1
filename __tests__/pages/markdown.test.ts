import { beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { languagesIn, markdownHtml } from '../../src/pages/markdown.ts';
import { loadLanguage } from '../../src/terminal/highlight.ts';
import { terminalSafe } from '../../src/terminal/terminal-safe.ts';
import { seed } from '../support/seed.ts';
import { hostileTexts } from './hostile-texts.ts';
import { attribute, livePartsOf, ParsedPage, textOf } from './parsed-page.ts';

const short = hostileTexts.filter(({ length }) => length < 500);
const page = (source: string): ParsedPage => new ParsedPage(markdownHtml(source).toString());
const png = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

beforeAll(() => Promise.all(['python', 'html', 'js', 'json'].map((name) => loadLanguage(name))));

describe('what a model writes for people', () => {
  test.each([
    ['**b** *e* ~~d~~ `c`', '<p dir="auto"><strong>b</strong> <em>e</em> <del>d</del> <code>c</code></p>'],
    ['# one\n###### six', '<h3 dir="auto">one</h3><h6 dir="auto">six</h6>'],
    ['a\nb', '<p dir="auto">a\nb</p>'],
    ['a<br>b', '<p dir="auto">a<br>b</p>'],
    ['- a\n- b\n  1. c', '<ul><li dir="auto">a</li><li dir="auto">b<ol start="1"><li dir="auto">c</li></ol></li></ul>'],
    ['3. a', '<ol start="3"><li dir="auto">a</li></ol>'],
    ['> a', '<blockquote><p dir="auto">a</p></blockquote>'],
    ['a\n\n---\n\nb', '<p dir="auto">a</p><hr><p dir="auto">b</p>'],
    ['costs $x_1$ &copy; &bogus;', '<p dir="auto">costs <code class="math">$x_1$</code> © &amp;bogus;</p>'],
  ])('%j', (source, expected) => {
    expect(markdownHtml(source).toString()).toBe(expected);
  });

  test.each([100, 497, 498, 499, 500, 501, 502, 5_000])('the same behind %d letters', (length) => {
    const words = 'word '.repeat(length / 5);
    for (const before of ['x'.repeat(length), `${words}${'x'.repeat(length % 5)}`]) {
      const shown = markdownHtml(`${before} a@b.example http://x.example *e*  \nb`).toString();
      expect(shown).toContain('<a href="mailto:a@b.example"');
      expect(shown).toContain('<a href="http://x.example/"');
      expect(shown).toMatch(/<em>e<\/em><br>b<\/p>$/);
      expect(markdownHtml(`${before}  \nb`).toString()).toMatch(/<br>b<\/p>$/);
    }
  });

  test('a formula of several lines holds no list, in a quote, in an item, before and after them', () => {
    const formula = '$$\n- a\n$$';
    const quoted = `> quoted\n${formula.replaceAll(/^/gm, '> ')}`;
    const item = `1. item\n${formula.replaceAll(/^/gm, '   ')}`;
    for (const parts of [
      [formula, quoted, item],
      [quoted, formula, item],
      [item, quoted, 'words', formula],
    ]) {
      const shown = page(parts.map((part) => `before\n${part}`).join('\n\n'));
      expect(shown.named('ul')).toEqual([]);
      expect(shown.text.split('$$\n- a\n$$')).toHaveLength(4);
    }
  });

  test('tasks have their box, in a tight list and in a loose one', () => {
    for (const source of ['- [x] done\n- [ ] open', '- [x] done\n\n- [ ] open'])
      expect(
        page(source)
          .named('li')
          .map((item) => textOf(item)),
      ).toEqual(['☑ done', '☐ open']);
  });

  test('a table has its cells and their sides', () => {
    const table = page('| a | b |\n|:-:|--:|\n| **1** | 2 |');
    expect(table.named('td').map((cell) => [textOf(cell), attribute(cell, 'class')])).toEqual([
      ['1', 'center'],
      ['2', 'right'],
    ]);
  });

  test('code has the colours of its language and the text of its source', () => {
    const code = 'def f(x):\n\n    return "<b>"  # &amp;';
    const shown = page(`\`\`\`python\n${code}\n\`\`\``);
    expect(shown.classed('magenta').map((token) => textOf(token))).toEqual(['def', 'return']);
    expect(textOf(shown.named('code')[0] as never)).toBe(code);
    expect(textOf(shown.named('figcaption')[0] as never)).toBe('python');
  });

  test('the languages of its fences are found wherever they stand', () => {
    expect(languagesIn('```ts\n```\n> ~~~ c++ x\n1. ```sh\n``` \n')).toEqual(['ts', 'c++', 'sh']);
  });
});

describe('links', () => {
  test('lead to the web or a mail, say where, and tell nobody where they stand', () => {
    const links = page(
      '[a](https://x.example/?a=1&b="2") <https://y.example/> [m](mailto:a@b.example) [r][1]\n\n[1]: http://z.example',
    );
    expect(links.named('a').map((link) => attribute(link, 'href'))).toEqual([
      'https://x.example/?a=1&b=%222%22',
      'https://y.example/',
      'mailto:a@b.example',
      'http://z.example/',
    ]);
    expect(new Set(links.named('a').map((link) => attribute(link, 'rel')))).toEqual(
      new Set(['noopener noreferrer nofollow']),
    );
    expect(links.classed('target').map((each) => textOf(each))).toEqual([
      '(x.example)',
      '(a@b.example)',
      '(z.example)',
    ]);
  });

  test('any other is the text that it was', () => {
    const links = page('[go](javascript:alert(1)) [up](../x)');
    expect(links.named('a')).toEqual([]);
    expect(links.text).toBe('go (javascript:alert(1)) up (../x)');
  });

  test('an image is shown if the reply holds it, and else named', () => {
    const images = page(`![mine](data:image/png;base64,${png}) ![other](https://x.example/y.png)`);
    expect(images.named('img').map((image) => [attribute(image, 'src'), attribute(image, 'alt')])).toEqual([
      [`data:image/png;base64,${png}`, 'mine'],
    ]);
    expect(images.named('a').map((link) => textOf(link))).toEqual(['other']);
  });
});

describe('what a model writes for a browser', () => {
  test.each(hostileTexts.map((text) => [text.slice(0, 60), text]))('%j runs nothing and loads nothing', (_, source) => {
    expect(livePartsOf(page(source))).toEqual([]);
  });

  test('neither do any of them together, cut anywhere', () => {
    const pieces = fc.constantFrom(...short, '\n', '\n\n', '`', '```', '*', '[', '](', '<', '    ');
    const source = fc
      .tuple(fc.array(pieces, { maxLength: 8 }), fc.nat(300))
      .map(([parts, cut]) => parts.join('').slice(cut));
    fc.assert(
      fc.property(source, (text) => {
        expect(livePartsOf(page(text))).toEqual([]);
      }),
      { seed, numRuns: 500 },
    );
  });

  test('words without marks are read as those words', () => {
    const word = fc
      .string({ unit: 'grapheme', minLength: 1 })
      .filter((text) => /^[\p{L}\p{N}\p{M}]+$/u.test(text) && !/^\d/.test(text));
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 20 }), (words) => {
        expect(page(words.join(' ')).text).toBe(terminalSafe(words.join(' ')));
      }),
      { seed },
    );
  });

  test('code is read as that code, whatever it holds', () => {
    const line = fc
      .oneof(fc.string({ unit: 'binary' }), fc.constantFrom(...short))
      .map((text) => text.replaceAll(/[\r\n`~]/g, ''));
    fc.assert(
      fc.property(
        fc.array(line, { minLength: 1, maxLength: 5 }),
        fc.constantFrom('', 'js', 'html', 'json'),
        (lines, language) => {
          const code = ['{', ...lines, '}'].join('\n');
          const shown = page(`\`\`\`${language}\n${code}\n\`\`\``);
          expect(textOf(shown.named('code')[0] as never)).toBe(terminalSafe(code));
          expect(livePartsOf(shown)).toEqual([]);
        },
      ),
      { seed, numRuns: 300 },
    );
  });

  test('lists that are thousands of levels deep are shown in a moment', () => {
    const source = Array.from({ length: 3_000 }, (_, level) => `${' '.repeat(2 * level)}- level ${level}`).join('\n');
    const shown = page(source);
    expect(shown.text).toContain('level 10');
    expect(shown.text).toContain('level 2999');
    expect(shown.named('ul').length).toBeLessThan(60);
  });

  test.each(['a', '<b>', '[', '**a', 'a`', '](', '\\', '<', '&#x3c;', '| ', '> ', '![a](', 'http://a.b/'])(
    'a line of a megabyte of %j is shown',
    (unit) => {
      const source = unit.repeat(1_000_000 / unit.length);
      const shown = page(source);
      expect(livePartsOf(shown)).toEqual([]);
      expect(shown.text.length).toBeGreaterThan(100_000);
    },
  );
});
