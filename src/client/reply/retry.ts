import { type CllmError, ProxyError } from '../../outcome/errors.ts';

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
  const retryAfterMs = error instanceof ProxyError ? error.retryAfterMs : null;
  if (retryAfterMs !== null) return retryAfterMs <= longestRetryAfter ? retryAfterMs : null;
  return Math.round(random() * Math.min(longestDelay, firstDelay * 2 ** attempt));
}

/** About a minute in all: longer than most replies, one of which has to end. */
const mostWaitsForPlace = 64;
const firstWaitForPlace = 50;
const longestWaitForPlace = 1_000;

/** Whether the proxy has as many requests under way as it gives places. */
export function wantsPlace(error: CllmError): boolean {
  return error instanceof ProxyError && error.parallelLimit !== null;
}

/**
 * Milliseconds to wait for a place: it is free 20 ms after a reply has ended (litellm 1.104.2), and nobody says when.
 *
 * @param waits how many there were before
 */
export function waitForPlace(waits: number): number {
  return Math.min(longestWaitForPlace, firstWaitForPlace * 2 ** waits);
}

/** The same for one request: not counted as tries, for the request was not looked at; null to give up. */
export function delayForPlace(waits: number, maxRetries: number, random: () => number): number | null {
  if (maxRetries === 0 || waits >= mostWaitsForPlace) return null;
  return Math.round(waitForPlace(waits) * (0.5 + random() / 2));
}

/**
 * Milliseconds that an answer asks to wait: `retry-after-ms`, else `retry-after` in seconds or as a date, else the
 * provider's own (which LiteLLM hands on with a prefix); null when it does not say or says nonsense. Several at once, a
 * proxy's and that of a gateway before it, say: the longest holds, for each of them has to be content.
 *
 * Source: RFC 9110 section 10.2.3; litellm 1.104.2.
 */
export function retryAfterOf(headers: Readonly<Record<string, string>>, now: () => number = Date.now): number | null {
  for (const prefix of ['', 'llm_provider-']) {
    const waits = [
      waitIn(headers[`${prefix}retry-after-ms`], 1, now),
      waitIn(headers[`${prefix}retry-after`], 1000, now),
    ].filter((wait) => wait !== null);
    if (waits[0] !== undefined) return waits[0];
  }
  return null;
}

/** No sensible value is longer; what is repeated a thousand times says it in the first ones. */
const longestHeader = 512;
/** From here on a number is no wait but a time: seconds since 1970, or milliseconds. */
const firstTime = 1_000_000_000;
const firstTimeInMs = 1_000_000_000_000;

/** The longest wait that a header names, however often it was sent. */
function waitIn(header: string | undefined, unitInMs: number, now: () => number): number | null {
  const waits = (header ?? '')
    .slice(0, longestHeader)
    .replaceAll(/["']/g, '')
    .split(',')
    .map((value) => durationIn(value.trim(), unitInMs, now) ?? dateIn(value.trim(), now))
    .filter((wait) => wait !== null);
  return waits.length === 0 ? null : Math.max(...waits);
}

function durationIn(value: string, unitInMs: number, now: () => number): number | null {
  const [, digits, unit] = /^(\d+(?:\.\d+)?)\s*(ms|s|secs?|seconds?|m|mins?|minutes?)?$/i.exec(value) ?? [];
  if (digits === undefined) return null;
  const count = Number(digits);
  if (count >= firstTimeInMs) return Math.max(0, count - now());
  if (count >= firstTime) return Math.max(0, count * 1000 - now());
  if (unit === undefined) return Math.ceil(count * unitInMs);
  const isMinutes = /^m(?!s)/i.test(unit);
  return Math.ceil(count * (isMinutes ? 60_000 : unit.toLowerCase() === 'ms' ? 1 : 1000));
}

/**
 * A date of any of HTTP's forms, or of ISO 8601. Its day of the week, which a comma parts from it, adds nothing. A text
 * without a year and a time of day is none, though `Date.parse` makes one of it.
 */
function dateIn(value: string, now: () => number): number | null {
  if (!/\d{1,2}:\d{2}/.test(value) || !/\b\d{4}\b|\d-[a-z]{3}-\d{2}\b/i.test(value)) return null;
  // asctime's form says no zone, and means UTC.
  const date = Date.parse(/\d{4}$/.test(value) ? `${value} GMT` : value);
  return Number.isNaN(date) ? null : Math.max(0, date - now());
}
