import { isJsonObject, parseJson, type JsonObject } from '../json.ts';
import { JsonScanner } from '../json-scanner.ts';
import { TextPieces } from './text-pieces.ts';

/** How a text of JSON is put together: as long as it is open there may be several ways to read the pieces. */
interface Reading {
  pieces: TextPieces;
  length: number;
  scanner: JsonScanner;
}

/** How far pieces after the whole have repeated a text. */
interface Echo {
  text: string;
  at: number;
  /** What they were: white space, where a text has none, is no part of it. */
  said: string;
}

/** Of one text. A second one is rare, and a third one an accident. */
const mostReadings = 4;

/** Arguments that come as objects are parsed for each of them: no longer ones are put together. */
const longestMerged = 65_536;

/**
 * The arguments of one call, from pieces that providers send in their several habits. The rules are those of
 * ToolCallsFold; here is what they mean for the text. In all of it the JSON decides, and where two readings are left, the
 * one that is whole:
 *
 * - A piece goes on with the text. A piece that begins with all of the text so far may say it again, and more (cumulative
 *   arguments, or the whole at the end): each reading lives until it can not be JSON.
 * - After the text is whole, the same text adds nothing: at once, in pieces, as a string of JSON (encoded twice), or
 *   written in another way. Neither does white space.
 * - `{}` before more is an opening, and goes.
 * - An object that holds all of the object before, and more, takes its place.
 *
 * Each piece costs its length, and never that of the text before it.
 */
export class ArgumentsFold {
  /** At least one; where there are more, the first is the plain one: all pieces joined. */
  #readings: Reading[] = [emptyReading()];
  /** Which part of which text, said before, the pieces after the whole have repeated. */
  #echo: Echo | null = null;
  /** What the whole text says, once it was compared; and the text as a string of JSON. */
  #value: { parsed: unknown } | null = null;
  #encoded: string | null = null;

  /** Whether nothing, or white space, has come. */
  get isEmpty(): boolean {
    return this.#readings[0]?.length === 0;
  }

  /** Whether the text is whole: an object, as arguments are, or one in a string. What else it may be can always go on. */
  get isWhole(): boolean {
    for (const reading of this.#readings) if (isWholeObject(reading)) return true;
    return false;
  }

  /** Whether it is no JSON, and none that more could make. */
  get isBroken(): boolean {
    const [first] = this.#readings;
    return this.#readings.length === 1 && first !== undefined && first.scanner.isBroken;
  }

  get text(): string {
    return this.#best().pieces.join();
  }

  /** Of the text, in UTF-16 units. */
  get length(): number {
    return this.#best().length;
  }

  /** The pieces that have begun to say the whole text again and have not finished. */
  get unfinishedEcho(): string | null {
    return this.#echo?.said ?? null;
  }

  /** Whether a piece goes on with the text where it may be whole or not, and begins none of its own. */
  isContinuedBy(piece: string): boolean {
    if (this.#readings.length === 1 || /^\s*["{]/.test(piece)) return false;
    return this.#readings.some((each) => !isWholeObject(each) && !each.scanner.copy().read(piece).isBroken);
  }

  /**
   * Takes the next piece of this call.
   *
   * @param mayGrow whether the piece is surely this call's, so that a larger object is this one again
   * @returns false when the piece can not be of this call: nothing was changed
   */
  take(piece: string, mayGrow: boolean): boolean {
    if (piece === '') return true;
    if (this.isBroken) return this.#force(piece);
    if (this.#echo !== null) return this.#goOnEchoing(this.#echo, piece);
    const [only] = this.#readings;
    if (only !== undefined && this.#readings.length === 1 && !mayRestate(only, piece)) {
      // Nearly every piece there is.
      if (extended(only, piece) !== null) return true;
    }
    const next = continuations(this.#readings, piece);
    if (next.length > 0) {
      this.#readings = next;
      return true;
    }
    if (this.isWhole) return isBlank(piece) || this.#takeAgain(piece, mayGrow);
    // Of a call without arguments so far, any text is the beginning.
    return this.isEmpty && this.#force(piece);
  }

  /** Keeps a piece although the text is no JSON with it. */
  force(piece: string): void {
    this.#force(piece);
  }

  /** Nothing says the text again: what seemed to is another call. */
  forgetEcho(): void {
    this.#echo = null;
  }

  /** Whether a text says what the whole text says. */
  isSaidBy(text: string): boolean {
    return this.isWhole && !isBlank(text) && (text.trim() === this.text.trim() || this.#says(text));
  }

  /** Takes more members of arguments that come as objects, and not as text. */
  merge(more: JsonObject): boolean {
    const text = this.isWhole ? this.text : '';
    const before = text !== '' && text.length <= longestMerged ? parsedOrNull(text)?.parsed : null;
    if (!isJsonObject(before)) return false;
    const merged = Object.fromEntries([...Object.entries(before), ...Object.entries(more)]);
    return this.#replace(JSON.stringify(merged));
  }

  #force(piece: string): true {
    const reading = this.#best();
    this.#readings = [append(reading, piece)];
    return true;
  }

  #best(): Reading {
    return this.#readings.find(isWholeObject) ?? (this.#readings[0] as Reading);
  }

  /** A piece after the whole text. */
  #takeAgain(piece: string, mayGrow: boolean): boolean {
    this.#readings = [this.#best()];
    const { text } = this;
    if (isEmptyObject(text)) {
      if (isEmptyObject(piece)) return true;
      if (piece.trimStart().startsWith('{')) return this.#replace(piece);
    }
    if (this.#beginEcho(text.trim(), piece)) return true;
    if (piece.startsWith('"') && this.#beginEcho((this.#encoded ??= JSON.stringify(text)), piece)) return true;
    return this.#compare(piece, mayGrow);
  }

  #beginEcho(text: string, piece: string): boolean {
    if (!text.startsWith(piece)) return false;
    this.#echo = piece.length === text.length ? null : { text, at: piece.length, said: piece };
    return true;
  }

  #goOnEchoing({ text, at, said }: Echo, piece: string): boolean {
    let echo: Echo;
    if (text.startsWith(piece, at)) echo = { text, at: at + piece.length, said: said + piece };
    // The whole once more, each time a bit longer.
    else if (piece.length > at && text.startsWith(piece)) echo = { text, at: piece.length, said: piece };
    else if (isBlank(piece)) echo = { text, at, said: said + piece };
    else return false;
    this.#echo = echo.at === text.length ? null : echo;
    return true;
  }

  #compare(piece: string, mayGrow: boolean): boolean {
    if (this.#says(piece)) return true;
    const next = parsedOrNull(piece);
    if (next === null) return false;
    const { parsed: before } = this.#parsed();
    // A text that was encoded twice, and here is what it says.
    const inner = typeof before === 'string' ? parsedOrNull(before) : null;
    if (inner !== null && isSame(inner.parsed, next.parsed)) return this.#replace(piece);
    return mayGrow && holdsAll(next.parsed, before) && this.#replace(piece);
  }

  /** Whether a text says the same, in another spelling or as a string of JSON. */
  #says(text: string): boolean {
    const next = parsedOrNull(text);
    if (next === null) return false;
    const { parsed } = this.#parsed();
    if (isSame(parsed, next.parsed)) return true;
    const inner = typeof next.parsed === 'string' ? parsedOrNull(next.parsed) : null;
    return inner !== null && isSame(parsed, inner.parsed);
  }

  #parsed(): { parsed: unknown } {
    return (this.#value ??= parsedOrNull(this.text) ?? { parsed: undefined });
  }

  #replace(piece: string): true {
    this.#readings = [append(emptyReading(), piece)];
    this.#value = null;
    this.#encoded = null;
    return true;
  }
}

