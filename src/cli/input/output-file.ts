import { accessSync, constants, realpathSync, type Stats, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { failureReason } from '../../files/file-error.ts';
import { CllmError, InterruptedError, UsageError } from '../../outcome/errors.ts';
import { replaceFile } from '../../files/replace-file.ts';
import type { Io } from '../io.ts';
import { writeToPipe } from './named-file.ts';

/**
 * The file of `-o`: written whole or not at all, beside it first and then renamed over it. A pipe or a device
 * (`-o /dev/stderr`, `-o >(wc)`) can not be replaced and is written to.
 */
export class OutputFile {
  /** As it was given. */
  readonly name: string;
  readonly #flag: string;
  readonly #path: string;
  readonly #stats: Stats | null;

  /** @throws UsageError before anything is asked and paid for, when nothing could be written there. */
  constructor(name: string, cwd: string, flag = '-o') {
    this.name = name;
    this.#flag = flag;
    if (name === '-') {
      throw new UsageError(`${flag} takes a file, and - is none`, {
        hint: 'without -o it goes to standard output, where that is no terminal',
      });
    }
    try {
      const wanted = path.resolve(cwd, name);
      this.#stats = statSync(wanted, { throwIfNoEntry: false }) ?? null;
      // A symbolic link stays one: what it leads to is replaced.
      this.#path = this.#stats?.isFile() ? realpathSync(wanted) : wanted;
      if (this.#stats?.isDirectory()) throw Object.assign(new Error(), { code: 'EISDIR' });
      if (this.isReplaced) accessSync(path.dirname(this.#path), constants.W_OK | constants.X_OK);
    } catch (cause) {
      throw new UsageError(`${flag} ${name} can not be written (${failureReason(cause)})`, {
        code: 'input_invalid',
        cause,
        hint: 'name a file in a directory that exists and is yours',
      });
    }
  }

  /** Gives what went wrong, if anything did. A pipe is written to once somebody reads it, or a signal ends the waiting. */
  async write(content: string | Uint8Array, io: Pick<Io, 'signal' | 'stderr'>): Promise<CllmError | null> {
    try {
      // A reply may be confidential, so a new file is its owner's alone; an old one's mode was somebody's choice.
      if (this.isReplaced)
        replaceFile(this.#path, content, { mode: this.#stats === null ? 0o600 : this.#stats.mode & 0o777 });
      else if (this.#stats?.isFIFO()) await writeToPipe(this.#path, content, `${this.#flag} ${this.name}`, io);
      else writeFileSync(this.#path, content);
      return null;
    } catch (cause) {
      if (cause instanceof InterruptedError) return cause;
      return new CllmError(
        'output_failed',
        `${this.#flag} ${this.name} could not be written (${failureReason(cause)})`,
        {
          cause,
        },
      );
    }
  }

  /** Whether it is a file, and no pipe or device. */
  get isReplaced(): boolean {
    return this.#stats === null || this.#stats.isFile();
  }
}

const imageSuffix = /\.(png|jpe?g|gif|webp|bmp|avif|tiff?)$/i;
const audioSuffix = /\.(wav|mp3|m4a|ogg|opus|flac|aac|pcm)$/i;

/** What a file of that name holds, if not text (an SVG is text, which models write): then -o means the reply's images, or its recordings. */
export function mediaKindOf(name: string): 'image' | 'audio' | null {
  if (imageSuffix.test(name)) return 'image';
  return audioSuffix.test(name) ? 'audio' : null;
}
