import {
  chmodSync,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  type Stats,
} from 'node:fs';
import path from 'node:path';
import { replaceFile } from '../../files/replace-file.ts';
import { accountHome, isTrustedOwner, otherWriters, placeFlaw } from '../../files/write-access.ts';

export interface CodeCacheOptions {
  /** The folder of the command in its package; null for a command that is no package. */
  installation: string;
  env: Readonly<Record<string, string | undefined>>;
  /** The working directory, without links. */
  cwd: string;
  /** The user that the process runs as; null where the platform has none. */
  uid: number | null;
  /** Names the V8 and the build whose code it is. */
  tag: string;
}

/** Code of a part, made when it is asked for. */
export interface FreshCode {
  name: string;
  code: () => Buffer;
}

interface Place {
  folder: string;
  folderMode: number;
  fileMode: number;
  /** Whether the folder is there, and nobody may write to it but those whose code this user runs anyway. */
  isSound: () => boolean;
  isOurs: (file: Stats) => boolean;
  /** Makes it, if it may be made there. */
  prepare: () => void;
}

/**
 * Compiled code between two runs. V8 runs what it is given as code of ours, whatever it was compiled from, so it is
 * taken from two places only: the installation, and a folder that this user alone can write to. A working directory may
 * hold anything that somebody else wrote, a cloned repository say, so a folder below it, or one that a relative path
 * names, is neither.
 */
export class CodeCache {
  readonly #options: CodeCacheOptions;
  readonly #sound = new Map<() => Place | null, Place | null>();

  constructor(options: CodeCacheOptions) {
    this.#options = options;
  }

