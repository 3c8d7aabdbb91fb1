import { hash } from 'node:crypto';
import { UsageError } from '../outcome/errors.ts';
import type { BatchItem, ItemRequest } from './batch-item.ts';
import { readTable, type TableRow } from './table.ts';

/** What makes prompts of rows: a template. */
export interface RowPrompts {
  /**
   * Told of the columns, before any row.
   *
   * @throws UsageError when they will not do
   */
  begin(columns: readonly string[]): Promise<void>;
  /** What else than its cells decides what a row asks for: told apart when a run goes on. */
  digest: string;
  /**
   * A row's prompt; cells without a text are left out.
   *
   * @throws UsageError
   */
  request(values: ReadonlyMap<string, string>): ItemRequest;
}

export interface TableInput {
  isTabbed: boolean;
  prompts: RowPrompts;
}

/** The column that names a row, as `custom_id` does in JSON lines. */
export const nameColumn = 'custom_id';

/**
 * The items of a table. What is wrong with the heading, or with the first row's prompt, is wrong with all of it.
 *
 * @param name of the table, for messages
 * @throws UsageError
 */
export async function* readRowItems(
  bytes: AsyncIterable<Uint8Array>,
  { isTabbed, prompts }: TableInput,
  name: string,
): AsyncGenerator<BatchItem, void, undefined> {
  let columns: readonly string[] | null = null;
  let isFirst = true;
  for await (const row of readTable(bytes, { name, isTabbed })) {
    if (columns === null) {
      columns = columnsOf(row, name);
      await prompts.begin(columns);
      continue;
    }
    if (isBlank(row)) continue;
    const item = readRow(row, columns, prompts);
    // Its prompt is made from a template that names something else than there is: so are all others.
    if (isFirst && item.error?.code === 'template_invalid') throw item.error;
    isFirst = false;
    yield item;
  }
}

/** The lines that the rows of a table begin on, without its heading. */
export async function* rowLines(
  bytes: AsyncIterable<Uint8Array>,
  { isTabbed }: TableInput,
  name: string,
): AsyncGenerator<number, void, undefined> {
  let isHeading = true;
  for await (const row of readTable(bytes, { name, isTabbed })) {
    if (!isHeading && !isBlank(row)) yield row.line;
    isHeading = false;
  }
}

/** What a spreadsheet makes of rows that nobody filled in. */
function isBlank({ cells }: TableRow): boolean {
  return cells.every((cell) => cell.trim() === '');
}

/** What a spreadsheet has at most, and every check of the headings is done with in an instant. */
const mostColumns = 16_384;

function columnsOf({ cells }: TableRow, name: string): readonly string[] {
  const columns = cells.map((cell) => cell.trim());
  if (columns.length > mostColumns) {
    throw new UsageError(`${name}: has ${columns.length} columns; the limit is ${mostColumns}`, {
      code: 'input_invalid',
      hint: 'take those out that the template does not name',
    });
  }
  const empty = columns.indexOf('');
  if (empty !== -1) {
    throw new UsageError(`${name}: column ${empty + 1} has no heading`, {
      code: 'input_invalid',
      hint: 'the first row names the columns; take the column out, or give it a name',
    });
  }
  const seen = new Set<string>();
  const twice = columns.find((column) => seen.size === seen.add(column).size);
  if (twice !== undefined) {
    throw new UsageError(`${name}: two columns have the heading ${JSON.stringify(twice)}`, {
      code: 'input_invalid',
      hint: 'give each column a name of its own',
    });
  }
  return columns;
}

function readRow({ line, cells }: TableRow, columns: readonly string[], prompts: RowPrompts): BatchItem {
  const item: BatchItem = { line, customId: null, digest: null, request: null, error: null };
  const values = new Map<string, string>();
  for (const [at, column] of columns.entries()) {
    const cell = cells[at] ?? '';
    if (cell.trim() !== '') values.set(column, cell);
  }
  item.customId = values.get(nameColumn) ?? null;
  item.digest = hash('sha256', JSON.stringify([prompts.digest, ...values])).slice(0, 16);
  try {
    if (cells.length !== columns.length) {
      throw new UsageError(`has ${cells.length} cells, and the heading ${columns.length}`, {
        code: 'input_invalid',
        hint: 'a cell with the delimiter in it stands in quotes',
      });
    }
    item.request = prompts.request(values);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    item.error = new UsageError(`line ${line}: ${error.message}`, {
      code: error.code === 'template_invalid' ? 'template_invalid' : 'input_invalid',
      ...(error.hint !== undefined && { hint: error.hint }),
    });
  }
  return item;
}
