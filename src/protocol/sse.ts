// oxlint-disable-next-line no-restricted-imports -- a pure function, no I/O
import { isAscii } from 'node:buffer';

import { createParser } from 'eventsource-parser';

import { CllmError } from '../outcome/errors.ts';

/** One server-sent event. Ids and reconnection times, which nothing on this wire uses, are dropped. */
export interface SseEvent {
  /** The event type, `message` unless the block named one. */
  event: string;
  /** The block's `data` lines, joined by LF. */
  data: string;
  /** Only on the event that `end()` gave from a block which the body's end left without its blank line. */
  unterminated?: true;
}

/** What the reader adds to the grammar; internal. */
export interface SseExtensions<Known> {
  /** See BlockShortcut. */
  shortcut?: BlockShortcut<Known>;
  /**
   * The lines of a block that are no field of an event stream, joined by LF: an event, where a server wrote one so, or null.
   * It comes after the block's own event.
   */
  readStray?: (text: string) => SseEvent | null;
}

export interface SseDecoderOptions {
  /**
   * The largest event, as UTF-8 bytes of its block without the blank line. Default 16 MiB. A string of this runtime holds
   * less than 512 MiB, so a larger limit is lowered to that.
   */
  maxEventBytes?: number;
}

/**
 * Takes known blocks off a text without parsing them, from the place `from` where a block begins. It gives one item for
 * all of them and the place where they end; null when it does not know the first block.
 */
export type BlockShortcut<Known> = (text: string, from: number) => { item: Known; end: number } | null;

export const defaultMaxEventBytes = 16 * 1024 * 1024;

/** V8 refuses strings of 2^29 - 24 characters and more; a character is at least one byte. */
const longestString = 2 ** 29 - 1024;

/** Larger inputs are taken in steps of this size, so that a whole file given at once needs no string of its own size. */
const stepBytes = 1024 * 1024;

const lineFeed = 0x0a;
const letterD = 0x64;

/** More of a block's stray lines is no error message. */
const longestStray = 65_536;

/**
 * Bytes to server-sent events, by WHATWG HTML §9.2.5 and §9.2.6, for `event` and `data`. How the bytes are cut makes no
 * difference to the events, and an event is given as soon as the end of its blank line is known.
 *
 * eventsource-parser does the line grammar. It is kept away from what it gets wrong or does slowly: this class decodes
 * UTF-8, removes the one byte order mark, turns every CR and CRLF into LF (the parser would hold a CR at the end of its
 * input back for ever, and search the rest of the input twice for each line of one that has a CR), and bounds the size
 * of an event by what was sent, not by how it was cut.
 */
