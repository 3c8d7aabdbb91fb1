import { clusters } from '../../../terminal/clusters.ts';

/** A key by its name: a letter, `return`, `up`, `paste-start`. */
export interface Key {
  name?: string | undefined;
  sequence?: string | undefined;
  ctrl?: boolean;
  meta?: boolean;
  shift?: boolean;
}

/** What a key asks for besides a change of the text. */
export type EditorAction = 'edited' | 'submit' | 'interrupt' | 'suspend' | 'end' | 'complete' | 'clear' | 'none';

/**
 * The text of a prompt and the keys that change it: those of Emacs, which every shell has. Enter submits; Enter with
 * Shift, Alt or Ctrl, or after a backslash, begins a new line, and a paste keeps its lines. Pure: what a terminal shows of it is
 * editor-screen.ts's.
 */
export class LineEditor {
  text = '';
  /** Between two characters as a reader counts them, in UTF-16 units. */
  cursor = 0;
  readonly #history: string[];
  /** Where in the history the text is from; its length for a text that is being written. */
  #place: number;
  #draft = '';
  #killed = '';
  #pasted: string | null = null;

  constructor(history: readonly string[] = []) {
    this.#history = [...history];
    this.#place = this.#history.length;
  }

  get isPasting(): boolean {
    return this.#pasted !== null;
  }

  set(text: string): void {
    this.text = text;
    this.cursor = text.length;
  }

  insert(text: string): void {
    this.text = this.text.slice(0, this.cursor) + text + this.text.slice(this.cursor);
    this.cursor += text.length;
  }

  /** Takes the text away and remembers it for the arrow keys. */
  take(): string {
    const { text } = this;
    if (text.trim() !== '' && this.#history.at(-1) !== text) this.#history.push(text);
    this.reset();
    return text;
  }

  reset(): void {
    this.set('');
    this.#place = this.#history.length;
    this.#draft = '';
  }

  press(characters: string | undefined, key: Key): EditorAction {
    if (key.name === 'paste-start') {
      this.#pasted = '';
      return 'none';
    }
    if (this.#pasted !== null) return this.#paste(characters ?? key.sequence ?? '', key);
    const isEnter = key.name === 'return' || key.name === 'enter';
    if (isEnter && (key.shift || key.meta || key.ctrl)) return this.#type('\n');
    if (key.ctrl) return this.#control(key.name ?? '');
    if (key.meta) return this.#meta((key.name ?? '').toLowerCase());
    switch (key.name) {
      case 'return':
      case 'enter':
        return this.#enter();
      case 'tab':
        return 'complete';
      case 'backspace':
        return this.#delete(this.#before(), this.cursor);
      case 'delete':
        return this.#delete(this.cursor, this.#after());
      case 'left':
        return this.#move(this.#before());
      case 'right':
        return this.#move(this.#after());
      case 'home':
        return this.#move(this.#lineStart());
      case 'end':
        return this.#move(this.#lineEnd());
      case 'up':
        return this.#vertical(-1);
      case 'down':
        return this.#vertical(1);
      case 'escape':
        return 'none';
      default:
        return this.#type(characters ?? '');
    }
  }

  #control(name: string): EditorAction {
    switch (name) {
      case 'c':
        return 'interrupt';
      case 'd':
        return this.text === '' ? 'end' : this.#delete(this.cursor, this.#after());
      case 'a':
        return this.#move(this.#lineStart());
      case 'e':
        return this.#move(this.#lineEnd());
      case 'b':
        return this.#move(this.#before());
      case 'f':
        return this.#move(this.#after());
      case 'p':
        return this.#vertical(-1);
      case 'n':
        return this.#vertical(1);
      case 'h':
        return this.#delete(this.#before(), this.cursor);
      case 'u':
        return this.#kill(this.#lineStart(), this.cursor);
      case 'k':
        return this.#kill(this.cursor, this.#lineEnd());
      case 'w':
        return this.#kill(this.#wordStart(), this.cursor);
      case 'y':
        this.insert(this.#killed);
        return 'edited';
      case 'l':
        return 'clear';
      case 'j':
      case 'm':
        return this.#enter();
      case 'i':
        return 'complete';
      case 'z':
        return 'suspend';
      case 'backspace':
        return this.#kill(this.#wordStart(), this.cursor);
      case 'left':
        return this.#move(this.#wordStart());
      case 'right':
        return this.#move(this.#wordEnd());
      default:
        return 'none';
    }
  }

  #meta(name: string): EditorAction {
    switch (name) {
      case 'b':
      case 'left':
        return this.#move(this.#wordStart());
      case 'f':
      case 'right':
        return this.#move(this.#wordEnd());
      case 'd':
        return this.#kill(this.cursor, this.#wordEnd());
      case 'backspace':
        return this.#kill(this.#wordStart(), this.cursor);
      default:
        return 'none';
    }
  }

  #paste(characters: string, key: Key): EditorAction {
    if (key.name !== 'paste-end') {
      this.#pasted += characters;
      return 'none';
    }
    const pasted = this.#pasted ?? '';
    this.#pasted = null;
    return this.#type(pasted.replace(/\r\n?/g, '\n'));
  }

