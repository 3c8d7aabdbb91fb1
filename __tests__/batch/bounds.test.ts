import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { AdaptiveLimit } from '../../src/batch/adaptive-limit.ts';
import { CostCap } from '../../src/spending/cost-cap.ts';
import { Timings } from '../../src/batch/timings.ts';
import { KeySet } from '../../src/batch/key-set.ts';
import { seed } from '../support/seed.ts';

describe('the limit of requests in flight', () => {
  test('is halved once for refusals of one round, and raised by one for each round that went well', () => {
    let now = 0;
    const limit = new AdaptiveLimit(
      16,
      () => now,
      () => 0,
    );
    now = 100;
    for (let n = 0; n < 5; n += 1) limit.refused(50, { retryAfterMs: 1_000, parallelLimit: null });
    expect(limit.limit).toBe(8);
    now = 2_000;
    for (let n = 0; n < 8; n += 1) limit.succeeded();
    expect(limit.limit).toBe(9);
    for (let n = 0; n < 200; n += 1) limit.succeeded();
    expect(limit.limit).toBe(16);
  });

  test('waits as long as the proxy says, else ever longer, up to a minute', () => {
    let now = 0;
    const limit = new AdaptiveLimit(
      8,
      () => now,
      () => 1,
    );
    now = 10;
    limit.refused(5, { retryAfterMs: 2_500, parallelLimit: null });
    expect(limit.pauseMs).toBe(2_500);
    const pauses: number[] = [];
    for (let n = 0; n < 9; n += 1) {
      now += limit.pauseMs + 1;
      limit.refused(now, { retryAfterMs: null, parallelLimit: null });
      pauses.push(limit.pauseMs);
      now += 1;
    }
    expect(pauses.slice(0, 3)).toEqual([2_000, 4_000, 8_000]);
    expect(pauses.at(-1)).toBe(60_000);
  });

  const at = (most: number, random = 0): { limit: AdaptiveLimit; pass: (milliseconds: number) => number } => {
    let now = 1;
    const limit = new AdaptiveLimit(
      most,
      () => now,
      () => random,
    );
    return { limit, pass: (milliseconds) => (now += milliseconds) };
  };

  test('of an odd one the smaller half is left', () => {
    const { limit } = at(5);
    limit.refused(1, { retryAfterMs: 1, parallelLimit: null });
    expect(limit.limit).toBe(2);
  });

  test('lets one through, whatever places it is told of', () => {
    const { limit } = at(5);
    limit.refused(1, { retryAfterMs: 1, parallelLimit: 0 });
    expect(limit.limit).toBe(1);
  });

  test('is lowered by a request that went out after it was lowered, and by none that went out before or then', () => {
    const { limit, pass } = at(16);
    const lowered = pass(9);
    limit.refused(lowered, { retryAfterMs: 1, parallelLimit: null });
    pass(1);
    limit.refused(lowered, { retryAfterMs: 1, parallelLimit: null });
    expect(limit.limit).toBe(8);
    limit.refused(lowered + 1, { retryAfterMs: 1, parallelLimit: null });
    expect(limit.limit).toBe(4);
  });

  test('what went well before it was lowered does not count for raising it', () => {
    const { limit, pass } = at(8);
    limit.refused(1, { retryAfterMs: 1, parallelLimit: null });
    for (let count = 0; count < 3; count += 1) limit.succeeded();
    limit.refused(pass(1), { retryAfterMs: 1, parallelLimit: null });
    expect(limit.limit).toBe(2);
    limit.succeeded();
    expect(limit.limit).toBe(2);
    limit.succeeded();
    expect(limit.limit).toBe(3);
  });

  test('a refusal that asks for less does not shorten a wait', () => {
    const { limit, pass } = at(8);
    limit.refused(1, { retryAfterMs: 5_000, parallelLimit: null });
    limit.refused(1, { retryAfterMs: 10, parallelLimit: null });
    expect(limit.pauseMs).toBe(5_000);
    pass(1_000);
    expect(limit.pauseMs).toBe(4_000);
    pass(9_000);
    expect(limit.pauseMs).toBe(0);
  });

  test.each([
    [0, 500],
    [0.5, 750],
    [0.999_999, 1_000],
  ])('without a word of the proxy it waits in the upper half of a second: %d', (random, pause) => {
    const { limit } = at(8, random);
    limit.refused(1, { retryAfterMs: null, parallelLimit: null });
    expect(Math.round(limit.pauseMs)).toBe(pause);
  });

  test('after one that went well, the doubling begins anew', () => {
    const { limit, pass } = at(8, 1);
    limit.refused(1, { retryAfterMs: null, parallelLimit: null });
    pass(limit.pauseMs);
    limit.refused(pass(1), { retryAfterMs: null, parallelLimit: null });
    pass(limit.pauseMs);
    limit.succeeded();
    limit.refused(pass(1), { retryAfterMs: null, parallelLimit: null });
    expect(limit.pauseMs).toBe(1_000);
  });

  test('never leaves 1 to what it began with', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 64 }), fc.array(fc.boolean(), { maxLength: 300 }), (most, answers) => {
        let now = 0;
        const limit = new AdaptiveLimit(
          most,
          () => now,
          () => 0.5,
        );
        for (const isGood of answers) {
          now += 1;
          if (isGood) limit.succeeded();
          else limit.refused(now, { retryAfterMs: null, parallelLimit: null });
          expect(limit.limit).toBeGreaterThanOrEqual(1);
          expect(limit.limit).toBeLessThanOrEqual(most);
        }
      }),
      { seed },
    );
  });
});

