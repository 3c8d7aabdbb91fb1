import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { AdaptiveLimit } from '../batch/adaptive-limit.ts';
import { type ItemDefaults, type ItemEnd, itemRequest, refusedItem } from '../batch/ask-item.ts';
import type { Asker } from '../batch/asker.ts';
import type { BatchItem } from '../batch/batch-item.ts';
import { CllmError } from '../outcome/errors.ts';
import { cleanErrorMessage } from '../protocol/error/error-message.ts';
import { assertJob, type Job, jobId, jobOf, queueVersion, type RunFacts } from './job.ts';
import { readJobEnd, tryOf } from './job-end.ts';
import type { RunNotice } from './announcement.ts';
import { repeatNotice } from './connection.ts';
import type { RedisQueue } from './redis-queue.ts';

/** What of a queue its coordinator needs. */
export type CoordinatorQueue = Pick<
  RedisQueue,
  | 'add'
  | 'find'
  | 'look'
  | 'remove'
  | 'listen'
  | 'forgetEvents'
  | 'workers'
  | 'announceRun'
  | 'leave'
  | 'runs'
  | 'stopRun'
  | 'goOn'
  | 'close'
  | 'isReachable'
  | 'address'
>;

export interface RemoteOptions {
  facts: RunFacts;
  defaults: ItemDefaults;
  limit: AdaptiveLimit;
  /** How many at a time at most; null is as many as the workers take. */
  most: number | null;
  /** Whether an earlier try of the run may have left jobs. */
  isResumed: boolean;
  /** Called when the run has left none. */
  forgetRun: () => void;
  /** Milliseconds without a worker after which the batch gives up; 0 is never. */
  workerTimeoutMs: number;
  mayGoOn: () => boolean;
  signal: AbortSignal;
  say: (text: string) => void;
  /** ISO 8601, UTC. */
  timestamp: () => string;
  /** Milliseconds, monotonic. */
  clock: () => number;
  notice: Pick<RunNotice, 'host' | 'pid' | 'version'>;
}

interface Pending {
  item: BatchItem;
  job: Job;
  /** Whether it has been put into the queue, so that it is missed when it is not there. */
  isAdded: boolean;
  settle: (end: ItemEnd) => void;
  reject: (error: CllmError) => void;
}

/** A queue that is out of reach keeps what it has. */
const longestPartingMs = 5_000;
const wait = (milliseconds: number): Promise<void> => delay(milliseconds, undefined, { ref: false });
const lookEveryMs = 5_000;
const watchEveryMs = 1_000;
/** Milliseconds without a worker before that is first said, and then from one time to the next. */
const firstWarningMs = 10_000;
const nextWarningMs = 60_000;

/**
 * Asks by way of a queue: an item becomes a job, which some worker takes, and its end comes back. The batch is the only one
 * that writes results, and forgets a job when its result is on the disk; so whatever dies, an item has one result, and what a
 * worker had finished by then is not asked for again.
 */
export class RemoteAsker implements Asker {
  readonly #queue: CoordinatorQueue;
  readonly #options: RemoteOptions;
  readonly #pending = new Map<string, Pending>();
  readonly #idOf = new WeakMap<ItemEnd, string>();
  /** Ends that were taken out of the queue's hands and are not on the disk yet: only the queue has them for sure. */
  readonly #unkept = new Set<string>();
  readonly #removals = new Set<Promise<unknown>>();
  readonly #stops: (() => void)[] = [];
  readonly #startedAt: string;
  #lastSeenAt: number;
  #warnedAt = Number.NEGATIVE_INFINITY;
  #failure: CllmError | null = null;
  #isStopped = false;
  #hasLeft = false;
  /** Resolves when nothing is waited for any more. */
  readonly #parted: Promise<void>;
  #part = (): void => {};
  #done = 0;

  private constructor(queue: CoordinatorQueue, options: RemoteOptions) {
    this.#queue = queue;
    this.#options = options;
    this.#lastSeenAt = options.clock();
    this.#startedAt = options.timestamp();
    this.#parted = new Promise((resolve) => (this.#part = resolve));
  }

  static async open(queue: CoordinatorQueue, options: RemoteOptions): Promise<RemoteAsker> {
    const asker = new RemoteAsker(queue, options);
    await asker.#start();
    return asker;
  }

