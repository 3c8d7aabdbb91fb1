import { describe, expect, test } from '@jest/globals';
import { clusters } from '../../src/terminal/clusters.ts';
import { width, withoutTabs } from '../../src/terminal/width.ts';

describe('the width of a text', () => {
  test.each<[name: string, text: string, columns: number]>([
    ['letters', 'naïve Ελλάδα', 12],
    ['combining accents', 'e\u0301', 1],
    ['Chinese', '漢字。', 6],
    ['half-width katakana', 'ｶﾞ', 2],
    ['Hangul syllables, and their parts', '한글각', 6],
    ['Thai with SARA AM', 'กำลัง', 4],
    ['Devanagari with spacing marks', 'की', 2],
    ['an emoji', '🎉', 2],
    ['a flag', '🇩🇪', 2],
    ['a tab from where it stands', 'ab\tc', 9],
    ['a tab after a wide character', '漢\tc', 9],
    ['styles', '\u001b[1ma\u001b[22m', 1],
    ['what is not seen', 'a\u200bb\u2060', 2],
  ])('%s', (_name, text, columns) => {
    expect(width(text)).toBe(columns);
  });

  test.each<[name: string, text: string, columns: number]>([
    ['an emoji joined of three', '👩‍👩‍👧', 6],
    ['one that a selector widens', '❤️', 2],
    ['a keycap, with and without its selector', '1️⃣2⃣', 4],
    ['a skin tone', '👍🏽', 4],
  ])('where terminals differ is the most that one of them takes: %s', (_name, text, columns) => {
    expect(width(text)).toBe(columns);
  });

  test('tabs become the spaces that they stand for, among styles too', () => {
    expect(withoutTabs('\u001b[1m漢\u001b[22m\tb\tc')).toBe('\u001b[1m漢\u001b[22m      b       c');
  });
});

describe('characters as a reader counts them', () => {
  test('are those of Unicode, however long the text', () => {
    const text = 'aกำe\u0301 漢👩‍👩‍👧🇩🇪🇫🇷क्षि각\r\n\u200dx'.repeat(40);
    const expected = Array.from(new Intl.Segmenter().segment(text), ({ segment }) => segment);
    expect([...clusters(text)]).toEqual(expected);
  });
});
