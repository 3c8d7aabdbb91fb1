import { closeSync, constants, ftruncateSync, unlinkSync, writeSync } from 'node:fs';
import { errorCode, failureReason } from '../files/file-error.ts';
import { CllmError, UsageError } from '../outcome/errors.ts';
import { createPrivateFile } from '../files/private-files.ts';
import type { StreamEnd } from '../protocol/verdict.ts';
import { FileWindow } from './file-window.ts';
import { readEnd, readHead } from './recorded-facts.ts';

/*
 * The one format for the bytes of a reply, written by the journal and by `--record`, read by `replay` and `recover`:
 *
 *   cllm-recording 1\n
 *   meta {json}\n
 *   head <ms> {json}\n             the response's status, headers and URL; a later head starts the reply again
 *   read <ms> <length>\n<bytes>\n  what one read of the socket gave, as it came
 *   end <ms> {json}\n              how the stream ended
 *
 * Times are milliseconds since the recording was begun. Bytes are not encoded and not looked at: a length before them
 * tells a whole read from a torn one, costs no CPU on the way from the socket to the screen, and leaves a recording that
 * `less` can show.
 */
const signature = 'cllm-recording 1';

/** What is known of the response before its body. Headers are an allow-list: no keys, no cookies. */
export interface RecordedHead {
  status: number;
  headers: Record<string, string>;
  url: string;
  /** Bytes that the run took at the most, of the reply and of one event: without them a replay would take more. */
  limits?: { maxReplyBytes?: number; maxEventBytes?: number };
  /** The request's `x-litellm-session-id`; not there when none was sent. */
  session?: string;
}

export interface RecordedRead {
  /** Milliseconds since the recording was begun. */
  atMs: number;
  bytes: Uint8Array;
}

export interface WriterOptions {
  /** Milliseconds that only go forward. Default `performance.now`. */
  clock?: () => number;
}

/**
 * Appends to a new recording; fits as a tap of a stream. Each call is one write and no fsync: what it wrote survives the
 * process, `kill -9` included, and not a loss of power.
 *
 * @throws CllmError `output_failed` when the file can not be written; a write that went half way is taken back first, so
 * that the recording ends with a whole entry.
 */
export class RecordingWriter {
  readonly file: string;
  readonly #clock: () => number;
  readonly #startedAt: number;
  #descriptor: number | null;
  #length = 0;
  /** Where a read is put together for its one write: at each delta a list of pieces would cost more than the copy. */
  #entry: Buffer = Buffer.allocUnsafe(4096);

