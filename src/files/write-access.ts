import { lstatSync, readFileSync, realpathSync, type Stats } from 'node:fs';
import { dirname } from 'node:path';

/** Why a file or a folder is not to be trusted. */
export interface Flaw {
  path: string;
  /** Follows the path in a sentence. */
  reason: string;
  /** What to do about it. */
  hint: string;
}

/**
 * Whether what this user has was put there by the user or by the administrator: root, and whoever owns `/` where root
 * itself is not mapped (a user namespace shows all that is not mapped as nobody's).
 */
export function isTrustedOwner(owner: number, uid: number): boolean {
  return owner === uid || owner === 0 || owner === lstatSync('/').uid;
}

/** Who may write to what has these facts besides its owner and the administrator. The mode of a link says nothing. */
export function otherWriters(stats: Stats, uid: number): 'everybody' | 'its group' | null {
  if (stats.isSymbolicLink()) return null;
  if ((stats.mode & 0o002) !== 0) return 'everybody';
  return (stats.mode & 0o020) === 0 || isOwnGroup(stats.gid, uid) ? null : 'its group';
}

/**
 * What is wrong with where a file or folder lies: a folder above it, at any depth, in which somebody else may put
 * another thing in its place. In a folder with the sticky bit (/tmp) only the owner of a thing may. Links are followed,
 * and what they lie in is looked at as well.
 *
 * @param below Its absolute path.
 * @param owner Of what is there, or shall be.
 * @param options.isOwnedThroughout No folder above may belong to a third user, not even one that lets nobody else write.
 * @throws What lstat throws when a folder is missing or can not be entered.
 */
export function placeFlaw(
  below: string,
  owner: number,
  uid: number,
  { isOwnedThroughout = false }: { isOwnedThroughout?: boolean } = {},
): Flaw | null {
  const folder = dirname(below);
  const real = realpathSync.native(folder);
  const found = lineFlaw(below, real, owner, uid, isOwnedThroughout);
  return found ?? (real === folder ? null : lineFlaw(below, folder, owner, uid, isOwnedThroughout));
}

function lineFlaw(below: string, folder: string, owner: number, uid: number, isOwnedThroughout: boolean): Flaw | null {
  for (let at = folder, under = below, underOwner = owner; ; at = dirname(at)) {
    const stats = lstatSync(at);
    const writers = otherWriters(stats, uid);
    const isSticky = (stats.mode & 0o1000) !== 0;
    if (writers !== null && !isSticky) return writable(at, writers);
    if (writers !== null && !isTrustedOwner(underOwner, uid)) return foreign(under, underOwner);
    if (isOwnedThroughout && !isTrustedOwner(stats.uid, uid)) return foreign(at, stats.uid);
    if (at === dirname(at)) return null;
    under = at;
    underOwner = stats.uid;
  }
}

/** The flaw of something that others may write to. */
export function writable(path: string, writers: 'everybody' | 'its group'): Flaw {
  return {
    path,
    reason: `can be written by ${writers}`,
    hint: `take that right away: chmod ${writers === 'everybody' ? 'o' : 'g'}-w ${path}`,
  };
}

/** The flaw of something that is another user's. */
export function foreign(path: string, owner: number): Flaw {
  return {
    path,
    reason: `belongs to another user (uid ${owner})`,
    hint: 'set CLLM_HOME to a directory of your own',
  };
}

/**
 * Whether a group gives nobody else a right: the administrator's, and the private group that many Linux systems give
 * each user, with a umask that lets it write. Root has no such umask, so for root no group counts.
 */
function isOwnGroup(gid: number, uid: number): boolean {
  if (uid === 0) return false;
  if (gid === 0) return true;
  const accounts = table('/etc/passwd').map(([name, , user, group]) => ({ name, user, group }));
  const own = accounts.find(({ user }) => user === String(uid));
  if (own === undefined || own.group !== String(gid)) return false;
  if (accounts.some(({ user, group }) => group === own.group && user !== own.user)) return false;
  const members = table('/etc/group').find(([, , group]) => group === own.group)?.[3] ?? '';
  return members === '' || members === own.name;
}

/** The folder that the system knows as this user's home; null when it does not know the user. */
export function accountHome(uid: number): string | null {
  return table('/etc/passwd').find(([, , user]) => user === String(uid))?.[5] ?? null;
}

/** Rarely asked for, and without loading node:os, which every start would pay for. */
function table(file: string): string[][] {
  try {
    return readFileSync(file, 'utf8')
      .split('\n')
      .map((line) => line.split(':'));
  } catch {
    return [];
  }
}
