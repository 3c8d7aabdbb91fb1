import stringWidth from 'string-width';

/** Characters that stand alone and whose width nobody doubts: those of nearly all text, for which the tables take too long. */
const plain =
  /^[ -~\u00a1-\u00ac\u00ae-\u02af\u2010-\u2027\u2500-\u257f\u3001-\u3029\u3041-\u3096\u30a1-\u30ff\u4e00-\u9fff]*$/;
const wide = /[\u3001-\u9fff]/g;
// oxlint-disable-next-line no-control-regex -- the styles that take no column
const style = /\u001b\[\d+m/g;

/** Columns that a text takes on a terminal: wide characters and emoji two, combining ones and styles none. */
export function width(text: string): number {
  const words = text.includes('\u001b') ? text.replace(style, '') : text;
  if (/^[ -~]*$/.test(words)) return words.length;
  if (plain.test(words)) return words.length + (words.match(wide)?.length ?? 0);
  return stringWidth(words);
}

/** The text with spaces after it, or on both sides, up to so many columns. */
export function padded(text: string, columns: number, align: 'left' | 'right' | 'center' = 'left'): string {
  const missing = Math.max(0, columns - width(text));
  const before = align === 'right' ? missing : align === 'center' ? missing >> 1 : 0;
  return ' '.repeat(before) + text + ' '.repeat(missing - before);
}