describe('the cost cap', () => {
  test('is passed by no more than what replies under way cost more than the average', () => {
    const cap = new CostCap(1);
    expect(cap.hasRoomFor(100)).toBe(true);
    cap.add(0.25);
    expect([cap.hasRoomFor(2), cap.hasRoomFor(3)]).toEqual([true, false]);
    for (const cost of [0.25, 0.25]) cap.add(cost);
    expect(cap.refusal).toBeNull();
    cap.add(0.3);
    expect(cap.refusal).toBe('$1.05 of --max-cost 1 is spent');
    expect(cap.isExceeded).toBe(true);
  });

  test('takes an unknown cost for the dearest, and a proxy that tells none for one that can not be capped', () => {
    const cap = new CostCap(1);
    cap.add(null);
    expect(cap.refusal).toContain('does not say what a reply costs');
    cap.add(0.4);
    expect(cap.refusal).toBeNull();
    cap.add(null);
    expect(cap.refusal).not.toBeNull();
    expect(cap.spentUsd).toBe(0.4);
    const allowed = new CostCap(1, { isUnknownAllowed: true });
    for (let n = 0; n < 9; n += 1) allowed.add(null);
    expect([allowed.refusal, allowed.spentUsd]).toEqual([null, null]);
  });

  test('counts a reply that broke off as the dearest too, but not as a sign that the proxy tells no costs', () => {
    const cap = new CostCap(1);
    cap.addBrokenOff();
    expect(cap.refusal).toBeNull();
    cap.add(0.4);
    expect(cap.refusal).toBeNull();
    cap.addBrokenOff();
    expect(cap.refusal).toBe('$1.20 of --max-cost 1 is spent');
  });
});

test('timings know quantiles to a thousandth, and the millisecond', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 1, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 200 }), (values) => {
      const timings = new Timings();
      for (const value of values) timings.add(value);
      const sorted = values.toSorted((a, b) => a - b);
      for (const share of [0.5, 0.95, 1]) {
        // Between two of few values either is the quantile.
        const rank = Math.ceil(share * sorted.length) - 1;
        const exact = [sorted[rank], sorted[Math.max(0, rank - 1)]].map((each) => each ?? 0);
        const found = timings.quantile(share) ?? 0;
        expect(exact.some((each) => Math.abs(found - each) <= 0.5 + each / 1000)).toBe(true);
      }
      const longest = sorted.at(-1) ?? 0;
      expect(Math.abs((timings.most ?? 0) - longest)).toBeLessThanOrEqual(0.5 + longest / 1000);
    }),
    { seed },
  );
  expect([new Timings().quantile(0.5), new Timings().most]).toEqual([null, null]);
});

test('a key set holds what was added and nothing else', () => {
  const keys = new KeySet();
  for (let n = 0; n < 5_000; n += 1) expect(keys.add(`key ${n}`)).toBe(true);
  for (let n = 0; n < 5_000; n += 1) expect(keys.add(`key ${n}`)).toBe(false);
  expect([keys.size, keys.has('key 4999'), keys.has('key 5000')]).toEqual([5_000, true, false]);
});

describe('the cap of a run', () => {
  test('is exceeded past it, not at it', () => {
    const cap = new CostCap(1);
    cap.add(1);
    expect({ isExceeded: cap.isExceeded, refusal: cap.refusal === null }).toEqual({
      isExceeded: false,
      refusal: false,
    });
    cap.add(0.01);
    expect(cap.isExceeded).toBe(true);
  });

  test.each([Number.NaN, -1, -0.000_001])('a cost of %d is none that anybody told', (cost) => {
    const cap = new CostCap(1);
    cap.add(cost);
    expect(cap.spentUsd).toBeNull();
    expect(cap.refusal).toContain('does not say');
  });
});

describe('a proxy that has as many requests under way as it takes', () => {
  const full = (places: number) => ({ retryAfterMs: null, parallelLimit: places });

  test('gets no more than that at a time, however well it goes, and is waited for shortly', () => {
    let now = 0;
    const limit = new AdaptiveLimit(
      8,
      () => now,
      () => 0,
    );
    limit.refused(1, full(4));
    expect({ limit: limit.limit, pause: limit.pauseMs }).toEqual({ limit: 4, pause: 50 });
    for (let n = 0; n < 100; n += 1) limit.succeeded();
    expect(limit.limit).toBe(4);
    // Refused together, told once; then longer and longer, up to a second.
    const pauses = [];
    for (let n = 0; n < 8; n += 1) {
      now += 10_000;
      limit.refused(now - 1, full(4));
      limit.refused(now - 2, full(4));
      pauses.push(limit.pauseMs);
    }
    expect(pauses).toEqual([50, 100, 200, 400, 800, 1000, 1000, 1000]);
    expect(limit.limit).toBe(4);
  });
});
