import { pipeline, Readable } from 'node:stream';
import { CsvError, parse } from 'csv-parse';
import { errorCode } from '../files/file-error.ts';
import { UsageError } from '../outcome/errors.ts';

/** A row of a table. */
export interface TableRow {
  /** The line of the file that it begins on, from 1; a cell may have several. */
  line: number;
  cells: readonly string[];
}

/** A row that is longer is a quote without its end, which would take the rest of the table into memory. */
const longestRow = 16 * 1024 * 1024;
/** Bytes in which the heading has to end for its delimiter to be seen. */
const headingBytes = 64 * 1024;

const delimiters = [',', ';', '\t'] as const;

/**
 * The rows of a table, the heading first, a row at a time: quotes, a byte order mark, CRLF, and what a spreadsheet of the
 * reader's country puts between cells, as its heading shows. Rows without a character are none.
 *
 * @param name for messages
 * @throws UsageError `input_invalid` for what is no table, naming the line
 */
export async function* readTable(
  bytes: AsyncIterable<Uint8Array>,
  { name, isTabbed }: { name: string; isTabbed: boolean },
): AsyncGenerator<TableRow, void, undefined> {
  const source = utf8(bytes, name);
  const begun = await beginning(source);
  const parser = parse({
    delimiter: isTabbed ? '\t' : delimiterOf(begun),
    record_delimiter: ['\r\n', '\n', '\r'],
    // With tabs between cells quotes are rare, and an inch is not.
    relax_quotes: isTabbed,
    bom: true,
    skip_empty_lines: true,
    relax_column_count: true,
    max_record_size: longestRow,
    info: true,
  });
  // What goes wrong comes out of the loop below.
  pipeline(Readable.from(joined(begun, source)), parser, () => {});
  // Counted here: the parser counts a CRLF inside of quotes twice.
  let lines = 1;
  try {
    for await (const { record: cells, info } of parser as AsyncIterable<{
      record: string[];
      info: { empty_lines: number };
    }>) {
      yield { line: lines + info.empty_lines, cells };
      lines += 1 + lineEnds(cells);
    }
  } catch (error) {
    if (error instanceof CsvError) throw problemOf(error, name);
    throw error;
  }
}

/** What stands most often in the heading, outside of quotes. */
function delimiterOf(begun: Buffer): string {
  const [heading = ''] = begun
    .toString('utf8')
    .replaceAll(/"(?:[^"]|"")*"/g, '')
    .replace(/^\uFEFF?[\r\n]+/, '')
    .split(/\r?\n|\r/);
  const count = (delimiter: string): number => heading.split(delimiter).length;
  return delimiters.toSorted((one, other) => count(other) - count(one))[0] ?? ',';
}

async function beginning(source: AsyncGenerator<Uint8Array, void, undefined>): Promise<Buffer> {
  let begun = Buffer.alloc(0);
  while (begun.length < headingBytes) {
    const { value, done } = await source.next();
    if (done === true) break;
    begun = Buffer.concat([begun, value]);
  }
  return begun;
}

async function* joined(begun: Buffer, rest: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  yield begun;
  yield* rest;
}

/** The same bytes, which are text: a parser would put holes where they are none. */
async function* utf8(bytes: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<Uint8Array, void, undefined> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  try {
    for await (const piece of bytes) {
      if (decoder.decode(piece, { stream: true }).includes('\0'))
        throw invalid(`${name}: is no text: it has a NUL byte`);
      yield piece;
    }
    decoder.decode();
  } catch (cause) {
    if (errorCode(cause) !== 'ERR_ENCODING_INVALID_ENCODED_DATA') throw cause;
    throw invalid(`${name}: is no UTF-8 text`, 'convert it: iconv -f latin1 -t utf-8, or from what it is', cause);
  }
}

/** Those inside of cells. */
function lineEnds(cells: readonly string[]): number {
  return cells.reduce((count, cell) => count + (/[\r\n]/.test(cell) ? cell.split(/\r\n|\n|\r/).length - 1 : 0), 0);
}

function problemOf(error: CsvError, name: string): UsageError {
  const { lines: line = 0, records = 0 } = error as { lines?: number; records?: number };
  const row = `row ${records + 1}`;
  switch (error.code) {
    case 'CSV_QUOTE_NOT_CLOSED':
      return invalid(
        `${name}: ${row} has a quote without an end`,
        'a quote inside of a quoted cell is written twice: ""',
        error,
      );
    case 'INVALID_OPENING_QUOTE':
    case 'CSV_INVALID_CLOSING_QUOTE':
      return invalid(
        `${name}: line ${line} has a quote in the middle of a cell`,
        'a cell with a quote in it stands in quotes, and the quote is written twice: "5"" wide"',
        error,
      );
    case 'CSV_MAX_RECORD_SIZE':
      return invalid(
        `${name}: ${row} is longer than ${longestRow} characters`,
        'look for a quote without an end, or make JSON lines of it',
        error,
      );
    default:
      return invalid(`${name}: ${row} can not be read`, 'check the file with the program that made it', error);
  }
}

function invalid(message: string, hint?: string, cause?: unknown): UsageError {
  return new UsageError(message, { code: 'input_invalid', hint: hint ?? 'a table is text: CSV or TSV', cause });
}
