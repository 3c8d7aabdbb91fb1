import { constants } from 'node:fs';
import { open, realpath, stat, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { errorCode, failureReason } from '../files/file-error.ts';
import { CllmError, UsageError } from '../outcome/errors.ts';
import type { ProcessIdentity } from '../files/process-identity.ts';
import { Replacement } from '../files/replace-file.ts';
import { type BatchResult, keyOf, lineKeyOf, parseResult, resultLine, resultStart } from './batch-result.ts';
import { lockFile } from '../files/file-lock.ts';
import { KeySet } from './key-set.ts';
import { readLines } from './lines.ts';
import { withoutFinal } from '../protocol/fold-lines.ts';

export interface ResultsFileOptions {
  identity: ProcessIdentity;
  /** The file that the items come from, so that it is not taken for the output; null for standard input. */
  inputFile: string | null;
  /** Whether this run tries the item of a failed result again: the result is taken out, and a new one comes. */
  isTriedAgain: (result: BatchResult) => boolean;
  /** Told of each result that stays. */
  onKept: (result: BatchResult) => void;
}

interface Waiting {
  line: string;
  resolve: () => void;
  reject: (error: unknown) => void;
}

/** Node has four threads for files: one stays free for writing and reading. */
const mostSyncs = 3;

/**
 * The output of a batch: a result a line, in order of completion. What `append` has resolved for is on the disk. There is
 * one writer at a time, each item has one result at most, and a line that a crash tore is repaired at the next opening.
 */
export class ResultsFile {
  /** Without symbolic links. */
  readonly path: string;
  readonly #handle: FileHandle;
  readonly #release: () => void;
  readonly #done: KeySet;
  #size: number;
  #waiting: Waiting[] = [];
  readonly #syncing = new Set<Promise<void>>();
  #writing: Promise<void> | null = null;

  private constructor(file: string, handle: FileHandle, release: () => void, done: KeySet, size: number) {
    this.path = file;
    this.#handle = handle;
    this.#release = release;
    this.#done = done;
    this.#size = size;
  }

  /**
   * @throws UsageError when the file is the input, or holds anything else than results: it is left as it was
   * @throws CllmError `output_failed` when it can not be written, or another process writes it
   */
  static async open(name: string, options: ResultsFileOptions): Promise<ResultsFile> {
    const file = await resolved(name);
    if (options.inputFile !== null && (await isSameFile(file, options.inputFile))) {
      throw new UsageError(`-o ${name} is the input itself`, { hint: 'name another file for the results' });
    }
    let release = (): void => {};
    try {
      release = lockFile(file, options.identity);
      const { done, size } = await takeUp(file, name, options);
      const isNew = size === 0;
      // Replies may be confidential, so a new file is its owner's alone; an old one's mode was somebody's choice.
      const handle = await open(
        file,
        constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW,
        0o600,
      );
      if (isNew) await syncDirectory(file);
      return new ResultsFile(file, handle, release, done, size);
    } catch (error) {
      release();
      if (error instanceof CllmError) throw error;
      throw isMisnamed(error) ? misnamed(name, error) : failed(name, error);
    }
  }

  /** Whether the file has the result of that item. */
  has(item: { custom_id: string | null; line: number; input_digest: string | null }): boolean {
    return this.#done.has(keyOf(item));
  }

  /** Whether the file has the result of that line, as it is now or as it was. */
  hasLine(item: { line: number }): boolean {
    return this.#done.has(lineKeyOf(item));
  }

  /**
   * Resolves when the result is on the disk. Results that come together share a write and a sync, and syncs overlap: a
   * disk that is slow to answer costs each item one wait, and not one for those before it as well.
   */
  append(result: BatchResult): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ line: resultLine(result), resolve, reject });
      this.#writing ??= this.#writeAll();
    });
  }

  async close(): Promise<void> {
    while (this.#writing !== null || this.#syncing.size > 0) await Promise.all([this.#writing, ...this.#syncing]);
    await this.#handle.close();
    this.#release();
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      if (this.#syncing.size >= mostSyncs) await Promise.race(this.#syncing);
      const results = this.#waiting.splice(0);
      const bytes = Buffer.from(results.map(({ line }) => line).join(''));
      try {
        for (let at = 0; at < bytes.length;) at += (await this.#handle.write(bytes, at)).bytesWritten;
        this.#size += bytes.length;
        const syncing = this.#sync(results);
        this.#syncing.add(syncing);
        void syncing.finally(() => this.#syncing.delete(syncing));
      } catch (error) {
        // A full disk takes half a line: without it, what is there stays whole.
        await this.#handle.truncate(this.#size).catch(() => {});
        for (const { reject } of results) reject(failed(this.path, error));
      }
    }
    this.#writing = null;
  }

  async #sync(results: readonly Waiting[]): Promise<void> {
    try {
      await this.#handle.datasync();
      for (const { resolve } of results) resolve();
    } catch (error) {
      for (const { reject } of results) reject(failed(this.path, error));
    }
  }
}

/** The results of a file, one by one. */
export async function* readResults(file: string): AsyncGenerator<BatchResult, void, undefined> {
  const handle = await open(file);
  try {
    for await (const { text } of readLines(handle.createReadStream({ autoClose: false }))) {
      const result = text === null ? null : parseResult(text);
      if (result !== null) yield result;
    }
  } finally {
    await handle.close();
  }
}

/** Reads what earlier runs left, and takes out of it what this run does again. */
async function takeUp(
  file: string,
  name: string,
  { isTriedAgain, onKept }: ResultsFileOptions,
): Promise<{ done: KeySet; size: number }> {
  const done = new KeySet();
  const handle = await openOrNull(file);
  if (handle === null) return { done, size: 0 };
  try {
    if (!(await handle.stat()).isFile()) {
      throw new UsageError(`-o ${name} is no regular file`, { hint: 'results are read back and synced: name a file' });
    }
    const dropped: number[] = [];
    let size = 0;
    let lacksNewline = false;
    for await (const line of readLines(handle.createReadStream({ autoClose: false, start: 0 }), { isLossy: true })) {
      const result = line.text === null ? null : parseResult(line.text);
      if (result === null) {
        if (line.text !== null && !line.isTerminated && isTorn(line.text)) break;
        throw foreign(name, line.number);
      }
      size = line.endsAt;
      lacksNewline = !line.isTerminated;
      if ((result.is_error && isTriedAgain(result)) || !done.add(keyOf(result))) {
        dropped.push(line.number);
        continue;
      }
      if (result.custom_id === null) done.add(lineKeyOf(result));
      onKept(result);
    }
    if (dropped.length > 0) return { done, size: await rewrite(file, handle, new Set(dropped), size) };
    if (size < (await handle.stat()).size) await handle.truncate(size);
    if (lacksNewline) size += (await handle.write('\n', size)).bytesWritten;
    await handle.datasync();
    return { done, size };
  } finally {
    await handle.close();
  }
}

/** Writes the file again without some lines: beside it first, then in its place, so that a crash leaves one or the other. */
async function rewrite(file: string, source: FileHandle, dropped: ReadonlySet<number>, end: number): Promise<number> {
  const { mode } = await source.stat();
  const replacement = new Replacement(file, { mode: mode & 0o777 });
  try {
    for await (const line of readLines(source.createReadStream({ autoClose: false, start: 0, end: end - 1 }))) {
      if (!dropped.has(line.number)) replacement.write(`${line.text ?? ''}\n`);
    }
    replacement.commit();
  } catch (error) {
    replacement.discard();
    throw error;
  }
  await syncDirectory(file);
  return replacement.size;
}

/** What a crash left of a line of ours: its beginning, or zeros that a file system put where nothing was written yet. */
export function isTorn(text: string): boolean {
  const begun = withoutFinal('\0', text);
  return begun.startsWith(resultStart) || resultStart.startsWith(begun);
}

/** The file that a name leads to, so that two names of it have one lock. */
export async function resolved(name: string): Promise<string> {
  try {
    return await realpath(name);
  } catch {
    try {
      return path.join(await realpath(path.dirname(name)), path.basename(name));
    } catch (error) {
      throw isMisnamed(error) ? misnamed(name, error) : failed(name, error);
    }
  }
}

async function isSameFile(one: string, other: string): Promise<boolean> {
  try {
    const [a, b] = await Promise.all([stat(one), stat(other)]);
    return a.dev === b.dev && a.ino === b.ino;
  } catch {
    return false;
  }
}

async function openOrNull(file: string): Promise<FileHandle | null> {
  try {
    // Without waiting for the other end of a pipe that has this name, and not through a link that was put there meanwhile.
    return await open(file, constants.O_RDWR | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  }
}

/** A new name is durable once its directory is. */
export async function syncDirectory(file: string): Promise<void> {
  const directory = await open(path.dirname(file));
  try {
    await directory.sync();
  } catch (error) {
    // Some file systems can not sync a directory, and have nothing to sync.
    if (!['EINVAL', 'ENOTSUP', 'EPERM'].includes(errorCode(error) ?? '')) throw error;
  } finally {
    await directory.close();
  }
}

function foreign(name: string, line: number): UsageError {
  return new UsageError(`-o ${name} holds something else: line ${line} is no result of a batch`, {
    code: 'input_invalid',
    hint: 'nothing was changed in it; name another file for the results',
  });
}

/** Nothing was begun, and nothing could be: the name is what is wrong. */
function isMisnamed(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR', 'EISDIR', 'ELOOP'].includes(errorCode(error) ?? '');
}

function misnamed(name: string, cause: unknown): UsageError {
  return new UsageError(`-o ${name} can not be written (${failureReason(cause)})`, {
    code: 'input_invalid',
    cause,
    hint: 'name a file in a directory that exists and is yours',
  });
}

function failed(name: string, cause: unknown): CllmError {
  return new CllmError('output_failed', `${name} can not be written (${failureReason(cause)})`, {
    cause,
    hint: 'check the directory and the free space; what is in the file stays, and running again goes on from there',
  });
}
