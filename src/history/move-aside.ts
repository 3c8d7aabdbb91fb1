import { lstatSync, renameSync } from 'node:fs';

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
