import { UsageError } from '../../outcome/errors.ts';
import { decodeText } from '../../files/text-encoding.ts';
import type { ChatMessage, Json } from '../../protocol/types.ts';
import type { Io } from '../io.ts';
import { readNamedFile } from './named-file.ts';
import { block } from './prompt.ts';

/** Providers refuse larger images; a base64 data URL adds a third. */
const largestImage = 20 * 1024 * 1024;
const hint = 'name a text file or an image';

/** What the first bytes say: a file's name proves nothing. */
const imageTypes: readonly [string, (bytes: Buffer) => boolean][] = [
  ['image/png', (bytes) => bytes.subarray(0, 8).equals(Buffer.from('89504e470d0a1a0a', 'hex'))],
  ['image/jpeg', (bytes) => bytes.subarray(0, 3).equals(Buffer.from('ffd8ff', 'hex'))],
  ['image/gif', (bytes) => /^GIF8[79]a/.test(bytes.toString('latin1', 0, 6))],
  ['image/webp', (bytes) => bytes.toString('latin1', 0, 4) === 'RIFF' && bytes.toString('latin1', 8, 12) === 'WEBP'],
];

/** The files of `-f`: text files as named blocks, images as data URLs. */
export interface Attachments {
  blocks: string[];
  images: Json[];
}

export async function readAttachments(
  files: readonly string[],
  io: Pick<Io, 'cwd' | 'signal' | 'stderr' | 'stdin'>,
): Promise<Attachments> {
  const blocks: string[] = [];
  const images: Json[] = [];
  for (const name of files) {
    const bytes = await readNamedFile(name, `-f ${name}`, io, { hint });
    const type = imageTypes.find(([, isType]) => isType(bytes))?.[0];
    if (type !== undefined) {
      if (bytes.length > largestImage)
        throw refused(name, `is an image of ${bytes.length} bytes; the limit is ${largestImage}`);
      images.push({ type: 'image_url', image_url: { url: `data:${type};base64,${bytes.toString('base64')}` } });
      continue;
    }
    const decoded = decodeText(bytes);
    if (decoded.problem !== null) {
      throw refused(
        name,
        `is neither UTF-8 text nor a PNG, JPEG, GIF or WebP image: it ${decoded.problem}`,
        `${hint}, or ${decoded.hint}`,
      );
    }
    const shownName = name === '-' ? 'stdin' : name;
    blocks.push(block('file', ` name=${JSON.stringify(shownName)}`, decoded.text));
  }
  return { blocks, images };
}

/** The user message: the prompt, then the text files, then the images. */
export function userMessage(prompt: string, { blocks, images }: Attachments): ChatMessage {
  const text = [prompt, ...blocks].join('\n\n');
  return { role: 'user', content: images.length === 0 ? text : [{ type: 'text', text }, ...images] };
}

function refused(name: string, why: string, todo = hint): UsageError {
  return new UsageError(`-f ${name}: ${why}`, { code: 'input_invalid', hint: todo });
}
