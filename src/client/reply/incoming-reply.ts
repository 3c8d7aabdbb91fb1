import { CllmError } from '../../outcome/errors.ts';
import { replyHead, type Reply, ReplyReader, type ReplyReaderOptions } from '../../protocol/reply-reader.ts';
import { Arrival } from '../../protocol/arrival.ts';
import type { StreamEnd } from '../../protocol/verdict.ts';
import type { ReplyTap } from './completion-stream.ts';
import type { Deadlines } from './deadlines.ts';
import type { HttpResponse } from '../http/transport.ts';

/** A server that keeps itself alive with chunks that say nothing must not fill the memory. */
const mostHeld = 1_000;

/** Seconds that a finished reply is waited for when its stream stays open: for usage, `[DONE]` or an error frame. */
const grace = 2;
/** After the usage that was asked for, which is the last but `[DONE]`: as long as that takes to come along. */
const graceAfterUsage = 0.1;

/** Takes what one read brought; the next one is read once the promise resolves, at once without one. Never throws. */
export type ArrivalSink = (arrival: Arrival) => Promise<void> | undefined;

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
  #held = new Arrival();
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
   * Gives what each read brought to the sink, and waits for it if need be, until no more comes. The last ones are in
   * `finish()`.
   *
   * @throws what a tap throws
   */
  async pump(sink: ArrivalSink): Promise<void> {
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
  finish(): { reply: Reply; arrival: Arrival; isRepeatable: boolean } {
    const { arrival, reply } = this.#reader.finish(this.#end);
    return {
      reply,
      arrival: this.#heldBefore(arrival),
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

  async #pumpBody(sink: ArrivalSink): Promise<void> {
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

  #handOn(bytes: Uint8Array, sink: ArrivalSink): Promise<void> | undefined {
    const arrival = this.#arrivalOf(bytes);
    if (this.#reader.isOver) {
      this.#held.append(arrival);
      return undefined;
    }
    if (arrival.isEmpty) return undefined;
    this.#hasHandedOn = true;
    return sink(arrival);
  }

  #arrivalOf(bytes: Uint8Array): Arrival {
    const { taps, deadlines, onContent } = this.#options;
    for (const tap of taps) tap.read(bytes);
    const arrival = this.#reader.push(bytes);
    if (this.#reader.broughtContent) {
      onContent();
      deadlines.content();
    } else if (!this.#hasHandedOn && !this.#reader.hasContent && this.#held.size < mostHeld) {
      this.#held.append(arrival);
      return new Arrival();
    }
    return this.#heldBefore(arrival);
  }

  /** What was held back, and behind it what came now. */
  #heldBefore(arrival: Arrival): Arrival {
    if (this.#held.isEmpty) return arrival;
    const all = this.#held;
    this.#held = new Arrival();
    all.append(arrival);
    return all;
  }
}
