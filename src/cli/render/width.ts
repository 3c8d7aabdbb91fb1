import stringWidth from 'string-width';

/** Columns that a text takes on a terminal: wide characters and emoji two, combining ones none, escape sequences none. */
export function width(text: string): number {
  // Nearly all text is one of the two, and Unicode's tables take their time.
  if (/^[ -~]*$/.test(text)) return text.length;
  if (/^[\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fff\uac00-\ud7a3]+$/.test(text)) return text.length * 2;
  return stringWidth(text);
}

/** The text with spaces after it, or on both sides, up to so many columns. */
export function padded(text: string, columns: number, align: 'left' | 'right' | 'center' = 'left'): string {
  const missing = Math.max(0, columns - width(text));
  const before = align === 'right' ? missing : align === 'center' ? missing >> 1 : 0;
  return ' '.repeat(before) + text + ' '.repeat(missing - before);
}
