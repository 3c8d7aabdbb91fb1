import type { OwnText } from './own-text.ts';
import { RunnerCommands } from './runner-commands.ts';
import { onlyOwnCodes, TerminalSafe } from './terminal-safe.ts';

export interface OutgoingTextOptions {
  isTTY: boolean;
  /** What people read, wherever it ends up: standard error. What programs read, standard output off a terminal, is left as it is. */
  isForPeople: boolean;
}

// oxlint-disable-next-line no-control-regex -- the code is made of two
const clipboardCode = /^\u001b\]52;c;[\d+/=A-Za-z]*\u0007$/;

/**
 * The last step before a stream, whichever part of cllm writes and wherever its words come from: a string is a stranger's,
 * so its controls become visible escapes on a terminal and on standard error; an `OwnText` keeps the codes that cllm
 * writes, and no others. On standard error off a terminal, which is the log of a CI job as a rule, no words complete a
 * command of the job's runner.
 */
export class OutgoingText {
  readonly #isTTY: boolean;
  readonly #isRaw: boolean;
  readonly #safe = new TerminalSafe();
  readonly #commands: RunnerCommands | null;

  constructor({ isTTY, isForPeople }: OutgoingTextOptions) {
    this.#isTTY = isTTY;
    this.#isRaw = !isTTY && !isForPeople;
    this.#commands = isTTY || this.#isRaw ? null : new RunnerCommands();
  }

  /** What of the text, and of what waited before it, may be written. */
  write(text: string | OwnText): string {
    if (typeof text === 'string') return this.#isRaw ? text : this.#uncommanded(this.#safe.write(text));
    if (this.#isRaw) return String(text);
    const waiting = this.#uncommanded(this.#safe.end());
    // Only a terminal obeys it, and nothing but a whole code is one.
    if (text.isClipboard && this.#isTTY && clipboardCode.test(String(text))) return waiting + String(text);
    const ours = onlyOwnCodes(String(text));
    if (text.isCommand && this.#commands !== null) return waiting + this.#commands.command(ours);
    return waiting + this.#uncommanded(ours);
  }

  /** What still waits when nothing follows. */
  end(): string {
    return this.#isRaw ? '' : this.#uncommanded(this.#safe.end());
  }

  #uncommanded(text: string): string {
    return this.#commands === null ? text : this.#commands.write(text);
  }
}
