import type { Output } from '../../terminal/output.ts';
import type { ReplyPrinter } from './reply-printer.ts';

/** The text as it comes. */
export class PlainPrinter implements ReplyPrinter {
  readonly #output: Output;
  #last = '\n';

  constructor(output: Output) {
    this.#output = output;
  }

  write(text: string): Promise<void> | void {
    if (text === '') return;
    this.#last = text.at(-1) as string;
    return this.#output.write(text);
  }

  async settle(): Promise<void> {
    if (this.#last !== '\n') await this.#output.write('\n');
    this.#last = '\n';
  }

  end(): Promise<void> {
    return this.settle();
  }
}
