import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { AdaptiveLimit } from '../../src/batch/adaptive-limit.ts';
import { type ItemDefaults, type ItemEnd, refusedItem } from '../../src/batch/ask-item.ts';
import type { BatchItem } from '../../src/batch/batch-item.ts';
import { CllmError, InterruptedError } from '../../src/outcome/errors.ts';
import { itemOfJob } from '../../src/queue/ask-job.ts';
import { type Job, jobId, jobOf, queueVersion } from '../../src/queue/job.ts';
import { queuePackages } from '../../src/queue/packages.ts';
import { readQueueUrl } from '../../src/queue/queue-url.ts';
import { RedisQueue } from '../../src/queue/redis-queue.ts';
import { RemoteAsker } from '../../src/queue/remote-asker.ts';
import { QueueWorker, type WorkerReport } from '../../src/queue/worker.ts';
import { type Way, wayTo } from '../support/cut-off.ts';
import { type Server, startRedis } from '../support/nginx.ts';
import { describeWithPrograms } from '../support/programs.ts';
import { itemOf, runFacts } from '../support/queue-jobs.ts';

/** As the real ones, thirty times as fast. */
const times = { lockMs: 1_000, renewEveryMs: 300, lookForLostEveryMs: 250 };
const timestamp = (): string => '2026-01-01T00:00:00Z';
const notice = { host: 'here', pid: 1, version: '0' };

let redis: Server;
let database = 0;
const closers: (() => Promise<unknown>)[] = [];

const ways = new Map<RedisQueue, Way>();

const open = async (): Promise<RedisQueue> => {
  const way = await wayTo(redis.port);
  closers.push(() => way.close());
  const address = readQueueUrl(`redis://127.0.0.1:${way.port}/${database}`, false);
  const queue = await RedisQueue.open(address, 'test', { signal: never, onTrouble: () => {}, times });
  ways.set(queue, way);
  closers.push(() => queue.close());
  return queue;
};
const never = new AbortController().signal;

const defaults: ItemDefaults = {
  model: 'm',
  resolveModel: (name) => name,
  system: null,
  params: {},
  isShortAllowed: false,
  template: null,
  form: null,
  schemaRetries: 0,
  refuseModel: null,
  refuseRequest: null,
  withTools: null,
  complete: (body) => body,
};

function promptIn(item: BatchItem): string {
  const content = item.request?.messages[0]?.content;
  return typeof content === 'string' ? content : '';
}

/** What an item comes to: its prompt, or an error. */
function endOf(item: BatchItem, error: CllmError | null = null, throttled: ItemEnd['throttled'] = null): ItemEnd {
  const said = promptIn(item);
  const failed = refusedItem(item, error ?? new CllmError('internal', ''), { timestamp: timestamp(), template: null });
  const whole = {
    status: 'success',
    is_error: false,
    error: null,
    exit_code: 0,
    verdict: 'complete',
    result: said,
  } as const;
  const result = error === null ? { ...failed, ...whole } : failed;
  return { result, error, throttled, receipt: null };
}

interface Coordinator {
  asker: RemoteAsker;
  limit: AdaptiveLimit;
  said: string[];
  queue: RedisQueue;
}

async function coordinate(
  change: Partial<Parameters<typeof RemoteAsker.open>[1]> = {},
  queue?: RedisQueue,
): Promise<Coordinator> {
  const used = queue ?? (await open());
  const limit = new AdaptiveLimit(8, () => performance.now(), Math.random);
  const said: string[] = [];
  const asker = await RemoteAsker.open(used, {
    facts: runFacts(),
    defaults,
    limit,
    most: null,
    isResumed: false,
    forgetRun: () => {},
    workerTimeoutMs: 0,
    mayGoOn: () => true,
    signal: never,
    say: (text) => said.push(text),
    timestamp,
    clock: () => performance.now(),
    notice,
    ...change,
  });
  closers.push(() => asker.close());
  return { asker, limit, said, queue: used };
}

type Ask = (job: Job, signal: AbortSignal) => Promise<ItemEnd>;

