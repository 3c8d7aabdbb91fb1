import { statSync } from 'node:fs';
import { open, rm, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { failureReason } from '../../../files/file-error.ts';
import { UsageError } from '../../../outcome/errors.ts';
import { binaryName } from '../../../files/content-kind.ts';
import { utf8Bytes } from '../../../files/text-encoding.ts';
import type { Io } from '../../io.ts';
import { inputBytes, namedFileBytes } from '../../input/named-file.ts';

/** Where the items come from. */
export interface BatchSource {
  /** The file; null for standard input. */
  file: string | null;
  /** Its bytes, from the beginning. */
  bytes(): AsyncIterable<Uint8Array>;
  /** Whether `bytes` can be asked for again: only then can anybody look ahead. */
  isRepeatable: boolean;
  close(): Promise<void>;
}

/** @throws UsageError when there is nothing to read */
export function openSource(name: string | null, io: Io): BatchSource {
  const close = async (): Promise<void> => {};
  if (name === null) {
    if (io.stdin.kind === 'terminal' || io.stdin.kind === 'none') {
      throw new UsageError('standard input has no items', {
        code: 'input_invalid',
        hint: 'pipe them in: generate | cllm batch - -o OUT, or name a file',
      });
    }
    io.stdin.claim('the batch (-)');
    return {
      file: null,
      bytes: () => utf8Bytes(text(inputBytes('items on standard input', io), 'standard input')),
      isRepeatable: false,
      close,
    };
  }
  const file = path.resolve(io.cwd, name);
  try {
    const stat = statSync(file);
    if (stat.isDirectory()) throw Object.assign(new Error('a directory'), { code: 'EISDIR' });
    return {
      file,
      bytes: () => utf8Bytes(text(namedFileBytes(file, name, io), name)),
      isRepeatable: stat.isFile(),
      close,
    };
  } catch (cause) {
    throw new UsageError(`${name}: can not be read (${failureReason(cause)})`, {
      code: 'input_invalid',
      hint: 'check the path; - is standard input',
      cause,
    });
  }
}

/** The same bytes, unless they begin as no text does: each line of it would be an item that fails. */
async function* text(bytes: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<Uint8Array, void, undefined> {
  let isFirst = true;
  for await (const piece of bytes) {
    const binary = isFirst ? binaryName(Buffer.from(piece.subarray(0, 1024))) : null;
    isFirst = false;
    if (binary !== null) {
      throw new UsageError(`${name}: is ${binary.name}, and not lines of prompts`, {
        code: 'input_invalid',
        hint: 'a batch reads JSON lines, a prompt a line, or a table as CSV or TSV (docs/ci.md)',
      });
    }
    yield piece;
  }
}

/** A source that can be read once, made one that can be read again, by way of a file that has no name. */
export async function spooled(source: BatchSource, directory: string): Promise<BatchSource> {
  const beside = path.join(directory, `.cllm-batch-input-${Math.random().toString(36).slice(2)}`);
  const handle: FileHandle = await open(beside, 'wx+', 0o600);
  await rm(beside);
  for await (const bytes of source.bytes()) await handle.write(bytes);
  return {
    file: source.file,
    bytes: () => handle.createReadStream({ autoClose: false, start: 0 }),
    isRepeatable: true,
    close: () => handle.close(),
  };
}
