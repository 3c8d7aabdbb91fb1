import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { failureReason } from '../files/file-error.ts';
import { type CllmError, UsageError } from '../outcome/errors.ts';

/** A file read forward, a window at a time. */
export class FileWindow {
  readonly #file: string;
  readonly #descriptor: number;
  readonly size: number;
  #window: Buffer = Buffer.alloc(0);
  /** Where the window begins in the file, and where in the window what was not taken yet begins. */
  #start = 0;
  #offset = 0;

  constructor(file: string) {
    this.#file = file;
    try {
      // Without O_NONBLOCK a pipe of that name would hang the program before it could be told from a file.
      this.#descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
      const stats = fstatSync(this.#descriptor);
      if (!stats.isFile()) throw new UsageError(`${file} is not a regular file`, { code: 'input_invalid' });
      this.size = stats.size;
    } catch (error) {
      throw this.#failure(error);
    }
  }

  get isAtEnd(): boolean {
    return this.#start + this.#offset >= this.size;
  }

  /** The text up to the next newline, which is taken too; null when there is none. */
  line(): string | null {
    for (let searched = 0; ;) {
      const index = this.#window.indexOf(0x0a, this.#offset + searched);
      if (index !== -1) {
        const text = this.#window.toString('utf8', this.#offset, index);
        this.#offset = index + 1;
        return text;
      }
      searched = this.#window.length - this.#offset;
      // Doubling keeps a line of many megabytes (a prompt with an image in it) linear.
      if (!this.#fill(Math.max(65_536, searched * 2))) return null;
    }
  }

  /** The next bytes, or an empty array in their place when they are only to be skipped; null when the file has fewer. */
  take(length: number, withBytes: boolean): Uint8Array | null {
    if (length > this.size - this.#start - this.#offset) return null;
    if (!withBytes) {
      this.#offset += length;
      if (this.#offset > this.#window.length) {
        this.#start += this.#offset;
        this.#offset = 0;
        this.#window = Buffer.alloc(0);
      }
      return new Uint8Array();
    }
    if (this.#window.length - this.#offset < length && !this.#fill(Math.max(65_536, length + 64))) return null;
    const bytes = this.#window.subarray(this.#offset, this.#offset + length);
    this.#offset += length;
    return bytes.length === length ? bytes : null;
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  /** Moves the window on so that it holds `length` bytes from the offset, or all that are left. False when nothing came. */
  #fill(length: number): boolean {
    const rest = this.#window.subarray(this.#offset);
    const window = Buffer.allocUnsafe(Math.max(length, rest.length));
    rest.copy(window);
    this.#start += this.#offset;
    this.#offset = 0;
    let filled = rest.length;
    try {
      while (filled < window.length) {
        const count = readSync(this.#descriptor, window, filled, window.length - filled, this.#start + filled);
        if (count === 0) break;
        filled += count;
      }
    } catch (error) {
      throw this.#failure(error);
    }
    this.#window = window.subarray(0, filled);
    return filled > rest.length;
  }

  #failure(error: unknown): CllmError {
    if (error instanceof UsageError) return error;
    return new UsageError(`${this.#file} can not be read (${failureReason(error)})`, {
      code: 'input_invalid',
      cause: error,
      hint: 'check the path, and whether the file is yours to read',
    });
  }
}