interface Crew {
  queue: RedisQueue;
  said: string[];
  /** Prompts, in the order in which they were begun. */
  asked: string[];
  stop(): void;
  report: Promise<WorkerReport>;
}

const promptOf = (job: Job): string => promptIn(itemOfJob(job));

async function work(
  ask: Ask = async (job) => endOf(itemOfJob(job)),
  { graceMs = 100, isDraining = false, concurrency = 4 } = {},
): Promise<Crew> {
  const queue = await open();
  const stopping = new AbortController();
  const [said, asked]: [string[], string[]] = [[], []];
  const worker = new QueueWorker(queue, {
    asker: {
      isStreaming: false,
      ask: (job, signal) => {
        asked.push(promptOf(job));
        return ask(job, signal);
      },
    },
    concurrency,
    graceMs,
    isDraining,
    signal: stopping.signal,
    say: (text) => said.push(text),
    timestamp,
    clock: () => performance.now(),
    notice,
  });
  const report = worker.run();
  const stop = (): void => stopping.abort(new InterruptedError('SIGTERM'));
  closers.push(async () => {
    stop();
    await report;
  });
  await until(async () => (await queue.workers()).length > 0);
  return { queue, said, asked, stop, report };
}

/** Asks until the worker gives up. */
const forever: Ask = (job, signal) =>
  new Promise((resolve) =>
    signal.addEventListener('abort', () => resolve(endOf(itemOfJob(job), new InterruptedError(null)))),
  );

async function until(isSo: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 10));
}

const idOf = (item: BatchItem): string =>
  jobId(jobOf(item, { model: 'm', messages: item.request?.messages ?? [] }, runFacts(), ''));

/** As a machine that is cut off, or dead: it says nothing more. */
const cutOff = (queue: RedisQueue): void => ways.get(queue)?.cut();

