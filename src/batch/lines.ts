import { isUtf8 } from 'node:buffer';

/** A line of a file that may be larger than memory. */
export interface Line {
  /** Counted from 1, blank ones too, as editors do. */
  number: number;
  /** Without its ending and without a byte order mark; null when the line is no text that can be worked with. */
  text: string | null;
  /** Why `text` is null. */
  problem: string | null;
  /** The offset of the byte after the line, its ending included. */
  endsAt: number;
  /** Whether a newline ended it; only the last line of a file can lack it. */
  isTerminated: boolean;
}

const newline = 0x0a;
/** A request with several images in it is some tens of megabytes. */
const longestLine = 128 * 1024 * 1024;

export interface LineOptions {
  /** A longer line has no text. Default 128 MiB. */
  mostBytes?: number;
  /** What is no UTF-8 becomes U+FFFD: for a file of ours, in which a crash may have torn a character. */
  isLossy?: boolean;
}

/** Splits bytes into lines, holding one line at a time. LF and CRLF end a line; a lone CR is text. */
export async function* readLines(
  bytes: AsyncIterable<Uint8Array>,
  { mostBytes = longestLine, isLossy = false }: LineOptions = {},
): AsyncGenerator<Line, void, undefined> {
  let pieces: Buffer[] = [];
  let held = 0;
  let offset = 0;
  let number = 0;
  const take = (piece: Buffer): void => {
    held += piece.length;
    // What is beyond the bound is counted and dropped, so that the next line is found.
    if (held <= mostBytes) pieces.push(piece);
    else pieces = [];
  };
  const finish = (isTerminated: boolean): Line => {
    number += 1;
    const line = {
      number,
      ...(held > mostBytes
        ? { text: null, problem: `is longer than ${mostBytes} bytes` }
        : decode(pieces, number, isLossy)),
      endsAt: offset,
      isTerminated,
    };
    pieces = [];
    held = 0;
    return line;
  };
  for await (const read of bytes) {
    const buffer = Buffer.from(read.buffer, read.byteOffset, read.byteLength);
    let start = 0;
    for (let at = buffer.indexOf(newline); at !== -1; at = buffer.indexOf(newline, start)) {
      take(buffer.subarray(start, at));
      offset += at + 1 - start;
      start = at + 1;
      yield finish(true);
    }
    if (start < buffer.length) {
      take(buffer.subarray(start));
      offset += buffer.length - start;
    }
  }
  if (held > 0) yield finish(false);
}

function decode(pieces: readonly Buffer[], number: number, isLossy: boolean): Pick<Line, 'text' | 'problem'> {
  const [first = Buffer.alloc(0)] = pieces;
  const whole = pieces.length > 1 ? Buffer.concat(pieces) : first;
  if (!isLossy && !isUtf8(whole)) return { text: null, problem: 'is no UTF-8 text' };
  if (!isLossy && whole.includes(0)) return { text: null, problem: 'is no text: it has a NUL byte' };
  const text = whole.toString('utf8').replace(/\r$/, '');
  return { text: number === 1 ? text.replace(/^\uFEFF/, '') : text, problem: null };
}
