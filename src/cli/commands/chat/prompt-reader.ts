import { StringDecoder } from 'node:string_decoder';
import type { Io } from '../../io.ts';
import { screenOf } from '../../../terminal/live-region.ts';
import { drawn, ours, type OwnText, styled } from '../../../terminal/own-text.ts';
import { paintFor } from '../../../terminal/style.ts';
import type { HoldState, TerminalHolder } from '../../process/terminal-hold.ts';
import { EditorScreen } from './editor-screen.ts';
import { KeyDecoder, type Press, unmarkedPaste } from './key-decoder.ts';
import { type EditorAction, LineEditor } from './line-editor.ts';

/** What was typed, or that nothing more will be: Ctrl-D, Ctrl-C at an empty prompt, a signal. */
export type Typed = { type: 'text'; text: string } | { type: 'end' };

/** What could stand in place of the word before the cursor. */
export interface Completion {
  /** Where that word begins. */
  from: number;
  candidates: readonly string[];
}

export interface PromptReaderOptions {
  history: readonly string[];
  complete(textBeforeCursor: string): Promise<Completion>;
}

const mark = '> ';
/** The terminal then marks a paste, so that its lines do not count as Enter. */
const [markPastes, leavePastes] = [drawn('\u001b[?2004h'), drawn('\u001b[?2004l')];

/** Milliseconds after which half a key was the Escape key. */
const escapeAfter = 50;

/** Where the prompts of a chat come from. */
export interface Reader {
  /** Ctrl-C while no prompt is being read. */
  onInterrupt: () => void;
  /** The next prompt; `note` stands before its mark. */
  read(note?: string): Promise<Typed>;
  /** Gives the terminal back, for an editor say. */
  pause(): void;
  resume(): void;
  close(): void;
}

/**
 * Reads prompts from a terminal in raw mode. Between two prompts, while a reply comes, Ctrl-C is told to `onInterrupt`,
 * Ctrl-Z suspends, and everything else waits for the next prompt.
 */
export class PromptReader implements Reader, TerminalHolder {
  onInterrupt: () => void = () => {};
  /** In raw mode the terminal shows nothing by itself. */
  readonly isDrawing = false;
  readonly #io: Io;
  readonly #options: PromptReaderOptions;
  readonly #editor: LineEditor;
  readonly #screen = new EditorScreen();
  readonly #decoder = new KeyDecoder();
  #bytes = new StringDecoder('utf8');
  #waiting: Press[] = [];
  #resolve: ((typed: Typed) => void) | null = null;
  #prompt = mark;
  #isCompleting = false;
  #escape: NodeJS.Timeout | null = null;
  #letGo: (() => void) | null = null;
  readonly #onData = (bytes: Buffer): void => this.#read(this.#bytes.write(bytes));
  readonly #onResize = (): void => {
    if (this.#resolve !== null) this.#draw();
  };
  readonly #onAbort = (): void => this.#finish({ type: 'end' });

