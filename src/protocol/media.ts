import { isJsonObject, textOrNull } from './json.ts';
import type { CompletionMessage } from './types.ts';

/** An image or a recording of a reply. */
export interface ReplyMedia {
  kind: 'image' | 'audio';
  /** `image/png`, as the reply says or as its first bytes tell; null when neither does. */
  mediaType: string | null;
  /** Decoded, in bytes; null for one that is elsewhere, or that can not be decoded. */
  bytes: number | null;
  /** Where it is, for one that is not in the reply. Nobody fetches it. */
  url: string | null;
  /** As the reply has it; null for one that is elsewhere. */
  base64: string | null;
}

/** A reply may name thousands; each costs a line. */
const mostMedia = 100;

/** What is enough of a text to know a file by its first bytes. */
const firstCharacters = 64;

/** The longest address that is worth repeating. */
const longestUrl = 500;

/**
 * The images and recordings of a message, in the wire's order: `images` as LiteLLM and OpenRouter send them (a `data:` URL, or
 * an address), OpenAI's `b64_json`, and `audio`. An entry without data is none. Their sizes are reckoned, not decoded.
 */
export function mediaOf(message: CompletionMessage | undefined): ReplyMedia[] {
  if (message === undefined) return [];
  const images: unknown[] = Array.isArray(message.images) ? message.images.slice(0, mostMedia) : [];
  const media = images.map((image) => imageOf(image));
  if (isJsonObject(message.audio)) media.push(inline('audio', textOrNull(message.audio['data']), null));
  return media.filter((each) => each !== null);
}

/** Its bytes; null for one that is elsewhere, or that is no base64. */
export function decodedMedia({ base64 }: ReplyMedia): Buffer | null {
  if (base64 === null || !isBase64(base64)) return null;
  const bytes = Buffer.from(base64, 'base64');
  return bytes.length === 0 ? null : bytes;
}

/** One line that says what it is: `image/png, 12.3 KB`. */
export function mediaTitle({ kind, mediaType, bytes, url }: ReplyMedia): string {
  const type = mediaType ?? `${kind} of an unknown type`;
  if (url !== null) return `${type}, elsewhere: ${url}`;
  return bytes === null ? `${type}, damaged` : `${type}, ${sizeOf(bytes)}`;
}

function imageOf(image: unknown): ReplyMedia | null {
  if (typeof image === 'string') return atUrl(image);
  if (!isJsonObject(image)) return null;
  const nested = isJsonObject(image['image_url']) ? image['image_url']['url'] : image['image_url'];
  const url = textOrNull(nested) ?? textOrNull(image['url']);
  if (url !== null) return atUrl(url);
  const type = textOrNull(image['mime_type']) ?? textOrNull(image['media_type']);
  const data = textOrNull(image['b64_json']) ?? textOrNull(image['data']) ?? textOrNull(image['result']);
  return inline('image', data, type);
}

function atUrl(url: string): ReplyMedia | null {
  const comma = url.indexOf(',');
  if (!/^data:/i.test(url)) {
    // Some servers send the base64 itself.
    if (!/^[a-z][a-z\d+.-]{0,20}:/i.test(url)) return inline('image', url, null);
    return { kind: 'image', mediaType: null, bytes: null, url: url.slice(0, longestUrl), base64: null };
  }
  const [type = '', ...parameters] = url.slice('data:'.length, comma === -1 ? undefined : comma).split(';');
  const data = comma === -1 ? '' : url.slice(comma + 1);
  if (parameters.some((each) => each.trim().toLowerCase() === 'base64')) return inline('image', data, type);
  return inline('image', unescaped(data).toString('base64'), type);
}

/** RFC 2397: bytes as they are or percent-coded. */
function unescaped(data: string): Buffer {
  // Through bytes: what is no ASCII stands for its UTF-8.
  const bytes = Buffer.from(data).toString('latin1');
  return Buffer.from(
    bytes.replaceAll(/%([\da-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  );
}

function inline(kind: ReplyMedia['kind'], data: string | null, type: string | null): ReplyMedia | null {
  if (data === null || data.trim() === '') return null;
  const base64 = /\s/.test(data) ? data.replaceAll(/\s+/g, '') : data;
  const first = Buffer.from(base64.slice(0, firstCharacters), 'base64');
  const said = type !== null && /^[a-z]+\/[\w.+-]{1,60}$/i.test(type) ? type.toLowerCase() : null;
  const bytes = isBase64(base64) ? decodedLength(base64) : 0;
  return { kind, mediaType: said ?? typeOf(first), bytes: bytes === 0 ? null : bytes, url: null, base64 };
}

/** Also in the alphabet for URLs, and without its padding. */
function isBase64(text: string): boolean {
  const end = text.endsWith('==') ? text.length - 2 : text.endsWith('=') ? text.length - 1 : text.length;
  return /^[A-Za-z0-9+/_-]*$/.test(text.slice(0, end)) && end % 4 !== 1;
}

function decodedLength(base64: string): number {
  const padding = base64.endsWith('==') ? 2 : base64.endsWith('=') ? 1 : 0;
  return Math.floor(((base64.length - padding) * 3) / 4);
}

/** By the first bytes. Source: the formats' own specifications. */
const signatures: [RegExp, string][] = [
  [/^\u0089PNG/, 'image/png'],
  [/^\u00FF\u00D8\u00FF/, 'image/jpeg'],
  [/^GIF8/, 'image/gif'],
  [/^RIFF[^]{4}WEBP/, 'image/webp'],
  [/^RIFF[^]{4}WAVE/, 'audio/wav'],
  [/^BM/, 'image/bmp'],
  [/^[^]{4}ftypavif/, 'image/avif'],
  [/^[^]{4}ftyp/, 'audio/mp4'],
  [/^\s*<(?:svg|\?xml)/, 'image/svg+xml'],
  [/^ID3|^\u00FF[\u00E2-\u00FB]/, 'audio/mpeg'],
  [/^\u00FF[\u00F0-\u00F9]/, 'audio/aac'],
  [/^OggS/, 'audio/ogg'],
  [/^fLaC/, 'audio/flac'],
];

function typeOf(first: Buffer): string | null {
  const text = first.toString('latin1');
  return signatures.find(([signature]) => signature.test(text))?.[1] ?? null;
}

function sizeOf(bytes: number): string {
  if (bytes < 1000) return `${bytes} ${bytes === 1 ? 'byte' : 'bytes'}`;
  return bytes < 1_000_000 ? `${(bytes / 1000).toFixed(1)} KB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}
