import { errorCodes } from '../outcome/errors.ts';
import { exits, verdicts } from '../outcome/exits.ts';
import { readCompletion } from '../protocol/completion-reader.ts';
import { count, milliseconds, usd } from '../protocol/figures.ts';
import type { ErrorObject, ResultObject } from '../conversation/result-object.ts';
import { isJsonObject } from '../protocol/json.ts';

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

/** A result as an earlier run left it in a file, read as `readResult` does. */
export function parseResult(text: string): BatchResult | null {
  try {
    return readResult(JSON.parse(text));
  } catch {
    return null;
  }
}

/**
 * A result of somebody else; null when the value is none, or says of itself that it went well and that it did not. A file may have come with a repository or out of a cache, a queue
 * may be written to by others, so what counts, decides or is shown is checked: a member that is not what it should be is
 * unknown.
 */
export function readResult(value: unknown): BatchResult | null {
  if (!isJsonObject(value) || value['type'] !== 'result' || typeof value['is_error'] !== 'boolean') return null;
  const { custom_id: customId, line, is_error: isError, status } = value;
  if (!isLine(line) || !(customId === null || typeof customId === 'string')) return null;
  const verdict = verdicts.find((word) => word === value['verdict']) ?? null;
  const exitCode = exitCodes.find((code) => code === value['exit_code']) ?? (isError ? 1 : 0);
  // What a batch wrote went well with a reply that is whole, and with exit code 0.
  const isWhole = exitCode === 0 && status !== 'error' && (verdict === 'complete' || verdict === 'length');
  if (!isError && !isWhole) return null;
  return {
    ...(value as unknown as BatchResult),
    status: isError ? 'error' : 'success',
    is_error: isError,
    custom_id: customId,
    line,
    input_digest: typeof value['input_digest'] === 'string' ? value['input_digest'] : null,
    verdict,
    exit_code: exitCode,
    result: wordsOf(value['result']),
    usage: usageOf(value['usage']),
    total_cost_usd: usd(numeric(value['total_cost_usd'])),
    duration_ms: milliseconds(numeric(value['duration_ms'])),
    ttft_ms: milliseconds(numeric(value['ttft_ms'])),
    error: isError ? errorOf(value['error']) : null,
    completion: readCompletion(value['completion']),
  };
}

const exitCodes = Object.values(exits).map(({ code }) => code);

/** A failure is one whatever its error is. */
function errorOf(value: unknown): ErrorObject {
  const { code, message, hint, timestamp } = isJsonObject(value) ? value : {};
  return {
    type: 'error',
    timestamp: wordsOf(timestamp),
    // Reports group by it, and take it for a word of ours.
    code: errorCodes.find((known) => known === code) ?? 'internal',
    message: wordsOf(message),
    hint: wordsOf(hint),
  };
}

function usageOf(value: unknown): BatchResult['usage'] {
  if (!isJsonObject(value)) return null;
  const tokens = (name: string): number | null => count(numeric(value[name]));
  return {
    input_tokens: tokens('input_tokens'),
    output_tokens: tokens('output_tokens'),
    cached_input_tokens: tokens('cached_input_tokens'),
    reasoning_tokens: tokens('reasoning_tokens'),
  };
}

/** In JSON a figure is a number; a text is none, whatever it says. */
function numeric(value: unknown): number | null {
  return typeof value === 'number' ? value : null;
}

function wordsOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function isLine(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) > 0;
}
