import {
  closeSync,
  constants,
  createReadStream,
  fstatSync,
  openSync,
  readFileSync,
  readSync,
  type Stats,
} from 'node:fs';
import { Socket } from 'node:net';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { errorCode, failureReason } from '../../files/file-error.ts';
import { InterruptedError, UsageError } from '../../outcome/errors.ts';
import type { Input, Io } from '../io.ts';
import { remark } from '../views/report.ts';

/** How long a pipe may stay silent before a person is told what is being waited for. */
const noticeAfterMs = 2000;
/** How often a pipe that nobody reads yet is tried again. */
const retryAfterMs = 50;

/**
 * All bytes of a file that the user named: a regular one, or a pipe (`<(command)`, mkfifo), for whose writer
 * it waits, or standard input (`-`, /dev/stdin), whose claim is in claimed-input.ts. What waits is never a system call that blocks, so a signal ends it.
 *
 * @param what names it in messages: `-f notes.txt`
 * @throws UsageError `input_invalid` when it can not be read, is neither file nor pipe, or is larger than `mostBytes`
 * @throws InterruptedError after a signal
 */
export async function readNamedFile(
  name: string,
  what: string,
  io: Pick<Io, 'cwd' | 'signal' | 'stderr' | 'stdin'>,
  { mostBytes = 256 * 1024 * 1024, hint = 'check the path' }: { mostBytes?: number | undefined; hint?: string } = {},
): Promise<Buffer> {
  const refused = (why: string, cause?: unknown): UsageError =>
    new UsageError(`${what}: ${why}`, { code: 'input_invalid', hint, cause });
  const tooLarge = (size: string): UsageError => refused(`has ${size} bytes; the limit is ${mostBytes}`);
  const whole = async (bytes: AsyncIterable<Uint8Array>): Promise<Buffer> => {
    const pieces: Uint8Array[] = [];
    let length = 0;
    for await (const piece of bytes) {
      length += piece.length;
      if (length > mostBytes) throw tooLarge(`more than ${mostBytes}`);
      pieces.push(piece);
    }
    return Buffer.concat(pieces, length);
  };
  try {
    const file = path.resolve(io.cwd, name);
    // A pipe or a terminal gives each byte once; a socket has no second opening at all.
    if (name === '-' || (io.stdin.kind !== 'file' && io.stdin.isNamed(file))) {
      return await once(io.stdin, () => whole(inputBytes(what, io)));
    }
    const { descriptor, stats } = openToRead(file);
    if (stats.isFIFO()) return await whole(pipeBytes(descriptor, what, io));
    try {
      // /dev/null is an empty file to whoever names it; other devices never end.
      if (stats.isCharacterDevice() && readSync(descriptor, Buffer.alloc(1)) === 0) return Buffer.alloc(0);
      if (!stats.isFile()) throw refused(stats.isDirectory() ? 'cannot be read (EISDIR)' : 'is no file');
      if (stats.size > mostBytes) throw tooLarge(`${stats.size}`);
      return readFileSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    if (error instanceof UsageError || error instanceof InterruptedError) throw error;
    throw refused(`cannot be read (${failureReason(error)})`, error);
  }
}

/** What standard input held: a flag may be read more than once in a run, by each request say. */
const inputs = new WeakMap<Input, Promise<Buffer>>();

function once(input: Input, read: () => Promise<Buffer>): Promise<Buffer> {
  const bytes = inputs.get(input) ?? read();
  inputs.set(input, bytes);
  return bytes;
}

/**
 * The bytes of such a file as they come, for one that may be larger than the memory.
 *
 * @param file absolute
 */
export async function* namedFileBytes(
  file: string,
  what: string,
  io: Pick<Io, 'signal' | 'stderr'>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { descriptor, stats } = openToRead(file);
  if (stats.isFIFO()) yield* pipeBytes(descriptor, what, io);
  else yield* createReadStream(file, { fd: descriptor }) as AsyncIterable<Uint8Array>;
}

/**
 * Writes to a pipe that the user named, as soon as somebody reads it.
 *
 * @throws InterruptedError after a signal
 */
export async function writeToPipe(
  file: string,
  content: string | Uint8Array,
  what: string,
  io: Pick<Io, 'signal' | 'stderr'>,
): Promise<void> {
  const { signal, stderr } = io;
  const timer = setTimeout(() => void remark(stderr, `waiting for a reader of ${what}`), noticeAfterMs);
  let descriptor: number;
  try {
    descriptor = await openToWrite(file, what, signal);
  } finally {
    // From here on there is a reader, however slow.
    clearTimeout(timer);
  }
  await writeAll(descriptor, content, what, signal);
}

async function writeAll(
  descriptor: number,
  content: string | Uint8Array,
  what: string,
  signal: AbortSignal,
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const pipe = new Socket({ fd: descriptor, readable: false, writable: true });
    const stop = (): void => void pipe.destroy(interrupted(signal, `${what} was written`));
    signal.addEventListener('abort', stop);
    pipe.once('error', reject);
    pipe.once('close', () => {
      signal.removeEventListener('abort', stop);
      resolve();
    });
    pipe.end(content);
  });
}

/** Without O_NONBLOCK a pipe without a writer would hold the whole program until it has one. */
function openToRead(file: string): { descriptor: number; stats: Stats } {
  const descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    return { descriptor, stats: fstatSync(descriptor) };
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

async function openToWrite(file: string, what: string, signal: AbortSignal): Promise<number> {
  for (;;) {
    if (signal.aborted) throw interrupted(signal, `${what} had no reader`);
    try {
      return openSync(file, constants.O_WRONLY | constants.O_NONBLOCK);
    } catch (error) {
      // ENXIO: nobody reads it yet.
      if (errorCode(error) !== 'ENXIO') throw error;
    }
    await delay(retryAfterMs, undefined, { signal }).catch(() => {});
  }
}

/** Standard input, for whoever reads it to its end and may be stopped before. */
export function inputBytes(
  what: string,
  { stdin, signal, stderr }: Pick<Io, 'stdin' | 'signal' | 'stderr'>,
): AsyncGenerator<Uint8Array, void, undefined> {
  return watched(stdin.bytes(), () => stdin.close(), what, { signal, stderr });
}

/**
 * Read by the event loop and not by a thread: one that is stuck in a read could not be freed, and would keep even
 * `process.exit` waiting. The end comes when the last writer has left, not as long as there was none.
 */
function pipeBytes(
  descriptor: number,
  what: string,
  io: Pick<Io, 'signal' | 'stderr'>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const pipe = new Socket({ fd: descriptor, readable: true, writable: false });
  return watched(pipe as AsyncIterable<Uint8Array>, () => void pipe.destroy(), what, io);
}

async function* watched(
  bytes: AsyncIterable<Uint8Array>,
  close: () => void,
  what: string,
  { signal, stderr }: Pick<Io, 'signal' | 'stderr'>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const timer = setTimeout(() => void remark(stderr, `waiting for ${what}`), noticeAfterMs);
  if (signal.aborted) close();
  signal.addEventListener('abort', close);
  try {
    for await (const piece of bytes) {
      clearTimeout(timer);
      yield piece;
    }
  } catch (error) {
    // Closing a stream ends its iteration with an error of its own.
    if (!signal.aborted) throw error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', close);
    close();
  }
  if (signal.aborted) throw interrupted(signal, `${what} was read`, 'try again');
}

function interrupted(signal: AbortSignal, when: string, hint?: string): InterruptedError {
  const reason: unknown = signal.reason;
  return new InterruptedError(reason instanceof InterruptedError ? reason.signal : null, `interrupted while ${when}`, {
    hint,
  });
}
