import path from 'node:path';
import type { ReplyTap, ResponseHead } from '../client/completion-stream.ts';
import { CllmError } from '../errors.ts';
import { RecordingWriter } from '../journal/recording.ts';
import type { StreamEnd } from '../protocol/verdict.ts';
import type { Context } from './context.ts';
import { textFlag } from './flag-values.ts';
import type { Flags } from './flags.ts';

/** The tap of `--record`. A disk that fills up ends the recording, not the reply: `close()` says what went wrong. */
export class RecordTap implements ReplyTap {
  readonly #writer: RecordingWriter;
  #failure: CllmError | null = null;

  constructor(writer: RecordingWriter) {
    this.#writer = writer;
  }

  head(head: ResponseHead): void {
    this.#recorded(() => this.#writer.head(head));
  }

  read(bytes: Uint8Array): void {
    this.#recorded(() => this.#writer.read(bytes));
  }

  end(end: StreamEnd): void {
    this.#recorded(() => this.#writer.end(end));
  }

  close(): CllmError | null {
    this.#recorded(() => this.#writer.close());
    return this.#failure;
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
export function openRecording(flags: Flags, { io, version }: Context): RecordTap | null {
  const file = textFlag(flags, 'record');
  if (file === undefined) return null;
  return new RecordTap(new RecordingWriter(path.resolve(io.cwd, file), { cllm: version }, { clock: io.now }));
}
