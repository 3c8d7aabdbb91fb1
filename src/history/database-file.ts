import { closeSync, lstatSync, renameSync } from 'node:fs';
import { dirname } from 'node:path';
import { failureReason } from '../files/file-error.ts';
import { CllmError } from '../outcome/errors.ts';
import { createPrivateFile, securePrivateDirectory, securePrivateFile } from '../files/private-files.ts';

/** Makes sure that the file exists and is ours alone; gives its inode. */
export function prepareFile(path: string, uid: number | null): number {
  securePrivateDirectory(dirname(path), uid);
  try {
    const descriptor = createPrivateFile(path);
    if (descriptor !== null) closeSync(descriptor);
  } catch (error) {
    throw new CllmError('history_unusable', `${path} can not be created (${failureReason(error)})`, {
      cause: error,
      hint: 'set CLLM_HOME to a directory that you can write to, or use --ephemeral to keep nothing',
    });
  }
  const found = securePrivateFile(path, uid);
  // SQLite gives these the mode of the database itself, but they may be older than that.
  for (const suffix of ['-wal', '-shm', '-journal']) securePrivateFile(path + suffix, uid);
  return (found ?? lstatSync(path)).ino;
}

/** Whether all that was committed is in the file itself: nobody writes to it now, and it was closed in good order. */
export function isSettled(path: string): boolean {
  return ['-wal', '-journal'].every((suffix) => (lstatSync(path + suffix, { throwIfNoEntry: false })?.size ?? 0) === 0);
}

/**
 * Renames a damaged database, with the files that belong to it, so that a new one can take its place and the old one can
 * still be read by `sqlite3 FILE .recover`. Nothing is deleted. Connections that have it open keep the renamed files, and
 * SQLite leaves a file alone that no longer has its name (`databaseIsUnmoved` in pager.c).
 *
 * @param inode Of the file that was found damaged: another process may have moved it, and a sound one may be there now.
 * @returns Where it is now; null when it was no longer there.
 */
export function moveAside(path: string, inode: number, now: Date): string | null {
  if (inodeOf(path) !== inode) return null;
  const stamp = now.toISOString().replaceAll(/[-:]|\.\d+/g, '');
  let target = `${path}.damaged-${stamp}`;
  for (let number = 2; inodeOf(target) !== null; number += 1) target = `${path}.damaged-${stamp}-${number}`;
  renameSync(path, target);
  for (const suffix of ['-wal', '-shm', '-journal']) {
    if (inodeOf(path + suffix) !== null) renameSync(path + suffix, target + suffix);
  }
  return target;
}

function inodeOf(path: string): number | null {
  return lstatSync(path, { throwIfNoEntry: false })?.ino ?? null;
}
