import { describe, expect, test } from '@jest/globals';
import { delayForPlace, retryAfterOf, retryDelay } from '../../../src/client/reply/retry.ts';
import { CllmError, ProxyError } from '../../../src/outcome/errors.ts';

const lost = new CllmError('connection_failed', 'x', { isRetryable: true });
const busy = (retryAfterMs: number | null) =>
  new ProxyError('rate_limited', 'x', { status: 429, isRetryable: true, retryAfterMs });

describe('the wait before another try', () => {
  test('is random below a bound that doubles, up to eight seconds', () => {
    const most = [0, 1, 2, 3, 4, 5, 20].map((attempt) => retryDelay(lost, attempt, 99, () => 0.999_999));
    expect(most).toEqual([500, 1000, 2000, 4000, 8000, 8000, 8000]);
    expect(retryDelay(lost, 3, 99, () => 0)).toBe(0);
    expect(retryDelay(lost, 1, 99, () => 0.5)).toBe(500);
  });

  test('is what the proxy asked for, up to a minute', () => {
    expect(retryDelay(busy(1234), 0, 2, () => 0.5)).toBe(1234);
    expect(retryDelay(busy(60_000), 0, 2, () => 0.5)).toBe(60_000);
    expect(retryDelay(busy(60_001), 0, 2, () => 0.5)).toBeNull();
    expect(retryDelay(busy(0), 0, 2, () => 0.5)).toBe(0);
  });

  test('does not come when no retry is left, or none makes sense', () => {
    expect(retryDelay(lost, 2, 2, () => 0.5)).toBeNull();
    expect(retryDelay(lost, 0, 0, () => 0.5)).toBeNull();
    expect(retryDelay(new CllmError('budget_exceeded', 'x'), 0, 2, () => 0.5)).toBeNull();
  });
});

const now = () => Date.parse('2026-11-22T12:00:00Z');

test.each([
  { headers: {}, milliseconds: null },
  { headers: { 'retry-after': '5' }, milliseconds: 5000 },
  { headers: { 'retry-after': '0.5' }, milliseconds: 500 },
  { headers: { 'retry-after': '0' }, milliseconds: 0 },
  { headers: { 'retry-after-ms': '70', 'retry-after': '5' }, milliseconds: 70 },
  { headers: { 'retry-after': 'Sun, 22 Nov 2026 12:00:07 GMT' }, milliseconds: 7000 },
  { headers: { 'retry-after': 'Sun, 22 Nov 2026 11:00:00 GMT' }, milliseconds: 0 },
  { headers: { 'llm_provider-retry-after': '3' }, milliseconds: 3000 },
  { headers: { 'retry-after': '2', 'llm_provider-retry-after': '3' }, milliseconds: 2000 },
  { headers: { 'retry-after': '-1' }, milliseconds: null },
  { headers: { 'retry-after': 'soon' }, milliseconds: null },
  { headers: { 'retry-after': '' }, milliseconds: null },
  // Said twice: by LiteLLM and by a gateway before it.
  { headers: { 'retry-after': '5, 5' }, milliseconds: 5000 },
  { headers: { 'retry-after': '5,30, 7' }, milliseconds: 30_000 },
  { headers: { 'retry-after': '60, 60' }, milliseconds: 60_000 },
  { headers: { 'retry-after-ms': '700, 700' }, milliseconds: 700 },
  { headers: { 'retry-after': '5, Sun, 22 Nov 2026 12:00:07 GMT' }, milliseconds: 7000 },
  { headers: { 'retry-after': 'Sun, 22 Nov 2026 12:00:07 GMT, Sun, 22 Nov 2026 12:00:09 GMT' }, milliseconds: 9000 },
  { headers: { 'retry-after': 'soon, 5' }, milliseconds: 5000 },
  // In quotes, which made a date of 2001 of it.
  { headers: { 'retry-after': '"3"' }, milliseconds: 3000 },
  { headers: { 'retry-after': "'3'" }, milliseconds: 3000 },
  { headers: { 'retry-after': '"3", "3"' }, milliseconds: 3000 },
  { headers: { 'retry-after': ' 3 ' }, milliseconds: 3000 },
  { headers: { 'retry-after': '"Sun, 22 Nov 2026 12:00:07 GMT"' }, milliseconds: 7000 },
  // With a unit, and in the other forms of a date.
  { headers: { 'retry-after': '3s' }, milliseconds: 3000 },
  { headers: { 'retry-after': '3 seconds' }, milliseconds: 3000 },
  { headers: { 'retry-after': '250ms' }, milliseconds: 250 },
  { headers: { 'retry-after': '1m' }, milliseconds: 60_000 },
  { headers: { 'retry-after': 'Sunday, 22-Nov-26 12:00:07 GMT' }, milliseconds: 7000 },
  { headers: { 'retry-after': 'Sun Nov 22 12:00:07 2026' }, milliseconds: 7000 },
  { headers: { 'retry-after': '2026-11-22T12:00:07Z' }, milliseconds: 7000 },
  { headers: { 'retry-after': String(Date.parse('2026-11-22T12:00:07Z') / 1000) }, milliseconds: 7000 },
  { headers: { 'retry-after': String(Date.parse('2026-11-22T12:00:07Z')) }, milliseconds: 7000 },
  // No sense, so no wait of its own.
  { headers: { 'retry-after': '3 apples' }, milliseconds: null },
  { headers: { 'retry-after': '5 12:30' }, milliseconds: null },
  { headers: { 'retry-after': '1e9' }, milliseconds: null },
  { headers: { 'retry-after': 'x'.repeat(10_000) }, milliseconds: null },
])('$headers asks for $milliseconds ms', ({ headers, milliseconds }) => {
  expect(retryAfterOf(headers as Record<string, string>, now)).toBe(milliseconds);
});

test('a place is waited for about a minute in all, longer and longer up to a second, and not with no retries', () => {
  const waits: number[] = [];
  for (let wait = delayForPlace(0, 2, () => 1); wait !== null; wait = delayForPlace(waits.length, 2, () => 1))
    waits.push(wait);
  expect(waits.slice(0, 6)).toEqual([50, 100, 200, 400, 800, 1000]);
  const sum = waits.reduce((total, wait) => total + wait, 0);
  expect(sum).toBeGreaterThan(50_000);
  expect(sum).toBeLessThan(70_000);
  expect(delayForPlace(0, 0, () => 1)).toBeNull();
});
