import { type CllmError, ProxyError } from '../errors.ts';

/** Told before each wait; `attempt` counts from 1. */
export interface RetryNotice {
  attempt: number;
  maxRetries: number;
  delayMs: number;
  error: CllmError;
}

const firstDelay = 500;
const longestDelay = 8_000;
/** A proxy that wants more than this is not busy, it is closed; the caller is told instead of kept waiting. */
const longestRetryAfter = 60_000;

/**
 * Milliseconds to wait before the request is sent again, or null to give up.
 *
 * Exponential with full jitter (each wait is random between nothing and a doubling bound), so that a hundred jobs which
 * failed together do not come back together. What the proxy asked for (`retry-after`) is waited for instead, to the
 * millisecond. Whether the error is of a kind that passes was decided where it was made: never for a budget, a key or a
 * request that is wrong in itself. LiteLLM has already tried again upstream, so few retries are enough.
 *
 * @param attempt how many retries there were before, 0 for the first
 * @param random a number from 0 up to 1, as `Math.random` gives
 */
export function retryDelay(error: CllmError, attempt: number, maxRetries: number, random: () => number): number | null {
  if (attempt >= maxRetries || !error.isRetryable) return null;
  const retryAfter = error instanceof ProxyError ? error.retryAfter : null;
  if (retryAfter !== null) return retryAfter <= longestRetryAfter ? retryAfter : null;
  return Math.round(random() * Math.min(longestDelay, firstDelay * 2 ** attempt));
}

/**
 * Milliseconds that an answer asks to wait: `retry-after-ms`, else `retry-after` in seconds or as a date, else the
 * provider's own (which LiteLLM hands on with a prefix); null when it does not say or says nonsense.
 *
 * Source: RFC 9110 section 10.2.3; litellm 1.104.2.
 */
export function retryAfterOf(headers: Readonly<Record<string, string>>, now: () => number = Date.now): number | null {
  for (const prefix of ['', 'llm_provider-']) {
    const milliseconds = nonNegative(headers[`${prefix}retry-after-ms`]);
    if (milliseconds !== null) return milliseconds;
    const value = headers[`${prefix}retry-after`];
    const seconds = nonNegative(value);
    if (seconds !== null) return Math.ceil(seconds * 1000);
    const date = value === undefined || /^\s*-?[\d.]+\s*$/.test(value) ? Number.NaN : Date.parse(value);
    if (!Number.isNaN(date)) return Math.max(0, date - now());
  }
  return null;
}

function nonNegative(text: string | undefined): number | null {
  if (text === undefined || !/^\s*\d+(\.\d+)?\s*$/.test(text)) return null;
  return Number(text);
}
