import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  type Stats,
} from 'node:fs';
import { dirname } from 'node:path';
import { CllmError } from '../errors.ts';

/**
 * Makes the directory, and those above it that are missing, for its owner alone. What is there already must be a
 * directory of ours: one that a symbolic link leads to, that somebody else owns, or whose parent anybody may write to
 * could have been prepared to make us write a file that is not ours (CWE-59).
 *
 * @param uid The user that the process runs as; null where the platform has none.
 * @throws CllmError `history_unusable`
 */
export function securePrivateDirectory(directory: string, uid: number | null): void {
  const found = statOrNull(directory);
  if (found === null) {
    // A data directory is often two levels deeper than what a fresh account has.
    makeDirectories(directory);
    securePrivateDirectory(directory, uid);
    return;
  }
  if (found.isSymbolicLink()) throw refusal(directory, 'is a symbolic link', 'name the directory that it leads to');
  if (!found.isDirectory())
    throw refusal(directory, 'is not a directory', `move it away: mv ${directory} ${directory}.old`);
  assertOwner(directory, found, uid);
  const parent = lstatSync(dirname(directory));
  // With the sticky bit (/tmp) only the owner may rename or remove what is in it.
  if ((parent.mode & 0o002) !== 0 && (parent.mode & 0o1000) === 0) {
    throw refusal(
      dirname(directory),
      'can be written by everybody',
      `take that right away: chmod o-w ${dirname(directory)}`,
    );
  }
  if ((found.mode & 0o077) !== 0) change(directory, () => chmodSync(directory, 0o700));
}

/**
 * Creates the file, readable by its owner alone whatever the umask, and gives its descriptor; null when something of
 * that name is there already, a dangling symbolic link included.
 */
export function createPrivateFile(path: string, flags = 0): number | null {
  let descriptor: number;
  try {
    descriptor = openSync(
      path,
      constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW | constants.O_WRONLY | flags,
      0o600,
    );
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return null;
    throw error;
  }
  // The umask can only have taken bits away, but a file that its owner can not read is of no use.
  fchmodSync(descriptor, 0o600);
  return descriptor;
}

/**
 * Checks that the file is a regular one of ours, takes group and others off it, and gives its facts; null when there is
 * none.
 *
 * @throws CllmError `history_unusable`
 */
export function securePrivateFile(path: string, uid: number | null): Stats | null {
  const found = statOrNull(path);
  if (found === null) return null;
  if (found.isSymbolicLink()) throw refusal(path, 'is a symbolic link', `remove the link: rm ${path}`);
  if (!found.isFile()) throw refusal(path, 'is not a regular file', `move it away: mv ${path} ${path}.old`);
  assertOwner(path, found, uid);
  if ((found.mode & 0o077) !== 0) change(path, () => tighten(path));
  return found;
}

/** The `code` of a system error, `ENOENT` say; null for any other error. */
export function errorCode(error: unknown): string | null {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : null;
}

function makeDirectories(directory: string): void {
  if (statOrNull(directory) !== null) return;
  const parent = dirname(directory);
  if (parent !== directory) makeDirectories(parent);
  change(directory, () => {
    try {
      mkdirSync(directory, 0o700);
    } catch (error) {
      // Another cllm was faster.
      if (errorCode(error) !== 'EEXIST') throw error;
      return;
    }
    chmodSync(directory, 0o700);
  });
}

function tighten(path: string): void {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    if (fstatSync(descriptor).isFile()) fchmodSync(descriptor, 0o600);
  } finally {
    closeSync(descriptor);
  }
}

function statOrNull(path: string): Stats | null {
  try {
    return lstatSync(path);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null;
    throw unusable(path, error);
  }
}

function change(path: string, action: () => void): void {
  try {
    action();
  } catch (error) {
    throw error instanceof CllmError ? error : unusable(path, error);
  }
}

function assertOwner(path: string, stats: Stats, uid: number | null): void {
  if (uid !== null && stats.uid !== uid) {
    throw refusal(path, `belongs to another user (uid ${stats.uid})`, 'set CLLM_HOME to a directory of your own');
  }
}

function refusal(path: string, reason: string, hint: string): CllmError {
  return new CllmError('history_unusable', `${path} ${reason}`, { hint });
}

function unusable(path: string, cause: unknown): CllmError {
  return new CllmError('history_unusable', `${path} can not be used (${errorCode(cause) ?? String(cause)})`, {
    cause,
    hint: 'set CLLM_HOME to a directory that you can write to, or use --ephemeral to keep nothing',
  });
}
