import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { formatUsd } from '../../src/spending/usd.ts';
import { seed } from '../support/seed.ts';

test.each([
  [0, '$0.00'],
  [0.000_000_42, '$0.00000042'],
  [4.2e-12, '$0.0000000000042'],
  [0.000_012_34, '$0.000012'],
  [0.012_345, '$0.0123'],
  [0.5, '$0.50'],
  [12.5, '$12.50'],
  [123.456, '$123.46'],
  [-0.02, '-$0.02'],
])('%p is written %s', (usd, text) => {
  expect(formatUsd(usd)).toBe(text);
});

test('never an exponent, and never more than a twentieth away', () => {
  fc.assert(
    fc.property(fc.double({ min: 1e-15, max: 1e6, noNaN: true }), (usd) => {
      const text = formatUsd(usd);
      expect(text).toMatch(/^\$\d+\.\d{2,20}$/);
      expect(Math.abs(Number(text.slice(1)) / usd - 1)).toBeLessThanOrEqual(0.05);
    }),
    { seed },
  );
});
