import { appendFileSync, closeSync, constants, openSync } from 'node:fs';
import path from 'node:path';
import { createPrivateFile, securePrivateDirectory, securePrivateFile } from '../../files/private-files.ts';
import { replaceFile } from '../../files/replace-file.ts';
import { readTrustedFile } from '../../files/trusted-file.ts';

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
      if (lines.length > 2 * most) this.#rewrite(this.#file, kept);
      return kept.map((line): unknown => JSON.parse(line)).filter((prompt) => typeof prompt === 'string');
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
      const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_NOFOLLOW | constants.O_NONBLOCK;
      const descriptor = created ?? openSync(this.#file, flags);
      try {
        appendFileSync(descriptor, `${JSON.stringify(prompt)}\n`);
      } finally {
        closeSync(descriptor);
      }
    } catch {
      // The turn itself is in the history.
    }
  }

  #rewrite(file: string, lines: readonly string[]): void {
    replaceFile(file, lines.map((line) => `${line}\n`).join(''));
  }
}
