import { closeSync, constants, fstatSync, lstatSync, openSync, readFileSync, realpathSync, type Stats } from 'node:fs';
import { errorCode } from './file-error.ts';
import { type Flaw, foreign, isTrustedOwner, otherWriters, placeFlaw, writable } from './write-access.ts';

/** Something stands under the name of a file of ours that can not be taken for it. */
export class UntrustedFile extends Error {
  readonly flaw: Flaw;

  constructor(flaw: Flaw) {
    super(`${flaw.path} ${flaw.reason}`);
    this.name = 'UntrustedFile';
    this.flaw = flaw;
  }
}

export interface TrustOptions {
  /** The user that the process runs as; null, where the platform has none, trusts every owner. */
  uid: number | null;
  /** A larger one is the wrong file. */
  mostBytes: number;
  /** Whether the name may be a link that leads to a trusted file: people link settings into a folder of their own. */
  mayBeLink?: boolean;
}

/**
 * Opens a file whose content is obeyed: a regular one, which this user or the administrator put there and nobody else
 * may change or replace. A pipe, a device or a socket of that name is refused without waiting for it.
 *
 * @returns Null when there is none.
 * @throws UntrustedFile, or what the file system throws.
 */
function openTrustedFile(path: string, options: TrustOptions): { descriptor: number; stats: Stats } | null {
  const file = options.mayBeLink === true ? linkTarget(path, options.uid) : path;
  const descriptor = file === null ? null : openOrNull(file);
  if (file === null || descriptor === null) return null;
  try {
    const stats = fstatSync(descriptor);
    const flaw = fileFlaw(file, stats, options);
    if (flaw !== null) throw new UntrustedFile(flaw);
    return { descriptor, stats };
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

/**
 * The content of such a file, and its permission bits.
 *
 * @throws UntrustedFile, or what the file system throws.
 */
export function readTrustedFile(path: string, options: TrustOptions): { bytes: Buffer; mode: number } | null {
  const opened = openTrustedFile(path, options);
  if (opened === null) return null;
  try {
    return { bytes: readFileSync(opened.descriptor), mode: opened.stats.mode & 0o777 };
  } finally {
    closeSync(opened.descriptor);
  }
}

function fileFlaw(path: string, stats: Stats, { uid, mostBytes }: TrustOptions): Flaw | null {
  if (!stats.isFile()) return notRegular(path);
  if (stats.size > mostBytes) {
    return { path, reason: `is larger than ${mostBytes} bytes`, hint: `move it away: mv ${path} ${path}.old` };
  }
  if (uid === null) return null;
  if (!isTrustedOwner(stats.uid, uid)) return foreign(path, stats.uid);
  const writers = otherWriters(stats, uid);
  return writers === null ? placeFlaw(path, stats.uid, uid) : writable(path, writers);
}

function openOrNull(path: string): number | null {
  try {
    // Without O_NONBLOCK a pipe of that name would hang the program before it could be told from a file.
    return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const code = errorCode(error);
    // ENOTDIR: a file stands where a folder of the path should be, so there is no such file either.
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    if (code === 'ELOOP') {
      throw new UntrustedFile(linkFlaw(path, `remove the link: rm ${path}`));
    }
    // A socket, or a device without a driver.
    if (code === 'ENXIO' || code === 'ENODEV') throw new UntrustedFile(notRegular(path));
    throw error;
  }
}

/** What the name leads to; the name itself when it is no link, null when it leads nowhere. */
function linkTarget(path: string, uid: number | null): string | null {
  if (!isLink(path)) return path;
  const stats = lstatSync(path);
  const flaw =
    uid === null ? null : isTrustedOwner(stats.uid, uid) ? placeFlaw(path, stats.uid, uid) : foreign(path, stats.uid);
  if (flaw !== null) throw new UntrustedFile(flaw);
  try {
    return realpathSync.native(path);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  }
}

/** What can not be looked at is no link: opening it says why. */
function isLink(path: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink();
  } catch {
    return false;
  }
}

export function linkFlaw(path: string, hint: string): Flaw {
  return { path, reason: 'is a symbolic link', hint };
}

export function notRegular(path: string): Flaw {
  return { path, reason: 'is not a regular file', hint: `move it away: mv ${path} ${path}.old` };
}
