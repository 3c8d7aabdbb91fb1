import type { RecordedHead, RecordedRead, Recording } from '../journal/recording.ts';
import type { Arrival } from '../protocol/arrival.ts';
import { type Reply, replyHead, ReplyReader, type ReplyReaderOptions } from '../protocol/reply-reader.ts';
import type { StreamEnd } from '../protocol/verdict.ts';
import type { RecordedTimes } from './recorded-receipt.ts';

/**
 * The recorded bytes of a reply, through the pipeline of a live one and with the limits of the run that recorded it: a
 * reply that was cut at `--max-reply-bytes` is cut again, though the read that passed it is in the file whole.
 */
export class RecordedReply {
  readonly #recording: Recording;
  readonly #reader: ReplyReader;
  readonly times: RecordedTimes = { firstContentAtMs: null, lastReadAtMs: null };

  constructor(recording: Recording) {
    const { head } = recording;
    this.#recording = recording;
    this.#reader = new ReplyReader(replyHead(head ?? { status: 200, headers: {} }), limitsOf(head));
  }

  /** Up to the reply's end. A read is a part of the reply once it is taken. */
  *reads(): Generator<RecordedRead, void, undefined> {
    for (const read of this.#recording.reads()) {
      if (this.#reader.isOver) return;
      yield read;
    }
  }

  take({ atMs, bytes }: RecordedRead): Arrival {
    const arrival = this.#reader.push(bytes);
    this.times.lastReadAtMs = atMs;
    if (this.#reader.hasContent) this.times.firstContentAtMs ??= atMs;
    return arrival;
  }

  /** Where nobody looks at the chunks: the fold has them. */
  takeAll(): void {
    for (const read of this.reads()) this.take(read);
  }

  /** Whether the bytes themselves say that the reply is over. */
  get isOver(): boolean {
    return this.#reader.isOver;
  }

  finish(end: StreamEnd): { reply: Reply; arrival: Arrival } {
    return this.#reader.finish(end);
  }
}

/** The file may be a stranger's: what is no limit is none. Recordings of 0.1.0's first builds have none. */
function limitsOf(head: RecordedHead | null): ReplyReaderOptions {
  const { maxReplyBytes, maxEventBytes } = head?.limits ?? {};
  return {
    maxReplyBytes: isLimit(maxReplyBytes) ? maxReplyBytes : Number.MAX_SAFE_INTEGER,
    maxEventBytes: isLimit(maxEventBytes) ? maxEventBytes : Number.MAX_SAFE_INTEGER,
  };
}

function isLimit(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}
