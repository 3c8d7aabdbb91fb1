import type { RunNotice, WorkerNotice } from '../../../queue/announcement.ts';
import { queueVersion } from '../../../queue/job.ts';
import type { RedisQueue } from '../../../queue/redis-queue.ts';
import { isJsonObject } from '../../../protocol/json.ts';
import type { CllmError } from '../../../outcome/errors.ts';
import type { Context } from '../../context.ts';
import { table } from '../../views/table.ts';
import { openNeededQueue, type QueueValues } from './queue-flags.ts';

/** A job that nobody is at work on, or that somebody did not come back from. */
interface StuckJob {
  run: string | null;
  line: number | null;
  why: 'lost' | 'suspected' | 'no_worker' | 'newer';
  age_s: number;
}

interface QueueStatus {
  queue: string;
  name: string;
  waiting: number;
  active: number;
  delayed: number;
  /** Results that a coordinator has not fetched. */
  finished: number;
  workers: (WorkerNotice & { per_minute: number | null })[];
  runs: RunNotice[];
  stuck: StuckJob[];
}

const mostShown = 500;
/** Characters: a run of ours has 36. */
const longestRun = 255;

/** Shows a queue as it is now, and changes nothing. */
export async function showStatus(values: QueueValues & { json: boolean }, { io }: Context): Promise<CllmError | null> {
  const queue = await openNeededQueue(values, io, () => {});
  try {
    const status = await statusOf(queue, Date.now());
    if (values.json) {
      await io.stdout.write(`${JSON.stringify(status, null, 2)}\n`);
      return null;
    }
    const { waiting, active, delayed, finished, workers, runs, stuck } = status;
    const parts = [`${waiting} waiting`, `${active} asked for`, `${delayed} put off`, `${finished} to be fetched`];
    await io.stdout.write(`${status.name} at ${status.queue}: ${parts.join(' · ')}\n`);
    await io.stdout.write(
      table(
        io.stdout,
        ['worker', 'pid', 'version', 'asks', 'done', 'a minute', 'is'],
        workers.map((worker) => [
          worker.host,
          worker.pid,
          worker.version,
          `${worker.active} of ${worker.concurrency}`,
          worker.done,
          worker.per_minute,
          stateOf(worker),
        ]),
      ),
    );
    await io.stdout.write(
      table(
        io.stdout,
        ['run', 'on', 'pid', 'version', 'asks', 'done'],
        runs.map((run) => [run.id, run.host, run.pid, run.version, `${run.in_flight} of ${run.limit}`, run.done]),
      ),
    );
    await io.stdout.write(
      table(
        io.stdout,
        ['stuck', 'line', 'run', 'for'],
        stuck.map(({ why, line, run, age_s: age }) => [words[why], line, run, `${age} s`]),
      ),
    );
    return null;
  } finally {
    await queue.close();
  }
}

const words = {
  lost: 'its worker is gone',
  suspected: 'a worker did not come back from it',
  no_worker: 'no worker is there',
  newer: 'no worker is new enough',
} as const;

async function statusOf(queue: RedisQueue, now: number): Promise<QueueStatus> {
  const [counts, workers, runs, jobs] = await Promise.all([
    queue.counts(),
    queue.workers(),
    queue.runs(),
    queue.openJobs(mostShown),
  ]);
  const { lockMs } = queue.times;
  const stuck = jobs.flatMap(({ data, losses, isHeld, isActive, ageMs }): StuckJob[] => {
    const { run, line, v } = isJsonObject(data) ? data : {};
    const why =
      isActive && !isHeld
        ? 'lost'
        : losses > 0
          ? 'suspected'
          : workers.length === 0
            ? 'no_worker'
            : typeof v === 'number' && workers.every((worker) => worker.v < v)
              ? 'newer'
              : null;
    if (why === null || (why === 'no_worker' && ageMs < lockMs)) return [];
    return [
      {
        run: typeof run === 'string' ? run.slice(0, longestRun) : null,
        line: typeof line === 'number' ? line : null,
        why,
        age_s: Math.round(ageMs / 1000),
      },
    ];
  });
  return {
    queue: queue.address.shown,
    name: queue.name,
    ...counts,
    workers: workers.map((worker) => ({ ...worker, per_minute: rateOf(worker, now) })),
    runs,
    stuck,
  };
}

/** Since it began, by the clocks of two machines; null when they do not agree that it has. */
function rateOf({ done, started_at: startedAt }: WorkerNotice, now: number): number | null {
  const minutes = (now - Date.parse(startedAt)) / 60_000;
  return Number.isFinite(minutes) && minutes > 0 ? Math.round(done / minutes) : null;
}

function stateOf({ v, is_too_old: isTooOld, is_leaving: isLeaving, is_streaming: isStreaming }: WorkerNotice): string {
  if (v < queueVersion || isTooOld) return 'too old';
  if (isLeaving) return 'about to end';
  return isStreaming ? 'streaming' : '';
}
