import { CllmError } from '../../outcome/errors.ts';
import { replyHead, type Reply, ReplyReader, type ReplyReaderOptions } from '../../protocol/reply-reader.ts';
import type { Arrived } from '../../protocol/chunk-run.ts';
import type { StreamEnd } from '../../protocol/verdict.ts';
import type { ReplyTap } from './completion-stream.ts';
import type { Deadlines } from './deadlines.ts';
import type { HttpResponse } from '../http/transport.ts';

/** A server that keeps itself alive with chunks that say nothing must not fill the memory. */
const mostHeldChunks = 1_000;

/** Seconds that a finished reply is waited for when its stream stays open: for usage, `[DONE]` or an error frame. */
const grace = 2;
/** After the usage that was asked for, which is the last but `[DONE]`: as long as that takes to come along. */
const graceAfterUsage = 0.1;

/** Takes the chunks of one read; the next one is read once the promise resolves, at once without one. Never throws. */
export type ChunkSink = (chunks: Arrived[]) => Promise<void> | undefined;

export interface IncomingOptions {
  taps: readonly ReplyTap[];
  deadlines: Deadlines;
  limits: ReplyReaderOptions;
  /** Whether a key went with the request. */
  hasKey: boolean;
  /** Whether the request asked for usage. */
  isUsageAsked: boolean;
  onContent: () => void;
}

/** The reply of one attempt on its way: bytes to the taps, then chunks. Nothing is read ahead of who asks. */
export class IncomingReply {
  readonly #response: HttpResponse;
  readonly #options: IncomingOptions;
  readonly #reader: ReplyReader;
  /** Until content comes a retry is possible, and it must not repeat a role or an id to the consumer. */
  #held: Arrived[] = [];
  #hasHandedOn = false;
  #end: StreamEnd = { type: 'end' };
  #isStopped = false;
  #isLeft = false;

  constructor(response: HttpResponse, options: IncomingOptions) {
    this.#response = response;
    this.#options = options;
    this.#reader = new ReplyReader({ ...replyHead(response), hasKey: options.hasKey }, options.limits);
  }

  /**
   * Gives the chunks of each read to the sink, and waits for it if need be, until no more comes. The last ones are in
   * `finish()`.
   *
   * @throws what a tap throws
   */
  async pump(sink: ChunkSink): Promise<void> {
    const { deadlines } = this.#options;
    deadlines.startWaiting();
    try {
      await this.#pumpBody(sink);
    } catch (thrown) {
      if (!this.#isStopped && !this.#isLeft) {
        if (!(thrown instanceof CllmError) || thrown.code !== 'connection_failed') throw thrown;
        this.#end = { type: 'lost', message: thrown.message };
      }
    }
    deadlines.stopWaiting();
    deadlines.endAttempt();
    if (this.#reader.isOver) this.#response.release();
    else this.#response.destroy();
  }

  /** How it ended, once it is pumped. */
  finish(): { reply: Reply; chunks: Arrived[]; isRepeatable: boolean } {
    const { chunks, reply } = this.#reader.finish(this.#end);
    return {
      reply,
      chunks: [...this.#held, ...chunks],
      isRepeatable: !this.#hasHandedOn && !this.#reader.hasContent,
    };
  }

  /** A deadline, a signal or the consumer ends the reply where it is; no more is handed on. */
  stop(end: StreamEnd & { type: 'deadline' | 'signal' }): Reply {
    this.#isStopped = true;
    return this.#reader.finish(end).reply;
  }

  /** The reply is finished, and its stream was open for long enough: the connection is closed, and that is no loss. */
  leave(): void {
    this.#isLeft = true;
    this.#response.destroy();
  }

  async #pumpBody(sink: ChunkSink): Promise<void> {
    const { body } = this.#response;
    const { deadlines } = this.#options;
    let isTaken: Promise<void> | undefined;
    const take = (bytes: Uint8Array): void => {
      isTaken = this.#handOn(bytes, sink);
      // After it was shown: nobody waits for the fold.
      this.#reader.fold();
      if (this.#reader.isSettled) this.#beginGrace();
      // Said here and not where it is awaited: the consumer may be at work by then.
      if (isTaken !== undefined) deadlines.stopWaiting();
    };
    while (!this.#reader.isOver && !this.#isStopped && !this.#isLeft) {
      const bytes = body.read();
      if (bytes === null) {
        if (!(await body.more(take))) return;
      } else {
        take(bytes);
      }
      // Only who is slow is waited for: a promise more is paid for at each delta.
      if (isTaken === undefined) continue;
      this.#response.hold();
      await isTaken;
      this.#response.goOn();
      deadlines.startWaiting();
      isTaken = undefined;
    }
  }

  #beginGrace(): void {
    const { deadlines, isUsageAsked } = this.#options;
    deadlines.grace(isUsageAsked && this.#reader.hasLastUsage ? graceAfterUsage : grace);
  }

  #handOn(bytes: Uint8Array, sink: ChunkSink): Promise<void> | undefined {
    const chunks = this.#chunksOf(bytes);
    if (this.#reader.isOver) {
      this.#held = [...this.#held, ...chunks];
      return undefined;
    }
    if (chunks.length === 0) return undefined;
    this.#hasHandedOn = true;
    return sink(chunks);
  }

  #chunksOf(bytes: Uint8Array): Arrived[] {
    const { taps, deadlines, onContent } = this.#options;
    for (const tap of taps) tap.read(bytes);
    const chunks = this.#reader.push(bytes);
    if (this.#reader.broughtContent) {
      onContent();
      deadlines.content();
    } else if (!this.#hasHandedOn && !this.#reader.hasContent && this.#held.length < mostHeldChunks) {
      this.#held = [...this.#held, ...chunks];
      return [];
    }
    if (this.#held.length === 0) return chunks;
    const all = [...this.#held, ...chunks];
    this.#held = [];
    return all;
  }
}
