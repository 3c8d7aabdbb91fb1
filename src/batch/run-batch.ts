import PQueue from 'p-queue';
import type { CllmError } from '../outcome/errors.ts';
import { exitNameOf } from '../outcome/exits.ts';
import type { AdaptiveLimit } from './adaptive-limit.ts';
import type { ItemEnd } from './ask-item.ts';
import type { BatchItem } from './batch-item.ts';
import type { CostCap } from '../spending/cost-cap.ts';

export interface BatchPlan {
  items: AsyncIterable<BatchItem>;
  /** Asks for one item, once. What it rejects with ends the batch. */
  ask: (item: BatchItem) => Promise<ItemEnd>;
  /** Resolves when the result is on the disk. */
  keep: (end: ItemEnd) => Promise<void>;
  limit: AdaptiveLimit;
  cap: CostCap;
  /** Nothing new is begun after the first failure. */
  isFailFast: boolean;
  signal: AbortSignal;
  /** Milliseconds, monotonic. */
  clock: () => number;
  /** Told when the proxy holds the batch back, and for how long. */
  onThrottled?: (pauseMs: number) => void;
}

/** Why a batch ended before its items did. */
export type Stop = { reason: 'signal' | 'cost' | 'failure'; error: CllmError | null } | { reason: 'cap'; why: string };

/** How often an item is tried again after the proxy had no room for it: with pauses that double, some minutes. */
const mostThrottles = 8;
/** How often for a place among those that are under way, which are short waits: up to ten minutes. */
const mostWaitsForPlace = 600;
/** A proxy that is to be asked again much later is closed, not busy: the item fails, and a later run tries it again. */
const longestHold = 10 * 60_000;

/** Failures that the next item would meet as well. */
const hopeless = new Set([
  'no_key',
  'key_rejected',
  'budget_exceeded',
  'redirect_refused',
  'tls_failed',
  'http_proxy_failed',
]);
/** A few items may meet a bad moment; so many in a row, without one that went well between them, did not. */
const longestStreak = (limit: number): number => Math.max(20, 3 * limit);

/**
 * Runs the items of a batch, as many at a time as the limit says. A result is on the disk before another item begins in
 * its place. Holds no more items than are in flight.
 *
 * @returns why it ended early; null when every item was run
 * @throws what reading the items or keeping a result threw, after what was in flight has ended
 */
export async function runBatch(plan: BatchPlan): Promise<Stop | null> {
  return new BatchRun(plan).run();
}

class BatchRun {
  readonly #plan: BatchPlan;
  readonly #queue: PQueue;
  #stop: Stop | null = null;
  #failure: { error: unknown } | null = null;
  #streak = 0;
  #inFlight = 0;
  #wake: (() => void)[] = [];
  #pause: NodeJS.Timeout | undefined;

  constructor(plan: BatchPlan) {
    this.#plan = plan;
    this.#queue = new PQueue({ concurrency: plan.limit.limit });
  }

  async run(): Promise<Stop | null> {
    const { items, signal, cap } = this.#plan;
    const onAbort = (): void => this.#end({ reason: 'signal', error: signal.reason as CllmError });
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort);
    this.#plan.limit.onChange = () => {
      this.#adapt();
      this.#changed();
    };
    try {
      if (this.#isOver || !this.#hasMoney()) return this.#stop;
      for await (const item of items) {
        // One item may wait for its turn: it is there when a place is, and no more than that is read ahead.
        while (!this.#isOver && (this.#queue.size > 0 || !cap.hasRoomFor(this.#inFlight))) await this.#next();
        if (this.#isOver || !this.#hasMoney()) break;
        this.#add(item, 0);
      }
    } catch (error) {
      // The signal ended the reading as well, and is what there is to say.
      if (!signal.aborted) this.#fail(error);
    } finally {
      await this.#queue.onIdle();
      clearTimeout(this.#pause);
      signal.removeEventListener('abort', onAbort);
    }
    if (this.#failure !== null) throw this.#failure.error;
    return this.#stop;
  }

  get #isOver(): boolean {
    return this.#stop !== null || this.#failure !== null;
  }

  /** Resolves when anything may have changed: an item ended, or the batch is over. */
  #next(): Promise<void> {
    return new Promise((resolve) => this.#wake.push(resolve));
  }

  #changed(): void {
    for (const resolve of this.#wake.splice(0)) resolve();
  }

  #add(item: BatchItem, throttles: number): void {
    // What was held back goes before what has not begun, so that items end roughly in their order.
    void this.#queue.add(() => this.#work(item, throttles), { priority: throttles === 0 ? 0 : 1 });
  }

  async #work(item: BatchItem, throttles: number): Promise<void> {
    this.#changed();
    if (this.#isOver || !this.#hasMoney()) return;
    const { limit, clock, cap, isFailFast } = this.#plan;
    const startedAt = clock();
    this.#inFlight += 1;
    try {
      const end = await this.#plan.ask(item);
      if (end.throttled !== null && (end.throttled.retryAfterMs ?? 0) <= longestHold) {
        limit.refused(startedAt, end.throttled);
        this.#adapt();
        const most = end.throttled.parallelLimit === null ? mostThrottles : mostWaitsForPlace;
        if (throttles < most && !this.#isOver) {
          this.#add(item, throttles + 1);
          return;
        }
      } else if (end.error === null) {
        limit.succeeded();
        this.#adapt();
      }
      if (end.result.completion !== null) cap.add(end.result.total_cost_usd);
      await this.#plan.keep(end);
      this.#judge(end.error, isFailFast);
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#inFlight -= 1;
      this.#changed();
    }
  }

  #judge(error: CllmError | null, isFailFast: boolean): void {
    if (error === null) {
      this.#streak = 0;
      return;
    }
    const exit = exitNameOf(error);
    this.#streak = ['unreachable', 'auth', 'budget', 'throttled'].includes(exit) ? this.#streak + 1 : 0;
    if (isFailFast || hopeless.has(error.code) || this.#streak >= longestStreak(this.#plan.limit.most)) {
      this.#end({ reason: 'failure', error });
    }
  }

  #hasMoney(): boolean {
    const why = this.#plan.cap.refusal;
    if (why !== null) this.#end({ reason: 'cap', why });
    return why === null;
  }

  /** Takes over what the limit has learnt. */
  #adapt(): void {
    const { limit } = this.#plan;
    this.#queue.concurrency = limit.limit;
    const pauseMs = limit.pauseMs;
    if (pauseMs === 0 || this.#isOver) return;
    if (!this.#queue.isPaused) this.#plan.onThrottled?.(pauseMs);
    this.#queue.pause();
    clearTimeout(this.#pause);
    // A timer may fire up to a millisecond early.
    this.#pause = setTimeout(() => this.#queue.start(), Math.ceil(pauseMs) + 1);
  }

  #end(stop: Stop): void {
    this.#stop ??= stop;
    this.#abandonWaiting();
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#abandonWaiting();
  }

  #abandonWaiting(): void {
    this.#queue.clear();
    this.#queue.start();
    this.#changed();
  }
}
