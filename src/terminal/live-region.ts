import type { Output } from './output.ts';
import { width } from './width.ts';

const escape = '\u001b[';
/** A terminal that knows it shows what is between as one frame; others ignore it (DEC mode 2026). */
const [beginFrame, endFrame] = [`${escape}?2026h`, `${escape}?2026l`];

/** The terminal as it is now. */
export interface RegionScreen {
  columns: number;
  rows: number;
  /** Whether lines that it was made narrower than were broken anew, as nearly all terminals do; others cut them off. */
  reflows: boolean;
}

export function screenOf(output: Output): RegionScreen {
  const rows = (output.isTTY ? output.stream().rows : 0) || 24;
  return { columns: output.columns, rows, reflows: output.reflows };
}

/**
 * The rows at the bottom of the terminal that may still change, the cursor on an empty line below them: there a resize
 * leaves it alone, whatever the terminal does with the line that it is on. Frames are made of as little as possible: only
 * from the first row that differs on is anything written. No alternate screen, so what was committed is the terminal's
 * own: it scrolls, and it copies.
 */
export class LiveRegion {
  /** What is on the screen: rows that were as wide as the terminal at most when they were drawn. */
  #shown: string[] = [];
  /** So many of them can not be drawn over: others have written below them, or they have scrolled away. */
  #outOfReach = 0;
  #isResized = false;

  /** The terminal has another width: it may have broken the rows anew, so all of them are drawn again. */
  resized(): void {
    this.#isResized = this.#shown.length > 0;
  }

  /** Others may have written below: what stands there stays, and only what differs from it is drawn, where the cursor is. */
  interrupted(): void {
    this.#outOfReach = this.#shown.length;
  }

  /** What to write so that the committed lines stand where the region was, and the open rows below them. */
  draw(committed: readonly string[], open: readonly string[], screen: RegionScreen): string {
    const shown = this.#shown;
    const lines = [...committed, ...open];
    const isResized = this.#isResized;
    const heights = shown.map((row) => (isResized && screen.reflows ? heightOf(row, screen.columns) : 1));
    const kept = Math.max(this.#outOfReach, firstWithin(heights, screen.rows - 1));
    const same = sameLines(shown, lines);
    const drawFrom = isResized ? Math.min(same, kept) : same;
    const eraseFrom = Math.max(drawFrom, kept);
    this.#shown = [...open];
    this.#outOfReach = Math.max(0, Math.min(kept, drawFrom) - committed.length);
    this.#isResized = false;

    const text = lines
      .slice(drawFrom)
      .map((line) => `${line}\n`)
      .join('');
    const up = heights.slice(eraseFrom).reduce((sum, each) => sum + each, 0);
    if (up === 0) return text;
    const [row = '', next] = [shown[eraseFrom], lines[drawFrom]];
    // The last row only grew: nothing of it has to go, so nothing flickers.
    const isGrown = up === 1 && drawFrom === eraseFrom && next !== undefined && next.startsWith(row);
    return `${beginFrame}${escape}${up}A\r${isGrown ? '' : erased(up)}${text}${endFrame}`;
  }
}

/**
 * Erases so many rows from the cursor's on. Not by one code from the first row: at the top of the screen tmux takes that
 * for clearing the screen, and keeps what was there in its history.
 */
export function erased(rows: number): string {
  return rows > 1 ? `${escape}K${escape}B${escape}J${escape}A` : `${escape}K`;
}

/** The first row from which on all of them fit so many rows of the terminal. */
function firstWithin(heights: readonly number[], rows: number): number {
  let left = Math.max(1, rows);
  let first = heights.length;
  while (first > 0 && (heights[first - 1] as number) <= left) left -= heights[(first -= 1)] as number;
  return first;
}

/** How many lines at the beginning are the same. */
function sameLines(left: readonly string[], right: readonly string[]): number {
  const differing = left.findIndex((line, at) => line !== right[at]);
  return differing === -1 ? left.length : differing;
}

function heightOf(row: string, columns: number): number {
  return Math.max(1, Math.ceil(width(row) / Math.max(1, columns)));
}
