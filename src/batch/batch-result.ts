import type { ResultObject } from '../result.ts';

/** One line of the output: the result object of `--output-format json`, and which item it is of. */
export interface BatchResult extends ResultObject {
  /** The item's own name; null when it has none. */
  custom_id: string | null;
  /** The item's line in the input, from 1. */
  line: number;
  /** What the line said, where no `custom_id` names it: a changed line is another item. */
  input_digest: string | null;
}

/** The keys under which an item is known: its name, else its line with what it says. */
export function keyOf(item: { custom_id: string | null; line: number; input_digest: string | null }): string {
  return item.custom_id === null ? `line ${item.line} ${item.input_digest ?? ''}` : `id ${item.custom_id}`;
}

/** Its line alone: tells an item that was never asked from one that changed. */
export function lineKeyOf(item: { line: number }): string {
  return `line ${item.line}`;
}

/** Every line of ours begins so, which tells a line that a crash tore from a file that was never ours. */
export const resultStart = '{"type":"result",';

/** As it is written: the facts that say which item it is come first, for people who look. */
export function resultLine({ type, custom_id, line, input_digest, ...rest }: BatchResult): string {
  return `${JSON.stringify({ type, custom_id, line, input_digest, ...rest })}\n`;
}

/** Null when the text is no result of a batch. */
export function parseResult(text: string): BatchResult | null {
  try {
    const value = JSON.parse(text) as BatchResult | null;
    const isResult =
      value?.type === 'result' &&
      typeof value.is_error === 'boolean' &&
      Number.isSafeInteger(value.line) &&
      (value.custom_id === null || typeof value.custom_id === 'string');
    return isResult ? value : null;
  } catch {
    return null;
  }
}
