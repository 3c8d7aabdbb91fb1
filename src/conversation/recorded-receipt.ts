import { receiptOf, type Receipt } from '../client/receipt.ts';
import type { Recording } from '../journal/recording.ts';
import type { Reply } from '../protocol/reply-reader.ts';

/** When a recorded reply came, in milliseconds since its recording was begun. */
export interface RecordedTimes {
  /** Null when no content came. */
  firstContentAtMs: number | null;
  /** Null when nothing came. */
  lastReadAtMs: number | null;
}

/**
 * The receipt that the live turn had, or would have had. Of attempts that got no answer a recording knows nothing, so
 * `retries` counts those that did; and nothing tells when a head came that nothing followed.
 *
 * @returns Null without a head: the proxy did not answer with a reply.
 */
export function recordedReceipt(
  { head, heads, endedAtMs }: Recording,
  { completion, fallback }: Reply,
  modelRequested: string,
  { firstContentAtMs, lastReadAtMs }: RecordedTimes,
): Receipt | null {
  if (head === null) return null;
  return receiptOf({
    modelRequested,
    headers: head.headers,
    sessionId: head.session ?? null,
    completion,
    fallbackModel: fallback?.fallbackModel ?? null,
    retries: heads - 1,
    durationMs: endedAtMs ?? lastReadAtMs ?? 0,
    ttftMs: firstContentAtMs,
  });
}
