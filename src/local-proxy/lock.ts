import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { isAlive, type Machine } from './machine.ts';

const pollMs = 250;

/** Locks of this process: in a container a dead holder may have had the very process id that is ours now. */
const held = new Set<string>();

/**
 * Runs `work` while holding a lock file that names our process, waiting for another process that holds it. A lock left by a
 * process that died is taken over, so a killed installation blocks nobody.
 */
export async function withLock<Result>(
  machine: Machine,
  file: string,
  work: () => Promise<Result>,
  options: { onWait?: (holder: number) => void; signal?: AbortSignal | undefined } = {},
): Promise<Result> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  for (let hasWaited = false; !(await take(machine, file));) {
    const holder = Number(await readFile(file, 'utf8').catch(() => ''));
    if (holder === machine.processId ? held.has(file) : holder > 0 && isAlive(machine, holder)) {
      if (!hasWaited) options.onWait?.(holder);
      hasWaited = true;
      await wait(pollMs, undefined, { signal: options.signal });
    } else {
      await rm(file, { force: true });
    }
  }
  held.add(file);
  try {
    return await work();
  } finally {
    held.delete(file);
    await rm(file, { force: true });
  }
}

async function take(machine: Machine, file: string): Promise<boolean> {
  try {
    await writeFile(file, String(machine.processId), { flag: 'wx', mode: 0o600 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}
