import stringWidth from 'string-width';
import wrapAnsi from 'wrap-ansi';

/** Columns that a text takes on a terminal: wide characters and emoji two, combining ones none, escape sequences none. */
export function width(text: string): number {
  return /^[ -~]*$/.test(text) ? text.length : stringWidth(text);
}

/**
 * Breaks styled text at spaces into lines of at most so many columns; a longer word is broken where the line ends. Each
 * line closes the styles that are open at its end and the next one opens them again, so every line stands for itself.
 */
export function wrap(text: string, columns: number): string[] {
  // Most cells and items are short, and plain.
  if (text.length <= columns && /^[!-~](?:[ -~]*[!-~])?$/.test(text)) return [text];
  return wrapAnsi(text, Math.max(1, columns), { hard: true, trim: true }).split('\n');
}

/** The text with spaces after it, or on both sides, up to so many columns. */
export function padded(text: string, columns: number, align: 'left' | 'right' | 'center' = 'left'): string {
  const missing = Math.max(0, columns - width(text));
  const before = align === 'right' ? missing : align === 'center' ? missing >> 1 : 0;
  return ' '.repeat(before) + text + ' '.repeat(missing - before);
}
