import { appendFileSync, closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import path from 'node:path';
import { createPrivateFile, securePrivateDirectory, securePrivateFile } from '../../../files/private-files.ts';
import { replaceFile } from '../../../files/replace-file.ts';
import { readTrustedFile } from '../../../files/trusted-file.ts';

/** As many prompts are kept, the latest. */
const most = 1000;

/** More than so many prompts ever are: the wrong file. */
const mostBytes = 256 * 1024 * 1024;

/**
 * The prompts that were typed, for the arrow keys of the next chat: one JSON string a line, in a file that only its owner
 * can read. It is a convenience: whatever keeps it from being read or written is no failure of the chat.
 */
export class PromptHistory {
  readonly #file: string | null;
  readonly #uid: number | null;

  /** @param file null keeps nothing (`--ephemeral`) */
  constructor(file: string | null, uid: number | null) {
    this.#file = file;
    this.#uid = uid;
  }

  read(): string[] {
    if (this.#file === null) return [];
    try {
      securePrivateFile(this.#file, this.#uid);
      const file = readTrustedFile(this.#file, { uid: this.#uid, mostBytes });
      const lines = (file?.bytes.toString('utf8') ?? '').split('\n').filter((line) => line !== '');
      const kept = lines.slice(-most);
      if (lines.length > 2 * most) this.#shorten(this.#file, kept);
      return kept.flatMap(promptOf);
    } catch {
      return [];
    }
  }

  add(prompt: string): void {
    if (this.#file === null) return;
    try {
      securePrivateDirectory(path.dirname(this.#file), this.#uid);
      const created = createPrivateFile(this.#file);
      if (created === null) securePrivateFile(this.#file, this.#uid);
      const flags = constants.O_RDWR | constants.O_APPEND | constants.O_NOFOLLOW | constants.O_NONBLOCK;
      const descriptor = created ?? openSync(this.#file, flags);
      try {
        appendFileSync(descriptor, `${isTorn(descriptor) ? '\n' : ''}${JSON.stringify(prompt)}\n`);
      } finally {
        closeSync(descriptor);
      }
    } catch {
      // The turn itself is in the history.
    }
  }

  #shorten(file: string, lines: readonly string[]): void {
    try {
      replaceFile(file, lines.map((line) => `${line}\n`).join(''), { isSynced: false });
    } catch {
      // It stays long, and is read all the same.
    }
  }
}

/** The prompt of a line; none of one that was torn when its disk was full or its process ended. */
function promptOf(line: string): string[] {
  try {
    const prompt: unknown = JSON.parse(line);
    return typeof prompt === 'string' ? [prompt] : [];
  } catch {
    return [];
  }
}

/** Whether the last line has no end: what is added would be lost with it. */
function isTorn(descriptor: number): boolean {
  const { size } = fstatSync(descriptor);
  const last = Buffer.alloc(1);
  return size > 0 && readSync(descriptor, last, 0, 1, size - 1) === 1 && last[0] !== 0x0a;
}
