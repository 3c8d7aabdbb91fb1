import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { Deadlines, type DeadlineLimits } from '../../../src/client/reply/deadlines.ts';

/** Seconds pass under a fake clock. */
let fired: string[];
const start = (limits: Partial<DeadlineLimits>, clock = () => performance.now()): Deadlines => {
  const deadlines = new Deadlines({ firstToken: 0, idle: 0, total: 0, ...limits }, clock, (deadline, seconds) =>
    fired.push(`${deadline} ${seconds}`),
  );
  deadlines.beginAttempt();
  deadlines.startWaiting();
  return deadlines;
};
const pass = (seconds: number) => jest.advanceTimersByTimeAsync(seconds * 1000);

beforeEach(() => {
  fired = [];
  jest.useFakeTimers();
});

afterEach(() => {
  jest.useRealTimers();
});

describe('each deadline fires by its own name', () => {
  test('first-token: from the request to the first content', async () => {
    start({ firstToken: 10, idle: 1 });
    await pass(9.9);
    expect(fired).toEqual([]);
    await pass(0.2);
    expect(fired).toEqual(['first-token 10']);
  });

  test('idle: from one content to the next', async () => {
    const deadlines = start({ firstToken: 10, idle: 2 });
    for (let content = 0; content < 5; content += 1) {
      await pass(1.9);
      deadlines.content();
    }
    expect(fired).toEqual([]);
    await pass(2.1);
    expect(fired).toEqual(['idle 2']);
  });

  test('idle may be longer than first-token, and the other way round', async () => {
    start({ firstToken: 1, idle: 100 }).content();
    await pass(99);
    expect(fired).toEqual([]);
    await pass(2);
    expect(fired).toEqual(['idle 100']);
  });

  test('total: over all attempts', async () => {
    const deadlines = start({ firstToken: 10, total: 25 });
    await pass(9);
    deadlines.endAttempt();
    await pass(7);
    deadlines.beginAttempt();
    await pass(8.9);
    expect(fired).toEqual([]);
    await pass(0.2);
    expect(fired).toEqual(['total 25']);
  });

  test('a first-token deadline starts again with each attempt, and rests in between', async () => {
    const deadlines = start({ firstToken: 10 });
    await pass(9);
    deadlines.endAttempt();
    await pass(50);
    deadlines.beginAttempt();
    await pass(9);
    expect(fired).toEqual([]);
    await pass(2);
    expect(fired).toEqual(['first-token 10']);
  });

  test('only once, and of two that are due the total is named', async () => {
    start({ firstToken: 1, total: 1 });
    await pass(100);
    expect(fired).toEqual(['total 1']);
    fired = [];
    start({ idle: 1, total: 1 }).content();
    await pass(100);
    expect(fired).toEqual(['total 1']);
  });

  test('a fraction of a second, and longer than a Node timer can', async () => {
    start({ firstToken: 0.25 });
    await pass(0.3);
    expect(fired).toEqual(['first-token 0.25']);
    fired = [];
    start({ total: 3_000_000 });
    await pass(2_999_999);
    expect(fired).toEqual([]);
    await pass(2);
    expect(fired).toEqual(['total 3000000']);
  });

  test('0 is none', async () => {
    start({}).content();
    await pass(1_000_000);
    expect(fired).toEqual([]);
    expect(jest.getTimerCount()).toBe(0);
  });
});

describe('what is not counted', () => {
  test('time in which the consumer holds the stream', async () => {
    const deadlines = start({ firstToken: 10, idle: 2, total: 20 });
    deadlines.content();
    await pass(1.5);
    deadlines.stopWaiting();
    await pass(3600);
    expect(fired).toEqual([]);
    deadlines.startWaiting();
    await pass(0.4);
    expect(fired).toEqual([]);
    await pass(0.2);
    expect(fired).toEqual(['idle 2']);
  });

  test('time in which the process was stopped', async () => {
    // The clock runs on while the timers of a stopped process do not.
    let stopped = 0;
    start({ firstToken: 10 }, () => performance.now() + stopped);
    await pass(5);
    stopped = 3_600_000;
    await pass(5);
    expect(fired).toEqual([]);
    await pass(10);
    expect(fired).toEqual(['first-token 10']);
  });

  test('content that arrived while the process computed', async () => {
    const deadlines = start({ firstToken: 1 });
    jest.advanceTimersByTime(1000);
    // The timer has fired; the socket gets its turn before the deadline is announced.
    expect(fired).toEqual([]);
    deadlines.content();
    await pass(100);
    expect(fired).toEqual([]);
  });

  test('anything after stop()', async () => {
    start({ firstToken: 1 }).stop();
    await pass(10);
    expect(fired).toEqual([]);
    expect(jest.getTimerCount()).toBe(0);
  });
});