  /**
   * @param file Must not exist; it is made for its owner alone.
   * @param meta Free facts about the recording.
   * @throws UsageError when the file exists.
   */
  constructor(file: string, meta: Record<string, unknown>, options: WriterOptions = {}) {
    this.file = file;
    this.#clock = options.clock ?? (() => performance.now());
    this.#startedAt = this.#clock();
    // Before the file is made: facts that are too long for one string must not leave an empty one behind.
    const start = Buffer.from(`${signature}\nmeta ${JSON.stringify(meta)}\n`);
    try {
      this.#descriptor = createPrivateFile(file, constants.O_APPEND);
    } catch (error) {
      throw writeFailure(file, error);
    }
    if (this.#descriptor === null)
      throw new UsageError(`${file} exists already`, { hint: 'name another file, or remove that one first' });
    try {
      this.#append(start);
    } catch (error) {
      // A file without its first line is of no use to anybody, and it was made here.
      this.close();
      unlinkSync(file);
      throw error;
    }
  }

  head(head: RecordedHead): void {
    this.#append(Buffer.from(`head ${this.#elapsed()} ${JSON.stringify(head)}\n`));
  }

  read(bytes: Uint8Array): void {
    const line = `read ${this.#elapsed()} ${bytes.length}\n`;
    const length = line.length + bytes.length + 1;
    if (length > this.#entry.length) this.#entry = Buffer.allocUnsafe(length);
    const entry = this.#entry;
    entry.write(line, 'latin1');
    entry.set(bytes, line.length);
    entry[length - 1] = 0x0a;
    this.#append(entry, length);
  }

  end(end: StreamEnd): void {
    this.#append(Buffer.from(`end ${this.#elapsed()} ${JSON.stringify(end)}\n`));
  }

  close(): void {
    if (this.#descriptor !== null) closeSync(this.#descriptor);
    this.#descriptor = null;
  }

  #elapsed(): number {
    return Math.round(this.#clock() - this.#startedAt);
  }

  #append(entry: Buffer, length = entry.length): void {
    if (this.#descriptor === null) return;
    try {
      let written = writeSync(this.#descriptor, entry, 0, length);
      // A regular file takes less than it is given only when it is about to fail: the next write says why.
      while (written < length) written += writeSync(this.#descriptor, entry, written, length - written);
      this.#length += length;
    } catch (error) {
      takeBack(this.#descriptor, this.#length);
      throw writeFailure(this.file, error);
    }
  }
}

export interface Recording {
  meta: Record<string, unknown>;
  /** The last response's head: the one that the reads belong to. Null when none had come. */
  head: RecordedHead | null;
  /** How many responses there were: more than one after retries. */
  heads: number;
  /** Bytes of the last response's body. */
  byteLength: number;
  /** The last response's reads, from the file each time: a reply may be larger than what should be held in memory. */
  reads(): Iterable<RecordedRead>;
  /** How the stream ended; null when the recording stopped before. */
  end: StreamEnd | null;
  endedAtMs: number | null;
  /** Whether the file ends in the middle of an entry, or in something else. What comes before it is sound. */
  isTorn: boolean;
}

/** @throws UsageError `input_invalid` when the file is no recording, or can not be read. */
export function readRecording(file: string): Recording {
  const recording: Recording = {
    meta: {},
    head: null,
    heads: 0,
    byteLength: 0,
    reads: () => readsAfter(file, lastHead),
    end: null,
    endedAtMs: null,
    isTorn: false,
  };
  let lastHead = 0;
  for (const entry of entries(file, false)) {
    switch (entry.type) {
      case 'meta':
        recording.meta = entry.meta;
        break;
      case 'head':
        Object.assign(recording, { head: entry.head, heads: recording.heads + 1, byteLength: 0 });
        lastHead = recording.heads;
        break;
      case 'read':
        recording.byteLength += entry.length;
        break;
      case 'end':
        Object.assign(recording, { end: entry.end, endedAtMs: entry.atMs });
        break;
      case 'torn':
        recording.isTorn = true;
    }
  }
  return recording;
}

/** Whether the file has more than a part of its first line: else its writer was stopped before anything came. */
export function isRecordingBegun(file: string): boolean {
  const source = new FileWindow(file);
  try {
    const length = Math.min(source.size, signature.length + 1);
    const start = Buffer.from(source.take(length, true) ?? []).toString('latin1');
    return start.length > signature.length || !`${signature}\n`.startsWith(start);
  } finally {
    source.close();
  }
}

/** Only the first lines: what a recording is about, without going through its body. Null when they are torn. */
export function readRecordingMeta(file: string): Record<string, unknown> | null {
  for (const entry of entries(file, false)) return entry.type === 'meta' ? entry.meta : null;
  return null;
}

function* readsAfter(file: string, lastHead: number): Generator<RecordedRead> {
  let heads = 0;
  for (const entry of entries(file, true)) {
    if (entry.type === 'head') heads += 1;
    if (entry.type === 'read' && heads === lastHead) yield { atMs: entry.atMs, bytes: entry.bytes };
  }
}

type Entry =
  | { type: 'meta'; meta: Record<string, unknown> }
  | { type: 'head'; atMs: number; head: RecordedHead }
  | { type: 'read'; atMs: number; length: number; bytes: Uint8Array }
  | { type: 'end'; atMs: number; end: StreamEnd }
  | { type: 'torn' };

/** The entries in their order; the last one is `torn` when the file does not end with a whole one. */
function* entries(file: string, withBytes: boolean): Generator<Entry> {
  const source = new FileWindow(file);
  try {
    if (source.line() !== signature) {
      throw new UsageError(`${file} is no recording of cllm`, {
        code: 'input_invalid',
        hint: 'make one: cllm --record FILE "a prompt"',
      });
    }
    while (!source.isAtEnd) {
      const entry = parsedEntry(source, withBytes);
      yield entry;
      if (entry.type === 'torn') return;
    }
  } finally {
    source.close();
  }
}

const entryPattern = /^(?:(meta) (\{.*\})|(head|end) (\d+) (\{.*\})|(read) (\d+) (\d+))$/s;

function parsedEntry(source: FileWindow, withBytes: boolean): Entry {
  const match = entryPattern.exec(source.line() ?? '');
  if (match === null) return { type: 'torn' };
  const [, meta, metaJson = '', headOrEnd, time, json = '', , readTime, length] = match;
  if (readTime !== undefined) {
    const bytes = source.take(Number(length), withBytes);
    if (bytes === null || source.take(1, true)?.[0] !== 0x0a) return { type: 'torn' };
    return { type: 'read', atMs: Number(readTime), length: Number(length), bytes };
  }
  try {
    if (meta !== undefined) return { type: 'meta', meta: JSON.parse(metaJson) as Record<string, unknown> };
    const value: unknown = JSON.parse(json);
    const head = headOrEnd === 'head' ? readHead(value) : null;
    if (head !== null) return { type: 'head', atMs: Number(time), head };
    const end = headOrEnd === 'end' ? readEnd(value) : null;
    return end === null ? { type: 'torn' } : { type: 'end', atMs: Number(time), end };
  } catch {
    return { type: 'torn' };
  }
}

function takeBack(descriptor: number, length: number): void {
  try {
    ftruncateSync(descriptor, length);
  } catch {
    // A torn entry at the end is what readers expect anyway.
  }
}

function writeFailure(file: string, error: unknown): CllmError {
  return new CllmError('output_failed', `${file} can not be written (${failureReason(error)})`, {
    cause: error,
    hint:
      errorCode(error) === 'ENOSPC'
        ? 'free some space and try again'
        : 'name a file in a directory that you can write to',
  });
}
