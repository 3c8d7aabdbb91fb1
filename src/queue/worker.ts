import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { type ItemEnd, refusedItem } from '../batch/ask-item.ts';
import { longestTimer } from '../client/reply/deadlines.ts';
import { CllmError, InterruptedError } from '../outcome/errors.ts';
import { repeatNotice } from './connection.ts';
import { mostPlaces, type WorkerNotice } from './announcement.ts';
import { itemOfJob } from './ask-job.ts';
import { type Job, NewerJob, queueVersion, readJob, RefusedJob } from './job.ts';
import { jobEnd } from './job-end.ts';
import { handlingOf, Room } from './poison.ts';
import type { HeldJob, Outcome, RedisQueue } from './redis-queue.ts';

/** What of a queue its worker needs. */
export type WorkerQueue = Pick<
  RedisQueue,
  'take' | 'announceWorker' | 'leave' | 'runs' | 'counts' | 'isReachable' | 'times'
>;

export interface WorkerOptions {
  asker: { ask(job: Job, signal: AbortSignal): Promise<ItemEnd>; readonly isStreaming: boolean };
  concurrency: number;
  /** Milliseconds for what is asked for to end, once the worker is to end. */
  graceMs: number;
  /** Ends by itself when there is nothing more to do. */
  isDraining: boolean;
  /** Aborted when the worker is to end. */
  signal: AbortSignal;
  say: (text: string) => void;
  /** ISO 8601, UTC. */
  timestamp: () => string;
  /** Milliseconds, monotonic. */
  clock: () => number;
  notice: Pick<WorkerNotice, 'host' | 'pid' | 'version'>;
}

/** What a worker came to. */
export interface WorkerReport {
  done: number;
  /** Given back, since they did not end in time. */
  givenBack: number;
}

interface Held {
  controller: AbortController;
  /** When the queue last said that it is ours. */
  renewedAt: number;
}

type Why = 'lost' | 'back';

const checkEveryMs = 250;
const longestPartingMs = 3_000;
const newerJobDelayMs = 10_000;
/** Milliseconds without a run and without a job before a worker that drains believes it. */
const drainedAfterMs = 3_000;

/** Takes jobs from a queue, asks for them with this machine's key, and gives back how they ended. */
export class QueueWorker {
  readonly #id = randomUUID();
  readonly #queue: WorkerQueue;
  readonly #options: WorkerOptions;
  readonly #held = new Map<string, Held>();
  readonly #room = new Room();
  readonly #startedAt: string;
  #isLeaving = false;
  #isTooOld = false;
  readonly #report: WorkerReport = { done: 0, givenBack: 0 };

  constructor(queue: WorkerQueue, options: WorkerOptions) {
    this.#queue = queue;
    this.#options = options;
    this.#startedAt = options.timestamp();
  }

