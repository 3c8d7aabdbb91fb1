import type { Output } from '../../terminal/output.ts';
import { joined, ours, type OwnText, styled } from '../../terminal/own-text.ts';
import { terminalSafe } from '../../terminal/terminal-safe.ts';
import { width } from '../../terminal/width.ts';
import { wrap } from '../../terminal/wrap.ts';

export type Cell = string | number | null;

/** Below this many columns a text is easier to read as the terminal breaks it. */
const leastRoom = 16;

/**
 * Rows for people on a terminal (aligned, with a heading unless there are none), tab-separated and without a heading for
 * programs. With `isTextLast` the last column is text, which goes on below its own beginning where a line is too narrow.
 */
export function table(
  output: Output,
  heading: readonly string[],
  rows: readonly (readonly Cell[])[],
  { isTextLast = false } = {},
): string | OwnText {
  const texts = rows.map((row) => row.map((cell) => (cell === null ? '' : String(cell).replace(/[\t\r\n]+/g, ' '))));
  if (!output.isTTY || rows.length === 0) return texts.map((row) => `${row.join('\t')}\n`).join('');
  const all = [[...heading], ...texts].map((row) => row.map((cell) => terminalSafe(cell)));
  const widths = heading.map((_, column) => all.reduce((most, row) => Math.max(most, width(row[column] ?? '')), 0));
  const indent = widths.slice(0, -1).reduce((sum, each) => sum + each + 2, 0);
  const room = output.columns - indent;
  // What a line is too short for goes on below; each part of it is a line of the terminal.
  const last = (text: string): OwnText =>
    joined(isTextLast && room >= leastRoom ? wrap(text, room) : [text], `\n${' '.repeat(indent)}`);
  return joined(
    all.map((row, at) => {
      const cells = row.map((cell, column) =>
        column === row.length - 1 ? last(cell) : cell + ' '.repeat((widths[column] ?? 0) - width(cell)),
      );
      const line = joined(cells, '  ');
      return ours`${at === 0 ? styled(output, 'bold', line) : line}\n`;
    }),
  );
}
