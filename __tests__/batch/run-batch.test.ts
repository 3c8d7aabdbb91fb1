import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { AdaptiveLimit } from '../../src/batch/adaptive-limit.ts';
import { type ItemEnd, refusedItem } from '../../src/batch/ask-item.ts';
import type { BatchItem } from '../../src/batch/batch-item.ts';
import { type BatchPlan, runBatch } from '../../src/batch/run-batch.ts';
import { CllmError, type ErrorCode, errorCodes, InterruptedError } from '../../src/outcome/errors.ts';
import { exitNameOf } from '../../src/outcome/exits.ts';
import { CostCap } from '../../src/spending/cost-cap.ts';

const itemOf = (line: number): BatchItem => ({
  line,
  customId: `i${line}`,
  digest: null,
  request: { messages: [{ role: 'user', content: `${line}` }], system: null, params: {} },
  error: null,
});

async function* itemsOf(count: number, onRead: (line: number) => void = () => {}): AsyncGenerator<BatchItem> {
  for (let line = 1; line <= count; line += 1) {
    onRead(line);
    yield itemOf(line);
  }
}

const completion = { id: 'c', object: 'chat.completion', created: 1, model: 'm', choices: [], usage: null } as const;

interface End {
  code?: ErrorCode | null;
  /** USD; undefined is a reply that never came. */
  cost?: number | null;
  throttled?: ItemEnd['throttled'];
}

/** What an item came to: a reply that cost nothing to speak of, unless it is said otherwise. */
function endOf(
  item: BatchItem,
  { code = null, cost = code === null ? 0 : undefined, throttled = null }: End = {},
): ItemEnd {
  const error = code === null ? null : new CllmError(code, `it was ${code}`);
  const result = refusedItem(item, error ?? new CllmError('internal', ''), {
    timestamp: '2026-01-01T00:00:00Z',
    template: null,
  });
  const reply = cost === undefined ? {} : { completion: { ...completion, choices: [] }, total_cost_usd: cost };
  return {
    result: { ...result, is_error: error !== null, ...reply },
    error,
    throttled,
    receipt: null,
  };
}

type Answer = End | ((item: BatchItem) => Promise<End>);

/** A run of `answers`, one an item in order; the last one goes for all that follow. */
async function run(
  answers: readonly Answer[],
  { count = answers.length, atATime = 1, ...plan }: Partial<BatchPlan> & { count?: number; atATime?: number } = {},
): Promise<{ stop: Awaited<ReturnType<typeof runBatch>>; asked: number[]; kept: number[]; log: string[] }> {
  const asked: number[] = [];
  const kept: number[] = [];
  const log: string[] = [];
  const stop = await runBatch({
    items: itemsOf(count),
    ask: async (item) => {
      const answer = answers[Math.min(asked.length, answers.length - 1)] ?? {};
      asked.push(item.line);
      log.push(`ask ${item.line}`);
      return endOf(item, typeof answer === 'function' ? await answer(item) : answer);
    },
    keep: async ({ result }) => {
      // As a disk: later than the next turn of the loop.
      await turnOfTheLoop();
      kept.push(result.line);
      log.push(`kept ${result.line}`);
    },
    limit: new AdaptiveLimit(
      atATime,
      () => performance.now(),
      () => 0,
    ),
    cap: new CostCap(null),
    isFailFast: false,
    signal: new AbortController().signal,
    clock: () => performance.now(),
    ...plan,
  });
  return { stop, asked, kept, log };
}

/** Items that end when they are told to. */
function held(): { answer: Answer; waiting: () => number; release: (end?: End) => void } {
  const waiting: ((end: End) => void)[] = [];
  return {
    answer: () => new Promise((resolve) => waiting.push(resolve)),
    waiting: () => waiting.length,
    release: (end = {}) => waiting.shift()?.(end),
  };
}

async function until(isTrue: () => boolean): Promise<void> {
  for (let turns = 0; !isTrue(); turns += 1) {
    if (turns > 10_000) throw new Error('it never came to that');
    await turnOfTheLoop();
  }
}

