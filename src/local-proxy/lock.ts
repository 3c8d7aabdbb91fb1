import { mkdir, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { type LockHolder, withFileLock } from '../files/file-lock.ts';
import { identifyProcess } from '../files/process-identity.ts';
import { isAlive, type Machine } from './machine.ts';

const pollMs = 250;

interface LockOptions {
  /** Told once, in words, who is waited for. */
  onWait?: (reason: string) => void;
  signal?: AbortSignal | undefined;
}

/**
 * Runs `work` while nothing else has the lock of a file, waiting for what has. A lock that a dead process left is in
 * nobody's way, also where its id is another's by now.
 *
 * @throws what ends the wait: the reason of `signal`; what the work throws
 */
export async function withLock<Result>(
  machine: Machine,
  file: string,
  work: () => Promise<Result>,
  options: LockOptions = {},
): Promise<Result> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  let hasSaid = false;
  const say = (reason: string): void => {
    if (!hasSaid) options.onWait?.(reason);
    hasSaid = true;
  };
  for (;;) {
    const reason = await bareHolder(machine, file);
    if (reason === null) break;
    say(reason);
    await wait(pollMs, undefined, { signal: options.signal }).catch(() => options.signal?.throwIfAborted());
  }
  return withFileLock(file, identifyProcess(machine.processId), work, {
    signal: options.signal,
    onWait: (holder) => say(described(holder)),
  });
}

function described({ pid, host, claim }: LockHolder): string {
  const where = host === null ? '' : ` on ${host}, if that has ended remove ${claim}`;
  return `${pid === null ? 'another user' : `process ${pid}`}${where}`;
}

/**
 * A file in the lock's own place that names a living process: whoever wrote it tells processes by their id alone, so whether
 * that is still the one can not be known. Null when it names none.
 */
async function bareHolder(machine: Machine, file: string): Promise<string | null> {
  const text = await readFile(file, 'utf8').catch(() => null);
  if (text === null) return null;
  const holder = /^\d{1,9}$/.test(text.trim()) ? Number(text) : 0;
  if (holder > 0 && holder !== machine.processId && isAlive(machine, holder))
    return `process ${holder}, which ${file} names; if that is no cllm remove the file`;
  await rm(file, { force: true });
  return null;
}
