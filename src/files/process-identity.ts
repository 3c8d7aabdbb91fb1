import type * as childProcess from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { hostname } from 'node:os';

/** What tells a process from every other, also from a later one with the same pid. */
export interface ProcessIdentity {
  pid: number;
  /** When it started, in a unit that only the same kind of `realm` can compare. */
  startedAt: string;
  /** Where its pid means something: the host, its boot and its pid namespace. */
  realm: string;
}

/** `unknown`: it ran where its pid tells us nothing, in another container or on another host. */
export type ProcessState = 'running' | 'gone' | 'unknown';

/**
 * On Linux the start time is field 22 of /proc/PID/stat, in clock ticks since the boot (proc_pid_stat(5)). Elsewhere it is
 * the wall clock, to the second, which is what `ps` tells of other processes.
 */
export function identifyProcess(pid: number): ProcessIdentity {
  const ticks = linuxStartTicks(pid);
  if (ticks === null) {
    return { pid, startedAt: new Date(performance.timeOrigin).toISOString(), realm: hostname() };
  }
  return { pid, startedAt: ticks, realm: linuxRealm() };
}

/** Whether the process that had this identity runs still, as seen from `self`. */
export function processState(identity: ProcessIdentity, self: ProcessIdentity): ProcessState {
  if (identity.realm === self.realm) {
    const startedAt = /^\d+$/.test(identity.startedAt) ? linuxStartTicks(identity.pid) : wallClockStart(identity.pid);
    return startedAt !== null && isSameStart(startedAt, identity.startedAt) ? 'running' : 'gone';
  }
  // Another boot of the same host: nothing that ran before it runs now.
  const [host, boot, namespace] = identity.realm.split(' ');
  const [ownHost, ownBoot, ownNamespace] = self.realm.split(' ');
  return host === ownHost && namespace === ownNamespace && boot !== ownBoot ? 'gone' : 'unknown';
}

function linuxRealm(): string {
  return `${hostname()} ${read('/proc/sys/kernel/random/boot_id')?.trim() ?? '-'} ${link('/proc/self/ns/pid') ?? '-'}`;
}

/** Null when there is no such process, or no /proc. */
function linuxStartTicks(pid: number): string | null {
  const stat = read(`/proc/${pid}/stat`);
  // The second field, the command in parentheses, may hold spaces and parentheses itself; 3 comes after it.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  // A zombie has ended and waits for its parent to notice, which in a container can be for ever.
  return fields === undefined || fields[0] === 'Z' || fields[0] === 'X' ? null : (fields[19] ?? null);
}

/** From `ps`, to the second; null when there is no such process. Only runs when a journal was left behind. */
function wallClockStart(pid: number): string | null {
  // Loading it takes 2 ms, which every start would pay for.
  const { execFileSync } = createRequire(import.meta.url)('node:child_process') as typeof childProcess;
  try {
    const text = execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], {
      encoding: 'utf8',
      env: { LC_ALL: 'C', PATH: '/bin:/usr/bin' },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const time = new Date(text.trim());
    return Number.isNaN(time.getTime()) ? null : time.toISOString();
  } catch {
    return null;
  }
}

/** Ticks are exact; the wall clock is `ps`'s second against a time that was taken a little after the start. */
function isSameStart(one: string, other: string): boolean {
  return one === other || Math.abs(Date.parse(one) - Date.parse(other)) <= 2000;
}

function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

function link(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}