describe('what is in flight', () => {
  test('a result is kept before another item begins in its place', async () => {
    const { log } = await run([{}], { count: 3 });
    expect(log).toEqual(['ask 1', 'kept 1', 'ask 2', 'kept 2', 'ask 3', 'kept 3']);
  });

  test('is as much as the limit says, and one item is read ahead of it', async () => {
    const read: number[] = [];
    const { answer, waiting, release } = held();
    const running = run([answer], { items: itemsOf(9, (line) => read.push(line)), count: 9, atATime: 3 });
    await until(() => waiting() === 3);
    for (let turns = 0; turns < 20; turns += 1) await turnOfTheLoop();
    expect({ waiting: waiting(), read: read.length }).toEqual({ waiting: 3, read: 5 });
    const ending = setInterval(() => release(), 1);
    try {
      const { stop, kept } = await running;
      expect({ stop, kept: kept.length }).toEqual({ stop: null, kept: 9 });
    } finally {
      clearInterval(ending);
    }
  });
});

describe('a failure', () => {
  const hopeless: ErrorCode[] = [
    'no_key',
    'key_rejected',
    'budget_exceeded',
    'redirect_refused',
    'tls_failed',
    'http_proxy_failed',
  ];

  test.each(errorCodes)(
    '%s stops the batch if the next item would meet it, and no other does so at once',
    async (code) => {
      const { stop, asked, kept } = await run([{ code }, {}], { count: 3 });
      expect({
        reason: stop?.reason ?? null,
        code: stop !== null && 'error' in stop ? stop.error?.code : null,
        asked,
        kept,
      }).toEqual(
        hopeless.includes(code)
          ? { reason: 'failure', code, asked: [1], kept: [1] }
          : { reason: null, code: null, asked: [1, 2, 3], kept: [1, 2, 3] },
      );
    },
  );

  const ofTheWay = ['unreachable', 'auth', 'budget', 'throttled'];
  test.each(errorCodes.filter((code) => !hopeless.includes(code)))(
    'twenty of %s in a row stop it where they are of the way',
    async (code) => {
      const { stop, asked } = await run([{ code }], { count: 25 });
      const isOfTheWay = ofTheWay.includes(exitNameOf(new CllmError(code, '')));
      expect({ reason: stop?.reason, asked: asked.length }).toEqual(
        isOfTheWay ? { reason: 'failure', asked: 20 } : { reason: undefined, asked: 25 },
      );
    },
  );

  test.each<[string, End]>([
    ['that went well', {}],
    ['that failed at something of its own', { code: 'bad_request' }],
  ])('a row of them is broken by one %s', async (_name, other) => {
    const row = Array.from({ length: 19 }, (): End => ({ code: 'connection_refused' }));
    const { stop, asked } = await run([...row, other, ...row], {});
    expect({ stop, asked: asked.length }).toEqual({ stop: null, asked: 39 });
  });

  test('the row is three times as long as the limit where that is more', async () => {
    const { stop, kept } = await run([{ code: 'server_error' }], { count: 60, atATime: 10 });
    expect(stop?.reason).toBe('failure');
    // Those that were under way when it ended are kept as well.
    expect(kept.length).toBeGreaterThanOrEqual(30);
    expect(kept.length).toBeLessThan(40);
  });

  test('of any kind is the last under --fail-fast; what is in flight is kept', async () => {
    const { answer, waiting, release } = held();
    const running = run([answer], { count: 9, atATime: 3, isFailFast: true });
    await until(() => waiting() === 3);
    release({ code: 'reply_short' });
    release();
    release();
    const { stop, asked, kept } = await running;
    expect(stop).toMatchObject({ reason: 'failure', error: { code: 'reply_short' } });
    expect({ asked, kept: kept.toSorted((a, b) => a - b) }).toEqual({ asked: [1, 2, 3], kept: [1, 2, 3] });
  });
});

