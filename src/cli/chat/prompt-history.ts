import { appendFileSync, closeSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createPrivateFile, securePrivateDirectory, securePrivateFile } from '../../files/private-files.ts';

/** As many prompts are kept, the latest. */
const most = 1000;

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
      const lines = readFileSync(this.#file, 'utf8')
        .split('\n')
        .filter((line) => line !== '');
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
      if (created !== null) closeSync(created);
      else securePrivateFile(this.#file, this.#uid);
      appendFileSync(this.#file, `${JSON.stringify(prompt)}\n`);
    } catch {
      // The turn itself is in the history.
    }
  }

  #rewrite(file: string, lines: readonly string[]): void {
    const temporary = `${file}.new`;
    writeFileSync(temporary, lines.map((line) => `${line}\n`).join(''), { mode: 0o600, flag: 'wx' });
    renameSync(temporary, file);
  }
}
