/** What may come next in a JSON text. */
type Next =
  | 'value'
  | 'first item'
  | 'first key'
  | 'key'
  | 'colon'
  | 'after value'
  /** Inside of a string that is a value, or a key. */
  | 'text'
  | 'key text'
  /** Inside of a number or a literal. */
  | 'word'
  /** Nothing but white space. */
  | 'end'
  /** No JSON text begins like this one. */
  | 'nothing';

interface Container {
  isObject: boolean;
  depth: number;
  outer: Container | null;
}

/** As deep as `parseJson` goes: a text of brackets alone must not fill the memory. */
const deepest = 500;

/**
 * Reads a JSON text in pieces of any size, to tell whether it is whole, could still become whole, or is none. It costs a
 * step a character whatever the pieces, and a copy of it costs the same at any depth, so that a piece can be tried.
 *
 * Strings, numbers and literals are not checked inside: models write raw line ends in strings, and where a text ends does
 * not depend on it. `JSON.parse` has the last word where validity counts.
 */
export class JsonScanner {
  #next: Next = 'value';
  #isEscaped = false;
  #container: Container | null = null;

  /** Whether an object, a list or a string has closed: a number or a word at the top may always go on. */
  get isWhole(): boolean {
    return this.#next === 'end';
  }

  /** Whether no JSON text begins like this. */
  get isBroken(): boolean {
    return this.#next === 'nothing';
  }

  copy(): JsonScanner {
    const copy = new JsonScanner();
    copy.#next = this.#next;
    copy.#isEscaped = this.#isEscaped;
    copy.#container = this.#container;
    return copy;
  }

  read(piece: string): this {
    for (let at = 0; at < piece.length && this.#next !== 'nothing'; at += 1) {
      const unit = piece.charCodeAt(at);
      if (this.#next === 'text' || this.#next === 'key text') this.#readText(unit);
      else this.#readToken(unit);
    }
    return this;
  }

  #readText(unit: number): void {
    if (this.#isEscaped) this.#isEscaped = false;
    else if (unit === backslash) this.#isEscaped = true;
    else if (unit === quote && this.#next === 'key text') this.#next = 'colon';
    else if (unit === quote) this.#endValue();
  }

  #readToken(unit: number): void {
    if (this.#next === 'word') {
      if (isOfWord(unit)) return;
      if (this.#container === null) {
        if (!isSpace(unit)) this.#next = 'nothing';
        return;
      }
      this.#next = 'after value';
    }
    if (isSpace(unit)) return;
    switch (this.#next) {
      case 'first item':
        if (unit === closeList) this.#close();
        else this.#beginValue(unit);
        break;
      case 'value':
        this.#beginValue(unit);
        break;
      case 'first key':
        if (unit === closeObject) this.#close();
        else this.#next = unit === quote ? 'key text' : 'nothing';
        break;
      case 'key':
        this.#next = unit === quote ? 'key text' : 'nothing';
        break;
      case 'colon':
        this.#next = unit === colon ? 'value' : 'nothing';
        break;
      case 'after value':
        this.#readAfterValue(unit);
        break;
      default:
        this.#next = 'nothing';
    }
  }

  #readAfterValue(unit: number): void {
    const isObject = this.#container?.isObject === true;
    if (unit === comma) this.#next = isObject ? 'key' : 'value';
    else if (unit === (isObject ? closeObject : closeList)) this.#close();
    else this.#next = 'nothing';
  }

  #beginValue(unit: number): void {
    if (unit === quote) this.#next = 'text';
    else if (unit === openObject || unit === openList) this.#open(unit === openObject);
    else this.#next = isOfWord(unit) ? 'word' : 'nothing';
  }

  #open(isObject: boolean): void {
    const depth = (this.#container?.depth ?? 0) + 1;
    this.#container = { isObject, depth, outer: this.#container };
    if (depth > deepest) this.#next = 'nothing';
    else this.#next = isObject ? 'first key' : 'first item';
  }

  #close(): void {
    this.#container = this.#container?.outer ?? null;
    this.#endValue();
  }

  #endValue(): void {
    this.#next = this.#container === null ? 'end' : 'after value';
  }
}

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const colon = 0x3a;
const openObject = 0x7b;
const closeObject = 0x7d;
const openList = 0x5b;
const closeList = 0x5d;

function isSpace(unit: number): boolean {
  return unit === 0x20 || unit === 0x0a || unit === 0x0d || unit === 0x09;
}

/** Digits, signs, and the letters of `true`, `1e5` and Python's `None`. */
function isOfWord(unit: number): boolean {
  return (
    (unit >= 0x30 && unit <= 0x39) ||
    (unit >= 0x61 && unit <= 0x7a) ||
    (unit >= 0x41 && unit <= 0x5a) ||
    unit === 0x2b ||
    unit === 0x2d ||
    unit === 0x2e
  );
}