describe('a refusal for lack of room', () => {
  const refused = (retryAfterMs: number | null): End => ({
    code: 'rate_limited',
    throttled: { retryAfterMs, parallelLimit: null },
  });

  test('is no result: the item is asked again, before those that have not begun', async () => {
    const { asked, kept, stop } = await run([refused(1), {}], { count: 3 });
    expect({ asked, kept, stop }).toEqual({ asked: [1, 1, 2, 3], kept: [1, 2, 3], stop: null });
  });

  test('goes before an item that waits for its turn', async () => {
    const read: number[] = [];
    const { answer, waiting, release } = held();
    const running = run([answer, {}], { items: itemsOf(3, (line) => read.push(line)), count: 3 });
    await until(() => waiting() === 1 && read.length >= 2);
    for (let turns = 0; turns < 20; turns += 1) await turnOfTheLoop();
    release(refused(1));
    expect((await running).asked).toEqual([1, 1, 2, 3]);
  });

  test('of several at once is told once, as one wait', async () => {
    const told: number[] = [];
    const { answer, waiting, release } = held();
    const running = run([answer, answer, {}], { count: 2, atATime: 2, onThrottled: (pauseMs) => told.push(pauseMs) });
    await until(() => waiting() === 2);
    release(refused(50));
    release(refused(60));
    await running;
    expect(told).toHaveLength(1);
  });

  test('is one after eight more tries', async () => {
    const { asked, kept } = await run([refused(1)], { count: 1 });
    expect({ asked: asked.length, kept }).toEqual({ asked: 9, kept: [1] });
  });

  test('for want of a place is one too, after six hundred more tries: no proxy holds a batch for ever', async () => {
    const limit = new (class extends AdaptiveLimit {
      override get pauseMs(): number {
        return 0;
      }
    })(
      1,
      () => 0,
      () => 0,
    );
    const full: End = { code: 'rate_limited', throttled: { retryAfterMs: null, parallelLimit: 1 } };
    const { asked, kept } = await run([full], { count: 1, limit });
    expect({ asked: asked.length, kept }).toEqual({ asked: 601, kept: [1] });
  });

  test('that holds for more than ten minutes is one at once', async () => {
    const { asked, kept } = await run([refused(600_001), {}], { count: 2 });
    expect({ asked, kept }).toEqual({ asked: [1, 2], kept: [1, 2] });
  });

  test('holds every other item back for as long as it says, and is told once', async () => {
    const told: number[] = [];
    const startedAt: number[] = [];
    const answer =
      (end: End): Answer =>
      () => {
        startedAt.push(performance.now());
        return Promise.resolve(end);
      };
    await run([answer(refused(80)), answer({})], {
      count: 2,
      onThrottled: (pauseMs) => told.push(Math.round(pauseMs)),
    });
    expect(told).toHaveLength(1);
    expect(told[0]).toBeGreaterThan(60);
    expect(told[0]).toBeLessThanOrEqual(80);
    expect((startedAt[1] ?? 0) - (startedAt[0] ?? 0)).toBeGreaterThanOrEqual(80);
  });

  test('lowers the limit, and what goes well raises it again', async () => {
    const limit = new AdaptiveLimit(
      4,
      () => performance.now(),
      () => 0,
    );
    const seen: number[] = [];
    const good: Answer = () => {
      seen.push(limit.limit);
      return Promise.resolve({});
    };
    await run([refused(1), good], { count: 12, limit, atATime: 4 });
    expect(Math.min(...seen)).toBe(2);
    expect(limit.limit).toBeGreaterThan(2);
  });
});

describe('the cost', () => {
  test('of each reply counts, and a cap that is reached begins nothing more', async () => {
    const { stop, asked } = await run([{ cost: 0.4 }], { count: 9, cap: new CostCap(1) });
    expect(stop).toMatchObject({ reason: 'cap', why: expect.stringContaining('--max-cost 1') });
    // The third one was begun below the cap.
    expect(asked).toHaveLength(3);
  });

  test('of one that failed with a reply counts as well, and one without a reply costs nothing', async () => {
    const paid = await run([{ code: 'reply_short', cost: 2 }], { count: 3, cap: new CostCap(1) });
    expect({ reason: paid.stop?.reason, asked: paid.asked.length }).toEqual({ reason: 'cap', asked: 1 });
    const unpaid = await run([{ code: 'bad_request' }], { count: 3, cap: new CostCap(1) });
    expect({ stop: unpaid.stop, asked: unpaid.asked.length }).toEqual({ stop: null, asked: 3 });
  });

  test('that nobody tells ends a batch under a cap', async () => {
    const { stop, asked } = await run([{ cost: null }], { count: 3, cap: new CostCap(1) });
    expect({ reason: stop?.reason, asked }).toEqual({ reason: 'cap', asked: [1] });
  });

  test('of what earlier runs spent ends it before anything is asked', async () => {
    const cap = new CostCap(1);
    cap.add(1);
    const { stop, asked } = await run([{}], { count: 3, cap });
    expect({ reason: stop?.reason, asked }).toEqual({ reason: 'cap', asked: [] });
  });

  test('near the cap no more is in flight than it may pay for', async () => {
    const cap = new CostCap(1);
    cap.add(0.3);
    const { answer, waiting, release } = held();
    const running = run([answer], { count: 9, atATime: 5, cap });
    await until(() => waiting() > 0);
    for (let turns = 0; turns < 20; turns += 1) await turnOfTheLoop();
    // 0.3 is spent, and two more of that size fit below 1.
    expect(waiting()).toBe(2);
    const ending = setInterval(() => release({ cost: 0.3 }), 1);
    try {
      const { stop, asked } = await running;
      expect({ reason: stop?.reason, asked: asked.length }).toEqual({ reason: 'cap', asked: 3 });
    } finally {
      clearInterval(ending);
    }
  });
});

