import path from 'node:path';
import type { ReplyTap, ResponseHead } from '../client/completion-stream.ts';
import { CllmError } from '../errors.ts';
import { RecordingWriter } from '../journal/recording.ts';
import type { StreamEnd } from '../protocol/verdict.ts';
import type { Context } from './context.ts';
import { textFlag } from './flag-values.ts';
import type { Flags } from './flags.ts';

/** A shorter one is a placeholder, and may stand in any text. */
const shortestKey = 8;

/**
 * The tap of `--record`. A disk that fills up ends the recording, not the reply: `close()` says what went wrong. Recordings
 * are handed to others, so where an upstream repeats the key there are as many asterisks instead; one that is cut by the
 * end of a read is not noticed.
 */
export class RecordTap implements ReplyTap {
  readonly #writer: RecordingWriter;
  readonly #key: Buffer | null;
  #failure: CllmError | null = null;

  constructor(writer: RecordingWriter, key: string | null) {
    this.#writer = writer;
    this.#key = key !== null && key.length >= shortestKey ? Buffer.from(key) : null;
  }

  head(head: ResponseHead): void {
    this.#recorded(() => this.#writer.head(head));
  }

  read(bytes: Uint8Array): void {
    this.#recorded(() => this.#writer.read(this.#withoutKey(bytes)));
  }

  end(end: StreamEnd): void {
    this.#recorded(() => this.#writer.end(this.#endWithoutKey(end)));
  }

  close(): CllmError | null {
    this.#recorded(() => this.#writer.close());
    return this.#failure;
  }

  #withoutKey(bytes: Uint8Array): Uint8Array {
    const key = this.#key;
    if (key === null) return bytes;
    let masked = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = masked.indexOf(key); at !== -1; at = masked.indexOf(key, at + key.length)) {
      // The bytes are the reply's, which others read after this.
      if (masked.buffer === bytes.buffer) masked = Buffer.from(masked);
      masked.fill('*', at, at + key.length);
    }
    return masked;
  }

  /** An error frame is told once more at the end. */
  #endWithoutKey(end: StreamEnd): StreamEnd {
    const text = JSON.stringify(end);
    const key = this.#key?.toString();
    return key !== undefined && text.includes(key)
      ? (JSON.parse(text.replaceAll(key, '*'.repeat(key.length))) as StreamEnd)
      : end;
  }

  #recorded(append: () => void): void {
    if (this.#failure !== null) return;
    try {
      append();
    } catch (thrown) {
      if (!(thrown instanceof CllmError)) throw thrown;
      this.#failure = thrown;
    }
  }
}

/** @throws UsageError when the file is there already */
export async function openRecording(flags: Flags, context: Context): Promise<RecordTap | null> {
  const { io, version } = context;
  const file = textFlag(flags, 'record');
  if (file === undefined) return null;
  const { key } = await context.apiKey();
  return new RecordTap(new RecordingWriter(path.resolve(io.cwd, file), { cllm: version }, { clock: io.now }), key);
}
