import { terminalSafe } from '../render/terminal-safe.ts';
import { width } from '../render/width.ts';

const escape = '\u001b[';

/** How a text of several lines is broken into rows, and where the cursor is among them. */
export interface Layout {
  rows: string[];
  row: number;
  column: number;
}

/** The rows of a text after a prompt of so many columns; later rows stand below the text, not below the prompt. */
export function layout(text: string, cursor: number, indent: number, columns: number): Layout {
  // The last column stays free: a full row leaves the cursor where terminals disagree.
  const room = Math.max(4, columns - 1);
  const rows: string[] = [''];
  let used = indent;
  let [row, column] = [0, indent];
  const breakRow = (): void => {
    rows.push('');
    used = indent;
  };
  for (const { segment, index } of new Intl.Segmenter().segment(text)) {
    if (index === cursor) [row, column] = [rows.length - 1, used];
    if (segment === '\n') {
      breakRow();
      continue;
    }
    const shown = segment === '\t' ? '    ' : terminalSafe(segment);
    const needed = width(shown);
    if (used + needed > room) breakRow();
    if (index === cursor) [row, column] = [rows.length - 1, used];
    rows[rows.length - 1] += shown;
    used += needed;
  }
  if (cursor >= text.length) [row, column] = [rows.length - 1, used];
  return { rows, row, column };
}

/** Draws a prompt and its text in place, again and again, and knows where the cursor is. */
export class EditorScreen {
  #cursorRow = 0;

  /** What to write so that the terminal shows the text with the cursor where it belongs. */
  draw(
    prompt: string,
    promptWidth: number,
    text: string,
    cursor: number,
    screen: { columns: number; rows: number },
  ): string {
    const { rows, row, column } = layout(text, cursor, promptWidth, screen.columns);
    // Of a text that is taller than the screen the part around the cursor.
    const height = Math.max(1, screen.rows - 1);
    const first = Math.max(0, Math.min(row - (height >> 1), rows.length - height));
    const shown = rows.slice(first, first + height);
    const lines = shown.map((line, at) => (at + first === 0 ? prompt : ' '.repeat(promptWidth)) + line);
    const up = shown.length - 1 - (row - first);
    const output = `${this.erase()}${lines.join('\n')}${up > 0 ? `${escape}${up}A` : ''}\r${column > 0 ? `${escape}${column}C` : ''}`;
    this.#cursorRow = row - first;
    return output;
  }

  /** Takes what was drawn away. */
  erase(): string {
    const up = this.#cursorRow;
    this.#cursorRow = 0;
    return `${up > 0 ? `${escape}${up}A` : ''}\r${escape}J`;
  }

  /** Goes on below what was drawn. */
  leave(text: string, promptWidth: number, columns: number): string {
    const { rows } = layout(text, text.length, promptWidth, columns);
    const down = rows.length - 1 - this.#cursorRow;
    this.#cursorRow = 0;
    return `${down > 0 ? `${escape}${down}B` : ''}\r\n`;
  }
}
