import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { html } from '../../src/pages/html.ts';
import { terminalSafe } from '../../src/terminal/terminal-safe.ts';
import { seed } from '../support/seed.ts';
import { hostileTexts } from './hostile-texts.ts';
import { attribute, ParsedPage } from './parsed-page.ts';

const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc
    .array(fc.constantFrom(...hostileTexts, '<', '"', "'", '&', '\r\n', '\r', '\0', '-->', 'a'), { maxLength: 6 })
    .map((parts) => parts.join('')),
);
/** What a reader sees: a control is named, and a line ends in one way. */
const seen = (value: string): string => terminalSafe(value).replaceAll('\r\n', '\n');

test('whatever is put into a text or an attribute is read back as that text, and as nothing else', () => {
  fc.assert(
    fc.property(text, (value) => {
      const page = new ParsedPage(html`<p title="${value}">${value}</p><i>after</i>`.toString());
      expect(page.elements.map(({ tagName }) => tagName)).toEqual(['p', 'i']);
      expect(page.text).toBe(`${seen(value)}after`);
      expect(page.elements.map((element) => element.attrs.length)).toEqual([1, 0]);
      expect(attribute(page.elements[0] as never, 'title')).toBe(seen(value));
    }),
    { seed, numRuns: 500 },
  );
});

test('pieces, lists and numbers stand as they are, and nothing leaves no trace', () => {
  const items = ['<a>', 1, null, undefined, html`<b>${'&'}</b>`];
  expect(html`<p>${items}${[]}</p>`.toString()).toBe('<p>&lt;a&gt;1<b>&amp;</b></p>');
});

test('a value without quotes, or in the place of a name, is refused', () => {
  expect(() => html`<a href=${'x onclick=y'}>a</a>`).toThrow('quotes');
  expect(() => html`<${'script'}>`).toThrow('names no element');
});
