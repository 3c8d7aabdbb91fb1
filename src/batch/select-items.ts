import { UsageError } from '../outcome/errors.ts';
import { type BatchItem, formatOf, type LineFormat, readItem } from './batch-item.ts';
import { KeySet } from './key-set.ts';
import { readLines } from './lines.ts';
import type { TableInput } from './row-items.ts';

/** One part of an input that several runs share: the part `index` of `count`, from 1. */
export interface Shard {
  index: number;
  count: number;
}

/** Line by line in turn, so that shards are of one size and growing the input moves no line to another shard. */
export function isInShard(line: number, { index, count }: Shard): boolean {
  return (line - 1) % count === index - 1;
}

export interface Selection {
  /** The name of the file, which may say what format it has; null for standard input. */
  fileName: string | null;
  /** Null: the name, or else the first line, says it. */
  format: LineFormat | null;
  shard: Shard;
  /** How its rows become prompts; null for lines. */
  table: TableInput | null;
}

/** What the earlier runs left, as `ResultsFile` knows it. */
interface EarlierResults {
  has(item: { custom_id: string | null; line: number; input_digest: string | null }): boolean;
  hasLine(item: { line: number }): boolean;
}

/**
 * The items of one shard, whether done or not; blank lines are none. Holds one line at a time, and 16 bytes a name.
 *
 * @throws UsageError `input_invalid` at the end of an input that holds nothing for any shard
 */
export async function* readItems(
  bytes: AsyncIterable<Uint8Array>,
  selection: Selection,
): AsyncGenerator<BatchItem, void, undefined> {
  const { fileName, shard, table } = selection;
  const names = new KeySet();
  let isEmpty = true;
  for await (const item of table === null ? lineItems(bytes, selection) : rowItems(bytes, table, fileName)) {
    isEmpty = false;
    if (item === null) continue;
    // A name is looked for in the whole input: which of two items has it must not depend on the shards.
    if (item.customId !== null && !names.add(item.customId)) refuseTwin(item);
    if (isInShard(item.line, shard)) yield item;
  }
  if (isEmpty) throw empty(fileName);
}

/** Null for a line that has no name and is another shard's: it need not be read. */
async function* lineItems(
  bytes: AsyncIterable<Uint8Array>,
  { fileName, format: chosen, shard }: Selection,
): AsyncGenerator<BatchItem | null, void, undefined> {
  let format = chosen;
  for await (const line of readLines(bytes)) {
    if (line.text !== null && line.text.trim() === '') continue;
    format ??= formatOf(fileName, line.text ?? '');
    yield format === 'text' && !isInShard(line.number, shard) ? null : readItem(line, format);
  }
}

/** A batch of lines loads no reader of tables. */
async function* rowItems(
  bytes: AsyncIterable<Uint8Array>,
  table: TableInput,
  fileName: string | null,
): AsyncGenerator<BatchItem, void, undefined> {
  const { readRowItems } = await import('./row-items.ts');
  yield* readRowItems(bytes, table, fileName ?? 'standard input');
}

/** How many items `readItems` gives, without making anything of them. */
export async function countItems(
  bytes: AsyncIterable<Uint8Array>,
  { fileName, shard, table }: Selection,
): Promise<number> {
  let count = 0;
  if (table !== null) {
    const { rowLines } = await import('./row-items.ts');
    for await (const line of rowLines(bytes, table, fileName ?? 'standard input'))
      if (isInShard(line, shard)) count += 1;
    return count;
  }
  for await (const { text, number } of readLines(bytes)) {
    if (text?.trim() !== '' && isInShard(number, shard)) count += 1;
  }
  return count;
}

/**
 * Those that have no result yet.
 *
 * @param onSkipped told of each one that has
 * @throws UsageError when a line without a name is not the one that the earlier results are of: with lines that moved
 * nobody could say which result belongs to which
 */
export async function* withoutDone(
  items: AsyncIterable<BatchItem>,
  earlier: EarlierResults,
  onSkipped: () => void,
  hasTemplate = false,
): AsyncGenerator<BatchItem, void, undefined> {
  for await (const item of items) {
    const key = {
      custom_id: item.customId,
      line: item.line,
      input_digest: item.customId === null ? item.digest : null,
    };
    if (earlier.has(key)) onSkipped();
    else if (item.customId === null && earlier.hasLine(item)) throw changed(item.line, hasTemplate);
    else yield item;
  }
}

function refuseTwin(item: BatchItem): void {
  // Its own result has no name: under the name there is the first one's.
  item.error ??= new UsageError(`line ${item.line} has the custom_id of an earlier line`, {
    code: 'input_invalid',
    hint: 'give each item a custom_id of its own',
  });
  item.customId = null;
  item.request = null;
}

function empty(fileName: string | null): UsageError {
  return new UsageError(`${fileName ?? 'standard input'} holds no prompt`, {
    code: 'input_invalid',
    hint: 'look at what makes the input; cllm batch --help shows its forms',
  });
}

function changed(line: number, hasTemplate: boolean): UsageError {
  return new UsageError(
    `line ${line} of the input${hasTemplate ? ', or its template,' : ''} has changed since the output was begun`,
    {
      code: 'input_invalid',
      hint: 'name another output with -o, or give each item a custom_id: then lines may move',
    },
  );
}
