import { emitKeypressEvents } from 'node:readline';
import type { Io } from '../io.ts';
import { drawn, ours, type OwnText, styled } from '../render/own-text.ts';
import { paintFor } from '../render/style.ts';
import { EditorScreen } from './editor-screen.ts';
import { type Key, LineEditor } from './line-editor.ts';

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

const prompt = '> ';
/** The terminal then marks a paste, so that its lines do not count as Enter. */
const [markPastes, leavePastes] = [drawn('\u001b[?2004h'), drawn('\u001b[?2004l')];

/**
 * Reads prompts from a terminal in raw mode. Between two prompts, while a reply comes, Ctrl-C is told to `onInterrupt` and
 * everything else waits for the next prompt.
 */
export class PromptReader {
  /** Ctrl-C while no prompt is being read. */
  onInterrupt: () => void = () => {};
  readonly #io: Io;
  readonly #options: PromptReaderOptions;
  readonly #editor: LineEditor;
  readonly #screen = new EditorScreen();
  #waiting: [string | undefined, Key][] = [];
  #resolve: ((typed: Typed) => void) | null = null;
  #isCompleting = false;
  readonly #onKey = (characters: string | undefined, key: Key): void => this.#press(characters, key);
  readonly #onResize = (): void => {
    if (this.#resolve !== null) this.#draw();
  };
  readonly #onAbort = (): void => this.#finish({ type: 'end' });

  constructor(io: Io, options: PromptReaderOptions) {
    this.#io = io;
    this.#options = options;
    this.#editor = new LineEditor(options.history);
    emitKeypressEvents(io.stdin.stream());
    this.resume();
    io.signal.addEventListener('abort', this.#onAbort);
  }

  /** The next prompt. */
  read(): Promise<Typed> {
    if (this.#io.signal.aborted) return Promise.resolve({ type: 'end' });
    return new Promise((resolve) => {
      this.#resolve = resolve;
      this.#write(markPastes);
      this.#draw();
      for (const [characters, key] of this.#waiting.splice(0)) this.#press(characters, key);
    });
  }

  /** Gives the terminal back, for an editor say. */
  pause(): void {
    const stdin = this.#io.stdin.stream();
    stdin.off('keypress', this.#onKey);
    this.#io.stderr.stream().off('resize', this.#onResize);
    this.#write(leavePastes);
    stdin.setRawMode(false);
    stdin.pause();
  }

  resume(): void {
    const stdin = this.#io.stdin.stream();
    stdin.on('keypress', this.#onKey);
    this.#io.stderr.stream().on('resize', this.#onResize);
    stdin.setRawMode(true);
    stdin.resume();
  }

  close(): void {
    this.#io.signal.removeEventListener('abort', this.#onAbort);
    this.pause();
  }

  #press(characters: string | undefined, key: Key): void {
    if (this.#resolve === null || this.#isCompleting) {
      if (key.ctrl && key.name === 'c' && this.#resolve === null) {
        this.#waiting = [];
        this.onInterrupt();
      } else this.#waiting.push([characters, key]);
      return;
    }
    const editor = this.#editor;
    switch (editor.press(characters, key)) {
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
      case 'end':
        this.#finish({ type: 'end' });
        break;
      case 'complete':
        void this.#complete();
        break;
      case 'clear':
        this.#write(drawn('\u001b[H\u001b[2J'));
        this.#draw();
        break;
      case 'edited':
        this.#draw();
        break;
      case 'none':
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
    for (const [characters, key] of this.#waiting.splice(0)) this.#press(characters, key);
  }

  #finish(typed: Typed): void {
    const resolve = this.#resolve;
    if (resolve === null) return;
    this.#resolve = null;
    if (typed.type === 'text') this.#leaveText(typed.text);
    else this.#leave();
    this.#write(leavePastes);
    resolve(typed);
  }

  #draw(): void {
    if (this.#editor.isPasting) return;
    const { text, cursor } = this.#editor;
    const { stderr } = this.#io;
    const shown = paintFor(stderr)('bold', prompt);
    const rows = stderr.stream().rows || 24;
    this.#write(drawn(this.#screen.draw(shown, prompt.length, text, cursor, { columns: stderr.columns, rows })));
  }

  #leave(): void {
    this.#leaveText(this.#editor.text);
  }

  #leaveText(text: string): void {
    this.#write(drawn(this.#screen.leave(text, prompt.length, this.#io.stderr.columns)));
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