function isWholeObject({ scanner, pieces }: Reading): boolean {
  return scanner.isWhole && /^\s*"?\s*\{/.test(pieces.join());
}

function emptyReading(): Reading {
  return { pieces: new TextPieces(), length: 0, scanner: new JsonScanner() };
}

/** Changes the reading, of which nobody needs the state before. */
function append(reading: Reading, piece: string): Reading {
  reading.pieces.add(piece);
  reading.length += piece.length;
  reading.scanner.read(piece);
  return reading;
}

/** Whether a piece begins with all of the text so far. */
function mayRestate({ pieces, length }: Reading, piece: string): boolean {
  return length > 0 && piece.length >= length && piece.startsWith(pieces.join());
}

/** The readings that a piece leaves: it goes on with one before, or says one of them again and more; none, when it is neither. */
function continuations(readings: readonly Reading[], piece: string): Reading[] {
  // Whichever it says again, the text is the piece then. Looked at first: going on changes a reading.
  const again = readings.some((reading) => mayRestate(reading, piece)) ? startedWith(piece) : null;
  const [plain, ...others] = readings.map((reading) => extended(reading, piece));
  return [plain, again, ...others]
    .filter((reading) => reading !== null && reading !== undefined)
    .slice(0, mostReadings);
}

function startedWith(piece: string): Reading | null {
  const reading = append(emptyReading(), piece);
  return reading.scanner.isBroken ? null : reading;
}

/** Changes the reading if it can go on like that. */
function extended(reading: Reading, piece: string): Reading | null {
  const scanner = reading.scanner.copy().read(piece);
  if (scanner.isBroken) return null;
  reading.pieces.add(piece);
  reading.length += piece.length;
  reading.scanner = scanner;
  return reading;
}

function isBlank(piece: string): boolean {
  return piece.trim() === '';
}

function isEmptyObject(text: string): boolean {
  return text.length < 100 && /^\s*\{\s*\}\s*$/.test(text);
}

function parsedOrNull(text: string): { parsed: unknown } | null {
  try {
    return { parsed: parseJson(text) };
  } catch {
    return null;
  }
}

function isSame(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (Array.isArray(left)) {
    return Array.isArray(right) && left.length === right.length && left.every((item, at) => isSame(item, right[at]));
  }
  if (!isJsonObject(left) || !isJsonObject(right)) return false;
  const keys = Object.keys(left);
  return (
    keys.length === Object.keys(right).length &&
    keys.every((key) => Object.hasOwn(right, key) && isSame(left[key], right[key]))
  );
}

/** Whether a value is another one that has grown: an object with all its members, a text or a list that goes on. */
function holdsAll(value: unknown, before: unknown): boolean {
  if (typeof value === 'string' && typeof before === 'string') return value.startsWith(before);
  if (Array.isArray(value) && Array.isArray(before)) return before.every((item, at) => holdsAll(value[at], item));
  if (!isJsonObject(value) || !isJsonObject(before)) return value === before;
  return Object.keys(before).every((key) => Object.hasOwn(value, key) && holdsAll(value[key], before[key]));
}
