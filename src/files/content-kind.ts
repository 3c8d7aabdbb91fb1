import { isUtf8 } from 'node:buffer';
import { type Decoded, decodeText } from './text-encoding.ts';

/** What bytes are, by the bytes themselves: a file's name proves nothing. */
export type Content =
  | { kind: 'text'; text: string }
  /** `type` is the MIME type that providers know. */
  | { kind: 'image'; type: string }
  | { kind: 'pdf' }
  /** `format` is OpenAI's word for it. */
  | { kind: 'audio'; format: 'wav' | 'mp3' }
  /** What no provider takes so. `name` fits behind "is"; `hint` says what to do with it. */
  | { kind: 'other'; name: string; hint: string };

interface Signature {
  content: Content;
  is: (head: Buffer) => boolean;
}

const other = (name: string, hint: string): Content => ({ kind: 'other', name, hint });
const hex = (mark: string, at = 0): Signature['is'] => {
  const bytes = Buffer.from(mark, 'hex');
  return (head) => head.subarray(at, at + bytes.length).equals(bytes);
};
const latin =
  (pattern: RegExp, from = 0, to = 64): Signature['is'] =>
  (head) =>
    pattern.test(head.toString('latin1', from, to));
const asJpeg = 'convert it to JPEG or PNG first: magick x.heic x.jpg';
const asWav = 'convert it to WAV or MP3 first: ffmpeg -i x.m4a x.wav';
const asPdf = 'export it as PDF or text first';

/** Sync, a version, layer III, and a bit rate that there is. */
function isMp3Frame([first = 0, second = 0, third = 0]: Buffer): boolean {
  const bitRate = third >> 4;
  return first === 0xff && [0xe2, 0xe3, 0xf2, 0xf3, 0xfa, 0xfb].includes(second) && bitRate > 0 && bitRate < 15;
}

/**
 * The signatures of files, the surer ones first. A PDF may have up to a kilobyte of something else before its mark, and
 * begins in ASCII, so that text has to come after it.
 *
 * Source: each format's specification; ISO 32000-1 annex H.3 for where a PDF begins.
 */
const signatures: readonly Signature[] = [
  { content: { kind: 'image', type: 'image/png' }, is: hex('89504e470d0a1a0a') },
  { content: { kind: 'image', type: 'image/jpeg' }, is: hex('ffd8ff') },
  { content: { kind: 'image', type: 'image/gif' }, is: latin(/^GIF8[79]a/) },
  { content: { kind: 'image', type: 'image/webp' }, is: latin(/^RIFF[^]{4}WEBP/) },
  { content: { kind: 'audio', format: 'wav' }, is: latin(/^(?:RIFF|RF64)[^]{4}WAVE/) },
  { content: { kind: 'audio', format: 'mp3' }, is: latin(/^ID3[^ -~]/) },
  { content: { kind: 'audio', format: 'mp3' }, is: isMp3Frame },
  { content: other('a HEIC image', asJpeg), is: latin(/^[^]{4}ftyp(?:heic|heix|hevc|heim|heis|mif1|msf1)/) },
  { content: other('an AVIF image', asJpeg), is: latin(/^[^]{4}ftypavi[fs]/) },
  { content: other('an M4A recording', asWav), is: latin(/^[^]{4}ftypM4[AB]/) },
  { content: other('a video', 'send single pictures of it, or its sound as WAV'), is: latin(/^[^]{4}ftyp/) },
  { content: other('a video', 'send single pictures of it, or its sound as WAV'), is: hex('1a45dfa3') },
  { content: other('an Ogg recording', asWav), is: latin(/^OggS/) },
  { content: other('a FLAC recording', asWav), is: latin(/^fLaC/) },
  { content: other('a TIFF image', asJpeg), is: latin(/^(?:II\*\0|MM\0\*)/) },
  { content: other('a BMP image', asJpeg), is: latin(/^BM[^]{4}\0{4}/) },
  {
    content: other('a ZIP archive, as .docx, .xlsx and .odt are', asPdf),
    is: latin(/^PK[^ -~]{2}/),
  },
  { content: other('a document of an old Office', asPdf), is: hex('d0cf11e0a1b11ae1') },
  { content: other('compressed', 'unpack it first'), is: hex('1f8b08') },
  { content: other('compressed', 'unpack it first'), is: hex('28b52ffd') },
  { content: other('compressed', 'unpack it first'), is: latin(/^(?:BZh[1-9]|\u00fd7zXZ\0|7z\u00bc\u00af)/) },
  { content: other('a program', 'send its source'), is: latin(/^(?:\u007fELF|MZ\u0090\0)/) },
  { content: other('an SQLite database', 'send what a query of it gives'), is: latin(/^SQLite format 3\0/) },
];

/** Text, what providers take, or what they do not; and for what is none of these, why it is no text. */
export function contentOf(bytes: Buffer): Content | Exclude<Decoded, { problem: null }> {
  const head = bytes.subarray(0, 1024);
  const known = signatures.find(({ is }) => is(head));
  // A text may begin with the letters of a mark; what says so by NUL bytes or broken UTF-8 is none.
  if (known !== undefined) {
    const isAscii = known.content.kind === 'other' || known.content.kind === 'audio';
    const decoded = isAscii ? decodeText(bytes) : null;
    return decoded?.problem === null ? { kind: 'text', text: decoded.text } : known.content;
  }
  if (head.includes('%PDF-')) {
    const decoded = decodeText(bytes);
    // A text about PDFs has the mark somewhere; a PDF has it at the beginning of a line, and its end.
    const isPdf = /(?:^|[\r\n])%PDF-\d/.test(head.toString('latin1')) && bytes.subarray(-2048).includes('%%EOF');
    if (isPdf || (decoded.problem !== null && /^\s*%PDF-/.test(head.toString('latin1')))) return { kind: 'pdf' };
  }
  const decoded = decodeText(bytes);
  return decoded.problem === null ? { kind: 'text', text: decoded.text } : decoded;
}

/** What the beginning of a file says that is none of text, as it fits behind "is", and what to do; null for what may be text. */
export function binaryName(head: Buffer): { name: string; hint: string | null } | null {
  const known = signatures.find(({ is }) => is(head))?.content;
  // Letters alone make no binary file: a line may begin with them.
  if (known !== undefined && (head.includes(0) || !isUtf8(head.subarray(0, 16)))) return named(known);
  return /^\s*%PDF-\d/.test(head.toString('latin1', 0, 64)) ? named({ kind: 'pdf' }) : null;
}

/** A kind of content as it fits behind "is", and what to do where it can not be sent. */
export function named(content: Content): { name: string; hint: string | null } {
  if (content.kind === 'other') return content;
  const names = { image: 'an image', pdf: 'a PDF', audio: 'a recording', text: 'text' } as const;
  return { name: names[content.kind], hint: null };
}
