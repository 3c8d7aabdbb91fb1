import {
  closeSync,
  constants,
  fchmodSync,
  fsyncSync,
  linkSync,
  lstatSync,
  openSync,
  renameSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { errorCode } from './file-error.ts';

export interface ReplaceOptions {
  /** Of the new file, whatever the umask. Default 0600. */
  mode?: number;
  /** Whether the umask may take rights away from it all the same. Default false. */
  isMasked?: boolean;
  /** Whether it has to outlive a loss of power. Default true. */
  isSynced?: boolean;
  /** Whether there must be nothing of that name: then `commit` throws EEXIST, and what is there stays. Default false. */
  isNew?: boolean;
}

/**
 * Puts a file in the place of what has the name, in one step: a reader sees the old one or the new one, never half of
 * one, and a failure leaves the old one. A link of that name is replaced and not followed.
 *
 * @throws What the file system throws.
 */
export function replaceFile(path: string, content: string | Uint8Array, options: ReplaceOptions = {}): void {
  const replacement = new Replacement(path, options);
  try {
    replacement.write(content);
    replacement.commit();
  } catch (error) {
    replacement.discard();
    throw error;
  }
}

/** A file that is written beside the one that it replaces, piece by piece. */
export class Replacement {
  readonly #path: string;
  readonly #beside: string;
  readonly #isSynced: boolean;
  readonly #isNew: boolean;
  #descriptor: number | null;
  size = 0;

  /** @throws What the file system throws. */
  constructor(path: string, { mode = 0o600, isMasked = false, isSynced = true, isNew = false }: ReplaceOptions = {}) {
    this.#path = path;
    this.#isSynced = isSynced;
    this.#isNew = isNew;
    const { file, descriptor } = createBeside(path, isMasked ? mode : 0o600);
    this.#beside = file;
    this.#descriptor = descriptor;
    try {
      if (!isMasked) fchmodSync(descriptor, mode);
    } catch (error) {
      this.discard();
      throw error;
    }
  }

  write(piece: string | Uint8Array): void {
    if (this.#descriptor === null) return;
    const bytes = typeof piece === 'string' ? Buffer.from(piece) : piece;
    for (let at = 0; at < bytes.length;) at += writeSync(this.#descriptor, bytes, at);
    this.size += bytes.length;
  }

  commit(): void {
    if (this.#descriptor === null) return;
    if (this.#isSynced) fsyncSync(this.#descriptor);
    this.#close();
    if (this.#isNew) putInFreePlace(this.#beside, this.#path);
    else renameSync(this.#beside, this.#path);
  }

  /** Leaves what was there; harmless after `commit`. */
  discard(): void {
    this.#close();
    try {
      unlinkSync(this.#beside);
    } catch {
      // It was renamed, or could not be made.
    }
  }

  #close(): void {
    if (this.#descriptor !== null) closeSync(this.#descriptor);
    this.#descriptor = null;
  }
}

/** A link refuses a name that is taken, in one step; a rename would take it. */
function putInFreePlace(from: string, to: string): void {
  try {
    linkSync(from, to);
    unlinkSync(from);
  } catch (error) {
    // Some file systems have no links: there, whoever takes the name between these two lines loses it.
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].includes(errorCode(error) ?? '')) throw error;
    if (lstatSync(to, { throwIfNoEntry: false }) !== undefined)
      throw Object.assign(new Error('EEXIST'), { code: 'EEXIST' });
    renameSync(from, to);
  }
}

/** A new file under a name that nobody can have prepared: what is there already is left alone. */
function createBeside(path: string, mode: number): { file: string; descriptor: number } {
  for (;;) {
    // The name must only be free: O_EXCL refuses whatever somebody put there, a link too.
    const file = join(dirname(path), `.cllm-${Math.random().toString(36).slice(2, 12)}.tmp`);
    try {
      const flags = constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW | constants.O_WRONLY;
      return { file, descriptor: openSync(file, flags, mode) };
    } catch (error) {
      if (errorCode(error) !== 'EEXIST') throw error;
    }
  }
}
