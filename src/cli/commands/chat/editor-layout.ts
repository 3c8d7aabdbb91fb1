import { clusters } from '../../../terminal/clusters.ts';
import { terminalSafe } from '../../../terminal/terminal-safe.ts';
import { columnsAfter, width } from '../../../terminal/width.ts';

/** One line of a text as rows: for each what is shown, and where in the line it begins. */
export interface LineRows {
  rows: readonly string[];
  starts: readonly number[];
}

export type LayLine = (line: string, indent: number, columns: number) => LineRows;

/** How a text of several lines is broken into rows, and where the cursor is among them. */
export interface Layout {
  rowCount: number;
  /** The rows of a part of the text. */
  readonly rows: (from: number, to: number) => string[];
  row: number;
  /** What is shown of the cursor's row before the cursor: where that ends is for the terminal to know. */
  before: string;
}

/**
 * The rows of a line that stands so far from the left edge. The last column stays free: a full row leaves the cursor where
 * terminals disagree.
 */
export const layLine: LayLine = (line, indent, columns) => {
  const room = Math.max(4, columns - 1);
  const [rows, starts] = [[] as string[], [0]];
  const each = room - indent;
  if (each > 0 && /^[ -~]*$/.test(line)) {
    for (let at = 0; at < line.length; at += each) {
      if (at > 0) starts.push(at);
      rows.push(line.slice(at, at + each));
    }
    if (rows.length === 0) rows.push('');
    return { rows, starts };
  }
  let row = '';
  let used = indent;
  let at = 0;
  for (const cluster of clusters(line)) {
    let shown = cluster === '\t' ? ' '.repeat(columnsAfter('\t', used) - used) : terminalSafe(cluster);
    const needed = width(shown);
    if (used + needed > room && row !== '') {
      rows.push(row);
      starts.push(at);
      row = '';
      used = indent;
      if (cluster === '\t') shown = ' '.repeat(columnsAfter('\t', used) - used);
    }
    row += shown;
    used += cluster === '\t' ? shown.length : needed;
    at += cluster.length;
  }
  rows.push(row);
  return { rows, starts };
};

/**
 * Lays a text out again after each key. A line that has not changed keeps its rows, so a key costs what its own line does,
 * however much was pasted.
 */
export class EditorLayout {
  readonly #layLine: LayLine;
  #lines: readonly string[] = [];
  #laid: readonly LineRows[] = [];
  #measure = '';

  constructor(lay: LayLine = layLine) {
    this.#layLine = lay;
  }

  /** @param indent where every line of the text begins, below the end of the prompt */
  lay(text: string, cursor: number, indent: number, columns: number): Layout {
    const lines = text.split('\n');
    this.#layAll(lines, indent, columns);
    const laid = this.#laid;
    const place = placeOf(lines, laid, cursor, indent);
    const rowCount = laid.reduce((sum, { rows }) => sum + rows.length, 0);
    return { rowCount, rows: (from, to) => rowsBetween(laid, from, to), ...place };
  }

  /** Only the lines between those that are the same at the beginning and at the end. */
  #layAll(lines: readonly string[], indent: number, columns: number): void {
    const measure = `${indent} ${columns}`;
    const before = measure === this.#measure ? this.#lines : [];
    let start = 0;
    while (start < lines.length && start < before.length && lines[start] === before[start]) start += 1;
    let end = 0;
    while (
      end < lines.length - start &&
      end < before.length - start &&
      lines[lines.length - 1 - end] === before[before.length - 1 - end]
    )
      end += 1;
    this.#laid = [
      ...this.#laid.slice(0, start),
      ...lines.slice(start, lines.length - end).map((line) => this.#layLine(line, indent, columns)),
      ...(end === 0 ? [] : this.#laid.slice(before.length - end, before.length)),
    ];
    this.#lines = lines;
    this.#measure = measure;
  }
}

function placeOf(
  lines: readonly string[],
  laid: readonly LineRows[],
  cursor: number,
  indent: number,
): { row: number; before: string } {
  let left = cursor;
  let row = 0;
  for (const [at, line] of lines.entries()) {
    const { rows, starts } = laid[at] as LineRows;
    if (left <= line.length || at === lines.length - 1) {
      const inLine = starts.findLastIndex((start) => start <= left);
      const start = starts[inLine] ?? 0;
      const shown = rows[inLine] ?? '';
      return { row: row + inLine, before: shownBefore(line.slice(start, left), shown, indent) };
    }
    left -= line.length + 1;
    row += rows.length;
  }
  return { row: 0, before: '' };
}

/** The beginning of a row that stands for so much of its line. */
function shownBefore(text: string, shown: string, indent: number): string {
  if (/^[ -~]*$/.test(text)) return shown.slice(0, text.length);
  let column = indent;
  let length = 0;
  for (const cluster of clusters(text)) {
    const next = columnsAfter('\t', column);
    const part = cluster === '\t' ? ' '.repeat(next - column) : terminalSafe(cluster);
    column = cluster === '\t' ? next : column + width(part);
    length += part.length;
  }
  return shown.slice(0, length);
}

function rowsBetween(laid: readonly LineRows[], from: number, to: number): string[] {
  const found: string[] = [];
  let at = 0;
  for (const { rows } of laid) {
    if (at >= to) break;
    if (at + rows.length > from) found.push(...rows.slice(Math.max(0, from - at), to - at));
    at += rows.length;
  }
  return found;
}
