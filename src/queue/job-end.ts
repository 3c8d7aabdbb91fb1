import type { ItemEnd } from '../batch/ask-item.ts';
import { type BatchResult, readResult } from '../batch/batch-result.ts';
import { CllmError, type ErrorCode, errorCodes } from '../outcome/errors.ts';
import { isJsonObject } from '../protocol/json.ts';
import { count, usd } from '../protocol/figures.ts';
import { identityOf, queueVersion } from './job.ts';
import type { BatchItem } from '../batch/batch-item.ts';

/** How an item ended, as a worker puts it into the queue. */
export interface JobEnd {
  v: number;
  try: string;
  result: BatchResult;
  throttled: { retry_after_ms: number | null; parallel_limit: number | null } | null;
  key: { spend: number | null; max_budget: number | null } | null;
}

export function jobEnd(attempt: string, { result, throttled, receipt }: ItemEnd): JobEnd {
  return {
    v: queueVersion,
    try: attempt,
    result,
    throttled: throttled && { retry_after_ms: throttled.retryAfterMs, parallel_limit: throttled.parallelLimit },
    key: receipt && { spend: receipt.keySpend, max_budget: receipt.keyMaxBudget },
  };
}

/** Which try of a job an end is of; null for what is no end. */
export function tryOf(value: unknown): string | null {
  return isJsonObject(value) && typeof value['try'] === 'string' ? value['try'] : null;
}

/**
 * The end of an item as it came out of the queue, which others may write to as well. Which item it is of is the batch's own
 * word. Null for what is none, or of a version that is not known.
 */
export function readJobEnd(value: unknown, item: BatchItem): ItemEnd | null {
  if (!isJsonObject(value) || value['v'] !== queueVersion) return null;
  const { throttled, key } = value;
  const result = readResult(isJsonObject(value['result']) ? { ...value['result'], ...identityOf(item) } : null);
  if (result === null) return null;
  const { error } = result;
  return {
    result,
    error: error === null ? null : new CllmError(codeOf(error.code), error.message, { hint: error.hint || undefined }),
    throttled: isJsonObject(throttled)
      ? { retryAfterMs: count(throttled['retry_after_ms']), parallelLimit: count(throttled['parallel_limit']) }
      : null,
    receipt: isJsonObject(key) ? { keySpend: usd(key['spend']), keyMaxBudget: usd(key['max_budget']) } : null,
  };
}

function codeOf(code: string): ErrorCode {
  return errorCodes.find((known) => known === code) ?? 'internal';
}