describeWithPrograms('redis-server')('a queue', () => {
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(async () => {
    await redis.close();
  });
  afterEach(async () => {
    // A test that failed may have left a worker that waits for ever: the others are closed all the same, or the run would not end.
    for (const close of closers.splice(0).toReversed()) {
      await Promise.race([close(), new Promise((resolve) => setTimeout(resolve, 5_000).unref())]);
    }
    database += 1;
  });

  test('gives items out and takes their ends in, and holds nothing once they are kept', async () => {
    const { asker, queue, limit } = await coordinate();
    await work(undefined, { concurrency: 5 });
    await until(() => limit.limit === 5);
    const ends = await Promise.all([1, 2, 3].map((line) => asker.ask(itemOf(line))));
    expect(ends.map(({ result }) => [result.line, result.result])).toEqual([
      [1, 'prompt 1'],
      [2, 'prompt 2'],
      [3, 'prompt 3'],
    ]);
    expect((await queue.counts()).finished).toBe(3);
    for (const end of ends) asker.kept(end);
    await until(async () => (await queue.counts()).finished === 0);
  });

  test('asks again for what a worker took along, with nothing beside it; what kills workers is given up, and nothing else', async () => {
    const { asker, limit } = await coordinate();
    const first = await work(forever);
    await until(() => limit.limit === 4);
    const ends = [1, 2, 3].map((line) => asker.ask(itemOf(line)));
    await until(() => first.asked.length === 3);
    cutOff(first.queue);
    // The second one asks alone, and one of them does not come back from it.
    let inside = 0;
    let most = 0;
    const second = await work(async (job, signal) => {
      inside += 1;
      most = Math.max(most, inside);
      if (promptOf(job) !== 'prompt 2') await new Promise((resolve) => setTimeout(resolve, 30));
      const end = promptOf(job) === 'prompt 2' ? await forever(job, signal) : endOf(itemOfJob(job));
      inside -= 1;
      return end;
    });
    await until(() => second.asked.includes('prompt 2'));
    cutOff(second.queue);
    expect(most).toBe(1);
    await work();
    const settled = await Promise.all(ends);
    expect(settled.map(({ error }) => error?.code ?? null)).toEqual([null, 'worker_lost', null]);
  });

  test('drops what a worker can no longer own, and refuses a result that comes late', async () => {
    const { asker, queue } = await coordinate();
    let isAborted = false;
    let answer = (_end: ItemEnd): void => {};
    const late = await work((job, signal) => {
      signal.addEventListener('abort', () => (isAborted = true));
      return new Promise((resolve) => (answer = () => resolve(endOf({ ...itemOfJob(job), ...itemOf(1, 'late') }))));
    });
    const end = asker.ask(itemOf(1));
    await until(() => late.asked.length === 1);
    cutOff(late.queue);
    await until(() => isAborted);
    const second = await work();
    // Before the first one is back: it would take the job again as well as any other.
    expect((await end).result.result).toBe('prompt 1');
    answer(endOf(itemOf(1)));
    ways.get(late.queue)?.heal();
    await until(async () => (await late.queue.counts()).finished === 1);
    late.stop();
    expect(await late.report).toMatchObject({ done: 0 });
    expect(second.asked).toEqual(['prompt 1']);
    expect(await queue.find(idOf(itemOf(1)))).toMatchObject({ end: { result: { result: 'prompt 1' } } });
  });

  test('takes what was finished while no coordinator was there, and asks for it no second time', async () => {
    const first = await coordinate();
    let go = (): void => {};
    const gate = new Promise<void>((resolve) => (go = resolve));
    const crew = await work(async (job) => {
      await gate;
      return endOf(itemOfJob(job));
    });
    void first.asker.ask(itemOf(1)).catch(() => {});
    await until(() => crew.asked.length === 1);
    cutOff(first.queue);
    go();
    const queue = await open();
    await until(async () => (await queue.counts()).finished === 1);
    const second = await coordinate({ isResumed: true }, queue);
    expect((await second.asker.ask(itemOf(1))).result.result).toBe('prompt 1');
    expect(crew.asked).toEqual(['prompt 1']);
  });

  test('puts jobs in again that a Redis without memory has lost', async () => {
    const { asker, queue } = await coordinate();
    const end = asker.ask(itemOf(1));
    await until(async () => (await queue.counts()).waiting === 1);
    const client = new (queuePackages().Redis)(redis.port, { db: database });
    await client.flushdb();
    client.disconnect();
    await until(async () => (await queue.counts()).waiting === 1);
    await work();
    expect((await end).error).toBeNull();
  });

  test.each(['wait', 'active'])('puts jobs in again whose list %s a Redis has evicted', async (list) => {
    const { asker, queue } = await coordinate();
    const client = new (queuePackages().Redis)(redis.port, { db: database });
    const first = list === 'active' ? await work(forever) : null;
    const end = asker.ask(itemOf(1));
    await until(async () => (await queue.counts())[first === null ? 'waiting' : 'active'] === 1);
    if (first !== null) cutOff(first.queue);
    await client.del(`cllm:test:${list}`);
    client.disconnect();
    await work();
    expect((await end).error).toBeNull();
  });

  test('ends an item with what a worker gave that is no end at all', async () => {
    const { asker, queue } = await coordinate();
    const end = asker.ask(itemOf(1));
    await until(async () => (await queue.counts()).waiting === 1);
    const others = new (queuePackages().bullmq.Worker)('test', async () => ({ hello: 1 }), {
      connection: { port: redis.port, db: database },
      prefix: 'cllm',
    });
    expect((await end).error).toMatchObject({ code: 'queue_failed', message: expect.stringContaining('no result') });
    await others.close();
  });

  test('hears of ends at once also behind what is no event', async () => {
    const { asker, queue } = await coordinate();
    const client = new (queuePackages().Redis)(redis.port, { db: database });
    await client.xadd('cllm:test:events', '*', 'event', 'completed', 'jobId', 'x', 'returnvalue', '{bad');
    const looks = { count: 0 };
    const look = queue.look.bind(queue);
    queue.look = (ids) => {
      looks.count += ids.length;
      return look(ids);
    };
    const crew = await work();
    // The first ones may have ended before it listens again.
    while (crew.asked.length < 20 && looks.count < 5) await asker.ask(itemOf(crew.asked.length + 1));
    client.disconnect();
    expect(crew.asked).toHaveLength(20);
  });

  test('a run whose results did not all get to the disk is found again, and one whose results did is forgotten', async () => {
    const forgotten: string[] = [];
    const first = await coordinate({ forgetRun: () => forgotten.push('first') });
    const crew = await work();
    await first.asker.ask(itemOf(1));
    await first.asker.close();
    expect(forgotten).toEqual([]);
    const second = await coordinate({ isResumed: true, forgetRun: () => forgotten.push('second') });
    second.asker.kept(await second.asker.ask(itemOf(1)));
    await second.asker.close();
    expect(forgotten).toEqual(['second']);
    expect(crew.asked).toEqual(['prompt 1']);
  });

  test.each(['a signal', 'a batch that fails'])(
    '%s does not wait for a queue that is away',
    async (what) => {
      const stopping = new AbortController();
      const queue = await open();
      const remove = queue.remove.bind(queue);
      let removals = 0;
      queue.remove = (id) => {
        removals += 1;
        cutOff(queue);
        return remove(id);
      };
      const { asker } = await coordinate({ signal: stopping.signal }, queue);
      const crew = await work(async (job) =>
        endOf(itemOfJob(job), new CllmError('rate_limited', 'no room'), { retryAfterMs: 10, parallelLimit: null }),
      );
      const end = asker.ask(itemOf(1));
      await until(() => removals === 1);
      cutOff(crew.queue);
      if (what === 'a signal') stopping.abort(new InterruptedError('SIGINT'));
      else queue.workers = () => Promise.reject(new CllmError('queue_failed', 'it was refused'));
      expect((await end).error?.code).toBe('rate_limited');
    },
    60_000,
  );

  test('tells what a worker could not ask for as the end of the item, with no path of its machine', async () => {
    const { asker, queue } = await coordinate();
    await work(async (job) => {
      if (job.line === 1) throw new CllmError('no_key', 'no key here');
      throw new TypeError(`${process.cwd()}: sk-secret`);
    });
    const ends = await Promise.all([1, 2].map((line) => asker.ask(itemOf(line))));
    expect(ends.map(({ error }) => error?.code)).toEqual(['no_key', 'internal']);
    const client = new (queuePackages().Redis)(redis.port, { db: database });
    for (const line of [1, 2]) {
      const job = JSON.stringify(await client.hgetall(`cllm:test:${idOf(itemOf(line))}`));
      expect(job).not.toMatch(/sk-secret|worker\.ts|\.test\.ts/);
      expect(job).not.toContain(process.cwd());
    }
    client.disconnect();
    expect((await queue.counts()).finished).toBe(2);
  });

  test('lets end what is asked for, however long the grace', async () => {
    const { asker } = await coordinate();
    let go = (): void => {};
    const gate = new Promise<void>((resolve) => (go = resolve));
    const crew = await work(
      async (job, signal) => {
        await Promise.race([gate, forever(job, signal)]);
        return endOf(itemOfJob(job), signal.aborted ? new InterruptedError(null) : null);
      },
      { graceMs: 2 ** 32 },
    );
    const end = asker.ask(itemOf(1));
    await until(() => crew.asked.length === 1);
    crew.stop();
    await until(async () => (await crew.queue.workers())[0]?.is_leaving === true);
    setTimeout(go, 100);
    expect(await crew.report).toEqual({ done: 1, givenBack: 0 });
    expect((await end).error).toBeNull();
  });

  test('reports a refusal for want of room, and gives the item out again under its name', async () => {
    const { asker } = await coordinate();
    let tries = 0;
    await work(async (job) => {
      tries += 1;
      const error = new CllmError('rate_limited', 'no room');
      return tries === 1
        ? endOf(itemOfJob(job), error, { retryAfterMs: 10, parallelLimit: null })
        : endOf(itemOfJob(job));
    });
    expect((await asker.ask(itemOf(1))).throttled).toEqual({ retryAfterMs: 10, parallelLimit: null });
    expect((await asker.ask(itemOf(1))).error).toBeNull();
  });

  test('limits a batch to what the workers take, as they come and go', async () => {
    const { limit } = await coordinate();
    expect(limit.limit).toBe(1);
    const first = await work(undefined, { concurrency: 3 });
    await until(() => limit.limit === 3);
    await work(undefined, { concurrency: 5 });
    await until(() => limit.limit === 8);
    first.stop();
    await until(() => limit.limit === 5);
  });

  test('ends a batch that has had no worker for too long, and leaves nothing for one that comes later', async () => {
    const { asker, queue } = await coordinate({ workerTimeoutMs: 50 });
    await expect(asker.ask(itemOf(1))).rejects.toMatchObject({ code: 'no_worker' });
    await until(async () => (await queue.counts()).waiting === 0);
  });

  test('gives back what does not end in time, and lets end what does', async () => {
    const { asker } = await coordinate();
    let go = (): void => {};
    const gate = new Promise<void>((resolve) => (go = resolve));
    const first = await work(
      async (job, signal) => {
        if (promptOf(job) === 'prompt 1') return forever(job, signal);
        await gate;
        return endOf(itemOfJob(job));
      },
      { graceMs: 300 },
    );
    const ends = [1, 2].map((line) => asker.ask(itemOf(line)));
    await until(() => first.asked.length === 2);
    first.stop();
    go();
    expect(await first.report).toEqual({ done: 1, givenBack: 1 });
    const second = await work();
    expect((await Promise.all(ends)).map(({ error }) => error)).toEqual([null, null]);
    expect(second.asked).toEqual(['prompt 1']);
  });

  test('on a signal takes back what nobody has begun, and keeps for later what somebody has', async () => {
    const stopping = new AbortController();
    const { asker, queue } = await coordinate({ signal: stopping.signal });
    let go = (): void => {};
    const gate = new Promise<void>((resolve) => (go = resolve));
    const crew = await work(
      async (job) => {
        await gate;
        return endOf(itemOfJob(job));
      },
      { concurrency: 1 },
    );
    const ends = [1, 2].map((line) => asker.ask(itemOf(line)));
    await until(async () => crew.asked.length === 1 && (await queue.counts()).waiting === 1);
    stopping.abort(new InterruptedError('SIGINT'));
    expect((await Promise.all(ends)).map(({ error }) => error?.code)).toEqual(['interrupted', 'interrupted']);
    go();
    await until(async () => (await queue.find(idOf(itemOf(1))))?.isFinished === true);
    expect(await queue.find(idOf(itemOf(2)))).toBeNull();
  });

  test('ends a worker that drains once the run is over, and not before there was one', async () => {
    const crew = await work(undefined, { isDraining: true });
    const { asker } = await coordinate();
    asker.kept(await asker.ask(itemOf(1)));
    await asker.close();
    expect(await crew.report).toEqual({ done: 1, givenBack: 0 });
  });

  describe('with jobs of others', () => {
    const job = jobOf(itemOf(1), { model: 'm', messages: [{ role: 'user', content: 'hi' }] }, runFacts(), 't');

    test('refuses one with a member that it does not know', async () => {
      const crew = await work();
      await crew.queue.add('i1', { ...job, base_url: 'http://evil' } as Job);
      await until(async () => (await crew.queue.find('i1'))?.failure != null);
      expect((await crew.queue.find('i1'))?.failure).toMatch(/not known: base_url/);
      expect(crew.asked).toEqual([]);
    });

    test('puts one of a newer cllm back, and says so', async () => {
      const crew = await work();
      await crew.queue.add('i1', { ...job, v: queueVersion + 1 });
      await until(async () => (await crew.queue.counts()).delayed === 1);
      await until(() => crew.said.length > 0);
      expect(crew.said).toEqual([expect.stringContaining('newer cllm')]);
    });
  });
});
