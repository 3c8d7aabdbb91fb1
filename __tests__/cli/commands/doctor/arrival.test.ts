import { describe, expect, test } from '@jest/globals';
import { judgeArrival, type Arrival } from '../../../../src/cli/commands/doctor/arrival.ts';

const every = (gapMs: number, count: number, { from = 300, chunks = 1 } = {}): Arrival[] =>
  Array.from({ length: count }, (_, at) => ({ atMs: from + at * gapMs, chunks }));

describe('what comes as it is made', () => {
  test.each<{ name: string; arrivals: Arrival[]; proxyMs: number | null; type: string }>([
    { name: 'a model of 30 tokens a second', arrivals: every(33, 60), proxyMs: 250, type: 'live' },
    {
      name: 'a model of 500 tokens a second after a long thought',
      arrivals: every(2, 60, { from: 9_000 }),
      proxyMs: 8_900,
      type: 'live',
    },
    {
      name: 'the same, and a proxy that tells no time',
      arrivals: every(2, 60, { from: 9_000 }),
      proxyMs: null,
      type: 'live',
    },
    { name: 'a provider that sends few, large chunks', arrivals: every(700, 5), proxyMs: 200, type: 'live' },
    { name: 'reads that join two or three chunks', arrivals: every(60, 20, { chunks: 3 }), proxyMs: 200, type: 'live' },
    { name: 'a mock, whole and at once', arrivals: every(0, 40, { from: 40 }), proxyMs: 20, type: 'quick' },
    {
      name: 'a cached reply after a slow look-up',
      arrivals: every(0, 40, { from: 2_000 }),
      proxyMs: 1_900,
      type: 'quick',
    },
    { name: 'a reply of three words', arrivals: every(0, 3, { from: 4_000 }), proxyMs: 100, type: 'few' },
    { name: 'nothing', arrivals: [], proxyMs: null, type: 'few' },
  ])('$name is $type', ({ arrivals, proxyMs, type }) => {
    expect(judgeArrival(arrivals, proxyMs)).toMatchObject({ type, heldMs: 0 });
  });
});

describe('what was held back', () => {
  test('all at the end, long after the proxy had its first chunk', () => {
    expect(judgeArrival([{ atMs: 4_300, chunks: 60 }], 300)).toMatchObject({
      type: 'clumped',
      pieces: 1,
      heldMs: 4_000,
    });
  });

  test('all at the end, in two reads, and a proxy that tells no time', () => {
    const arrivals = [...every(0, 1, { from: 3_000, chunks: 30 }), ...every(0, 1, { from: 3_030, chunks: 30 })];
    expect(judgeArrival(arrivals, null)).toMatchObject({ type: 'clumped', pieces: 2, heldMs: 3_000 });
  });

  test('a buffer at a time: a few large pieces, far apart', () => {
    expect(judgeArrival(every(1_200, 5, { chunks: 20 }), 200)).toMatchObject({
      type: 'clumped',
      pieces: 5,
      medianGapMs: 1_200,
      heldMs: 1_200,
    });
  });
});
