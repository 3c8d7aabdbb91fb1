import { expect, test } from '@jest/globals';
import { everyLetter } from '../../src/terminal/every-letter.ts';

test.each([
  ['a zero-width space', '\u200b', '\\u{200b}'],
  ['a word joiner', '\u2060', '\\u{2060}'],
  ['a soft hyphen', '\u00ad', '\\u{ad}'],
  ['a filler of Hangul', '\u3164', '\\u{3164}'],
  ['a tag', '\u{e0041}', '\\u{e0041}'],
  ['a variation selector', '\ufe0f', '\\u{fe0f}'],
  ['a blank that is none', '\u00a0', '\\u{a0}'],
  ['a line separator', '\u2028', '\\u{2028}'],
  ['a blank pattern of Braille', '\u2800', '\\u{2800}'],
])('%s can be seen', (_, letter, shown) => {
  expect(everyLetter(`rm${letter}x`)).toBe(`rm${shown}x`);
});

test('what can be seen stays as it is', () => {
  const text = 'git log\n\t--oneline „ä“ 日本語 🎉';
  expect(everyLetter(text)).toBe(text);
});
