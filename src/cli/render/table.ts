import type { Output } from '../io.ts';
import { styled } from './style.ts';
import { terminalSafe } from './terminal-safe.ts';
import { width } from './width.ts';

export type Cell = string | number | null;

/** Rows for people on a terminal (aligned, with a heading), tab-separated and without a heading for programs. */
export function table(output: Output, heading: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const texts = rows.map((row) => row.map((cell) => (cell === null ? '' : String(cell).replace(/[\t\r\n]+/g, ' '))));
  if (!output.isTTY) return texts.map((row) => `${row.join('\t')}\n`).join('');
  const all = [[...heading], ...texts].map((row) => row.map((cell) => terminalSafe(cell)));
  const widths = heading.map((_, column) => Math.max(...all.map((row) => width(row[column] ?? ''))));
  return all
    .map((row, at) => {
      const line = row
        .map((cell, column) =>
          column === row.length - 1 ? cell : cell + ' '.repeat((widths[column] ?? 0) - width(cell)),
        )
        .join('  ');
      return `${at === 0 ? styled(output, 'bold', line) : line}\n`;
    })
    .join('');
}
