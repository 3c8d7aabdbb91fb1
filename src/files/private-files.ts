import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  realpathSync,
  type Stats,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { errorCode, failureReason } from './file-error.ts';
import { CllmError } from '../outcome/errors.ts';
import { linkFlaw, notRegular, UntrustedFile } from './trusted-file.ts';
import { type Flaw, foreign, isTrustedOwner, placeFlaw } from './write-access.ts';

/**
 * Makes the directory, and those above it that are missing, for its owner alone. What is there already must be a
 * directory of ours: one that a symbolic link leads to, that somebody else owns, or that lies, at any depth, where
 * others may write could have been prepared to make us write a file that is not ours (CWE-59).
 *
 * @param uid The user that the process runs as; null where the platform has none.
 * @throws CllmError `history_unusable`
 */
export function securePrivateDirectory(directory: string, uid: number | null): void {
  try {
    ownDirectory(directory, uid);
  } catch (error) {
    throw error instanceof UntrustedFile ? refusal(error.flaw) : unusable(directory, error);
  }
}

/**
 * The same for whoever has words of their own for what is wrong.
 *
 * @param options.mayBeLink Whether the directory may be a symbolic link to one of ours.
 * @throws UntrustedFile, or what the file system throws.
 */
export function ownDirectory(
  directory: string,
  uid: number | null,
  { mayBeLink = false }: { mayBeLink?: boolean } = {},
): void {
  const found = lstatSync(directory, { throwIfNoEntry: false });
  if (found === undefined) {
    // A data directory is often two levels deeper than what a fresh account has.
    makeDirectories(directory, uid);
    ownDirectory(directory, uid);
    return;
  }
  if (found.isSymbolicLink() && mayBeLink) {
    if (uid !== null && !isTrustedOwner(found.uid, uid)) throw new UntrustedFile(foreign(directory, found.uid));
    if (uid !== null) assertPlace(directory, found.uid, uid);
    ownDirectory(realpathSync.native(directory), uid);
    return;
  }
  if (found.isSymbolicLink()) throw new UntrustedFile(linkFlaw(directory, 'name the directory that it leads to'));
  if (!found.isDirectory()) {
    const hint = `move it away: mv ${directory} ${directory}.old`;
    throw new UntrustedFile({ path: directory, reason: 'is not a directory', hint });
  }
  if (uid !== null) {
    if (found.uid !== uid) throw new UntrustedFile(foreign(directory, found.uid));
    assertPlace(directory, uid, uid);
  }
  if ((found.mode & 0o1000) !== 0 && (found.mode & 0o022) !== 0) {
    // Closing /tmp to everybody else would be the end of their work.
    const hint = `name one of your own in it: CLLM_HOME=${join(directory, 'cllm')}`;
    throw new UntrustedFile({ path: directory, reason: 'is a directory that users share', hint });
  }
  if ((found.mode & 0o077) !== 0) chmodSync(directory, 0o700);
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
  if (found.isSymbolicLink()) throw refusal(linkFlaw(path, `remove the link: rm ${path}`));
  if (!found.isFile()) throw refusal(notRegular(path));
  if (uid !== null && found.uid !== uid) throw refusal(foreign(path, found.uid));
  if ((found.mode & 0o077) !== 0) change(path, () => tighten(path));
  return found;
}

function makeDirectories(directory: string, uid: number | null): void {
  const parent = dirname(directory);
  // Nothing is made where it would be refused afterwards.
  if (lstatSync(parent, { throwIfNoEntry: false }) !== undefined) {
    if (uid !== null) assertPlace(directory, uid, uid);
  } else if (parent !== directory) makeDirectories(parent, uid);
  try {
    mkdirSync(directory, 0o700);
  } catch (error) {
    // Another cllm was faster.
    if (errorCode(error) !== 'EEXIST') throw error;
    return;
  }
  chmodSync(directory, 0o700);
}

function assertPlace(path: string, owner: number, uid: number): void {
  const flaw = placeFlaw(path, owner, uid);
  if (flaw !== null) throw new UntrustedFile(flaw);
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

function refusal({ path, reason, hint }: Flaw): CllmError {
  return new CllmError('history_unusable', `${path} ${reason}`, { hint });
}

function unusable(path: string, cause: unknown): CllmError {
  return new CllmError('history_unusable', `${path} can not be used (${failureReason(cause)})`, {
    cause,
    hint: 'set CLLM_HOME to a directory that you can write to, or use --ephemeral to keep nothing',
  });
}