  constructor(io: Io, options: PromptReaderOptions) {
    this.#io = io;
    this.#options = options;
    this.#editor = new LineEditor(options.history);
    this.resume();
    io.signal.addEventListener('abort', this.#onAbort);
  }

  read(note = ''): Promise<Typed> {
    this.#prompt = note === '' ? mark : `${note} ${mark}`;
    if (this.#io.signal.aborted) return Promise.resolve({ type: 'end' });
    return new Promise((resolve) => {
      this.#resolve = resolve;
      this.#draw();
      this.#pressAll(this.#waiting.splice(0));
    });
  }

  pause(): void {
    const stdin = this.#io.stdin.stream();
    this.#letGo?.();
    this.#letGo = null;
    stdin.off('data', this.#onData);
    this.#io.stderr.stream().off('resize', this.#onResize);
    this.#endModes();
    stdin.pause();
  }

  resume(): void {
    const stdin = this.#io.stdin.stream();
    this.#bytes = new StringDecoder('utf8');
    stdin.on('data', this.#onData);
    this.#io.stderr.stream().on('resize', this.#onResize);
    this.#letGo ??= this.#io.hold(this);
    this.#beginModes();
    stdin.resume();
  }

  close(): void {
    this.#io.signal.removeEventListener('abort', this.#onAbort);
    this.pause();
  }

  release(): void {
    if (this.#resolve !== null) this.#write(drawn(this.#screen.erase()));
    this.#endModes();
  }

  retake({ wasReleased }: HoldState): void {
    this.#beginModes();
    if (this.#resolve === null) return;
    // What was not taken away stays where it is, and the prompt comes again below it.
    if (!wasReleased) this.#screen.forget();
    this.#draw();
  }

  #beginModes(): void {
    this.#io.stdin.stream().setRawMode(true);
    this.#write(markPastes);
  }

  #endModes(): void {
    this.#write(leavePastes);
    this.#io.stdin.stream().setRawMode(false);
  }

  #read(text: string): void {
    if (this.#escape !== null) clearTimeout(this.#escape);
    this.#escape = null;
    const isBusy = this.#resolve === null;
    this.#pressAll((isBusy && !this.#decoder.isReading && unmarkedPaste(text)) || this.#decoder.decode(text));
    if (this.#decoder.isWaiting)
      this.#escape = setTimeout(() => this.#pressAll(this.#decoder.flush()), escapeAfter).unref();
  }

  /** The keys of one read, drawn once. */
  #pressAll(presses: readonly Press[]): void {
    let isChanged = false;
    for (const [at, press] of presses.entries()) {
      if (this.#resolve === null || this.#isCompleting) {
        this.#wait(press);
        continue;
      }
      const action = this.#editor.press(...press);
      isChanged ||= action === 'edited';
      if (action === 'edited' || action === 'none') continue;
      if (isChanged) this.#draw();
      isChanged = false;
      this.#act(action);
      // Whoever reads the next prompt gets to it later.
      if (this.#resolve === null) {
        this.#waiting.push(...presses.slice(at + 1));
        return;
      }
    }
    if (isChanged) this.#draw();
  }

  /** A key while nobody reads. */
  #wait(press: Press): void {
    const [, key] = press;
    const isBusy = this.#resolve === null;
    if (isBusy && key.ctrl && key.name === 'c') {
      this.#waiting = [];
      this.onInterrupt();
    } else if (isBusy && key.ctrl && key.name === 'z') this.#io.suspend();
    else this.#waiting.push(press);
  }

  #act(action: Exclude<EditorAction, 'edited' | 'none'>): void {
    const editor = this.#editor;
    switch (action) {
      case 'submit':
        this.#finish({ type: 'text', text: editor.take() });
        break;
      case 'interrupt':
        if (editor.text === '') this.#finish({ type: 'end' });
        else {
          // As a shell does: the line is given up, the prompt stays.
          this.#leave();
          editor.reset();
          this.#draw();
        }
        break;
      case 'suspend':
        this.#io.suspend();
        break;
      case 'end':
        this.#finish({ type: 'end' });
        break;
      case 'complete':
        void this.#complete();
        break;
      case 'clear':
        this.#write(drawn('\u001b[H\u001b[2J'));
        this.#screen.forget();
        this.#draw();
    }
  }

  async #complete(): Promise<void> {
    const editor = this.#editor;
    const before = editor.text.slice(0, editor.cursor);
    this.#isCompleting = true;
    const { from, candidates } = await this.#options.complete(before).catch(() => ({ from: 0, candidates: [] }));
    this.#isCompleting = false;
    const word = before.slice(from);
    const common = commonStart(candidates);
    const [only] = candidates;
    if (candidates.length === 1 && only !== undefined) editor.insert(`${only.slice(word.length)} `);
    else if (common.length > word.length) editor.insert(common.slice(word.length));
    else if (candidates.length > 1) {
      this.#leave();
      const shown = candidates.slice(0, 40);
      const more = candidates.length > 40 ? `  … ${candidates.length - 40} more` : '';
      this.#write(ours`${styled(this.#io.stderr, 'dim', shown.join('  ') + more)}\n`);
    }
    this.#draw();
    this.#pressAll(this.#waiting.splice(0));
  }

  #finish(typed: Typed): void {
    const resolve = this.#resolve;
    if (resolve === null) return;
    this.#resolve = null;
    if (typed.type === 'text') this.#leaveText(typed.text);
    else this.#leave();
    resolve(typed);
  }

  #draw(): void {
    if (this.#editor.isPasting) return;
    const { text, cursor } = this.#editor;
    const { stderr } = this.#io;
    const shown = paintFor(stderr)('bold', this.#prompt);
    this.#write(drawn(this.#screen.draw(shown, this.#prompt.length, text, cursor, screenOf(stderr))));
  }

  #leave(): void {
    this.#leaveText(this.#editor.text);
  }

  #leaveText(text: string): void {
    this.#write(drawn(this.#screen.leave(text, this.#prompt.length, screenOf(this.#io.stderr))));
  }

  #write(text: OwnText): void {
    void this.#io.stderr.write(text);
  }
}

function commonStart(words: readonly string[]): string {
  const [first = '', ...others] = words;
  let length = first.length;
  for (const word of others) {
    let same = 0;
    while (same < length && word[same] === first[same]) same += 1;
    length = same;
  }
  return first.slice(0, length);
}