  /** Until the signal, or until there is nothing more to do. */
  async run(): Promise<WorkerReport> {
    const { concurrency, graceMs } = this.#options;
    const taken = this.#queue.take(concurrency, (job) => this.#handle(job), {
      lost: (ids) => ids.forEach((id) => this.#drop(id, 'lost')),
      renewed: (ids) => this.#renewed(ids),
    });
    const endNotices = repeatNotice(() => this.#announce());
    const checks = setInterval(() => this.#dropWhatIsNotOurs(), checkEveryMs);
    try {
      await this.#untilTheEnd();
      this.#isLeaving = true;
      await Promise.race([this.#announce().catch(() => {}), pause(500)]);
      const late = setTimeout(() => this.#giveAllBack(), Math.min(graceMs, longestTimer));
      // A queue that is out of reach takes nothing back: what it does not hear of, it gives out again by itself.
      const given = new AbortController();
      const tooLate = delay(Math.min(graceMs + longestPartingMs, longestTimer), undefined, {
        signal: given.signal,
      }).catch(() => {});
      await Promise.race([taken.close(), tooLate]);
      given.abort();
      clearTimeout(late);
    } finally {
      clearInterval(checks);
      endNotices();
      await Promise.race([this.#queue.leave('worker', this.#id).catch(() => {}), pause(1_000)]);
    }
    return this.#report;
  }

  async #handle(held: HeldJob): Promise<Outcome> {
    if (this.#isLeaving) return { kind: 'back' };
    let job: Job;
    try {
      job = readJob(held.data);
    } catch (error) {
      if (error instanceof NewerJob) return this.#putBackNewer();
      if (error instanceof RefusedJob) return { kind: 'refused', why: error.message };
      throw error;
    }
    const handling = handlingOf(held.losses, job.alone === true);
    if (handling === 'given up') return { kind: 'done', value: jobEnd(job.try, this.#lostEnd(job)) };
    const controller = new AbortController();
    this.#held.set(held.id, { controller, renewedAt: this.#options.clock() });
    try {
      const leave = await this.#room.enter(handling);
      try {
        return await this.#ask(held, job, handling === 'alone', controller.signal);
      } finally {
        leave();
      }
    } finally {
      this.#held.delete(held.id);
    }
  }

  async #ask(held: HeldJob, job: Job, isAlone: boolean, signal: AbortSignal): Promise<Outcome> {
    if (isAlone && !signal.aborted) await held.markAlone(true);
    const end = signal.aborted ? null : await this.#endOf(job, signal);
    if (signal.aborted && whyOf(signal) === 'lost') return { kind: 'lost' };
    if (end === null || (signal.aborted && end.error?.code === 'interrupted')) {
      this.#report.givenBack += 1;
      // It did not take this worker along.
      if (isAlone) await held.markAlone(false);
      return { kind: 'back' };
    }
    this.#report.done += 1;
    return { kind: 'done', value: jobEnd(job.try, end) };
  }

  /** What keeps this machine from asking is the item's end: BullMQ would tell it with the paths of this machine. */
  async #endOf(job: Job, signal: AbortSignal): Promise<ItemEnd> {
    try {
      return await this.#options.asker.ask(job, signal);
    } catch (thrown) {
      const error =
        thrown instanceof CllmError
          ? thrown
          : new CllmError('internal', `line ${job.line}: the worker failed: ${(thrown as Error).name}`, {
              cause: thrown,
            });
      return this.#refused(job, error);
    }
  }

  #putBackNewer(): Outcome {
    if (!this.#isTooOld) {
      this.#isTooOld = true;
      this.#options.say(
        'the queue holds jobs of a newer cllm, which this worker puts back: install the same version here',
      );
    }
    return { kind: 'later', delayMs: newerJobDelayMs };
  }

  #lostEnd(job: Job): ItemEnd {
    return this.#refused(job, new CllmError('worker_lost', `line ${job.line}: two workers did not come back from it`));
  }

  #refused(job: Job, error: CllmError): ItemEnd {
    const facts = { timestamp: this.#options.timestamp(), template: job.template };
    return { result: refusedItem(itemOfJob(job), error, facts), error, throttled: null, receipt: null };
  }

  #renewed(ids: readonly string[]): void {
    for (const id of ids) {
      const held = this.#held.get(id);
      if (held !== undefined) held.renewedAt = this.#options.clock();
    }
  }

  /** What could not be renewed is somebody else's by now: a reply to it would be paid for and refused. */
  #dropWhatIsNotOurs(): void {
    for (const [id, { renewedAt }] of this.#held) {
      if (this.#options.clock() - renewedAt >= this.#queue.times.lockMs) this.#drop(id, 'lost');
    }
  }

  #giveAllBack(): void {
    for (const id of this.#held.keys()) this.#drop(id, 'back');
  }

  #drop(id: string, why: Why): void {
    this.#held.get(id)?.controller.abort(new InterruptedError(null, why));
  }

  async #untilTheEnd(): Promise<void> {
    const { signal, isDraining, clock } = this.#options;
    let isSeen = false;
    let idleSince = clock();
    await new Promise<void>((resolve) => {
      const timer = setInterval(() => void look().catch(() => {}), checkEveryMs);
      const end = (): void => {
        clearInterval(timer);
        resolve();
      };
      const look = async (): Promise<void> => {
        if (!isDraining || !this.#queue.isReachable) return;
        const isBusy = this.#held.size > 0 || (await this.#hasWork());
        isSeen ||= isBusy || this.#report.done > 0;
        if (isBusy || !isSeen) idleSince = clock();
        else if (clock() - idleSince >= drainedAfterMs) end();
      };
      if (signal.aborted) end();
      signal.addEventListener('abort', end);
    });
  }

  async #hasWork(): Promise<boolean> {
    const [runs, { waiting, active, delayed }] = await Promise.all([this.#queue.runs(), this.#queue.counts()]);
    return runs.length > 0 || waiting + active + delayed > 0;
  }

  async #announce(): Promise<void> {
    const { concurrency, notice, asker } = this.#options;
    await this.#queue.announceWorker({
      v: queueVersion,
      id: this.#id,
      ...notice,
      concurrency: Math.min(concurrency, mostPlaces),
      active: this.#held.size,
      done: this.#report.done,
      started_at: this.#startedAt,
      is_leaving: this.#isLeaving,
      is_too_old: this.#isTooOld,
      is_streaming: asker.isStreaming,
    });
  }
}

function whyOf({ reason }: AbortSignal): Why {
  return (reason as Error).message === 'lost' ? 'lost' : 'back';
}

const pause = (milliseconds: number): Promise<void> => delay(milliseconds, undefined, { ref: false });
