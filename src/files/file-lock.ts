import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  unlinkSync,
} from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { errorCode } from './file-error.ts';
import { CllmError } from '../outcome/errors.ts';
import { type ProcessIdentity, processState } from './process-identity.ts';
import { replaceFile } from './replace-file.ts';

export interface WaitingLockOptions {
  /** Told once, of the process that is waited for. */
  onWait?: (holder: LockHolder) => void;
  /** Ends the waiting with its reason. */
  signal?: AbortSignal | undefined;
  /** How long to wait, in milliseconds; then LockHeld is thrown. Default: as long as it takes. */
  patienceMs?: number;
  /** From when on a claim counts as left behind whose process can not be seen, in another container say. Default: never. */
  abandonedMs?: number;
}

/** Another process that has, or wants, the lock. */
export interface LockHolder {
  /** Null for another user's. */
  pid: number | null;
  /** The host; null where this process can see it. */
  host: string | null;
  /** The file that says so. */
  claim: string;
}

/** The lock was not to be had in time. */
export class LockHeld extends Error {
  readonly holder: LockHolder;

  constructor(file: string, holder: LockHolder) {
    super(`${holder.pid === null ? 'another user' : `process ${holder.pid}`} has the lock of ${file}`);
    this.name = 'LockHeld';
    this.holder = holder;
  }
}

/**
 * Makes this process the one writer of a file, until the function that it gives is called.
 *
 * @throws CllmError `output_failed` when another process writes the file
 */
export function lockFile(file: string, identity: ProcessIdentity): () => void {
  const claim = new Claim(file, identity);
  try {
    const { holder } = claim.others();
    if (holder !== null) throw isHeld(file, holder);
  } catch (error) {
    claim.release();
    throw error;
  }
  return () => claim.release();
}

/** The process that writes a file under `lockFile`, or claims it, as far as this one can see; null when none does. */
export function writerOf(file: string, identity: ProcessIdentity): LockHolder | null {
  let names: string[];
  try {
    names = readdirSync(path.dirname(file));
  } catch {
    // A folder that may be passed through and not be listed.
    return null;
  }
  for (const name of names) {
    if (!name.startsWith(claimPrefix(file))) continue;
    const found = holderOf(path.join(path.dirname(file), name), identity, Infinity);
    if (found !== null) return found;
  }
  return null;
}

/**
 * Runs the work while this process, and in it this call, is the only one that has the lock of the file. What a process
 * that died left of it is in nobody's way.
 *
 * @param file In a folder that is there; it need not be there itself.
 * @throws LockHeld, the reason of the signal, or what the work throws.
 */
export async function withFileLock<Result>(
  file: string,
  identity: ProcessIdentity,
  work: () => Promise<Result> | Result,
  options: WaitingLockOptions = {},
): Promise<Result> {
  const claim = await claimed(file, identity, options);
  try {
    return await work();
  } finally {
    claim.release();
  }
}

const shortestPauseMs = 5;
const longestPauseMs = 250;

async function claimed(file: string, identity: ProcessIdentity, options: WaitingLockOptions): Promise<Claim> {
  const { onWait, signal, patienceMs = Infinity, abandonedMs } = options;
  const startedAt = performance.now();
  let claim: Claim | null = null;
  try {
    for (let pauseMs = shortestPauseMs, hasWaited = false; ; pauseMs = Math.min(pauseMs * 1.5, longestPauseMs)) {
      signal?.throwIfAborted();
      claim ??= new Claim(file, identity);
      const { holder, isFirst } = claim.others(abandonedMs);
      if (holder === null) return claim;
      if (performance.now() - startedAt > patienceMs) throw new LockHeld(file, holder);
      if (!hasWaited) onWait?.(holder);
      hasWaited = true;
      // Of those that wait one keeps its claim, so that the others can not keep each other out for ever.
      if (!isFirst) {
        claim.release();
        claim = null;
      }
      await delay(pauseMs * (0.5 + Math.random()), undefined, { signal }).catch(() => {});
    }
  } catch (error) {
    claim?.release();
    throw error;
  }
}

let claims = 0;

/**
 * A file that names its process. Each claimant first puts down its own and then looks for the others', so of two at the
 * same time at least one sees the other, and a claim that a dead process left can be removed by anybody without a race:
 * its name never comes back.
 */
class Claim {
  readonly #identity: ProcessIdentity;
  readonly #directory: string;
  readonly #prefix: string;
  readonly #name: string;

