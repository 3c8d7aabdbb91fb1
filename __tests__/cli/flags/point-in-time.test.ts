import { expect, test } from '@jest/globals';
import { pointInTime } from '../../../src/cli/flags/point-in-time.ts';
import { UsageError } from '../../../src/outcome/errors.ts';

const now = new Date('2026-03-10T12:00:00Z');

test.each([
  ['12h', '2026-03-10T00:00:00.000Z'],
  ['7d', '2026-03-03T12:00:00.000Z'],
  ['2 w', '2026-02-24T12:00:00.000Z'],
  ['1y', '2025-03-10T12:00:00.000Z'],
  ['2026-01-31T12:30Z', '2026-01-31T12:30:00.000Z'],
])('%s is %s', (given, expected) => {
  expect(pointInTime(given, 'since', { now, isEnd: false }).toISOString()).toBe(expected);
});

test('a day is that of the local calendar, and as an end it is in it as a whole', () => {
  expect(pointInTime('2026-01-31', 'since', { now, isEnd: false })).toEqual(new Date(2026, 0, 31));
  expect(pointInTime('2026-01-31', 'until', { now, isEnd: true })).toEqual(new Date(2026, 1, 1));
});

test.each([
  '',
  'yesterday',
  '2026-04-31',
  '2026-13-01',
  '2026-00-10',
  '7',
  '-7d',
  '999999y',
  '2026-01-31Tnoon',
  '1e3d',
])('%j is no time', (given) => {
  expect(() => pointInTime(given, 'since', { now, isEnd: false })).toThrow(UsageError);
});
