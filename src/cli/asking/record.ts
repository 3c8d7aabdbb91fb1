import type { ReplyTap, ResponseHead } from '../../client/reply/completion-stream.ts';
import { secretValues } from '../../client/safe-text.ts';
import { CllmError } from '../../outcome/errors.ts';
import { RecordingWriter } from '../../journal/recording.ts';
import type { StreamEnd } from '../../protocol/verdict.ts';

/** A shorter one is a placeholder, and may stand in any text. */
const shortestKey = 8;

/** Of a read, what is not written yet, with the time at which it came. */
interface HeldBack {
  /** As they came: they may be the beginning of one secret and the end of another. */
  bytes: Buffer;
  /** The same with the secrets that are whole by now taken out. */
  masked: Buffer;
  at: number;
}

export interface RecordTapOptions {
  /** A key in there is taken out of the recording. */
  secrets: readonly string[];
  /** The version of cllm, for the recording's first lines. */
  version: string;
  /** The model that was asked for, which `cllm replay` names. */
  model: string;
  /** Milliseconds that only go forward. */
  now: () => number;
}

/**
 * The tap of `--record`. A disk that fills up ends the recording, not the reply: `close()` says what went wrong.
 *
 * Recordings are handed to others, so where an upstream repeats the key there are as many asterisks instead. A read may
 * end within it: the end of a read that could be the beginning of a key waits for the next one, and is then written as a
 * read of its own, with the time at which it came.
 */
export class RecordTap implements ReplyTap {
  readonly #writer: RecordingWriter;
  readonly #now: () => number;
  readonly #secrets: readonly Buffer[];
  #held: HeldBack[] = [];
  /** When what is being written came; null is now. */
  #at: number | null = null;
  #failure: CllmError | null = null;

  /** @throws UsageError when the file is there already */
  constructor(file: string, { secrets, version, model, now }: RecordTapOptions) {
    this.#now = now;
    this.#secrets = secrets.filter(({ length }) => length >= shortestKey).flatMap(forms);
    this.#writer = new RecordingWriter(file, { cllm: version, model }, { clock: () => this.#at ?? now() });
  }

  head(head: ResponseHead): void {
    this.#recorded(() => {
      this.#flush();
      this.#writer.head(head);
    });
  }

  read(bytes: Uint8Array): void {
    this.#recorded(() => this.#read(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)));
  }

  end(end: StreamEnd): void {
    this.#recorded(() => {
      this.#flush();
      this.#writer.end(this.#endWithoutSecrets(end));
    });
  }

  close(): CllmError | null {
    this.#recorded(() => {
      this.#flush();
      this.#writer.close();
    });
    return this.#failure;
  }

  #read(bytes: Buffer): void {
    const isWhole = this.#held.length === 0;
    // With what was held back, so that a key stands in one piece; the bytes are the reply's, which others read after this.
    const text = isWhole ? bytes : Buffer.concat([...this.#held.map((held) => held.bytes), bytes]);
    const known = isWhole ? text : Buffer.concat([...this.#held.map(({ masked }) => masked), bytes]);
    const masked = this.#masked(text, known);
    const count = text.length - this.#possibleBeginning(text);
    if (isWhole && count === text.length) return this.#writer.read(masked);
    const pieces = [...this.#held, { bytes, at: this.#now() }];
    this.#held = [];
    let begin = 0;
    for (const {
      bytes: { length },
      at,
    } of pieces) {
      const end = begin + length;
      const cut = Math.max(begin, Math.min(end, count));
      if (cut > begin) this.#write(masked.subarray(begin, cut), at);
      if (end > cut) {
        // Copies: who gave the bytes may use their memory again.
        const [raw, shown] = [text, masked].map((all) => Buffer.from(all.subarray(cut, end))) as [Buffer, Buffer];
        this.#held.push({ bytes: raw, masked: shown, at });
      }
      begin = end;
    }
  }

  #flush(): void {
    for (const { masked, at } of this.#held.splice(0)) this.#write(masked, at);
  }

  #write(bytes: Uint8Array, at: number): void {
    this.#at = at;
    try {
      this.#writer.read(bytes);
    } finally {
      this.#at = null;
    }
  }

  /**
   * The same bytes, or a copy with asterisks in it. Secrets are looked for in the bytes as they came: one that begins with
   * another, or overlaps it, is found whichever is masked first.
   *
   * @param known the bytes with what was masked before, when it is not all the same
   */
  #masked(bytes: Buffer, known = bytes): Buffer {
    let masked = known;
    for (const secret of this.#secrets) {
      for (let at = bytes.indexOf(secret); at !== -1; at = bytes.indexOf(secret, at + 1)) {
        if (masked === bytes) masked = Buffer.from(bytes);
        masked.fill('*', at, at + secret.length);
      }
    }
    return masked;
  }

  /** How many bytes at the end are the beginning of a secret; less than the longest of them. */
  #possibleBeginning(text: Buffer): number {
    let longest = 0;
    for (const secret of this.#secrets) {
      for (let length = Math.min(secret.length - 1, text.length); length > longest; length -= 1) {
        if (text.subarray(text.length - length).equals(secret.subarray(0, length))) longest = length;
      }
    }
    return longest;
  }

  /** An error frame is told once more at the end. */
  #endWithoutSecrets(end: StreamEnd): StreamEnd {
    const text = Buffer.from(JSON.stringify(end));
    const masked = this.#masked(text);
    return masked === text ? end : (JSON.parse(masked.toString()) as StreamEnd);
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

/** The secret, and as it stands in a JSON string: some encoders escape the slash as well. */
function forms(secret: string): Buffer[] {
  const json = JSON.stringify(secret).slice(1, -1);
  return [...new Set([secret, json, json.replaceAll('/', '\\/')])].map((form) => Buffer.from(form));
}

/**
 * The tap of `--record FILE`.
 *
 * @param sent the key and the headers that went with the request
 * @throws UsageError when the file is there already
 */
export function openRecording(
  file: string,
  { key, headers }: { key: string | null; headers: readonly (readonly [string, string])[] },
  options: Omit<RecordTapOptions, 'secrets'>,
): RecordTap {
  const secrets = [...(key === null ? [] : [key]), ...secretValues(Object.fromEntries(headers))];
  return new RecordTap(file, { ...options, secrets });
}
