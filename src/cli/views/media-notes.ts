import { mediaOf, mediaTitle, type ReplyMedia } from '../../protocol/media.ts';
import type { CompletionMessage } from '../../protocol/types.ts';

export interface MediaNoteFacts {
  /** By their place: where each was written. */
  files: readonly (string | null)[];
  /** Null when the reply is kept nowhere. */
  conversationId: string | null;
}

/** What a reply has beside its text, a line each, and then how to get at what was not written. */
export function mediaNotes(message: CompletionMessage, { files, conversationId }: MediaNoteFacts): string[] {
  const media = mediaOf(message);
  const notes = media.map((each, index) => {
    const file = files[index] ?? null;
    const title = `the reply has ${each.kind === 'image' ? 'an image' : 'audio'}: ${mediaTitle(each)}`;
    if (file === null) return title;
    return isNamedSo(file, each) ? `${title}, in ${file}` : `${title}, in ${file} (as it came; nothing is converted)`;
  });
  const left = media.filter((each, index) => (files[index] ?? null) === null && each.bytes !== null);
  const [first] = left;
  if (first === undefined) return notes;
  const them = left.length === 1 ? 'it' : 'them';
  const written = `-o FILE.${suffixOf(first)} writes ${them}`;
  notes.push(
    conversationId === null
      ? `it is kept nowhere; when asked again, ${written}`
      : `cllm history show ${conversationId} --format json has ${them}; when asked again, ${written}`,
  );
  return notes;
}

/** The usual suffixes of each type, the first one for a suggestion. */
const suffixes: Readonly<Record<string, readonly string[]>> = {
  'image/png': ['png'],
  'image/jpeg': ['jpg', 'jpeg'],
  'image/gif': ['gif'],
  'image/webp': ['webp'],
  'image/bmp': ['bmp'],
  'image/avif': ['avif'],
  'image/tiff': ['tiff', 'tif'],
  'image/svg+xml': ['svg'],
  'audio/wav': ['wav'],
  'audio/x-wav': ['wav'],
  'audio/mpeg': ['mp3'],
  'audio/mp4': ['m4a'],
  'audio/ogg': ['ogg', 'opus'],
  'audio/flac': ['flac'],
  'audio/aac': ['aac'],
};

function suffixOf({ kind, mediaType }: ReplyMedia): string {
  return suffixesOf(mediaType)?.[0] ?? (kind === 'image' ? 'png' : 'wav');
}

/** A type that nobody knows fits any name. */
function isNamedSo(file: string, { mediaType }: ReplyMedia): boolean {
  const known = suffixesOf(mediaType);
  return known === undefined || known.includes(file.slice(file.lastIndexOf('.') + 1).toLowerCase());
}

function suffixesOf(mediaType: string | null): readonly string[] | undefined {
  return mediaType !== null && Object.hasOwn(suffixes, mediaType) ? suffixes[mediaType] : undefined;
}
