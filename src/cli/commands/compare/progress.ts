import type { TurnObserver } from '../../../conversation/turn.ts';
import { type Every, every } from '../../views/every.ts';
import type { Output } from '../../../terminal/output.ts';
import { DeltaReader } from '../../views/deltas.ts';
import { cut, endsBeside } from './columns.ts';
import { LiveRegion, screenOf } from '../../../terminal/live-region.ts';
import { drawn, ours, styled } from '../../../terminal/own-text.ts';
import { terminalSafe } from '../../../terminal/terminal-safe.ts';
import { padded, width } from '../../../terminal/width.ts';
import { type Hold, holdNothing, type HoldState, type TerminalHolder } from '../../process/terminal-hold.ts';

/** How far one model is. */
interface Standing {
  model: string;
  state: string;
  characters: number;
  /** The end of what came of the reply's text. */
  text: string;
  /** When it ended; null while it runs. */
  endedAt: number | null;
}

const interval = 100;
/** Replies that come at once need no progress. */
const patience = 400;
/** More would leave nothing of what stood on the screen. */
const mostLines = 20;
const widestName = 40;
/** More than any screen shows of one reply. */
const mostText = 50_000;
/** Lines of the replies themselves, where the screen has so many. */
const mostTextLines = 16;

/**
 * A line for each model while the replies come, and where there is room the ends of the replies beside each other below
 * them, drawn over in place; nothing is left of it at the end.
 */
export class CompareProgress implements TerminalHolder {
  readonly isDrawing = true;
  readonly #output: Output;
  readonly #now: () => number;
  readonly #startedAt: number;
  readonly #standings: Standing[];
  readonly #region = new LiveRegion();
  readonly #stop: () => void;
  #columns: number;
  readonly #hold: Hold;
  #letGo: (() => void) | null = null;
  #isInBackground = false;

  constructor(
    output: Output,
    models: readonly string[],
    now: () => number,
    repeat: Every = every,
    hold: Hold = holdNothing,
  ) {
    this.#output = output;
    this.#hold = hold;
    this.#now = now;
    this.#startedAt = now();
    this.#columns = output.columns;
    this.#standings = models.map((model) => ({ model, state: 'waiting', characters: 0, text: '', endedAt: null }));
    this.#stop = repeat(interval, () => this.#show());
  }

  /** Sees what comes of the model at that place. */
  observer(at: number): TurnObserver {
    const standing = this.#standings[at] as Standing;
    const deltas = new DeltaReader();
    return {
      retry: ({ attempt, maxRetries }) => void (standing.state = `try ${attempt + 1} of ${maxRetries + 1}`),
      arrival: (arrival) => {
        for (const { type, content } of deltas.read(arrival)) {
          standing.state = type === 'reasoning' ? 'thinking' : 'writing';
          standing.characters += Array.from(content).length;
          if (type !== 'reasoning') standing.text = (standing.text + content).slice(-mostText);
        }
      },
    };
  }

  ended(at: number, isInOrder: boolean): void {
    Object.assign(this.#standings[at] as Standing, { state: isInOrder ? 'done' : 'failed', endedAt: this.#now() });
  }

  /** Takes the lines away; what is written next stands in their place. */
  end(): void {
    this.#stop();
    this.release();
    this.#letGo?.();
    this.#letGo = null;
  }

  release(): void {
    void this.#output.write(drawn(this.#region.draw([], [], screenOf(this.#output))));
  }

  retake({ wasReleased, isForeground }: HoldState): void {
    if (!wasReleased) this.#region.interrupted();
    this.#isInBackground = !isForeground;
  }

  #show(): void {
    if (this.#now() - this.#startedAt < patience) return;
    this.#letGo ??= this.#hold(this);
    if (this.#isInBackground) return;
    const { columns } = this.#output;
    if (columns !== this.#columns) this.#region.resized();
    this.#columns = columns;
    const nameColumns = Math.min(
      widestName,
      Math.max(...this.#standings.map(({ model }) => width(terminalSafe(model)))),
    );
    const lines = this.#lines(nameColumns);
    const left = screenOf(this.#output).rows - 2 - lines.length;
    const texts = this.#standings.map(({ text }) => text);
    const replies = endsBeside(texts, columns - 1, Math.min(mostTextLines, left));
    // One row each, or drawing over them would leave pieces behind.
    const rows = [
      ...lines.map((line) => String(styled(this.#output, 'dim', cut(line, columns - 1)))),
      ...replies.map((line) => String(ours`${line}`)),
    ];
    void this.#output.write(drawn(this.#region.draw([], rows, screenOf(this.#output))));
  }

  /** As many as there are rows for: lines that scrolled away can not be drawn over. */
  #lines(nameColumns: number): string[] {
    const most = Math.max(1, Math.min(mostLines, screenOf(this.#output).rows - 1));
    if (this.#standings.length <= most) return this.#standings.map((standing) => this.#line(standing, nameColumns));
    const lines = this.#standings.slice(0, most - 1).map((standing) => this.#line(standing, nameColumns));
    const hidden = this.#standings.slice(most - 1);
    const ended = hidden.filter(({ endedAt }) => endedAt !== null).length;
    const what = lines.length === 0 ? `${hidden.length} models` : `and ${hidden.length} more`;
    return [...lines, `${what}, ${ended} of them ended`];
  }

  #line({ model, state, characters, endedAt }: Standing, nameColumns: number): string {
    const seconds = (((endedAt ?? this.#now()) - this.#startedAt) / 1000).toFixed(1);
    const parts = [state, characters === 0 ? null : `${characters} characters`, `${seconds} s`];
    const name = padded(cut(terminalSafe(model), nameColumns), nameColumns);
    return `${name}  ${parts.filter((part) => part !== null).join(' · ')}`;
  }
}
