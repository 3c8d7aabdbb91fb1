import type { Output } from '../io.ts';
import { styled } from './style.ts';
import { terminalSafe } from './terminal-safe.ts';

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
        .map((cell, column) => (column === row.length - 1 ? cell : cell + ' '.repeat((widths[column] ?? 0) - width(cell))))
        .join('  ');
      return `${at === 0 ? styled(output, 'bold', line) : line}\n`;
    })
    .join('');
}

/** Columns that a text takes: wide East Asian characters and emoji take two, combining ones none. */
export function width(text: string): number {
  let columns = 0;
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    columns += /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Extended_Pictographic}/u.test(segment) ? 2 : 1;
  }
  return columns;
}