describe('the end', () => {
  test('by a signal that came before: nothing is asked', async () => {
    const stopped = new AbortController();
    stopped.abort(new InterruptedError('SIGTERM', 'x'));
    const { stop, asked } = await run([{}], { count: 3, signal: stopped.signal });
    expect(stop).toMatchObject({ reason: 'signal', error: { signal: 'SIGTERM' } });
    expect(asked).toEqual([]);
  });

  test('by a signal on the way: what is in flight is kept, and nothing more begins', async () => {
    const stopping = new AbortController();
    const { answer, waiting, release } = held();
    const running = run([answer], { count: 9, atATime: 2, signal: stopping.signal });
    await until(() => waiting() === 2);
    stopping.abort(new InterruptedError('SIGINT', 'x'));
    release({ code: 'interrupted' });
    release({ code: 'interrupted' });
    const { stop, asked, kept } = await running;
    expect(stop).toMatchObject({ reason: 'signal', error: { signal: 'SIGINT' } });
    expect({ asked, kept }).toEqual({ asked: [1, 2], kept: [1, 2] });
  });

  test('by a signal while everything waits for the proxy: at once', async () => {
    const stopping = new AbortController();
    const began = performance.now();
    const { stop } = await run([{ code: 'rate_limited', throttled: { retryAfterMs: 300_000, parallelLimit: null } }], {
      count: 3,
      signal: stopping.signal,
      onThrottled: () => stopping.abort(new InterruptedError('SIGINT', 'x')),
    });
    expect(stop?.reason).toBe('signal');
    expect(performance.now() - began).toBeLessThan(30_000);
  });

  test('an input that fails on the way: what is in flight is kept, then it is thrown', async () => {
    const kept: number[] = [];
    const items = async function* (): AsyncGenerator<BatchItem> {
      yield itemOf(1);
      throw new CllmError('input_invalid', 'line 2 is torn');
    };
    const running = run([{}], {
      items: items(),
      keep: async ({ result }) => {
        await turnOfTheLoop();
        kept.push(result.line);
      },
    });
    await expect(running).rejects.toMatchObject({ code: 'input_invalid' });
    expect(kept).toEqual([1]);
  });

  test('an input that a signal ends is no failure of the input', async () => {
    const stopping = new AbortController();
    const items = async function* (): AsyncGenerator<BatchItem> {
      yield itemOf(1);
      stopping.abort(new InterruptedError('SIGINT', 'x'));
      throw new Error('the stream was closed');
    };
    const { stop, kept } = await run([{}], { items: items(), signal: stopping.signal });
    expect({ reason: stop?.reason, kept }).toEqual({ reason: 'signal', kept: [1] });
  });

  test('a result that can not be kept: nothing more is asked and paid for', async () => {
    const asked: number[] = [];
    const running = run([{}], {
      count: 9,
      ask: async (item) => {
        asked.push(item.line);
        return endOf(item);
      },
      keep: () => Promise.reject(new CllmError('output_failed', 'the disk is full')),
    });
    await expect(running).rejects.toMatchObject({ code: 'output_failed' });
    expect(asked).toEqual([1]);
  });
});
