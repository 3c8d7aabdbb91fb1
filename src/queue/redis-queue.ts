import { setTimeout as delay } from 'node:timers/promises';
import type { Job as BullJob, Queue, QueueEvents, QueueEventsOptions, QueueOptions } from 'bullmq';
import type { Redis } from 'ioredis';
import { goneAfterMs, readRunNotice, readWorkerNotice, type RunNotice, type WorkerNotice } from './announcement.ts';
import { connect, type Connection, Notices, queueFailure } from './connection.ts';
import type { Job } from './job.ts';
import { type QueuePackages, queuePackages } from './packages.ts';
import type { QueueAddress } from './queue-url.ts';
import { isJsonObject } from '../protocol/json.ts';

/** What becomes of a job in the queue. */
export type Outcome =
  /** The end, for the coordinator. */
  | { kind: 'done'; value: unknown }
  /** Nobody takes such a job. */
  | { kind: 'refused'; why: string }
  /** Others may have it at once. */
  | { kind: 'back' }
  /** Others may have it in a while. */
  | { kind: 'later'; delayMs: number }
  /** It is no longer this worker's. */
  | { kind: 'lost' };

/** A job that a worker holds. */
export interface HeldJob {
  id: string;
  data: unknown;
  /** How often a worker had it and did not come back. */
  losses: number;
  /** Writes into the job whether it is asked for with nothing beside it. */
  markAlone(isAlone: boolean): Promise<void>;
}

export interface TakenJobs {
  /** Takes nothing more; resolves when what is held has had its outcome. */
  close(): Promise<void>;
}

/** How a job ended, or that it has not. */
export interface FoundJob {
  isFinished: boolean;
  end: unknown;
  /** Why it failed; null when it did not. */
  failure: string | null;
  try: string | null;
}

/** A job that is not over. */
export interface OpenJob {
  data: unknown;
  losses: number;
  /** A worker has taken it. */
  isActive: boolean;
  /** A worker says that it has it. */
  isHeld: boolean;
  ageMs: number;
}

export interface EndListener {
  /** What a worker gave. */
  ended: (id: string, end: unknown) => void;
  failed: (id: string, why: string) => void;
}

/** Milliseconds. */
export interface LockTimes {
  /** For so long a worker owns a job without saying that it is still there. */
  lockMs: number;
  renewEveryMs: number;
  lookForLostEveryMs: number;
}

const lockTimes: LockTimes = { lockMs: 30_000, renewEveryMs: 10_000, lookForLostEveryMs: 5_000 };

/** A result that nobody fetches: its coordinator may come back after a weekend. */
const keptSeconds = 7 * 24 * 3600;
/** They hold replies: no more of them than a coordinator that is slow for a moment needs. */
const mostEvents = 1_000;

/** A queue in Redis, by way of BullMQ. What is asked of it while Redis is away waits until it is back. */
export class RedisQueue {
  readonly name: string;
  readonly address: QueueAddress;
  /** Why this is a bad place for a queue; null when it is none. */
  readonly doubt: string | null;
  readonly #packages: QueuePackages;
  readonly #redis: Redis;
  readonly #disconnect: () => void;
  readonly #queue: Queue;
  readonly #notices: Notices;
  readonly #onTrouble: (error: Error) => void;
  readonly #closers: (() => Promise<void>)[] = [];
  readonly #stops: (() => Promise<void>)[] = [];
  readonly times: LockTimes;

