import { randomUUID } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { errorCode } from '../files/file-error.ts';
import { replaceFile } from '../files/replace-file.ts';

/** The name of a run: by it a batch that goes on finds what an earlier try of it left in the queue. */
export interface RunId {
  id: string;
  /** Whether there may be something. */
  isOld: boolean;
  /** Forgets it: there is nothing left in the queue. */
  forget: () => void;
}

/**
 * Of the results in that file, kept beside it. Whatever else stands there under that name is replaced.
 *
 * @throws What the file system throws.
 */
export function runIdOf(resultsFile: string): RunId {
  const file = path.join(path.dirname(resultsFile), `.${path.basename(resultsFile)}.queue-run`);
  const forget = (): void => rmSync(file, { force: true });
  const found = readRunId(file);
  if (found !== null) return { id: found, isOld: true, forget };
  const id = randomUUID();
  replaceFile(file, `${id}\n`);
  return { id, isOld: false, forget };
}

function readRunId(file: string): string | null {
  let descriptor: number;
  try {
    // A repository may hold anything of this name: neither a link nor a pipe is followed.
    descriptor = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ELOOP') return null;
    throw error;
  }
  try {
    const stats = fstatSync(descriptor);
    const text = stats.isFile() && stats.size < 100 ? readFileSync(descriptor, 'utf8').trim() : '';
    return /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/.test(text) ? text : null;
  } finally {
    closeSync(descriptor);
  }
}
