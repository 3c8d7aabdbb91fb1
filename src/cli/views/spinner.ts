import type { Output } from '../../terminal/output.ts';
import { type Hold, holdNothing, type HoldState, type TerminalHolder } from '../process/terminal-hold.ts';
import { drawn, ours, styled } from '../../terminal/own-text.ts';

const dots = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const interval = 100;
/** A reply that comes at once needs no spinner. */
const patience = 400;

/** Says that the reply is being waited for, and for how long: one dim line on stderr that leaves no trace. */
export class Spinner implements TerminalHolder {
  readonly isDrawing = true;
  readonly #output: Output;
  readonly #now: () => number;
  readonly #hold: Hold;
  #timer: NodeJS.Timeout | null = null;
  #startedAt: number | null = null;
  #frame = 0;
  #isShown = false;
  #isInBackground = false;
  #letGo: (() => void) | null = null;
  /** What is being waited for. */
  label = 'waiting';

  constructor(output: Output, now: () => number, hold: Hold = holdNothing) {
    this.#output = output;
    this.#now = now;
    this.#hold = hold;
  }

  start(): void {
    if (this.#timer !== null) return;
    this.#startedAt ??= this.#now();
    this.#timer = setInterval(() => this.#draw(), interval);
  }

  /** Takes the line away; what is written next stands in its place. */
  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    this.release();
    this.#letGo?.();
    this.#letGo = null;
  }

  release(): void {
    if (this.#isShown) void this.#output.write(drawn('\r\u001b[K'));
    this.#isShown = false;
  }

  retake({ wasReleased, isForeground }: HoldState): void {
    if (!wasReleased) this.#isShown = false;
    this.#isInBackground = !isForeground;
  }

  #draw(): void {
    const elapsed = this.#now() - (this.#startedAt ?? 0);
    if (elapsed < patience) return;
    this.#letGo ??= this.#hold(this);
    if (this.#isInBackground) return;
    this.#isShown = true;
    const dot = dots[(this.#frame += 1) % dots.length] as string;
    // On one row, or drawing over it would leave pieces behind.
    const line = `${dot} ${this.label} ${Math.floor(elapsed / 1000)} s`.slice(0, Math.max(0, this.#output.columns - 1));
    void this.#output.write(ours`\r${styled(this.#output, 'dim', line)}\u001b[K`);
  }
}
