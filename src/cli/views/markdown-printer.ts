import type { Output } from '../../terminal/output.ts';
import { type Hold, holdNothing, type HoldState, type TerminalHolder } from '../process/terminal-hold.ts';
import { loadLanguage } from '../../terminal/highlight.ts';
import { LiveRegion, type RegionScreen, screenOf } from '../../terminal/live-region.ts';
import { type Frame, MarkdownStream } from '../../terminal/markdown-stream.ts';
import { drawn } from '../../terminal/own-text.ts';
import { PlainPrinter } from './plain-printer.ts';
import type { ReplyPrinter } from './reply-printer.ts';
import { colourPaint, paintFor } from '../../terminal/style.ts';
import { TerminalSafe } from '../../terminal/terminal-safe.ts';

/** Between two frames, in milliseconds: thirty a second look like one movement. */
const frameInterval = 33;
/** Source that waits for a frame, in characters: more is drawn at once, so that no frame has much to do. */
const frameSource = 1024;

/**
 * A reply as rendered markdown. On a terminal the open block is redrawn in place, at most so many times a second;
 * elsewhere (`--render markdown` into a pipe, or without colours) a block is written when it is finished.
 *
 * A reply is worth more than its looks: whatever rendering throws, the rest of it is plain text.
 */
export class MarkdownPrinter implements ReplyPrinter, TerminalHolder {
  readonly isDrawing = true;
  readonly #output: Output;
  readonly #now: () => number;
  readonly #hold: Hold;
  readonly #stream: MarkdownStream;
  readonly #region = new LiveRegion();
  readonly #safe = new TerminalSafe();
  readonly #resized = (): void => {
    this.#stream.resize(this.#screen());
    this.#region.resized();
    if (this.#output.isStyled) void this.#frame();
  };
  #line = '';
  #nextFrame = -Infinity;
  #timer: NodeJS.Timeout | null = null;
  /** Characters that no frame has shown yet. */
  #waiting = 0;
  #letGo: (() => void) | null = null;
  /** The terminal is somebody else's to draw on: blocks are written when they are finished. */
  #isInBackground = false;
  /** What goes on once rendering has failed. */
  #plain: PlainPrinter | null = null;

  constructor(output: Output, now: () => number, hold: Hold = holdNothing) {
    this.#output = output;
    this.#now = now;
    this.#hold = hold;
    this.#stream = new MarkdownStream(this.#screen(), paintFor(output));
    if (output.isTTY) output.stream().on('resize', this.#resized);
  }

  async write(text: string): Promise<void> {
    const plain = this.#fallback();
    if (plain !== null) return plain.write(text);
    const safe = this.#safe.write(text).replaceAll('\r\n', '\n');
    await this.#loadLanguages(safe);
    for (let at = 0; at < safe.length; at += frameSource) {
      const piece = safe.slice(at, at + frameSource);
      const fallback = this.#fallback();
      if (fallback !== null) return fallback.write(safe.slice(at));
      this.#stream.push(piece);
      this.#waiting += piece.length;
      if (this.#waiting >= frameSource || this.#now() >= this.#nextFrame) await this.#frame();
    }
    if (this.#waiting > 0) this.#timer ??= setTimeout(() => void this.#frame(), frameInterval);
  }

  /** Ends what is open, so that something else can be written below it. */
  async settle(): Promise<void> {
    this.#stopTimer();
    if (this.#fallback() === null) {
      this.#stream.push(this.#safe.end());
      await this.#draw(() => ({ committed: this.#stream.end(), open: [] }));
      this.#waiting = 0;
      this.#line = '';
    }
    this.#letGo?.();
    this.#letGo = null;
    await this.#fallback()?.settle();
  }

  async end(): Promise<void> {
    await this.settle();
    if (this.#output.isTTY) this.#output.stream().off('resize', this.#resized);
  }

  release(): void {
    void this.#output.write(drawn(this.#region.draw([], [], this.#screen())));
  }

  retake({ wasReleased, isForeground }: HoldState): void {
    if (!wasReleased) this.#region.interrupted();
    this.#isInBackground = !isForeground;
    void this.#frame();
  }

  #frame(): Promise<void> | void {
    this.#stopTimer();
    if (this.#fallback() !== null) return;
    const started = this.#now();
    const written = this.#draw(() => {
      const { committed, open } = this.#stream.frame();
      return { committed, open: this.#isLive() ? open : [] };
    });
    this.#waiting = 0;
    const ended = this.#now();
    // A slow machine draws less often, not all the time.
    this.#nextFrame = ended + Math.max(frameInterval, (ended - started) * 4);
    return written;
  }

  #draw(render: () => Frame): Promise<void> | void {
    let text: string;
    try {
      const { committed, open } = render();
      if (open.length > 0) this.#letGo ??= this.#hold(this);
      text = this.#region.draw(committed, this.#isLive() ? open : [], this.#screen());
    } catch {
      return this.#goOnPlain();
    }
    return this.#output.write(drawn(text));
  }

  /** What stands stays; in place of the open lines comes their source. */
  async #goOnPlain(): Promise<void> {
    this.#plain = new PlainPrinter(this.#output);
    const { committed, source } = this.#stream.abandon();
    // In one breath: more of the reply may come while a slow terminal is waited for.
    await Promise.all([
      this.#output.write(drawn(this.#region.draw(committed, [], this.#screen()))),
      this.#fallback()?.write(source),
    ]);
  }

  /** Asked for anew after each frame, which may have failed. */
  #fallback(): PlainPrinter | null {
    return this.#plain;
  }

  #isLive(): boolean {
    return this.#output.isStyled && !this.#isInBackground;
  }

  #stopTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #screen(): RegionScreen {
    return screenOf(this.#output);
  }

  /** The grammars of the code that begins in the text, before it is drawn. */
  async #loadLanguages(text: string): Promise<void> {
    const from = this.#line.length > 200 ? '' : this.#line;
    const whole = from + text;
    this.#line = whole.slice(whole.lastIndexOf('\n') + 1);
    if (!whole.includes('```') && !whole.includes('~~~')) return;
    for (const [, language] of whole.matchAll(/(?:^|\n)[^\n`~]{0,80}(?:`{3,}|~{3,}) *([\w+#-]{1,30})[^\n]*(?=\n)/g)) {
      if (language !== undefined) await loadLanguage(language);
    }
  }
}

/**
 * Renders one of everything and forgets it. What runs for the first time takes ten times as long (patterns are compiled
 * when they are first used), and while a model thinks nobody waits for that.
 */
export function warmUp(): void {
  const stream = new MarkdownStream({ columns: 40, rows: 24 }, colourPaint);
  const source =
    '# a\n\nb **c** *d* `e` [f](http://g) 漢字 <h> i\n\n- j\n  - k\n1. l\n\n> m\n\n| n | o |\n|---|---|\n| p | q |\n\n---\n```\nr\n```\n';
  for (const line of source.split(/(?<=\n)/)) {
    stream.push(line);
    stream.frame();
  }
  stream.end();
}
