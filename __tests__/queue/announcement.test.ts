import { describe, expect, test } from '@jest/globals';
import { mostPlaces, readRunNotice, readWorkerNotice } from '../../src/queue/announcement.ts';

const shared = { v: 1, id: 'i', host: 'h', pid: 1, version: '1', done: 3, started_at: '2026-01-01T00:00:00Z' };
const worker = {
  ...shared,
  concurrency: 8,
  active: 2,
  is_leaving: false,
  is_too_old: false,
  is_streaming: false,
};
const run = { ...shared, limit: 8, in_flight: 2 };

describe('a notice', () => {
  test('is read as it was written, and without what nobody knows', () => {
    expect(readWorkerNotice(JSON.stringify({ ...worker, api_key: 'sk', x: { y: 1 } }))).toEqual(worker);
    expect(readRunNotice(JSON.stringify({ ...run, x: 1 }))).toEqual(run);
  });

  test.each([
    ['concurrency', mostPlaces + 1],
    ['active', -1],
    ['done', -5],
    ['done', 1e20],
    ['pid', 1.5],
    ['v', 'one'],
    ['host', 'x'.repeat(100_000)],
    ['version', null],
    ['is_leaving', 1],
  ])('of a worker with %s as somebody else wrote it is none', (name, value) => {
    expect(readWorkerNotice(JSON.stringify({ ...worker, [name]: value }))).toBeNull();
  });

  test.each([
    ['limit', -1],
    ['in_flight', 1e300],
    ['id', 'x'.repeat(1_000)],
  ])('of a run with %s as somebody else wrote it is none', (name, value) => {
    expect(readRunNotice(JSON.stringify({ ...run, [name]: value }))).toBeNull();
  });

  test('that lacks a member, or is no object, is none', () => {
    const { host: _host, ...homeless } = worker;
    for (const text of ['', '[]', 'null', '{', JSON.stringify(homeless), `{"__proto__":${JSON.stringify(worker)}}`]) {
      expect(readWorkerNotice(text)).toBeNull();
    }
  });
});
