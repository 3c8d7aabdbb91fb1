import { createInterface, type Interface } from 'node:readline';
import type { Io } from '../../io.ts';
import type { Reader, Typed } from './prompt-reader.ts';

/** Reads prompts from a terminal that has no cursor keys and edits its lines itself. A `\\` at a line's end goes on below. */
export class LineReader implements Reader {
  onInterrupt: () => void = () => {};
  readonly #io: Io;
  #lines: Interface | null = null;
  #waiting: string[] = [];
  #begun = '';
  #note = '';
  #isOver = false;
  #resolve: ((typed: Typed) => void) | null = null;

  constructor(io: Io) {
    this.#io = io;
    this.resume();
    io.signal.addEventListener('abort', this.#onAbort);
  }

  readonly #onAbort = (): void => this.#end();

  read(note = ''): Promise<Typed> {
    this.#note = note === '' ? '' : `${note} `;
    return new Promise((resolve) => {
      this.#resolve = resolve;
      this.#ask();
      for (const line of this.#waiting.splice(0)) this.#take(line);
      if (this.#isOver) this.#end();
    });
  }

  pause(): void {
    const lines = this.#lines;
    this.#lines = null;
    lines?.close();
  }

  resume(): void {
    const lines = createInterface({ input: this.#io.stdin.stream(), terminal: false });
    this.#lines = lines;
    lines.on('line', (line) => this.#take(line));
    lines.on('close', () => {
      if (this.#lines === lines) this.#end();
    });
  }

  close(): void {
    this.#io.signal.removeEventListener('abort', this.#onAbort);
    this.pause();
  }

  #take(line: string): void {
    const resolve = this.#resolve;
    if (resolve === null) {
      this.#waiting.push(line);
      return;
    }
    if (line.endsWith('\\')) {
      this.#begun += `${line.slice(0, -1)}\n`;
      this.#ask();
      return;
    }
    this.#resolve = null;
    const text = this.#begun + line;
    this.#begun = '';
    resolve({ type: 'text', text });
    // An empty line is none, and the next prompt follows.
  }

  #end(): void {
    this.#isOver = true;
    const resolve = this.#resolve;
    this.#resolve = null;
    if (resolve === null) return;
    void this.#io.stderr.write('\n');
    resolve({ type: 'end' });
  }

  #ask(): void {
    void this.#io.stderr.write(`${this.#note}> `);
  }
}