  private constructor(
    {
      packages,
      connection,
      address,
      name,
    }: { packages: QueuePackages; connection: Connection; address: QueueAddress; name: string },
    times: LockTimes,
    onTrouble: (error: Error) => void,
  ) {
    this.#packages = packages;
    this.#redis = connection.redis;
    this.#disconnect = connection.disconnect;
    this.doubt = connection.doubt;
    this.address = address;
    this.name = name;
    this.times = times;
    this.#onTrouble = onTrouble;
    this.#queue = new packages.bullmq.Queue(name, {
      ...this.#options(connection.redis),
      streams: { events: { maxLen: mostEvents } },
    });
    this.#queue.on('error', onTrouble);
    this.#notices = new Notices(connection.redis, this.#queue.toKey(''));
  }

  /**
   * @param onTrouble told of what goes wrong on the way, again and again while it does
   * @throws CllmError `queue_unavailable`, `queue_failed`
   */
  static async open(
    address: QueueAddress,
    name: string,
    {
      signal,
      onTrouble,
      times = lockTimes,
    }: { signal: AbortSignal; onTrouble: (error: Error) => void; times?: LockTimes },
  ): Promise<RedisQueue> {
    const packages = queuePackages();
    const connection = await connect(packages, address, signal);
    const queue = new RedisQueue({ packages, connection, address, name }, times, onTrouble);
    try {
      await queue.#queue.waitUntilReady();
    } catch (cause) {
      connection.disconnect();
      throw queueFailure(address, cause);
    }
    return queue;
  }

  get isReachable(): boolean {
    return this.#redis.status === 'ready';
  }

  #options(redis: Redis): Pick<QueueOptions, 'connection' | 'prefix'> {
    return { connection: redis, prefix: 'cllm' };
  }

  /** A job that is there already stays as it is. @throws CllmError `queue_failed` for what Redis refuses */
  async add(id: string, job: Job): Promise<void> {
    await this.#asked(this.#queue.add('ask', job, { jobId: id, ...kept }));
  }

  async find(id: string): Promise<FoundJob | null> {
    const [facts] = await this.#factsOf([id]);
    if (facts?.timestamp == null) return null;
    const data = parsed(facts.data);
    return {
      isFinished: facts.finishedOn != null,
      end: parsed(facts.returnvalue),
      failure: facts.failedReason ?? null,
      try: isJsonObject(data) && typeof data['try'] === 'string' ? data['try'] : null,
    };
  }

  /**
   * Of each job: whether it is there, whether it is over, and whether any worker will ever find it: a Redis that may evict
   * takes lists and leaves what was in them.
   */
  async look(ids: readonly string[]): Promise<('gone' | 'lost' | 'open' | 'finished')[]> {
    if (ids.length === 0) return [];
    // First these: what leaves them meanwhile is over.
    const listed = new Set(await this.#asked(this.#queue.getRanges([...openStates], 0, -1, true)));
    const found = await this.#factsOf(ids);
    return found.map(({ timestamp, finishedOn }, at) => {
      if (finishedOn != null) return 'finished';
      if (timestamp == null) return 'gone';
      return listed.has(ids[at] as string) ? 'open' : 'lost';
    });
  }

  /** As they stand in Redis: BullMQ reads no job whose data is not JSON, and others may write any. */
  async #factsOf(ids: readonly string[]): Promise<JobFacts[]> {
    if (ids.length === 0) return [];
    const pipeline = this.#redis.pipeline();
    for (const id of ids) pipeline.hmget(this.#queue.toKey(id), ...jobFacts);
    const found = (await this.#asked(pipeline.exec())) ?? [];
    return found.map(([, values]) =>
      Object.fromEntries(jobFacts.map((name, at) => [name, Array.isArray(values) ? (values[at] as string) : null])),
    ) as JobFacts[];
  }

  /** Gives whether it is gone: what a worker holds stays. */
  async remove(id: string): Promise<boolean> {
    return (await this.#asked(this.#queue.remove(id))) === 1;
  }

  /** From here on. */
  async listen({ ended, failed }: EndListener): Promise<void> {
    const stream = this.#queue.toKey('events');
    const [last] = await this.#asked(this.#redis.xrevrange(stream, '+', '-', 'COUNT', 1));
    const events: QueueEvents = new this.#packages.bullmq.QueueEvents(this.name, {
      ...this.#options(this.#redis),
      lastEventId: last?.[0] ?? '0-0',
      blockingTimeout: 5_000,
      autorun: false,
    });
    events.on('error', this.#onTrouble);
    events.on('completed', ({ jobId, returnvalue }) => ended(jobId, returnvalue));
    events.on('failed', ({ jobId, failedReason }) => failed(jobId, failedReason));
    const listening = new AbortController();
    this.#closers.push(() => {
      listening.abort();
      return events.close();
    });
    await this.#asked(events.waitUntilReady());
    const run = async (): Promise<void> => {
      while (!listening.signal.aborted) {
        await events.run().catch(this.#onTrouble);
        // It ends at what is no event, which others may write: on from behind it.
        (events.opts as QueueEventsOptions).lastEventId = '$';
        await delay(100, undefined, { ref: false });
      }
    };
    void run();
  }

  /** What came stays in the events until others push it out: at the end of a run there is no need for it. */
  async forgetEvents(): Promise<void> {
    await this.#queue.trimEvents(0);
  }

  /**
   * Takes jobs, so many at a time.
   *
   * @param on.lost told of jobs whose lock somebody else has, or nobody
   * @param on.renewed told of jobs that are this worker's for another while
   */
  take(
    concurrency: number,
    handle: (job: HeldJob) => Promise<Outcome>,
    on: { lost: (ids: readonly string[]) => void; renewed: (ids: readonly string[]) => void },
  ): TakenJobs {
    const { Worker, WaitingError, DelayedError, UnrecoverableError } = this.#packages.bullmq;
    const process = async (job: BullJob, token?: string): Promise<unknown> => {
      const held: HeldJob = {
        id: String(job.id),
        data: job.data,
        losses: job.stalledCounter,
        markAlone: (isAlone) => job.updateData({ ...(job.data as object), alone: isAlone }),
      };
      const outcome = await handle(held);
      switch (outcome.kind) {
        case 'done':
          return outcome.value;
        case 'refused':
          throw new UnrecoverableError(outcome.why);
        case 'back':
          await job.moveToWait(token);
          throw new WaitingError();
        case 'later':
          await job.moveToDelayed(Date.now() + outcome.delayMs, token);
          throw new DelayedError();
        case 'lost':
          // Whose it is now says what becomes of it.
          throw new WaitingError();
      }
    };
    const worker = new Worker(this.name, process, {
      ...this.#options(this.#redis),
      concurrency,
      lockDuration: this.times.lockMs,
      lockRenewTime: this.times.renewEveryMs,
      stalledInterval: this.times.lookForLostEveryMs,
      // Who is given up, and when, is ours to say.
      maxStalledCount: 1_000_000,
      runRetryDelay: 2_000,
    });
    worker.on('error', this.#onTrouble);
    worker.on('lockRenewalFailed', (ids) => on.lost(ids));
    worker.on('locksRenewed', ({ jobIds }) => on.renewed(jobIds));
    const close = (): Promise<void> => worker.close();
    this.#closers.push(close);
    // What it holds while Redis is away keeps its renewals going, and the process with them.
    this.#stops.push(() => worker['lockManager'].close());
    return { close };
  }

  async announceWorker(notice: WorkerNotice): Promise<void> {
    await this.#notices.put('worker', notice.id, JSON.stringify(notice));
  }

  async announceRun(notice: RunNotice): Promise<void> {
    await this.#notices.put('run', notice.id, JSON.stringify(notice));
  }

  async leave(kind: 'worker' | 'run', id: string): Promise<void> {
    await this.#notices.take(kind, id);
  }

  async workers(): Promise<WorkerNotice[]> {
    const texts = await this.#asked(this.#notices.all('worker'));
    return texts.map(readWorkerNotice).filter((notice) => notice !== null);
  }

  async runs(): Promise<RunNotice[]> {
    const texts = await this.#asked(this.#notices.all('run'));
    return texts.map(readRunNotice).filter((notice) => notice !== null);
  }

  /** A run whose cap is reached: nothing that belongs to it is asked for once more. */
  async stopRun(run: string): Promise<void> {
    await this.#redis.set(this.#stopKey(run), '1', 'PX', goneAfterMs * 240);
  }

  /** The same run again, with more money perhaps. */
  async goOn(run: string): Promise<void> {
    await this.#asked(this.#redis.del(this.#stopKey(run)));
  }

  async isStopped(run: string): Promise<boolean> {
    return (await this.#redis.exists(this.#stopKey(run))) === 1;
  }

  #stopKey(run: string): string {
    return this.#queue.toKey(`stopped:${run}`);
  }

  async counts(): Promise<{ waiting: number; active: number; delayed: number; finished: number }> {
    const counts = await this.#asked(
      this.#queue.getJobCounts('waiting', 'active', 'delayed', 'completed', 'failed', 'prioritized'),
    );
    const of = (...kinds: string[]): number => kinds.reduce((sum, kind) => sum + (counts[kind] ?? 0), 0);
    return {
      waiting: of('waiting', 'prioritized'),
      active: of('active'),
      delayed: of('delayed'),
      finished: of('completed', 'failed'),
    };
  }

  /** Jobs that wait or are asked for, the first of them. */
  async openJobs(most: number): Promise<OpenJob[]> {
    const ids = await this.#asked(this.#queue.getRanges([...openStates], 0, most - 1, true));
    const jobs = await this.#factsOf(ids);
    const pipeline = this.#redis.pipeline();
    for (const id of ids) pipeline.exists(`${this.#queue.toKey(id)}:lock`);
    const locks = ids.length === 0 ? [] : ((await this.#asked(pipeline.exec())) ?? []);
    return jobs.map(({ data, stc, processedOn, timestamp }, at) => ({
      data: parsed(data),
      losses: Number(stc ?? 0) || 0,
      isActive: processedOn != null,
      isHeld: locks[at]?.[1] === 1,
      ageMs: Math.max(0, Date.now() - (Number(timestamp) || Date.now())),
    }));
  }

  async close(): Promise<void> {
    // Those that wait for Redis would wait for ever, if it does not come back.
    const inTime = <Value>(work: Promise<Value>): Promise<unknown> =>
      Promise.race([work.catch(() => {}), new Promise((resolve) => setTimeout(resolve, 1_000).unref())]);
    for (const close of this.#closers.splice(0)) await inTime(close());
    for (const stop of this.#stops.splice(0)) await stop();
    await inTime(this.#queue.close());
    this.#disconnect();
  }

  async #asked<Value>(answer: Promise<Value>): Promise<Value> {
    try {
      return await answer;
    } catch (cause) {
      throw queueFailure(this.address, cause);
    }
  }
}

/** Where BullMQ has what is not over. */
const openStates = ['active', 'waiting', 'prioritized', 'delayed'] as const;

/** Of a job's hash in Redis, of BullMQ 6: `stc` counts how often it was found without its worker. */
const jobFacts = ['data', 'timestamp', 'processedOn', 'finishedOn', 'returnvalue', 'failedReason', 'stc'] as const;

type JobFacts = Record<(typeof jobFacts)[number], string | null>;

/** Null for what is no JSON. */
function parsed(text: string | null): unknown {
  try {
    return text === null ? null : JSON.parse(text);
  } catch {
    return null;
  }
}

const kept = {
  attempts: 1,
  // Of a worker's failure they have the paths of its machine.
  stackTraceLimit: 0,
  removeOnComplete: { age: keptSeconds },
  removeOnFail: { age: keptSeconds },
} as const;
