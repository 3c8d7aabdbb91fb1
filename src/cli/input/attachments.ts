import { statSync } from 'node:fs';
import path from 'node:path';
import { contentOf } from '../../files/content-kind.ts';
import { holdsPrivateKey } from '../../files/secret-file.ts';
import { UsageError } from '../../outcome/errors.ts';
import type { ChatMessage, Json } from '../../protocol/types.ts';
import type { Io } from '../io.ts';
import { remark } from '../views/report.ts';
import { readNamedFile } from './named-file.ts';
import { block } from './prompt.ts';

/** Providers refuse larger ones; base64 adds a third. */
const largest = { image: 20 * 1024 * 1024, pdf: 32 * 1024 * 1024, audio: 25 * 1024 * 1024 } as const;
const hint = 'name a text file, a folder, an image (PNG, JPEG, GIF, WebP), a PDF, or a recording (WAV, MP3)';

/** The files of `-f`: text files as named blocks, all else as parts of the message. */
export interface Attachments {
  blocks: string[];
  /** Images, files and recordings, as OpenAI's content parts: LiteLLM turns them into each provider's own. */
  parts: Json[];
}

type AttachmentIo = Pick<Io, 'cwd' | 'platform' | 'signal' | 'stderr' | 'stdin'>;

/** All of them together: a request is one text, which a third of it is added to and which has to fit into one of Node's. */
const mostBytes = 256 * 1024 * 1024;

export async function readAttachments(files: readonly string[], io: AttachmentIo): Promise<Attachments> {
  const attachments: Attachments = { blocks: [], parts: [] };
  let length = 0;
  for (const name of files) {
    if (isFolder(name, io.cwd)) {
      await addFolder(attachments, name, io);
      continue;
    }
    const bytes = await readNamedFile(name, `-f ${name}`, io, { hint });
    length += bytes.length;
    if (length > mostBytes) {
      throw refused(
        name,
        `comes to ${length} bytes with those before it; the limit is ${mostBytes}`,
        'send less at a time',
      );
    }
    add(attachments, name, bytes);
  }
  return attachments;
}

function add({ blocks, parts }: Attachments, name: string, bytes: Buffer): void {
  const content = contentOf(bytes);
  if ('problem' in content) {
    throw refused(
      name,
      `is neither UTF-8 text nor an image, a PDF or a recording that can be sent: it ${content.problem ?? ''}`,
      `${hint}, or ${content.hint}`,
    );
  }
  switch (content.kind) {
    case 'text':
      blocks.push(fileBlock(name, content.text));
      return;
    case 'image':
      assertSize(name, 'image', bytes);
      parts.push({ type: 'image_url', image_url: { url: dataUrl(content.type, bytes) } });
      return;
    case 'pdf':
      assertSize(name, 'pdf', bytes);
      parts.push({
        type: 'file',
        file: {
          filename: name === '-' ? 'stdin.pdf' : path.basename(name),
          file_data: dataUrl('application/pdf', bytes),
        },
      });
      return;
    case 'audio':
      assertSize(name, 'audio', bytes);
      parts.push({ type: 'input_audio', input_audio: { data: bytes.toString('base64'), format: content.format } });
      return;
    default:
      throw refused(name, `is ${content.name}, which models do not take`, content.hint);
  }
}

/** Of a folder the text alone: what else lies about in it, nobody named. */
async function addFolder({ blocks }: Attachments, name: string, io: AttachmentIo): Promise<void> {
  const { readFolder } = await import('./folder.ts');
  const { files, skipped } = await readFolder(name, io);
  let count = 0;
  for (const file of files) {
    const content = contentOf(file.bytes);
    if ('problem' in content) skipped.push({ name: file.name, why: 'no text' });
    else if (content.kind !== 'text')
      skipped.push({ name: file.name, why: content.kind === 'other' ? content.name : `${content.kind}, no text` });
    else if (holdsPrivateKey(content.text))
      skipped.push({ name: file.name, why: 'it holds a private key; -f with its own name sends it' });
    else {
      blocks.push(fileBlock(file.name, content.text));
      count += 1;
    }
  }
  for (const each of skipped.slice(0, mostSaid))
    void remark(io.stderr, `-f ${name}: left out ${each.name}: ${each.why}`);
  if (skipped.length > mostSaid) void remark(io.stderr, `-f ${name}: left out ${skipped.length - mostSaid} more`);
  if (count === 0)
    throw refused(name, 'has no text file that could be sent', 'see what its .gitignore and .cllmignore leave out');
  void remark(io.stderr, `-f ${name}: ${count === 1 ? '1 file' : `${count} files`}`);
}

const mostSaid = 20;

/** The user message: the prompt, then the text files, then the rest. */
export function userMessage(prompt: string, { blocks, parts }: Attachments): ChatMessage {
  const text = [prompt, ...blocks].join('\n\n');
  return { role: 'user', content: parts.length === 0 ? text : [{ type: 'text', text }, ...parts] };
}

function fileBlock(name: string, text: string): string {
  return block('file', ` name=${JSON.stringify(name === '-' ? 'stdin' : name)}`, text);
}

function dataUrl(type: string, bytes: Buffer): string {
  return `data:${type};base64,${bytes.toString('base64')}`;
}

function isFolder(name: string, cwd: string): boolean {
  if (name === '-') return false;
  try {
    return statSync(path.resolve(cwd, name)).isDirectory();
  } catch {
    // Who reads it says what is wrong.
    return false;
  }
}

const names = { image: 'an image', pdf: 'a PDF', audio: 'a recording' } as const;

function assertSize(name: string, kind: keyof typeof largest, bytes: Buffer): void {
  if (bytes.length <= largest[kind]) return;
  throw refused(name, `is ${names[kind]} of ${bytes.length} bytes; the limit is ${largest[kind]}`);
}

function refused(name: string, why: string, todo = hint): UsageError {
  return new UsageError(`-f ${name}: ${why}`, { code: 'input_invalid', hint: todo });
}
