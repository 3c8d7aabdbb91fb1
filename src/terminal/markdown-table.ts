import { inlineText } from './markdown-inline.ts';
import type { Table } from './markdown-tokens.ts';
import type { Paint } from './style.ts';
import { padded, width } from './width.ts';
import { widestAddress, wrap } from './wrap.ts';

type Align = 'left' | 'right' | 'center' | null;

/** How wide the columns of a table are drawn; null when it is too wide and is drawn as a list of rows. */
export interface TableShape {
  header: readonly string[];
  aligns: readonly Align[];
  widths: readonly number[] | null;
  /** Of the terminal, or of what holds the table. */
  columns: number;
}

const separator = ' │ ';
const narrowest = 4;

/** The shape that fits the cells, made narrower column by column, the widest first, until it fits the terminal. */
export function tableShape(table: Table, columns: number, paint: Paint): TableShape {
  const header = table.header.map((cell) => inlineText(cell.text, paint));
  const rows = table.rows.map((row) => row.map((cell) => inlineText(cell.text, paint)));
  const cells = header.map((cell, at) => [cell, ...rows.map((row) => row[at] ?? '')]);
  const widths = cells.map((column) => largest(column.map(widestLine), 1));
  // A column is never narrower than an address in it, which only the terminal may break.
  const leasts = cells.map((column) => largest(column.map(widestAddress), narrowest));
  const room = columns - separator.length * (widths.length - 1);
  const aligns = table.align as Align[];
  if (sum(widths.map((each, at) => Math.min(each, leasts[at] ?? 0))) > room)
    return { header, aligns, widths: null, columns };
  while (sum(widths) > room) {
    const wider = widths.flatMap((each, at) => (each > (leasts[at] ?? 0) ? [at] : []));
    const widest = largest(wider.map((at) => widths[at] as number));
    const wide = wider.filter((at) => widths[at] === widest);
    const next = largest(wider.flatMap((at) => (widths[at] === widest ? [] : [widths[at] as number])));
    const fair = widest - Math.ceil((sum(widths) - room) / wide.length);
    for (const at of wide) {
      if (sum(widths) > room) widths[at] = Math.max(next, fair, leasts[at] ?? 0, 1);
    }
  }
  return { header, aligns, widths, columns };
}

/** The shape for rows that are still unknown: what room there is goes to all columns, so that longer cells fit as well. */
export function roomyShape(shape: TableShape): TableShape {
  const { widths, columns } = shape;
  if (widths === null) return shape;
  const room = columns - separator.length * (widths.length - 1) - sum(widths);
  const each = Math.min(12, Math.max(0, Math.floor(room / widths.length)));
  return { ...shape, widths: widths.map((wide) => wide + each) };
}

export function tableHead(shape: TableShape, paint: Paint): string[] {
  if (shape.widths === null) return [];
  const rule = shape.widths.map((each) => '─'.repeat(each)).join('─┼─');
  return [
    ...tableRow(
      shape,
      shape.header.map((cell) => paint('bold', cell)),
      paint,
    ),
    paint('dim', rule),
  ];
}

/** The lines of one row: as many as its tallest cell has. */
export function tableRow(shape: TableShape, cells: readonly string[], paint: Paint): string[] {
  const { widths, aligns, header } = shape;
  // A row that came after the widths were settled may hold an address that its column has no room for.
  const isTooNarrow = widths?.some((each, at) => widestAddress(cells[at] ?? '') > each) ?? true;
  if (widths === null || isTooNarrow) {
    const lines = header.flatMap((name, at) => wrap(`${paint('bold', `${name}:`)} ${cells[at] ?? ''}`, shape.columns));
    return widths === null ? [...lines, ''] : lines;
  }
  const columns = widths.map((each, at) => wrap(cells[at] ?? '', each));
  const height = largest(columns.map((lines) => lines.length));
  return Array.from({ length: height }, (_, line) =>
    widths
      .map((each, at) => padded(columns[at]?.[line] ?? '', each, aligns[at] ?? 'left'))
      .join(paint('dim', separator))
      .trimEnd(),
  );
}

export function tableLines(table: Table, columns: number, paint: Paint): string[] {
  const shape = tableShape(table, columns, paint);
  const rows = table.rows.flatMap((row) =>
    tableRow(
      shape,
      row.map((cell) => inlineText(cell.text, paint)),
      paint,
    ),
  );
  return shape.widths === null ? rows.slice(0, -1) : [...tableHead(shape, paint), ...rows];
}

function widestLine(text: string): number {
  return largest(text.split('\n').map((line) => width(line)));
}

/** Of a list of any length: a reply's table may have more rows than a stack takes. */
function largest(numbers: readonly number[], least = 0): number {
  return numbers.reduce((most, each) => Math.max(most, each), least);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
