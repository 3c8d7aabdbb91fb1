import type { Output } from '../io.ts';
import { drawn, ours, styled } from './own-text.ts';

const dots = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const interval = 100;
/** A reply that comes at once needs no spinner. */
const patience = 400;

/** Says that the reply is being waited for, and for how long: one dim line on stderr that leaves no trace. */
export class Spinner {
  readonly #output: Output;
  readonly #now: () => number;
  #timer: NodeJS.Timeout | null = null;
  #startedAt: number | null = null;
  #frame = 0;
  #isShown = false;
  /** What is being waited for. */
  label = 'waiting';

  constructor(output: Output, now: () => number) {
    this.#output = output;
    this.#now = now;
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
    if (this.#isShown) void this.#output.write(drawn('\r\u001b[K'));
    this.#isShown = false;
  }

  #draw(): void {
    const elapsed = this.#now() - (this.#startedAt ?? 0);
    if (elapsed < patience) return;
    this.#isShown = true;
    const dot = dots[(this.#frame += 1) % dots.length] as string;
    const line = `${dot} ${this.label} ${Math.floor(elapsed / 1000)} s`;
    void this.#output.write(ours`\r${styled(this.#output, 'dim', line)}\u001b[K`);
  }
}
