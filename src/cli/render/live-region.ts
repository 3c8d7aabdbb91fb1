import { width } from './width.ts';

const escape = '\u001b[';
/** A terminal that knows it shows what is between as one frame; others ignore it (DEC mode 2026). */
const [beginFrame, endFrame] = [`${escape}?2026h`, `${escape}?2026l`];

/**
 * The lines at the bottom of the terminal that may still change. Frames are made of as little as possible: a line that
 * only grew gets its new end, and only from the first line that differs on is anything erased. No alternate screen, so
 * what was committed is the terminal's own: it scrolls, and it copies.
 */
export class LiveRegion {
  /** What is on the screen, the cursor at the end of its last line. */
  #shown: string[] = [];
  #isResized = false;

  /**
   * The terminal has another width: it may have broken the lines anew, or cut off the one with the cursor, so all of them
   * are drawn again. How many rows the one with the cursor takes now differs between terminals; counting one at worst
   * leaves a piece of it above, counting more could erase what is not ours.
   */
  resized(): void {
    this.#isResized = this.#shown.length > 0;
  }

  /**
   * What to write so that the committed lines stand where the region was, and the open ones below them.
   *
   * @param columns of the terminal now: lines that it was made narrower than take several rows
   */
  draw(committed: readonly string[], open: readonly string[], columns: number): string {
    const shown = this.#shown;
    const lines = [...committed, ...open];
    this.#shown = [...open];
    const tail = open.length === 0 && committed.length > 0 ? '\n' : '';
    const isResized = this.#isResized;
    this.#isResized = false;
    const same = isResized ? 0 : sameLines(shown, lines);
    if (same === shown.length) {
      if (same === lines.length) return tail;
      return (same === 0 ? '' : '\n') + lines.slice(same).join('\n') + tail;
    }
    const [old, grown] = [shown[same] as string, lines[same]];
    if (!isResized && same === shown.length - 1 && grown?.startsWith(old)) {
      return (
        grown.slice(old.length) +
        lines
          .slice(same + 1)
          .map((line) => `\n${line}`)
          .join('') +
        tail
      );
    }
    const rows = shown.slice(same).map((line) => heightOf(line, columns));
    if (isResized) rows[rows.length - 1] = 1;
    const up = rows.reduce((sum, each) => sum + each, -1);
    const move = `${up > 0 ? `${escape}${up}A` : ''}\r${escape}J`;
    // Nothing new in place of what is erased: the cursor goes back to the end of the line before.
    if (same === lines.length) {
      if (same > 0) return this.#redrawn(lines, same, move, columns, tail);
      return beginFrame + move + endFrame;
    }
    return beginFrame + move + lines.slice(same).join('\n') + tail + endFrame;
  }

  #redrawn(lines: readonly string[], same: number, move: string, columns: number, tail: string): string {
    const last = lines[same - 1] as string;
    const up = heightOf(last, columns);
    return `${beginFrame}${move}${escape}${up}A${escape}J${last}${tail}${endFrame}`;
  }
}

/** How many lines at the beginning are the same. */
function sameLines(left: readonly string[], right: readonly string[]): number {
  const differing = left.findIndex((line, at) => line !== right[at]);
  return differing === -1 ? left.length : differing;
}

function heightOf(line: string, columns: number): number {
  return Math.max(1, Math.ceil(width(line) / Math.max(1, columns)));
}