  constructor(file: string, identity: ProcessIdentity) {
    claims += 1;
    this.#identity = identity;
    this.#directory = path.dirname(file);
    this.#prefix = claimPrefix(file);
    this.#name = `${this.#prefix}${identity.pid}-${identity.startedAt.replace(/[^0-9A-Za-z]/g, '')}-${claims}`;
    // Whole from the moment it has its name: a claim that is half written would look like a dead one.
    replaceFile(path.join(this.#directory, this.#name), JSON.stringify(identity), { isSynced: false });
  }

  release(): void {
    rmSync(path.join(this.#directory, this.#name), { force: true });
  }

  /** Another live claim, if there is any, and whether this one goes before all others that are there. */
  others(abandonedMs = Infinity): { holder: LockHolder | null; isFirst: boolean } {
    let holder: LockHolder | null = null;
    let isFirst = true;
    for (const name of readdirSync(this.#directory)) {
      if (name === this.#name || !name.startsWith(this.#prefix)) continue;
      const found = holderOf(path.join(this.#directory, name), this.#identity, abandonedMs);
      if (found === null) continue;
      holder ??= found;
      if (name < this.#name) isFirst = false;
    }
    return { holder, isFirst };
  }
}

function claimPrefix(file: string): string {
  return `.${path.basename(file)}.lock-`;
}

/** Null for what is no claim, or one whose process is gone: that is removed. */
function holderOf(claim: string, self: ProcessIdentity, abandonedMs: number): LockHolder | null {
  const found = readClaim(claim);
  if (found === null) return null;
  if (found === 'closed') return { pid: null, host: null, claim };
  const state = found.identity === null ? 'gone' : processState(found.identity, self);
  if (found.identity === null || state === 'gone' || (state === 'unknown' && found.ageMs > abandonedMs)) {
    removeQuietly(claim);
    return null;
  }
  const host = state === 'unknown' ? (found.identity.realm.split(' ')[0] ?? '') : null;
  return { pid: found.identity.pid, host, claim };
}

interface ReadClaim {
  /** Null when it is none that a cllm wrote. */
  identity: ProcessIdentity | null;
  ageMs: number;
}

/** Null for what is gone meanwhile or no file; `closed` for another user's, which can not be read. */
function readClaim(claim: string): ReadClaim | 'closed' | null {
  let descriptor: number;
  try {
    // A repository may hold anything of this name: neither a link nor a pipe is followed.
    descriptor = openSync(claim, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    return errorCode(error) === 'EACCES' ? 'closed' : null;
  }
  try {
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) return null;
    // The clock of the file system, not ours: they may be those of two hosts.
    const ageMs = statSync(path.dirname(claim)).mtimeMs - stats.mtimeMs;
    return { identity: stats.size > 4096 ? null : identityOf(readFileSync(descriptor, 'utf8')), ageMs };
  } catch {
    return null;
  } finally {
    closeSync(descriptor);
  }
}

function identityOf(text: string): ProcessIdentity | null {
  try {
    const { pid, startedAt, realm } = JSON.parse(text) as Partial<Record<keyof ProcessIdentity, unknown>>;
    const isIdentity =
      Number.isSafeInteger(pid) &&
      Number(pid) > 0 &&
      typeof startedAt === 'string' &&
      /^[0-9TZ:.-]{1,40}$/.test(startedAt) &&
      typeof realm === 'string' &&
      /^[\x20-\x7e]{1,500}$/.test(realm);
    return isIdentity ? { pid: Number(pid), startedAt, realm } : null;
  } catch {
    return null;
  }
}

function removeQuietly(file: string): void {
  try {
    unlinkSync(file);
  } catch {
    // Another claimant was faster, or it is not ours to remove; it counts for nothing either way.
  }
}

/** Of a file that another process writes. */
export function isHeld(file: string, { pid, host, claim }: LockHolder): CllmError {
  if (pid === null) {
    return new CllmError('output_failed', `another user's cllm has claimed ${file}`, {
      hint: `if it has ended, remove its claim: rm ${claim}`,
    });
  }
  const where = host === null ? '' : ` on another host or in another container (${host})`;
  return new CllmError('output_failed', `another cllm, process ${pid}${where}, is writing ${file}`, {
    hint: host === null ? 'wait for it, or name another file' : `if it has ended, remove its claim: rm ${claim}`,
  });
}
