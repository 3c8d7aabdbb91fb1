import { eastAsianWidth } from 'get-east-asian-width';

/** Between two tab stops, as every terminal has them. */
const tabStop = 8;
// oxlint-disable-next-line no-control-regex -- the styles that take no column
const style = /\u001b\[\d+m/g;

/**
 * The most columns that a text takes on the terminals in use, whatever column it begins at but for its tabs. Where they
 * agree (letters of all scripts, Chinese, Japanese and Korean, single emoji, accents) it is what all of them take. Where
 * they differ (an emoji joined of several, one that a selector widens, a flag, a skin tone), some draw the parts beside
 * each other: a line that counts those never breaks where nobody expects it. So it decides breaks, heights and columns.
 *
 * Own code: libraries count what a terminal with grapheme clusters shows, and a line is then twice there in the others.
 */
export function width(text: string): number {
  const words = text.includes('\u001b') ? text.replace(style, '') : text;
  if (/^[ -~]*$/.test(words)) return words.length;
  return columnsAfter(words, 0);
}

/** The column after a text without styles that begins at another one. */
export function columnsAfter(text: string, from: number): number {
  let column = from;
  let before = 0;
  let columnsBefore = 0;
  for (let at = 0; at < text.length; at += 1) {
    let code = text.charCodeAt(at);
    if (code === 0x09) {
      column += tabStop - (column % tabStop);
      before = code;
      columnsBefore = 0;
      continue;
    }
    if (code >= 0xd800 && code < 0xdc00) {
      code = text.codePointAt(at) as number;
      if (code > 0xffff) at += 1;
    }
    let columns = columnsOf(code);
    // A selector or a keycap makes an emoji of a narrow character.
    if ((code === 0xfe0f || code === 0x20e3) && columnsBefore === 1) columns = 1;
    // Vowels and final consonants of Korean stand in the syllable that they belong to.
    else if (isJamo(code) && (isJamo(before) || isSyllable(before))) columns = 0;
    column += columns;
    if (columns > 0 || code < 0x300) [before, columnsBefore] = [code, columns];
    if (code === 0xfe0f || code === 0x20e3) columnsBefore = 0;
  }
  return column;
}

/** The text with spaces instead of its tabs, as if it began at that column; it may hold styles. */
export function withoutTabs(text: string, from = 0): string {
  if (!text.includes('\t')) return text;
  let column = from;
  return text
    .split('\t')
    .map((part, at, parts) => {
      column = columnsAfter(part.replace(style, ''), column);
      if (at === parts.length - 1) return part;
      const spaces = tabStop - (column % tabStop);
      column += spaces;
      return part + ' '.repeat(spaces);
    })
    .join('');
}

/** The text with spaces after it, or on both sides, up to so many columns. */
export function padded(text: string, columns: number, align: 'left' | 'right' | 'center' = 'left'): string {
  const missing = Math.max(0, columns - width(text));
  const before = align === 'right' ? missing : align === 'center' ? missing >> 1 : 0;
  return ' '.repeat(before) + text + ' '.repeat(missing - before);
}

/** One more than the columns of each character that was asked for, up to the end of the emoji. */
const known = new Uint8Array(0x20000);

function columnsOf(code: number): number {
  if (code >= 0x20 && code < 0x7f) return 1;
  if (code >= known.length) return lookedUp(code);
  const columns = known[code] as number;
  if (columns > 0) return columns - 1;
  const found = lookedUp(code);
  known[code] = found + 1;
  return found;
}

/** Marks above or below another character, and what is never seen. */
const unseen = /^[\p{Mn}\p{Me}\p{Cc}\p{Default_Ignorable_Code_Point}]$/u;
/** Ignorable by Unicode, and shown as a hyphen or a blank. */
const seen = new Set([0xad, 0x115f, 0x3164, 0xffa0]);

function lookedUp(code: number): number {
  if (!seen.has(code) && unseen.test(String.fromCodePoint(code))) return 0;
  // Circled numbers on black squares: ambiguous by Unicode, wide in glibc.
  if (code >= 0x3248 && code <= 0x324f) return 2;
  return eastAsianWidth(code);
}

function isJamo(code: number): boolean {
  return (code >= 0x1160 && code <= 0x11ff) || (code >= 0xd7b0 && code <= 0xd7fb) || isInitial(code);
}

function isInitial(code: number): boolean {
  return (code >= 0x1100 && code <= 0x115f) || (code >= 0xa960 && code <= 0xa97c);
}

function isSyllable(code: number): boolean {
  return code >= 0xac00 && code <= 0xd7a3;
}
