import { erased } from '../../../terminal/live-region.ts';
import { EditorLayout, type LayLine } from './editor-layout.ts';

const escape = '\u001b[';

/** Draws a prompt and its text in place, again and again, and knows where the cursor is. */
export class EditorScreen {
  readonly #layout: EditorLayout;
  #cursorRow = 0;
  /** So many rows are on the screen. */
  #height = 1;

  constructor(lay?: LayLine) {
    this.#layout = new EditorLayout(lay);
  }

  /** What to write so that the terminal shows the text with the cursor where it belongs. */
  draw(
    prompt: string,
    promptWidth: number,
    text: string,
    cursor: number,
    screen: { columns: number; rows: number },
  ): string {
    const { rows, rowCount, row, before } = this.#layout.lay(text, cursor, promptWidth, screen.columns);
    // Of a text that is taller than the screen the part around the cursor.
    const height = Math.max(1, screen.rows - 1);
    const first = Math.max(0, Math.min(row - (height >> 1), rowCount - height));
    const shown = rows(first, first + height);
    const beginning = (at: number): string => (at + first === 0 ? prompt : ' '.repeat(promptWidth));
    const lines = shown.map((line, at) => beginning(at) + line);
    const cursorRow = row - first;
    const up = shown.length - 1 - cursorRow;
    const isAtEnd = up === 0 && before === shown[cursorRow];
    // The beginning of the row is written once more: only the terminal knows how wide it is there.
    const back = isAtEnd ? '' : `${up > 0 ? `${escape}${up}A` : ''}\r${beginning(cursorRow)}${before}`;
    const output = `${this.erase()}${lines.join('\n')}${back}`;
    this.#cursorRow = cursorRow;
    this.#height = shown.length;
    return output;
  }

  /** Takes what was drawn away. */
  erase(): string {
    const [up, height] = [this.#cursorRow, this.#height];
    this.forget();
    return `${up > 0 ? `${escape}${up}A` : ''}\r${erased(height)}`;
  }

  /** What was drawn is left alone: the next draw begins where the cursor is by then. */
  forget(): void {
    this.#cursorRow = 0;
    this.#height = 1;
  }

  /** Goes on below what was drawn. */
  leave(text: string, promptWidth: number, screen: { columns: number; rows: number }): string {
    const { rowCount } = this.#layout.lay(text, text.length, promptWidth, screen.columns);
    const down = Math.min(rowCount, Math.max(1, screen.rows - 1)) - 1 - this.#cursorRow;
    this.forget();
    return `${down > 0 ? `${escape}${down}B` : ''}\r\n`;
  }
}
