import { formatUsd } from '../../../spending/usd.ts';
import type { Output } from '../../../terminal/output.ts';
import { drawn, ours, type OwnText } from '../../../terminal/own-text.ts';
import { type Hold, holdNothing, type HoldState, type TerminalHolder } from '../../process/terminal-hold.ts';
import { type Every, every } from '../../views/every.ts';
import { foldLines } from '../../../protocol/fold-lines.ts';

/** How far a batch is. */
export interface Progress {
  /** With a result, those of earlier runs among them. */
  done: number;
  /** Done by earlier runs. */
  earlier: number;
  failed: number;
  /** Null until it is known, and for standard input. */
  total: number | null;
  costUsd: number | null;
}

/** A bar that is drawn over on a terminal, a line a minute in a log. */
export class ProgressDisplay implements TerminalHolder {
  readonly isDrawing = true;
  readonly #output: Output;
  readonly #progress: Progress;
  readonly #now: () => number;
  readonly #startedAt: number;
  readonly #stop: () => void;
  readonly #isBar: boolean;
  readonly #letGo: () => void;
  #isInBackground = false;

  constructor(output: Output, progress: Progress, now: () => number, repeat: Every = every, hold: Hold = holdNothing) {
    this.#output = output;
    this.#progress = progress;
    this.#now = now;
    this.#startedAt = now();
    this.#isBar = output.isTTY && output.isStyled;
    this.#letGo = this.#isBar ? hold(this) : () => {};
    this.#stop = repeat(this.#isBar ? 200 : 60_000, () => this.#show());
  }

  /** A line that stays, above the bar. */
  say(text: string): void {
    void this.#output.write(ours`${this.#erase()}cllm: ${foldLines(text)}\n`);
  }

  end(): void {
    this.#stop();
    this.release();
    this.#letGo();
  }

  release(): void {
    void this.#output.write(this.#erase());
  }

  retake({ isForeground }: HoldState): void {
    this.#isInBackground = !isForeground;
  }

  #show(): void {
    const elapsed = this.#now() - this.#startedAt;
    if (!this.#isBar) this.say(progressLine(this.#progress, elapsed));
    else if (!this.#isInBackground)
      void this.#output.write(ours`${this.#erase()}${progressBar(this.#progress, elapsed, this.#output.columns)}`);
  }

  #erase(): OwnText {
    return drawn(this.#isBar ? '\r\u001b[K' : '');
  }
}

/** `123 of 1000 done · 2 failed · 12.3/s · $0.01 · 1:12 left`. */
export function progressLine({ done, earlier, failed, total, costUsd }: Progress, elapsedMs: number): string {
  const rate = elapsedMs > 0 ? ((done - earlier) / elapsedMs) * 1000 : 0;
  const left = total === null || rate === 0 ? null : (total - done) / rate;
  const parts = [
    total === null ? `${done} done` : `${done} of ${total} done`,
    failed > 0 ? `${failed} failed` : null,
    `${rate >= 100 ? Math.round(rate) : rate.toFixed(1)}/s`,
    costUsd === null ? null : formatUsd(costUsd),
    left === null ? null : `${clockTime(left)} left`,
  ];
  return parts.filter((part) => part !== null).join(' · ');
}

/** The line with a bar before it, as far as there is room: one line, or drawing over it would leave pieces behind. */
export function progressBar(progress: Progress, elapsedMs: number, columns: number): string {
  const line = progressLine(progress, elapsedMs);
  const room = Math.min(30, columns - line.length - 4);
  if (progress.total === null || progress.total === 0 || room < 5) return line.slice(0, columns - 1);
  const filled = Math.min(room, Math.floor((progress.done / progress.total) * room));
  return `[${'='.repeat(filled)}${' '.repeat(room - filled)}] ${line}`;
}

function clockTime(seconds: number): string {
  const whole = Math.ceil(seconds);
  const two = (value: number): string => String(value).padStart(2, '0');
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}