  #enter(): EditorAction {
    if (this.text[this.cursor - 1] === '\\' && this.cursor === this.text.length) {
      this.#delete(this.cursor - 1, this.cursor);
      return this.#type('\n');
    }
    return 'submit';
  }

  #type(characters: string): EditorAction {
    // What is no text was a key that nobody knows, or came along with a paste.
    // oxlint-disable-next-line no-control-regex -- control characters are what this is about
    const text = characters.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '');
    if (text === '') return 'none';
    this.insert(text);
    return 'edited';
  }

  #move(to: number): EditorAction {
    this.cursor = to;
    return 'edited';
  }

  #delete(from: number, to: number): EditorAction {
    this.text = this.text.slice(0, from) + this.text.slice(to);
    this.cursor = from;
    return 'edited';
  }

  #kill(from: number, to: number): EditorAction {
    this.#killed = this.text.slice(from, to);
    return this.#delete(from, to);
  }

  /** A line up or down, and beyond the first or last one through the history. */
  #vertical(step: -1 | 1): EditorAction {
    const start = this.#lineStart();
    const column = this.cursor - start;
    if (step < 0 && start > 0) {
      const above = this.text.lastIndexOf('\n', start - 2) + 1;
      return this.#move(this.#boundary(Math.min(above + column, start - 1)));
    }
    const end = this.#lineEnd();
    if (step > 0 && end < this.text.length) {
      const next = this.text.indexOf('\n', end + 1);
      return this.#move(this.#boundary(Math.min(end + 1 + column, next === -1 ? this.text.length : next)));
    }
    return this.#recall(this.#place + step);
  }

  #recall(place: number): EditorAction {
    if (place < 0 || place > this.#history.length) return 'none';
    if (this.#place === this.#history.length) this.#draft = this.text;
    this.#place = place;
    this.set(this.#history[place] ?? this.#draft);
    return 'edited';
  }

  #lineStart(): number {
    return this.text.lastIndexOf('\n', this.cursor - 1) + 1;
  }

  #lineEnd(): number {
    const end = this.text.indexOf('\n', this.cursor);
    return end === -1 ? this.text.length : end;
  }

  #wordStart(): number {
    const { text } = this;
    let at = this.cursor;
    while (at > 0 && /\s/.test(text[at - 1] as string)) at -= 1;
    while (at > 0 && !/\s/.test(text[at - 1] as string)) at -= 1;
    return at;
  }

  #wordEnd(): number {
    const { text } = this;
    let at = this.cursor;
    while (at < text.length && /\s/.test(text[at] as string)) at += 1;
    while (at < text.length && !/\s/.test(text[at] as string)) at += 1;
    return at;
  }

  #before(): number {
    if (this.cursor === 0) return 0;
    const from = Math.max(0, this.cursor - 64);
    let last = '';
    for (const cluster of clusters(this.text.slice(from, this.cursor))) last = cluster;
    return this.cursor - last.length;
  }

  #after(): number {
    const [first = ''] = clusters(this.text.slice(this.cursor, this.cursor + 64));
    return this.cursor + first.length;
  }

  /** The boundary between characters of its line at or before a position. */
  #boundary(position: number): number {
    const start = this.text.lastIndexOf('\n', position - 1) + 1;
    const end = this.text.indexOf('\n', position);
    let at = start;
    for (const cluster of clusters(this.text.slice(start, end === -1 ? this.text.length : end))) {
      if (at + cluster.length > position) break;
      at += cluster.length;
    }
    return at;
  }
}
