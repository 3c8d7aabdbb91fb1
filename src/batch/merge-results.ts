import { hash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import path from 'node:path';
import { setImmediate as breath } from 'node:timers/promises';
import { binaryName } from '../files/content-kind.ts';
import { errorCode, failureReason } from '../files/file-error.ts';
import { isHeld, writerOf } from '../files/file-lock.ts';
import type { ProcessIdentity } from '../files/process-identity.ts';
import { Replacement } from '../files/replace-file.ts';
import { CllmError, UsageError } from '../outcome/errors.ts';
import type { BatchItem } from './batch-item.ts';
import { type BatchResult, keyOf, lineKeyOf, parseResult } from './batch-result.ts';
import { KeySet } from './key-set.ts';
import { readLines } from './lines.ts';
import { MergeIndex } from './merge-index.ts';
import { isTorn, resolved, syncDirectory } from './results-file.ts';

export interface MergePlan {
  /** The files of the parts, as the user named them, from `cwd`. */
  parts: readonly string[];
  cwd: string;
  /** Absolute; nothing may be there. */
  output: string;
  /** The items that there should be results of; null when nobody says. */
  items: AsyncIterable<BatchItem> | null;
  identity: ProcessIdentity;
  signal: AbortSignal;
  /** Told of each result that is in the merged file. */
  onMerged: (result: BatchResult) => void;
}

/** Items of one kind: how many, and the lines of the first. */
export interface Found {
  count: number;
  lines: number[];
}

export interface MergeReport {
  /** How many parts were read: a file that was named twice is one. */
  parts: number;
  /** Items of the input that have no result; null without an input. */
  missing: Found | null;
  /** With two replies that went well and are not the same: the first is kept. */
  twofold: Found;
  /** Of items that the input does not have: left out. */
  foreign: Found;
  /** Parts whose last line a crash tore: left out. */
  torn: string[];
}

const mostExamples = 20;
/** After so many lines the process looks whether it was told to end. */
const linesPerBreath = 1000;

/**
 * Makes one results file of those of several shards: a result an item, in the order of the input. Each line is checked as
 * `ResultsFile` would; a result that went well takes the place of one that failed. Holds about 100 bytes an item, and one
 * line at a time.
 *
 * @throws UsageError for a part that is none, for parts of different inputs, and when the output is there already; then
 * nothing is written
 * @throws CllmError `output_failed` when the output can not be written, or a part is being written
 * @throws the reason of the signal
 */
export async function mergeResults(plan: MergePlan): Promise<MergeReport> {
  const parts = new Parts();
  try {
    for (const name of plan.parts) await parts.open(name, plan);
    const merge = new Merge(plan, parts);
    await merge.read();
    await merge.compare();
    await merge.write();
    return merge.report();
  } finally {
    parts.close();
  }
}

interface Part {
  name: string;
  descriptor: number;
}

/** The files that are merged, each open from the beginning to the end: what has the name meanwhile does not matter. */
class Parts {
  readonly all: Part[] = [];
  readonly #known = new Set<string>();

  async open(name: string, { cwd, identity }: MergePlan): Promise<void> {
    let descriptor: number;
    try {
      // Without waiting for the other end of a pipe of this name.
      descriptor = openSync(path.resolve(cwd, name), constants.O_RDONLY | constants.O_NONBLOCK);
    } catch (cause) {
      throw unreadable(name, failureReason(cause), cause);
    }
    const stats = fstatSync(descriptor);
    const binary = stats.isFile() ? binaryName(readRange(descriptor, 0, 1024)) : null;
    if (binary !== null) {
      closeSync(descriptor);
      throw new UsageError(`${name} is no part of a batch: it is ${binary.name}`, {
        code: 'input_invalid',
        hint: 'nothing was written; unpack it first: a part is JSON lines, as the batch wrote them',
      });
    }
    const key = `${stats.dev} ${stats.ino}`;
    if (!stats.isFile() || this.#known.has(key)) {
      closeSync(descriptor);
      if (!stats.isFile()) throw unreadable(name, 'no regular file');
      return;
    }
    this.#known.add(key);
    this.all.push({ name, descriptor });
    const file = await resolved(path.resolve(cwd, name));
    const writer = writerOf(file, identity);
    if (writer !== null) throw isHeld(name, writer);
  }

  close(): void {
    for (const { descriptor } of this.all.splice(0)) closeSync(descriptor);
  }
}

class Merge {
  readonly #plan: MergePlan;
  readonly #parts: readonly Part[];
  readonly #keys = new KeySet({ hasPlaces: true });
  readonly #index = new MergeIndex();
  readonly #report: MergeReport;

  constructor(plan: MergePlan, { all }: Parts) {
    this.#plan = plan;
    this.#parts = all;
    this.#report = { parts: all.length, missing: null, twofold: none(), foreign: none(), torn: [] };
  }

  /** Each line of each part: which item it is of, and where it stands. */
  async read(): Promise<void> {
    const lines = new KeySet();
    for (const [at, part] of this.#parts.entries()) {
      let endsAt = 0;
      for await (const line of readLines(bytesOf(part.descriptor))) {
        const startsAt = endsAt;
        ({ endsAt } = line);
        if (line.number % linesPerBreath === 0) await this.#breathe();
        const result = line.text === null ? null : parseResult(line.text);
        if (line.text === null || result === null) {
          if (!line.isTerminated && isTorn(beginOf(part, startsAt, endsAt))) {
            this.#report.torn.push(part.name);
            break;
          }
          throw noResult(part.name, line.number);
        }
        const length = Buffer.byteLength(line.text);
        // The bytes that are no part of the text stand behind it, but for a mark of the byte order.
        const mark = endsAt - startsAt - length >= 3 ? 3 : 0;
        this.#add(result, { part: at, start: startsAt + mark, length, digest: digestOf(line.text) }, lines);
      }
    }
    if (this.#index.size === 0) {
      throw new UsageError('the parts hold no result', {
        code: 'input_invalid',
        hint: 'name the files that the shards wrote: cllm batch merge part-*.jsonl -o all.jsonl',
      });
    }
  }

  #add(
    result: BatchResult,
    place: { part: number; start: number; length: number; digest: bigint },
    lines: KeySet,
  ): void {
    const { custom_id: name, line, is_error: isError } = result;
    const key = keyOf(result);
    const known = this.#keys.placeOf(key);
    if (known === null) {
      // Without an input nobody can tell which of two texts the line has.
      if (name === null && !lines.add(lineKeyOf(result)) && this.#plan.items === null) throw differentInputs(line);
      this.#keys.add(key);
      this.#index.add({ ...place, line, isError });
      return;
    }
    if (this.#index.isError(known) && !isError) this.#index.replace(known, { ...place, line, isError });
    else if (!isError && this.#index.digest(known) !== place.digest && this.#index.markTwofold(known)) {
      note(this.#report.twofold, line);
    }
  }

  /** What the input has, against what there is. */
  async compare(): Promise<void> {
    const { items } = this.#plan;
    if (items === null) return;
    const missing = (this.#report.missing = none());
    let count = 0;
    for await (const item of items) {
      count += 1;
      if (count % linesPerBreath === 0) await this.#breathe();
      const known = this.#keys.placeOf(keyOfItem(item));
      if (known === null) note(missing, item.line);
      // The line it has now is its place, also where it had another one when it was asked.
      else this.#index.want(known, item.line);
    }
    for (let at = 0; at < this.#index.size; at += 1) {
      if (!this.#index.isWanted(at)) note(this.#report.foreign, this.#index.line(at));
    }
  }

  async write(): Promise<void> {
    const { output, items, onMerged } = this.#plan;
    let replacement: Replacement;
    try {
      replacement = new Replacement(output, { isNew: true });
    } catch (error) {
      throw unwritten(output, error);
    }
    try {
      let written = 0;
      for (const at of this.#index.order()) {
        if (items !== null && !this.#index.isWanted(at)) continue;
        written += 1;
        if (written % linesPerBreath === 0) await this.#breathe();
        const text = this.#textOf(at);
        const result = parseResult(text);
        if (result !== null) onMerged(result);
        replacement.write(`${text}\n`);
      }
      replacement.commit();
      await syncDirectory(output);
    } catch (error) {
      replacement.discard();
      if (error instanceof CllmError) throw error;
      throw unwritten(output, error);
    }
  }

  report(): MergeReport {
    return this.#report;
  }

  /** @throws CllmError when the part has been changed since it was read */
  #textOf(at: number): string {
    const { part: place, start, length, digest } = this.#index.place(at);
    const part = this.#parts[place] as Part;
    const text = readRange(part.descriptor, start, length).toString('utf8');
    if (digestOf(text) === digest) return text;
    throw new CllmError('output_failed', `${part.name} was changed while it was merged`, {
      hint: 'nothing was written; merge again when nothing writes the parts any more',
    });
  }

  async #breathe(): Promise<void> {
    await breath();
    this.#plan.signal.throwIfAborted();
  }
}

function keyOfItem({ customId, line, digest }: BatchItem): string {
  return keyOf({ custom_id: customId, line, input_digest: customId === null ? digest : null });
}

function digestOf(text: string): bigint {
  return hash('sha256', text, 'buffer').readBigUInt64LE(0);
}

async function* bytesOf(descriptor: number): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0; ;) {
    // A new one each time: the lines keep pieces of it.
    const buffer = Buffer.allocUnsafe(64 * 1024);
    const read = readSync(descriptor, buffer, 0, buffer.length, at);
    if (read === 0) return;
    at += read;
    yield buffer.subarray(0, read);
  }
}

/** As much of a line as tells whether it is a torn one of ours. */
function beginOf(part: Part, start: number, end: number): string {
  return readRange(part.descriptor, start, Math.min(end - start, 64)).toString('utf8');
}

function readRange(descriptor: number, start: number, length: number): Buffer {
  const buffer = Buffer.allocUnsafe(length);
  let at = 0;
  while (at < length) {
    const read = readSync(descriptor, buffer, at, length - at, start + at);
    if (read === 0) break;
    at += read;
  }
  return buffer.subarray(0, at);
}

function none(): Found {
  return { count: 0, lines: [] };
}

function note(found: Found, line: number): void {
  found.count += 1;
  if (found.lines.length < mostExamples) found.lines.push(line);
}

function unreadable(name: string, reason: string, cause?: unknown): UsageError {
  return new UsageError(`${name}: can not be read (${reason})`, {
    code: 'input_invalid',
    cause,
    hint: /[*?[]/.test(name)
      ? 'the shell found no file of such a name; look where the shards wrote theirs'
      : 'name the files that the shards wrote, each a file on the disk: they are read twice',
  });
}

function noResult(name: string, line: number): UsageError {
  return new UsageError(`${name} is no part of a batch: its line ${line} is no result, or a damaged one`, {
    code: 'input_invalid',
    hint: 'nothing was written; leave the file out, or take the line out: what is missing then can be asked for again',
  });
}

function differentInputs(line: number): UsageError {
  return new UsageError(
    `the parts are of different inputs: line ${line} says one thing in one and another in another`,
    {
      code: 'input_invalid',
      hint: 'nothing was written; merge parts of one run, or name the input that holds: --input FILE',
    },
  );
}

function unwritten(output: string, cause: unknown): CllmError {
  if (errorCode(cause) === 'EEXIST') return isThere(path.basename(output));
  return new CllmError('output_failed', `${output} can not be written (${failureReason(cause)})`, {
    cause,
    hint: 'name a file in a directory that exists and has room; the parts are as they were',
  });
}

/** Of an output that is there already. */
export function isThere(name: string): UsageError {
  return new UsageError(`-o ${name} is there already, and stays as it is`, {
    hint: 'name another file, or remove it first',
  });
}