  read(name: string): Buffer | null {
    for (const find of [this.#installed, this.#users]) {
      let place = this.#sound.get(find);
      if (place === undefined) {
        place = soundOrNull(find);
        this.#sound.set(find, place);
      }
      const code = place === null ? null : readFrom(place, name);
      if (code !== null) return code;
    }
    return null;
  }

  /** Keeps code in the package or, where that is not this user's to write, in the user's own place. */
  keep(codes: readonly FreshCode[]): void {
    if (codes.length === 0) return;
    for (const find of [this.#installed, this.#users]) {
      const place = find();
      if (place !== null && isWritten(place, codes)) return;
    }
  }

  /** The package's own: whoever installed cllm, this user or the administrator made it, and nobody else may change it. */
  readonly #installed = (): Place | null => {
    const { installation, tag, uid } = this.#options;
    const caches = path.join(installation, 'code-cache');
    const folder = path.join(caches, tag);
    const isOurs = (stats: Stats): boolean =>
      uid === null ||
      ((isTrustedOwner(stats.uid, uid) || stats.uid === lstatSync(installation).uid) &&
        otherWriters(stats, uid) === null);
    return {
      folder,
      folderMode: 0o755,
      fileMode: 0o644,
      isOurs,
      isSound: () => [folder, caches].every((each) => isFolder(each, isOurs)),
      prepare: () => {
        if (makeFolders(folder, 0o755)) removeOld(caches);
      },
    };
  };

  readonly #users = (): Place | null => {
    const { uid } = this.#options;
    const folder = usersFolder(this.#options);
    // Nothing in a repository has such modes, unless it was checked out with a umask of 077.
    const isOurs = (stats: Stats): boolean => uid === null || (stats.uid === uid && (stats.mode & 0o077) === 0);
    const isPlaced = (below: string): boolean =>
      uid === null || placeFlaw(below, uid, uid, { isOwnedThroughout: true }) === null;
    return folder === null
      ? null
      : {
          folder,
          folderMode: 0o700,
          fileMode: 0o600,
          isOurs,
          isSound: () => isFolder(folder, isOurs) && isPlaced(folder),
          prepare: () => {
            // Made by a cllm that left its mode to the umask.
            for (const each of [path.dirname(path.dirname(folder)), path.dirname(folder)]) {
              if (['cllm', 'code-cache'].includes(path.basename(each))) withoutOthers(each, uid);
            }
            if (isPlaced(firstMissing(folder)) && makeFolders(folder, 0o700)) removeOld(path.dirname(folder));
          },
        };
  };
}

/** What can not be looked at, a folder in a neighbour's say, is no place for code. */
function soundOrNull(find: () => Place | null): Place | null {
  try {
    const place = find();
    return place?.isSound() === true ? place : null;
  } catch {
    return null;
  }
}

function isWritten(place: Place, codes: readonly FreshCode[]): boolean {
  try {
    place.prepare();
    if (!place.isSound()) return false;
    for (const { name, code } of codes)
      replaceFile(path.join(place.folder, `${name}.bin`), code(), { mode: place.fileMode, isSynced: false });
    return true;
  } catch {
    // Not ours to write to, or no room: the next run compiles again.
    return false;
  }
}

function readFrom(place: Place, name: string): Buffer | null {
  let descriptor: number;
  try {
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    descriptor = openSync(path.join(place.folder, `${name}.bin`), flags);
  } catch {
    return null;
  }
  try {
    const stats = fstatSync(descriptor);
    return stats.isFile() && place.isOurs(stats) ? readFileSync(descriptor) : null;
  } catch {
    return null;
  } finally {
    closeSync(descriptor);
  }
}

/**
 * `CLLM_HOME` or the cache folder of the XDG specification, by the rules of config/paths.ts but that a relative
 * `CLLM_HOME` has none; null where it lies beside what is being worked on.
 */
function usersFolder({ env, cwd, uid, tag }: CodeCacheOptions): string | null {
  const home = absolute(env['HOME']);
  const caches = absolute(env['XDG_CACHE_HOME']) ?? (home && path.join(home, '.cache'));
  const base = env['CLLM_HOME'] ? absolute(env['CLLM_HOME']) : caches && path.join(caches, 'cllm');
  if (base === null || home === null) return null;
  const real = realPath(base);
  if (isWithin(real, cwd)) {
    // In the account's own home, and above it, everything of the user is below.
    const account = uid === null ? null : accountHome(uid);
    if (account === null || !isWithin(real, account) || !isWithin(account, cwd)) return null;
  } else if (!isWithin(realPath(home), commonFolder(real, cwd))) {
    // A folder that holds both and is not the home is a project, of which the working directory is one part.
    return null;
  }
  return path.join(base, 'code-cache', tag);
}

function absolute(folder: string | undefined): string | null {
  return folder && path.isAbsolute(folder) ? path.resolve(folder) : null;
}

/** With the links followed in what is there already. */
function realPath(folder: string): string {
  try {
    return realpathSync.native(folder);
  } catch {
    const above = path.dirname(folder);
    return above === folder ? folder : path.join(realPath(above), path.basename(folder));
  }
}

function isWithin(inner: string, outer: string): boolean {
  return inner === outer || outer === '/' || inner.startsWith(`${outer}/`);
}

function commonFolder(one: string, other: string): string {
  let folder = one;
  while (!isWithin(other, folder)) folder = path.dirname(folder);
  return folder;
}

/** One that can not be looked at, a neighbour's say, is none of ours. */
function isFolder(folder: string, isOurs: (stats: Stats) => boolean): boolean {
  try {
    const stats = lstatSync(folder);
    return stats.isDirectory() && isOurs(stats);
  } catch {
    return false;
  }
}

/** Whether it is new. One by one: in /proc, Node's own recursion never ends. */
function makeFolders(folder: string, mode: number): boolean {
  if (lstatSync(folder, { throwIfNoEntry: false }) !== undefined) return false;
  makeFolders(path.dirname(folder), mode);
  mkdirSync(folder, mode);
  return true;
}

/** The folder of a path that would have to be made first, or its last one. */
function firstMissing(folder: string): string {
  const above = path.dirname(folder);
  return lstatSync(above, { throwIfNoEntry: false }) === undefined ? firstMissing(above) : folder;
}

function withoutOthers(folder: string, uid: number | null): void {
  const stats = lstatSync(folder, { throwIfNoEntry: false });
  if (stats?.isDirectory() === true && stats.uid === uid && (stats.mode & 0o022) !== 0) chmodSync(folder, 0o700);
}

/** The caches of builds and Nodes that are gone: nobody has written one for a month. */
function removeOld(caches: string): void {
  const monthAgo = Date.now() - 30 * 86_400_000;
  for (const name of readdirSync(caches)) {
    const cache = path.join(caches, name);
    if (lstatSync(cache).mtimeMs < monthAgo) rmSync(cache, { recursive: true, force: true });
  }
}