  async #start(): Promise<void> {
    const { signal } = this.#options;
    await this.#queue.goOn(this.#options.facts.run);
    await this.#queue.listen({
      ended: (id, end) => this.#ended(id, end),
      failed: (id, why) => this.#failed(id, why),
    });
    await this.#watch();
    this.#every(
      watchEveryMs,
      () => this.#watch(),
      () => this.#missWorkers(null),
    );
    this.#every(lookEveryMs, () => this.#look());
    this.#stops.push(repeatNotice(() => this.#announce()));
    const onAbort = (): void => void this.#abandon(signal.reason as CllmError);
    signal.addEventListener('abort', onAbort);
    this.#stops.push(() => signal.removeEventListener('abort', onAbort));
  }

  async ask(item: BatchItem): Promise<ItemEnd> {
    const { defaults, facts, signal } = this.#options;
    const request = itemRequest(item, defaults);
    if (request instanceof CllmError) return this.#refused(item, request);
    const refusal = (await defaults.refuseRequest?.(request)) ?? null;
    if (refusal !== null) return this.#refused(item, refusal);
    const job = jobOf(item, request, facts, randomUUID());
    try {
      assertJob(job);
    } catch (error) {
      if (error instanceof CllmError) return this.#refused(item, error);
      throw error;
    }
    if (this.#failure !== null) throw this.#failure;
    if (signal.aborted) return this.#refused(item, signal.reason as CllmError);
    return new Promise((settle, reject) => {
      const pending: Pending = { item, job, isAdded: false, settle, reject };
      const id = jobId(job);
      this.#pending.set(id, pending);
      this.#submit(id, pending).catch((error: unknown) => this.#fail(error));
    });
  }

  kept(end: ItemEnd): void {
    this.#done += 1;
    const id = this.#idOf.get(end);
    if (id === undefined) return;
    this.#unkept.delete(id);
    void this.#remove(id);
  }

  async close(): Promise<void> {
    for (const stop of this.#stops.splice(0)) stop();
    const parting = async (): Promise<void> => {
      await Promise.all(this.#removals);
      if (!this.#hasLeft && this.#unkept.size === 0) this.#options.forgetRun();
      await this.#queue.leave('run', this.#options.facts.run);
      // Another run would find its own only by looking.
      if ((await this.#queue.runs()).length === 0) await this.#queue.forgetEvents();
    };
    await Promise.race([parting().catch(() => {}), wait(this.#queue.isReachable ? longestPartingMs : 1_000)]);
    await this.#queue.close();
  }

  async #submit(id: string, pending: Pending): Promise<void> {
    if (this.#options.isResumed) {
      const found = await this.#queue.find(id);
      if (found !== null && this.#take(id, pending, found)) return;
    }
    await this.#queue.add(id, pending.job);
    pending.isAdded = true;
  }

  /** Takes over what stands in the queue; gives whether that will do. */
  #take(id: string, pending: Pending, found: NonNullable<Awaited<ReturnType<CoordinatorQueue['find']>>>): boolean {
    if (found.isFinished) {
      if (found.failure !== null) this.#failed(id, found.failure);
      else this.#takeEnd(id, pending, found.end);
      return true;
    }
    // It waits or is asked for: its end will be that of the try that it is of.
    if (found.try !== null) pending.job.try = found.try;
    pending.isAdded = true;
    return true;
  }

  #ended(id: string, value: unknown): void {
    const pending = this.#pending.get(id);
    // An earlier try of the same item may be told of late, once it was added again.
    if (pending !== undefined && tryOf(value) === pending.job.try) this.#takeEnd(id, pending, value);
  }

  #takeEnd(id: string, pending: Pending, value: unknown): void {
    const end = readJobEnd(value, pending.item);
    if (end === null) {
      const error = new CllmError('queue_failed', `line ${pending.item.line}: a worker gave what is no result`, {
        hint: 'have the same version of cllm everywhere: cllm batch status shows them',
      });
      this.#settle(id, pending, this.#refused(pending.item, error));
    } else {
      this.#settle(id, pending, end);
    }
  }

  #failed(id: string, why: string): void {
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    const reason = cleanErrorMessage(why);
    const error = new CllmError('queue_failed', `line ${pending.item.line}: no worker takes it: ${reason}`, {
      hint: 'have the same version of cllm everywhere: cllm batch status shows them',
    });
    this.#settle(id, pending, this.#refused(pending.item, error));
  }

  #settle(id: string, pending: Pending, end: ItemEnd): void {
    this.#pending.delete(id);
    if (!this.#options.mayGoOn() && !this.#isStopped) {
      this.#isStopped = true;
      void this.#queue.stopRun(this.#options.facts.run).catch(() => {});
    }
    if (end.throttled === null) {
      this.#idOf.set(end, id);
      this.#unkept.add(id);
      pending.settle(end);
    } else {
      // It is added again under the same name. A queue that is out of reach removes nothing.
      void Promise.race([this.#remove(id), this.#parted]).then(() => pending.settle(end));
    }
  }

  async #remove(id: string): Promise<void> {
    const removal = this.#queue.remove(id).catch(() => {});
    this.#removals.add(removal);
    await removal;
    this.#removals.delete(removal);
  }

  #refused(item: BatchItem, error: CllmError): ItemEnd {
    const facts = { timestamp: this.#options.timestamp(), template: this.#options.defaults.template };
    return { result: refusedItem(item, error, facts), error, throttled: null, receipt: null };
  }

  /**
   * A signal: what no worker has begun is taken back, and what one has begun is left to end, for it is paid for; the same
   * command takes it from the queue then.
   */
  async #abandon(reason: CllmError): Promise<void> {
    this.#part();
    const open = [...this.#pending];
    await Promise.race([this.#takeBack(open), wait(longestPartingMs)]).catch(() => {});
    for (const [id, pending] of open) {
      if (this.#pending.get(id) !== pending) continue;
      this.#pending.delete(id);
      const end = this.#refused(pending.item, reason);
      // It was on its way, whether a worker had begun or not.
      pending.settle({ ...end, result: { ...end.result, verdict: 'interrupted' } });
    }
  }

  /** Out of the queue, but for what is asked for or over: of what is over the end is taken. */
  async #takeBack(open: readonly (readonly [id: string, pending: Pending])[]): Promise<void> {
    this.#hasLeft ||= open.length > 0;
    const states = await this.#queue.look(open.map(([id]) => id));
    await Promise.all(
      open.map(async ([id, pending], at) => {
        if (states[at] === 'open') await this.#queue.remove(id);
        else if (states[at] === 'finished') await this.#fetch(id, pending);
      }),
    );
  }

  #fail(thrown: unknown): void {
    if (this.#failure !== null) return;
    this.#failure =
      thrown instanceof CllmError ? thrown : new CllmError('internal', (thrown as Error).message, { cause: thrown });
    this.#part();
    const open = [...this.#pending];
    this.#pending.clear();
    for (const [, { reject }] of open) reject(this.#failure);
    this.#removals.add(Promise.allSettled([this.#takeBack(open)]));
  }

  /** Finds what no event told of, and adds again what a Redis that came back empty has lost. */
  async #look(): Promise<void> {
    const open = [...this.#pending].filter(([, { isAdded }]) => isAdded);
    const states = await this.#queue.look(open.map(([id]) => id));
    for (const [at, [id, pending]] of open.entries()) {
      const state = states[at];
      if (this.#pending.get(id) !== pending || state === 'open') continue;
      if (state === 'lost') await this.#queue.remove(id);
      if (state === 'gone' || state === 'lost') {
        await this.#queue.add(id, pending.job);
        continue;
      }
      await this.#fetch(id, pending);
    }
  }

  async #fetch(id: string, pending: Pending): Promise<void> {
    const found = await this.#queue.find(id);
    if (found?.isFinished === true && this.#pending.get(id) === pending) this.#take(id, pending, found);
  }

  /** How many may ask, and whether there is anybody. */
  async #watch(): Promise<void> {
    const { limit, most } = this.#options;
    const workers = this.#queue.isReachable ? await this.#queue.workers() : [];
    const ready = workers.filter(({ is_leaving: isLeaving, v }) => !isLeaving && v >= queueVersion);
    const places = ready.reduce((sum, { concurrency }) => sum + concurrency, 0);
    if (places > 0) {
      limit.atMost(Math.min(places, most ?? Number.POSITIVE_INFINITY));
      this.#lastSeenAt = this.#options.clock();
      this.#warnedAt = Number.NEGATIVE_INFINITY;
      return;
    }
    // One that waits is no loss when nobody comes.
    if (this.#queue.isReachable) limit.atMost(1);
    this.#missWorkers(workers.length > ready.length ? 'too old, or about to end' : null);
  }

  #missWorkers(but: string | null): void {
    const { clock, workerTimeoutMs, say } = this.#options;
    const { shown } = this.#queue.address;
    const missingMs = clock() - this.#lastSeenAt;
    const what = this.#queue.isReachable
      ? but === null
        ? `no worker is at the queue ${shown}`
        : `the workers at the queue ${shown} are ${but}`
      : `the queue at ${shown} is out of reach`;
    if (workerTimeoutMs > 0 && missingMs >= workerTimeoutMs) {
      this.#fail(
        new CllmError('no_worker', `${what}, for ${Math.round(missingMs / 1000)} s`, {
          hint: `${this.#queue.isReachable ? 'start one with: cllm batch worker; ' : ''}the same command goes on from there`,
        }),
      );
      return;
    }
    const isDue = missingMs >= firstWarningMs && clock() - this.#warnedAt >= nextWarningMs;
    if (!isDue) return;
    this.#warnedAt = clock();
    say(`${what}; the batch waits${this.#queue.isReachable ? ' (start one with: cllm batch worker)' : ''}`);
  }

  async #announce(): Promise<void> {
    const { facts, limit, notice } = this.#options;
    await this.#queue.announceRun({
      v: queueVersion,
      id: facts.run,
      ...notice,
      limit: limit.limit,
      in_flight: this.#pending.size,
      done: this.#done,
      started_at: this.#startedAt,
    });
  }

  /** One at a time: while Redis is away, the first one waits for it. */
  #every(milliseconds: number, work: () => Promise<void>, meanwhile: () => void = () => {}): void {
    let isWorking = false;
    const timer = setInterval(() => {
      if (isWorking) {
        if (!this.#queue.isReachable) meanwhile();
        return;
      }
      isWorking = true;
      work()
        .catch((error: unknown) => this.#fail(error))
        .finally(() => (isWorking = false));
    }, milliseconds);
    this.#stops.push(() => clearInterval(timer));
  }
}
