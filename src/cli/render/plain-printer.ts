import type { Output } from '../io.ts';
import type { ReplyPrinter } from './reply-printer.ts';
import { TerminalSafe } from './terminal-safe.ts';

/** The text as it comes: raw into a pipe or a file, made safe for a terminal. */
export class PlainPrinter implements ReplyPrinter {
  readonly #output: Output;
  readonly #safe = new TerminalSafe();
  #last = '\n';

  constructor(output: Output) {
    this.#output = output;
  }

  write(text: string): Promise<void> | void {
    if (text === '') return;
    this.#last = text.at(-1) as string;
    return this.#output.write(this.#output.isTTY ? this.#safe.write(text) : text);
  }

  async settle(): Promise<void> {
    if (this.#output.isTTY) await this.#output.write(this.#safe.end());
    if (this.#last !== '\n') await this.#output.write('\n');
    this.#last = '\n';
  }

  end(): Promise<void> {
    return this.settle();
  }
}
