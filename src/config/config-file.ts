import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  lstatSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { errorCode, failureReason } from '../files/file-error.ts';
import { CllmError, UsageError } from '../outcome/errors.ts';
import { LockHeld, withFileLock } from '../files/file-lock.ts';
import type { OwnProcess } from '../files/own-process.ts';
import { ownDirectory } from '../files/private-files.ts';
import { identifyProcess } from '../files/process-identity.ts';
import { replaceFile } from '../files/replace-file.ts';
import { type Decoded, decodeText } from '../files/text-encoding.ts';
import { readTrustedFile, UntrustedFile } from '../files/trusted-file.ts';

/** A settings file larger than this is a mistake (the wrong file, a device), not a settings file. */
const maxBytes = 1024 * 1024;

/** A change takes milliseconds: what has not come to its end by then never will. */
const lockPatienceMs = 15_000;
const lockAbandonedMs = 10_000;

/**
 * A file whose content is obeyed, settings or keys: null when there is none. It must be this user's or the administrator's,
 * and nobody else's to write or to replace; it may be a link to such a file. Whether it is a text is said, and the caller's
 * to judge: a broken file must not stand in the way of the command that mends it.
 *
 * @throws UsageError `config_invalid` when it is not to be trusted, can not be read, or is larger than 1 MiB
 */
export function readOwnFile(path: string, uid: number | null): { content: Decoded; mode: number } | null {
  try {
    const file = readTrustedFile(path, { uid, mostBytes: maxBytes, mayBeLink: true });
    return file && { content: decodeText(file.bytes), mode: file.mode };
  } catch (error) {
    throw error instanceof UntrustedFile ? untrusted(error) : unreadable(path, error);
  }
}

/**
 * Runs a change of such a file while no other cllm changes it. The folder is there then, and is the user's alone.
 *
 * @throws UsageError `config_invalid` when the file can not be changed, or is a link: what it leads to was put there by
 * other means, and would no longer be what cllm reads.
 */
export async function changingOwnFile<Result>(
  path: string,
  { pid, uid }: OwnProcess,
  change: () => Promise<Result> | Result,
): Promise<Result> {
  const directory = dirname(path);
  try {
    // People keep their settings in a repository of their own and link to it.
    ownDirectory(directory, uid, { mayBeLink: true });
    assertNoLink(path);
    return await withFileLock(path, identifyProcess(pid), change, {
      patienceMs: lockPatienceMs,
      abandonedMs: lockAbandonedMs,
    });
  } catch (error) {
    if (error instanceof CllmError) throw error;
    if (error instanceof UntrustedFile) throw untrusted(error);
    if (error instanceof LockHeld) throw held(path, error);
    throw unwritable(path, error);
  }
}

/**
 * Replaces the file in one step, readable by its owner alone: a reader sees the old text or the new, never half of one.
 * Its folder is made where it is missing, and must be the user's own.
 *
 * @throws UsageError `config_invalid`
 */
export function writePrivateFile(path: string, text: string, uid: number | null): void {
  try {
    ownDirectory(dirname(path), uid, { mayBeLink: true });
    replaceFile(path, text);
  } catch (error) {
    throw error instanceof UntrustedFile ? untrusted(error) : unwritable(path, error);
  }
}

/** Takes group and others off a file that an editor or a copy left open to them. What is not ours, or a link, stays as it is. */
export function tightenFile(path: string): void {
  try {
    const descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      fchmodSync(descriptor, 0o600);
    } finally {
      closeSync(descriptor);
    }
  } catch {
    // Not ours to change: reading it is still what was asked for.
  }
}

/**
 * The text of a small file with its permission bits and owner, or null when there is none.
 *
 * @throws UsageError `config_invalid` when it can not be read, is no regular file or is larger than 1 MiB.
 */
export function readSmallFile(path: string): { text: string; bytes: Buffer; mode: number; uid: number } | null {
  let descriptor: number;
  try {
    // Without O_NONBLOCK a FIFO of that name would hang the program before it could be told from a file.
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    // ENOTDIR: a file stands where a directory of the path should be, so there is no such file either.
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return null;
    throw unreadable(path, error);
  }
  try {
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) throw new UsageError(`${path} is no regular file`, { code: 'config_invalid' });
    if (stats.size > maxBytes) throw new UsageError(`${path} is larger than 1 MiB`, { code: 'config_invalid' });
    const bytes = readFileSync(descriptor);
    return { text: asText(path, decodeText(bytes)), bytes, mode: stats.mode & 0o777, uid: stats.uid };
  } catch (error) {
    throw error instanceof UsageError ? error : unreadable(path, error);
  } finally {
    closeSync(descriptor);
  }
}

/** @throws UsageError `config_invalid` when the file was no text */
export function asText(path: string, content: Decoded): string {
  if (content.problem === null) return content.text;
  throw new UsageError(`${path} ${content.problem}`, { code: 'config_invalid', hint: content.hint });
}

/** Moves a file that can not be understood out of the way, with a time stamp, and says where it went: never deleted. */
export function moveAside(path: string, now: Date): string {
  const aside = `${path}.broken-${now.toISOString().replaceAll(/[:.]/g, '-')}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    throw unwritable(aside, error);
  }
  return aside;
}

/** Says that settings or keys could not be kept. */
export function unwritable(path: string, error: unknown): UsageError {
  return new UsageError(`${path} can not be written (${failureReason(error)})`, {
    code: 'config_invalid',
    cause: error,
    hint: 'check who owns it and its permissions, or set CLLM_HOME to a directory that you can write to',
  });
}

function assertNoLink(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() !== true) return;
  const target = realpathOrNull(path);
  throw new UsageError(`${path} is a symbolic link, and cllm changes no file elsewhere`, {
    code: 'config_invalid',
    hint: target === null ? `Remove it: rm ${path}` : `change ${target} by hand, or replace the link by a copy of it`,
  });
}

function realpathOrNull(path: string): string | null {
  try {
    return realpathSync(path);
  } catch {
    return null;
  }
}

function untrusted({ flaw: { path, reason, hint } }: UntrustedFile): UsageError {
  return new UsageError(`${path} ${reason}`, { code: 'config_invalid', hint });
}

function held(path: string, { holder: { pid, claim } }: LockHeld): UsageError {
  const who = pid === null ? "another user's cllm" : `another cllm, process ${pid},`;
  return new UsageError(`${who} is changing ${path} and does not come to its end`, {
    code: 'config_invalid',
    hint: `if it has ended, remove its claim: rm ${claim}`,
  });
}

function unreadable(path: string, error: unknown): UsageError {
  return new UsageError(`${path} can not be read (${failureReason(error)})`, {
    code: 'config_invalid',
    cause: error,
    hint: 'check who owns the file and its permissions',
  });
}
