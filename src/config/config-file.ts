import { randomUUID } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { UsageError } from '../errors.ts';
import { createPrivateFile, errorCode } from '../files/private-files.ts';

/** A settings file larger than this is a mistake (the wrong file, a device), not a settings file. */
const maxBytes = 1024 * 1024;

/**
 * Makes the directory, and those above it that are missing, for its owner alone (0700) whatever the umask. It may be a
 * symbolic link: people keep their settings in a repository of their own and link to it.
 *
 * @throws UsageError `config_invalid`
 */
export function ensurePrivateDirectory(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    chmodSync(directory, 0o700);
  } catch (error) {
    throw unwritable(directory, error);
  }
}

/**
 * Replaces the file in one step, readable by its owner alone: a reader sees the old text or the new, never half of one,
 * and two writers never share a temporary file.
 *
 * @throws UsageError `config_invalid`
 */
export function writePrivateFile(path: string, text: string): void {
  ensurePrivateDirectory(dirname(path));
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    const descriptor = createPrivateFile(temporary);
    if (descriptor === null) throw new Error('the temporary file is there already');
    try {
      writeSync(descriptor, text);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw unwritable(path, error);
  }
}

/** Takes group and others off a file that an editor or a copy left open to them. A file of somebody else stays as it is. */
export function tightenFile(path: string): void {
  try {
    chmodSync(path, 0o600);
  } catch {
    // Not ours to change: reading it is still what was asked for.
  }
}

/**
 * The text of a small file with its permission bits and owner, or null when there is none.
 *
 * @throws UsageError `config_invalid` when it can not be read, is no regular file or is larger than 1 MiB.
 */
export function readSmallFile(path: string): { text: string; mode: number; uid: number } | null {
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
    const text = readFileSync(descriptor, 'utf8').replace(/^\uFEFF/, '');
    return { text, mode: stats.mode & 0o777, uid: stats.uid };
  } catch (error) {
    throw error instanceof UsageError ? error : unreadable(path, error);
  } finally {
    closeSync(descriptor);
  }
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
  return new UsageError(`${path} can not be written (${errorCode(error) ?? 'unknown reason'})`, {
    code: 'config_invalid',
    cause: error,
    hint: 'Check who owns it and its permissions, or set CLLM_HOME to a directory that you can write to.',
  });
}

function unreadable(path: string, error: unknown): UsageError {
  return new UsageError(`${path} can not be read (${errorCode(error) ?? 'unknown reason'})`, {
    code: 'config_invalid',
    cause: error,
    hint: 'Check who owns the file and its permissions.',
  });
}
