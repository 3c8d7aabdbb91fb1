import { isUtf8 } from 'node:buffer';

/** A text, or why the bytes are none and what to do about it. Neither names the bytes' source. */
export type Decoded = { text: string; problem: null } | { text: null; problem: string; hint: string };

/** Bytes looked at to tell UTF-16 without a mark from a binary file. */
const sampleBytes = 4096;

/**
 * The one place where bytes of a file, of standard input or of an editor become text: UTF-8, or UTF-16 as PowerShell
 * writes it, without the byte order mark. What is neither is refused: decoded all the same it would reach a model with
 * holes in it. Line endings stay as they are.
 *
 * UTF-16 without a mark is taken where every other byte of the beginning is NUL as a rule, as in Latin text; no UTF-8
 * text has NUL bytes.
 */
export function decodeText(bytes: Buffer): Decoded {
  if (startsWith(bytes, 0xff, 0xfe, 0, 0) || startsWith(bytes, 0, 0, 0xfe, 0xff)) {
    return refused('is UTF-32 text', 'convert it: iconv -f utf-32 -t utf-8');
  }
  if (startsWith(bytes, 0xff, 0xfe)) return utf16(bytes.subarray(2), 'utf-16le');
  if (startsWith(bytes, 0xfe, 0xff)) return utf16(bytes.subarray(2), 'utf-16be');
  if (bytes.includes(0)) {
    const encoding = unmarkedUtf16(bytes);
    if (encoding !== null) return utf16(bytes, encoding);
    return refused(`is no text: it has a NUL byte at offset ${bytes.indexOf(0)}`, "take it out: tr -d '\\000'");
  }
  if (!isUtf8(bytes)) {
    const offset = invalidOffset(bytes);
    return refused(
      `is no UTF-8 text at offset ${offset} (byte ${offset}, counted from 0)`,
      'convert it: iconv -f latin1 -t utf-8, or from what it is',
    );
  }
  return { text: bytes.toString('utf8', startsWith(bytes, 0xef, 0xbb, 0xbf) ? 3 : 0), problem: null };
}

/**
 * UTF-16 with a byte order mark as UTF-8, piece by piece, for what may be larger than the memory; anything else stays as
 * it is. A lone surrogate becomes bytes that are no UTF-8, so that a reader refuses its line and no other.
 */
export async function* utf8Bytes(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  let decoder: InstanceType<typeof TextDecoder> | null = null;
  let head: Buffer | null = Buffer.alloc(0);
  for await (const piece of bytes) {
    let rest: Uint8Array = piece;
    if (head !== null) {
      head = Buffer.concat([head, piece]);
      if (head.length < 2) continue;
      const isLittle = startsWith(head, 0xff, 0xfe);
      if (isLittle || startsWith(head, 0xfe, 0xff)) {
        decoder = new TextDecoder(isLittle ? 'utf-16le' : 'utf-16be', { ignoreBOM: true });
        rest = head.subarray(2);
      } else rest = head;
      head = null;
    }
    yield decoder === null ? rest : encoded(decoder.decode(rest, { stream: true }));
  }
  if (head !== null && head.length > 0) yield head;
  if (decoder !== null) yield encoded(decoder.decode());
}

/**
 * The offset of the first byte that no UTF-8 text has there: decoding puts U+FFFD in place of a fault and leaves all
 * before it as it was, so encoding again differs first at the fault, or inside the character that it tears.
 */
function invalidOffset(bytes: Buffer): number {
  const again = Buffer.from(bytes.toString('utf8'), 'utf8');
  let offset = 0;
  while (offset < bytes.length && bytes[offset] === again[offset]) offset += 1;
  while (!isUtf8(bytes.subarray(0, offset))) offset -= 1;
  return offset;
}

function encoded(text: string): Buffer {
  const pieces = text.split('\uFFFD').map((piece) => Buffer.from(piece, 'utf8'));
  const hole = Buffer.from([0xff]);
  return Buffer.concat(pieces.flatMap((piece, index) => (index === 0 ? [piece] : [hole, piece])));
}

function utf16(bytes: Buffer, encoding: 'utf-16le' | 'utf-16be'): Decoded {
  try {
    const text = new TextDecoder(encoding, { fatal: true, ignoreBOM: true }).decode(bytes);
    if (!text.includes('\0')) return { text, problem: null };
  } catch {
    // A lone surrogate, or half a character at the end.
  }
  return refused('is damaged UTF-16 text', 'convert it: iconv -f utf-16 -t utf-8');
}

function unmarkedUtf16(bytes: Buffer): 'utf-16le' | 'utf-16be' | null {
  if (bytes.length % 2 !== 0) return null;
  const sample = bytes.subarray(0, sampleBytes);
  let even = 0;
  let odd = 0;
  for (let at = 0; at < sample.length; at += 2) {
    if (sample[at] === 0) even += 1;
    if (sample[at + 1] === 0) odd += 1;
  }
  const enough = sample.length / 4;
  if (even === 0 && odd > enough) return 'utf-16le';
  return odd === 0 && even > enough ? 'utf-16be' : null;
}

function startsWith(bytes: Buffer, ...mark: number[]): boolean {
  return mark.every((byte, at) => bytes[at] === byte);
}

function refused(problem: string, hint: string): Decoded {
  return { text: null, problem, hint };
}
