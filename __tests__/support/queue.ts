import { afterAll, beforeAll } from '@jest/globals';
import { type Server, startRedis } from './nginx.ts';
import { beforeEachRun, type CliHome, type RunningCli } from './run-cli.ts';

/** A worker, once it is at its queue. */
export async function startWorker(
  home: CliHome,
  args: readonly string[] = [],
  env: Record<string, string | undefined> = {},
): Promise<RunningCli> {
  const worker = home.start(['batch', 'worker', ...args], { env });
  await worker.untilStderr('at a time from');
  return worker;
}

/**
 * From here on every batch of these tests is asked for by a worker, by way of a real Redis. Each user has a queue of their
 * own, and a worker with their settings.
 */
export function useQueue(): void {
  let redis: Server;
  let databases = 0;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(async () => {
    await redis.close();
  });
  const atWork = new WeakMap<CliHome, number>();
  beforeEachRun(async (home, args) => {
    if (args[0] !== 'batch' || args[1] === 'worker' || args.includes('--dry-run') || args.includes('--demo')) return;
    const concurrency = Number(args[args.indexOf('--concurrency') + 1] ?? 8) || 8;
    const there = atWork.get(home) ?? 0;
    if (there === 0) home.env['CLLM_QUEUE_URL'] = `${redis.baseUrl}/${(databases += 1)}`;
    if (there >= concurrency) return;
    atWork.set(home, concurrency);
    await startWorker(home, ['--concurrency', String(concurrency - there), '--stream']);
  });
}