export class SseDecoder<Known = never> {
  readonly #maxEventBytes: number;
  readonly #shortcut: BlockShortcut<Known> | null;
  readonly #readStray: SseExtensions<Known>['readStray'] | null;
  readonly #utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
  readonly #parser = createParser({
    onEvent: ({ event, data }) => {
      this.#events.push({ event: event ?? 'message', data });
    },
    onError: ({ type, line }) => {
      if (this.#isKeepingStrays && type === 'unknown-field' && line !== undefined) this.#keepStray(line);
    },
  });
  /** The stray lines of the open block. */
  #stray: string[] = [];
  #strayLength = 0;
  #isKeepingStrays = false;
  /** Whether the line that is open began as one of data. */
  #isInData = true;
  #events: (SseEvent | Known)[] = [];
  /** Whether `#utf8` may hold the first bytes of a character. */
  #mayHoldBytes = false;
  #isAtStart = true;
  /** Whether the text so far ended in a CR, whose line end is already counted: an LF that follows belongs to it. */
  #endedInCarriageReturn = false;
  /** UTF-8 bytes of the block that no blank line has closed yet. */
  #blockBytes = 0;
  #isAtLineStart = true;
  #hasEnded = false;
  #isTorn = false;
  #error: CllmError | null = null;

  /** @param extensions Internal. */
  constructor(options: SseDecoderOptions = {}, extensions: SseExtensions<Known> = {}) {
    this.#shortcut = extensions.shortcut ?? null;
    this.#readStray = extensions.readStray ?? null;
    this.#maxEventBytes = Math.min(options.maxEventBytes ?? defaultMaxEventBytes, longestString);
    // The parser would take the three characters U+00EF U+00BB U+00BF at the start of its first input for a byte order
    // mark that was decoded as Latin-1.
    this.#parser.feed('');
  }

  /** Set once an event was larger than `maxEventBytes`: `decode()` and `end()` throw it from then on. */
  get error(): CllmError | null {
    return this.#error;
  }

  /** Whether `end()` dropped a block that had data: the body's end tore it. */
  get isTorn(): boolean {
    return this.#isTorn;
  }

  /**
   * Takes the next bytes and gives the events that they completed. After `end()` it gives nothing.
   *
   * @throws {CllmError} `event_too_large` when an event passes `maxEventBytes`. Events that these bytes completed before
   * it are given first; the error is then thrown by the next call, and `error` has it at once.
   */
  decode(bytes: Uint8Array): (SseEvent | Known)[] {
    if (this.#error !== null) throw this.#error;
    if (this.#hasEnded) return [];
    if (bytes.length <= stepBytes) {
      this.#take(this.#decodeText(bytes));
    } else {
      for (let from = 0; from < bytes.length && this.#error === null; from += stepBytes) {
        this.#take(this.#decodeText(bytes.subarray(from, from + stepBytes)));
      }
    }
    return this.#give();
  }

  /**
   * The body has ended, cleanly. Gives the event that it left without its blank line if the event's data is `[DONE]` or
   * whole JSON, marked as `unterminated`. (HTML discards such a block; gateways that drop the last blank line are too
   * common to lose a finish_reason to them, and half a JSON text is never whole JSON.)
   *
   * @throws {CllmError} `event_too_large`, as `decode()`.
   */
  end(): SseEvent[] {
    if (this.#error !== null) throw this.#error;
    if (this.#hasEnded) return [];
    this.#hasEnded = true;
    this.#take(this.#normalize(this.#utf8.decode()));
    if (this.#error !== null) throw this.#error;
    // Closes the open line, then the open block. After a block that was closed both are blank lines, which do nothing.
    this.#isKeepingStrays = this.#readStray !== null;
    this.#parser.feed('\n\n');
    // No block ended, so it is none that the shortcut gave.
    const pending = this.#give()[0] as SseEvent | undefined;
    this.#giveStray();
    const strays = this.#give() as SseEvent[];
    if (pending === undefined) return strays;
    if (isWhole(pending.data)) return [{ ...pending, unterminated: true }, ...strays];
    this.#isTorn = pending.data !== '';
    return strays;
  }

  #give(): (SseEvent | Known)[] {
    const events = this.#events;
    if (events.length === 0 && this.#error !== null) throw this.#error;
    this.#events = [];
    return events;
  }

  #decodeText(bytes: Uint8Array): string {
    // Five times as fast as a TextDecoder, and the strings take half the memory. Most replies are ASCII on the wire.
    if (!this.#mayHoldBytes && isAscii(bytes)) {
      const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
      return this.#normalize(buffer.toString('latin1'));
    }
    const last = bytes.at(-1);
    if (last !== undefined) this.#mayHoldBytes = last >= 0x80;
    return this.#normalize(this.#utf8.decode(bytes, { stream: true }));
  }

  /** Removes the byte order mark, and makes LF the only line end. */
  #normalize(decoded: string): string {
    let text = decoded;
    if (text === '') return text;
    if (this.#isAtStart) {
      this.#isAtStart = false;
      if (text.charCodeAt(0) === 0xfeff) text = text.slice(1);
    }
    if (this.#endedInCarriageReturn && text !== '') {
      this.#endedInCarriageReturn = false;
      if (text.charCodeAt(0) === lineFeed) text = text.slice(1);
    }
    // Not includes(): see ChunkTemplate.
    if (text.indexOf('\r') !== -1) {
      this.#endedInCarriageReturn = text.endsWith('\r');
      text = text.replace(/\r\n?/g, '\n');
    }
    return text;
  }

  #take(text: string): void {
    if (text === '' || this.#error !== null) return;
    // No character takes more than three bytes a UTF-16 unit: in all but the rarest case nothing needs to be counted.
    if (this.#blockBytes + text.length * 3 <= this.#maxEventBytes) {
      if (this.#shortcut === null) this.#parse(text);
      else this.#takeShort(text, this.#shortcut);
    } else {
      this.#takeBounded(text);
    }
  }

  #parse(text: string): void {
    if (this.#readStray !== null && this.#mayHoldStray(text)) {
      this.#parseWithStrays(text);
    } else {
      this.#parser.feed(text);
      this.#countOpenBlock(text);
    }
  }

  /** Whether a line of the text may be none of an event stream's fields: never for a line that one read brings whole. */
  #mayHoldStray(text: string): boolean {
    if (this.#stray.length > 0) return true;
    const isOpen = !this.#isAtLineStart;
    if (isOpen ? !this.#isInData : /^(?:[{[]|error)/.test(text)) return true;
    const last = text.lastIndexOf('\n');
    if (last !== text.length - 1) this.#isInData = text.charCodeAt(last + 1) === letterD || (last === -1 && isOpen);
    return text.indexOf('\n{') !== -1 || text.indexOf('\n[') !== -1 || text.indexOf('\nerror') !== -1;
  }

  /** Block by block, so that an error comes after the chunk that it was glued to, however the bytes were cut. */
  #parseWithStrays(text: string): void {
    this.#isKeepingStrays = true;
    let from = 0;
    while (from < text.length) {
      const endsAtOnce = from === 0 && this.#isAtLineStart && text.charCodeAt(0) === lineFeed;
      const blank = endsAtOnce ? -1 : text.indexOf('\n\n', from);
      const isClosed = endsAtOnce || blank !== -1;
      const part = text.slice(from, isClosed ? blank + 2 : text.length);
      this.#parser.feed(part);
      this.#countOpenBlock(part);
      if (isClosed) this.#giveStray();
      from += part.length;
    }
    this.#isKeepingStrays = false;
    const last = text.lastIndexOf('\n');
    if (last !== text.length - 1) this.#isInData = last !== -1 && text.charCodeAt(last + 1) === letterD;
  }

  /** From the first line on that may begin an error: which others stood before it in the same read says nothing. */
  #keepStray(line: string): void {
    if (this.#stray.length === 0 && !/^(?:[{[]|error)/.test(line)) return;
    if (this.#strayLength + line.length > longestStray) return;
    this.#stray.push(line);
    this.#strayLength += line.length;
  }

  #giveStray(): void {
    if (this.#stray.length === 0) return;
    const event = this.#readStray?.(this.#stray.join('\n')) ?? null;
    this.#stray = [];
    this.#strayLength = 0;
    if (event !== null) this.#events.push(event);
  }

  /** Parses only what the shortcut does not know: the block that was open, and one that stands between two known ones. */
  #takeShort(text: string, shortcut: BlockShortcut<Known>): void {
    let from = this.#isAtBlockStart ? 0 : this.#parseBlock(text, 0);
    while (from < text.length) {
      const known = shortcut(text, from);
      if (known === null) {
        this.#parse(text.slice(from));
        return;
      }
      this.#events.push(known.item);
      from = known.end;
      if (from < text.length) from = this.#parseBlock(text, from);
    }
  }

  /** Parses to the end of a block, or of the text; gives the position after it. */
  #parseBlock(text: string, from: number): number {
    const endsAtOnce = from === 0 && this.#isAtLineStart && text.charCodeAt(0) === lineFeed;
    const blank = endsAtOnce ? -1 : text.indexOf('\n\n', from);
    const end = endsAtOnce || blank !== -1 ? blank + 2 : text.length;
    this.#parse(text.slice(from, end));
    return end;
  }

  get #isAtBlockStart(): boolean {
    return this.#blockBytes === 0 && this.#isAtLineStart;
  }

  /** Keeps `#blockBytes` up to date for a text that can not pass the limit. */
  #countOpenBlock(text: string): void {
    if (text.endsWith('\n\n')) {
      // Where nearly every read ends.
      this.#blockBytes = 0;
      this.#isAtLineStart = true;
      return;
    }
    if (text.includes('\n')) {
      const blank = text.lastIndexOf('\n\n');
      if (blank !== -1) {
        this.#blockBytes = Buffer.byteLength(text.slice(blank + 2));
      } else if (this.#isAtLineStart && text.charCodeAt(0) === lineFeed) {
        this.#blockBytes = Buffer.byteLength(text) - 1;
      } else {
        this.#blockBytes += Buffer.byteLength(text);
      }
    } else {
      this.#blockBytes += Buffer.byteLength(text);
    }
    this.#isAtLineStart = text.endsWith('\n');
  }

  /** Feeds a text block by block, up to the one that passes the limit. */
  #takeBounded(text: string): void {
    let from = 0;
    while (from < text.length) {
      const isBlankLine = this.#isAtLineStart && text.charCodeAt(from) === lineFeed;
      const blank = isBlankLine ? from - 1 : text.indexOf('\n\n', from);
      const isClosed = isBlankLine || blank !== -1;
      const part = text.slice(from, isClosed ? blank + 2 : text.length);
      const bytes = this.#blockBytes + Buffer.byteLength(part) - (isClosed ? 1 : 0);
      if (bytes > this.#maxEventBytes) {
        this.#fail();
        return;
      }
      this.#parse(part);
      this.#blockBytes = isClosed ? 0 : bytes;
      this.#isAtLineStart = part.endsWith('\n');
      from += part.length;
    }
  }

  #fail(): void {
    this.#parser.reset();
    this.#error = new CllmError(
      'event_too_large',
      `one event of the stream is larger than the limit of ${this.#maxEventBytes} bytes`,
    );
  }
}

function isWhole(data: string): boolean {
  if (data.trim() === '[DONE]') return true;
  try {
    JSON.parse(data);
    return true;
  } catch {
    return false;
  }
}
