import { CllmError, DeadlineError, InterruptedError, ProxyError } from '../../outcome/errors.ts';
import type { Verdict } from '../../outcome/exits.ts';
import { Arrival } from '../../protocol/arrival.ts';
import { isTagRefusal } from '../../protocol/error/error-message.ts';
import { type Reply, ReplyReader } from '../../protocol/reply-reader.ts';
import type { ChatCompletion, ChatCompletionChunk } from '../../protocol/types.ts';
import type { StreamEnd } from '../../protocol/verdict.ts';
import { ChunkIteration } from './chunk-iteration.ts';
import { Deadlines, type DeadlineLimits } from './deadlines.ts';
import { readErrorBody } from '../answer/error-body.ts';
import { errorFromResponse } from '../answer/error-response.ts';
import { Handoff } from './handoff.ts';
import { type ArrivalSink, IncomingReply } from './incoming-reply.ts';
import type { Masking } from '../masking.ts';
import { receiptOf, type Receipt } from '../receipt.ts';
import { delayForPlace, retryDelay, type RetryNotice, wantsPlace } from './retry.ts';
import { safeText, type Secrets } from '../safe-text.ts';
import type { HttpResponse, Transport } from '../http/transport.ts';
import { requestLines, responseLines, shownHeaders } from '../wire-log.ts';

export type { RetryNotice } from './retry.ts';

export interface ResponseHead {
  status: number;
  /** An allow-list, lower case: no keys, no cookies. */
  headers: Record<string, string>;
  /** The request's, without a query. */
  url: string;
  /** Bytes that are taken at the most, of the reply and of one event. */
  limits?: { maxReplyBytes?: number; maxEventBytes?: number };
  /** The request's `x-litellm-session-id`; not there when none was sent. */
  session?: string;
}

/** Taker of a reply's bytes: the journal and `--record`. Called synchronously, before the chunks of a read are handed on. */
export interface ReplyTap {
  /** A later head, of a retry before the first content, starts the reply again. */
  head(head: ResponseHead): void;
  read(bytes: Uint8Array): void;
  end(end: StreamEnd): void;
}

/** How a reply ended, whether it did so well or not. */
export interface StreamResult {
  /** What arrived, folded; null when nothing did. */
  completion: ChatCompletion | null;
  /** Null when there was no stream: the error says why. */
  verdict: Verdict | null;
  /** Null when the proxy did not answer with a reply. */
  receipt: Receipt | null;
  /** Null when the verdict is `complete`, and the reply came from where the client's options allow. */
  error: CllmError | null;
}

/** What a stream needs to run; the client makes it. */
export interface StreamPlan {
  transport: Pick<Transport, 'send'>;
  url: string;
  headers: Record<string, string>;
  /** The headers without the tags that nobody asked for, once the proxy has refused tags; null when there are no such. */
  untagged?: () => Record<string, string> | null;
  /** The headers with another key, once these were refused for theirs; null when there is none. */
  renewed?: (refused: Readonly<Record<string, string>>) => Promise<Record<string, string> | null>;
  body: string;
  modelRequested: string;
  /** Whether the body asks for usage at the end of the stream. */
  isUsageAsked: boolean;
  hasKey: boolean;
  secrets: Secrets;
  masking: Masking;
  limits: DeadlineLimits;
  retries: number;
  maxReplyBytes?: number;
  maxEventBytes?: number;
  signal?: AbortSignal;
  onRetry?: (retry: RetryNotice) => void;
  onDebug?: (line: string) => void;
  taps: readonly ReplyTap[];
  /** Whether a reply that ended well came from where it may; null when it did. */
  judge?: (receipt: Receipt | null, fallbackModel: string | null) => CllmError | null;
  /** Milliseconds, monotonic. */
  clock: () => number;
  random: () => number;
}

/** How one attempt ended, before it is known whether it is the last. */
interface Attempt {
  error: CllmError | null;
  verdict: Verdict | null;
  reply: Reply | null;
  /** Chunks that were not handed on yet. */
  arrival: Arrival;
  /** The next attempt would repeat nothing that was handed on. */
  isRepeatable: boolean;
}

/**
 * One reply on its way. The request is sent when the first chunk, or the result, is asked for; nothing reads ahead of
 * the consumer; leaving the loop closes the socket. It can be iterated once, by chunks or by reads.
 */
export class CompletionStream implements AsyncIterable<ChatCompletionChunk> {
  readonly #plan: StreamPlan;
  readonly #controller = new AbortController();
  readonly #deadlines: Deadlines;
  readonly #result: Promise<StreamResult>;
  #resolve!: (result: StreamResult) => void;
  #settled: StreamResult | null = null;
  #isTaken = false;
  #response: HttpResponse | null = null;
  #incoming: IncomingReply | null = null;
  /** Whether the taps were given a head, and so are owed an end. */
  #hasHead = false;
  #headers: Record<string, string> = {};
  #retries = 0;
  #waitsForPlace = 0;
  /** In place of those that it began with: without tags, or with another key. */
  #headersNow: Readonly<Record<string, string>> | null = null;
  #isUntagged = false;
  #isRenewed = false;
  #startedAt = 0;
  #firstContentAt: number | null = null;

  /** @internal Made by `LiteLLMClient.stream()`. */
  constructor(plan: StreamPlan) {
    this.#plan = plan;
    this.#result = new Promise((resolve) => (this.#resolve = resolve));
    this.#deadlines = new Deadlines(
      plan.limits,
      plan.clock,
      (deadline, seconds) => this.#stop({ type: 'deadline', deadline, seconds }),
      () => this.#incoming?.leave(),
    );
  }

  /**
   * The chunks, one by one. The stream is taken by the first `next()`: an iterator that nobody asks keeps `result()` from
   * nothing, and one that is left without `return()` does not keep a program alive.
   *
   * @throws (the iteration) CllmError when the reply breaks: any verdict but `complete` and `length`, and any failure
   * before the reply. `error.completion` has what came.
   */
  [Symbol.asyncIterator](): AsyncIterator<ChatCompletionChunk> {
    return new ChunkIteration(this.#handedOver(), async () => {
      const { error, verdict } = await this.#result;
      if (error !== null && verdict !== 'length') throw error;
    });
  }

  /** The chunks of one read of the socket at once: one promise a read. Never throws; `result()` says how it ended. */
  reads(): AsyncIterable<ChatCompletionChunk[]> {
    return this.#handedOver();
  }

  /**
   * Calls a function with what each read brought, and waits for the promise that it may return before it reads on: the
   * shortest way from the socket, for what shows each delta as it comes.
   *
   * @internal
   * @throws what the function throws, which ends the reply like `abort()`; how else it ended says `result()`
   */
  async consume(take: (arrival: Arrival) => Promise<void> | void): Promise<void> {
    const failures: unknown[] = [];
    const fail = (thrown: unknown): void => {
      failures.push(thrown);
      this.abort();
    };
    this.#claim();
    await this.#run((arrival) => {
      try {
        return take(arrival)?.catch(fail);
      } catch (thrown) {
        fail(thrown);
        return undefined;
      }
    });
    if (failures.length > 0) throw failures[0];
  }

  /** How the reply ended. Never rejects. Reads to the end if nobody iterates. */
  async result(): Promise<StreamResult> {
    if (!this.#isTaken && this.#settled === null) {
      // Whoever asks first and iterates in the same breath gets the chunks.
      await new Promise((resolve) => setImmediate(resolve));
      if (!this.#isTaken) {
        this.#claim();
        await this.#run(() => undefined);
      }
    }
    return this.#result;
  }

  /** Stops at once: closes the socket, ends a wait between retries. What arrived stays in the result. */
  abort(reason?: InterruptedError): void {
    this.#stop({ type: 'signal', signal: reason?.signal ?? null });
  }

  #claim(): void {
    this.#assertFree();
    this.#isTaken = true;
  }

  #assertFree(): void {
    if (!this.#isTaken) return;
    throw new CllmError('usage', 'a stream can be iterated once, and this one was', {
      hint: 'keep the chunks, or call stream() again',
    });
  }

  #handedOver(): Handoff<ChatCompletionChunk[]> {
    this.#assertFree();
    let isOurs = false;
    return new Handoff(
      (give) => {
        this.#claim();
        isOurs = true;
        return this.#run((arrival) => give(arrival.chunks()));
      },
      () => {
        if (isOurs || !this.#isTaken) this.abort();
      },
    );
  }

  async #run(sink: ArrivalSink): Promise<void> {
    const { signal, clock } = this.#plan;
    const onAbort = () => this.#stop({ type: 'signal', signal: signalOf(signal?.reason) });
    this.#startedAt = clock();
    if (signal?.aborted) onAbort();
    signal?.addEventListener('abort', onAbort);
    try {
      while (this.#settled === null) {
        const begun = await this.#begin();
        if (begun instanceof IncomingReply) await begun.pump(sink);
        if (this.#settled !== null) return;
        const attempt = begun instanceof IncomingReply ? this.#ended(begun) : begun;
        const error = this.#plan.masking.error(attempt.error);
        if (attempt.isRepeatable && error !== null && isTagRefusal(error.message) && this.#leaveTagsOut()) continue;
        if (attempt.isRepeatable && isUnknownKey(error) && (await this.#hasOtherKey())) continue;
        const delay = error !== null && attempt.isRepeatable ? this.#delayBefore(error) : null;
        if (error === null || delay === null) {
          // Settled before the last chunks are handed on: who leaves the loop at the last one has the whole reply.
          this.#settle(attempt);
          if (!attempt.arrival.isEmpty) await sink(attempt.arrival);
          return;
        }
        this.#tellRetry(error, delay);
        await this.#pause(delay);
      }
    } catch (thrown) {
      if (this.#settled === null) {
        const error =
          thrown instanceof CllmError
            ? thrown
            : new CllmError('internal', 'cllm failed while it read the reply', { cause: thrown });
        // A tap, or a function that was to be told something, has thrown: what arrived is kept, and no more is wanted.
        this.#response?.destroy();
        const reply = this.#whatArrived();
        this.#settle({ error, verdict: reply?.verdict ?? null, reply, arrival: new Arrival(), isRepeatable: false });
      }
    } finally {
      signal?.removeEventListener('abort', onAbort);
      this.#stop({ type: 'signal', signal: null });
    }
  }

  /** After a failure of our own: what fails again while it is folded is told of no more, for the stream has to end. */
  #whatArrived(): Reply | null {
    try {
      return this.#incoming?.stop({ type: 'signal', signal: null }) ?? null;
    } catch {
      return null;
    }
  }

  /** Null to give up. */
  #delayBefore(error: CllmError): number | null {
    const { retries, random } = this.#plan;
    if (wantsPlace(error)) return delayForPlace(this.#waitsForPlace, retries, random);
    return retryDelay(error, this.#retries, retries, random);
  }

  #tellRetry(error: CllmError, delayMs: number): void {
    const { retries: maxRetries, onRetry } = this.#plan;
    const isFull = wantsPlace(error);
    if (isFull) this.#waitsForPlace += 1;
    else this.#retries += 1;
    const attempt = Math.max(1, this.#retries);
    this.#debug(`* attempt ${attempt} of ${maxRetries} again in ${delayMs} ms (${error.code})`);
    // Of the waits for a place, which are short and many, the first is told.
    if (!isFull || this.#waitsForPlace === 1) onRetry?.({ attempt, maxRetries, delayMs, error });
  }

  /** Whether the request can be sent without the tags that nobody asked for. */
  #leaveTagsOut(): boolean {
    if (this.#isUntagged) return false;
    const headers = this.#plan.untagged?.() ?? null;
    if (headers === null) return false;
    this.#isUntagged = true;
    this.#headersNow = headers;
    this.#debug('* again without the tags of the job');
    return true;
  }

  /** Whether the request can be sent with another key than the one that was refused. */
  async #hasOtherKey(): Promise<boolean> {
    if (this.#isRenewed) return false;
    this.#isRenewed = true;
    const headers = (await this.#plan.renewed?.(this.#headersNow ?? this.#plan.headers)) ?? null;
    // A signal may have ended it meanwhile.
    if (headers === null || this.#settled !== null) return false;
    this.#headersNow = headers;
    this.#debug('* again with another key');
    return true;
  }

  /** Sends the request once; an attempt that is over already has no reply. */
  async #begin(): Promise<IncomingReply | Attempt> {
    const { transport, url, body } = this.#plan;
    const headers = this.#headersNow ?? this.#plan.headers;
    const deadlines = this.#deadlines;
    this.#incoming = null;
    this.#headers = {};
    this.#debug(...requestLines('POST', url, headers));
    deadlines.beginAttempt();
    deadlines.startWaiting();
    let response: HttpResponse;
    try {
      response = await transport.send({ method: 'POST', url, headers, body, signal: this.#controller.signal });
    } catch (thrown) {
      return this.#failed(thrown);
    } finally {
      deadlines.stopWaiting();
    }
    this.#response = response;
    this.#headers = shownHeaders(response.headers, this.#plan.secrets);
    this.#debug(...responseLines(response.status, this.#headers));
    // Stopped while the head came, or by whoever was just told of it.
    if (this.#settled !== null) {
      response.destroy();
      return nothing;
    }
    return response.status < 200 || response.status > 299 ? this.#refused(response) : this.#replied(response);
  }

  #replied(response: HttpResponse): IncomingReply {
    const { taps, maxEventBytes, maxReplyBytes, url, clock, hasKey, isUsageAsked } = this.#plan;
    const limits = {
      ...(maxEventBytes !== undefined && { maxEventBytes }),
      ...(maxReplyBytes !== undefined && { maxReplyBytes }),
    };
    this.#incoming = new IncomingReply(response, {
      taps,
      deadlines: this.#deadlines,
      hasKey,
      limits,
      isUsageAsked,
      onContent: () => (this.#firstContentAt ??= clock()),
    });
    this.#hasHead = true;
    const session = this.#sessionId;
    const head = { status: response.status, headers: this.#headers, url, limits, ...(session !== null && { session }) };
    for (const tap of taps) tap.head(head);
    return this.#incoming;
  }

  /** As it goes out: a header that the caller set by hand wins over the conversation's. */
  get #sessionId(): string | null {
    return this.#plan.headers['x-litellm-session-id'] ?? null;
  }

  #ended(incoming: IncomingReply): Attempt {
    const { reply, arrival, isRepeatable } = incoming.finish();
    const said = reply.end.type === 'error' ? textsOf(reply.completion) : [];
    const error = reply.error && this.#withoutQuotations(reply.error, said);
    return { error, verdict: reply.verdict, reply, arrival, isRepeatable };
  }

  /** The answer is no reply: its body, as far as it comes soon, says why. */
  async #refused(response: HttpResponse): Promise<Attempt> {
    this.#deadlines.startWaiting();
    const text = await readErrorBody(response);
    this.#deadlines.stopWaiting();
    this.#deadlines.endAttempt();
    const { url, hasKey, secrets } = this.#plan;
    const error = errorFromResponse(
      { status: response.status, headers: response.headers, body: text },
      { request: { method: 'POST', url }, hasKey, secrets },
    );
    return { ...nothing, error, isRepeatable: true };
  }

  /** No answer at all. */
  #failed(thrown: unknown): Attempt {
    this.#deadlines.endAttempt();
    if (this.#settled !== null) return nothing;
    if (thrown instanceof DeadlineError) return { ...nothing, error: thrown, verdict: 'timed_out' };
    if (thrown instanceof CllmError) return { ...nothing, error: thrown, isRepeatable: true };
    throw thrown;
  }

  /** A deadline, a signal or the consumer ends the reply where it is. */
  #stop(end: StreamEnd & { type: 'deadline' | 'signal' }): void {
    if (this.#settled !== null) return;
    const reply = this.#incoming?.stop(end) ?? new ReplyReader({ status: 200, contentType: null }).finish(end).reply;
    const error = reply.error instanceof DeadlineError ? withRequest(reply.error, this.#plan.url) : reply.error;
    this.#settle({ error, verdict: reply.verdict, reply, arrival: new Arrival(), isRepeatable: false });
    this.#controller.abort(error ?? undefined);
    this.#response?.destroy();
  }

  #settle({ error: unmasked, verdict, reply }: Attempt): void {
    this.#deadlines.stop();
    const { modelRequested, taps, clock, judge, masking } = this.#plan;
    const error = masking.error(unmasked);
    const completion = reply?.completion ? masking.completion(reply.completion) : null;
    const since = (time: number) => time - this.#startedAt;
    const fallbackModel = reply?.fallback?.fallbackModel ?? null;
    const unmaskedReceipt =
      reply === null || !this.#hasHead
        ? null
        : receiptOf({
            modelRequested,
            headers: this.#headers,
            sessionId: this.#sessionId,
            completion,
            fallbackModel,
            retries: this.#retries,
            durationMs: since(clock()),
            ttftMs: this.#firstContentAt === null ? null : since(this.#firstContentAt),
          });
    const receipt = unmaskedReceipt && masking.receipt(unmaskedReceipt);
    const refusal = error === null ? masking.error(judge?.(unmaskedReceipt, fallbackModel) ?? null) : null;
    this.#settled = { completion, verdict, error: error ?? refusal, receipt };
    this.#debug(`* ${verdict ?? 'no reply'}${error === null ? '' : ` (${error.code})`}`);
    if (this.#hasHead) {
      // A retry that got no reply ends what the attempt before it began.
      const end: StreamEnd = reply?.end ?? { type: 'lost', message: error?.message ?? '' };
      for (const tap of taps) endTap(tap, end);
    }
    this.#resolve(this.#settled);
  }

  /** Waits between two attempts; an abort ends the wait. */
  async #pause(milliseconds: number): Promise<void> {
    const { signal } = this.#controller;
    if (signal.aborted) return;
    this.#deadlines.startWaiting();
    await new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, milliseconds);
      signal.addEventListener('abort', done);
    });
    this.#deadlines.stopWaiting();
  }

  /** A proxy that quotes the prompt, or what the reply said, in an error frame or in what is no JSON. */
  #withoutQuotations(error: CllmError, said: readonly string[]): CllmError {
    const { keys, prompts } = this.#plan.secrets;
    const message = safeText(error.message, { keys, prompts: [...prompts, ...said] });
    if (message === error.message) return error;
    const { code, hint, isRetryable, completion, guardrail } = error;
    const options = { hint, isRetryable, completion, guardrail };
    if (!(error instanceof ProxyError)) return new CllmError(code, message, options);
    const { status, type, callId, retryAfterMs, parallelLimit } = error;
    return new ProxyError(code, message, { ...options, status, type, callId, retryAfterMs, parallelLimit });
  }

  #debug(...lines: string[]): void {
    const { onDebug } = this.#plan;
    if (onDebug) for (const line of lines) onDebug(line);
  }
}

const nothing: Attempt = { error: null, verdict: null, reply: null, arrival: new Arrival(), isRepeatable: false };

/** A reply is over whatever a tap makes of it; one that can not write has its own way to say so. */
function endTap(tap: ReplyTap, end: StreamEnd): void {
  try {
    tap.end(end);
  } catch {
    // See above.
  }
}

/** What a reply said and thought. */
function textsOf(completion: ChatCompletion | null): string[] {
  const messages = completion?.choices.map(({ message }) => message) ?? [];
  return messages
    .flatMap((message) => [message?.content, message?.reasoning_content, message?.refusal])
    .filter((text) => typeof text === 'string');
}

function withRequest({ deadline, message, hint, isRetryable, completion }: DeadlineError, url: string): DeadlineError {
  return new DeadlineError(deadline, `${message}: POST ${url}`, { hint, isRetryable, completion });
}

function signalOf(reason: unknown): InterruptedError['signal'] {
  return reason instanceof InterruptedError ? reason.signal : null;
}

/** The proxy, or what stands in front of it, knows no such key. */
function isUnknownKey(error: CllmError | null): boolean {
  return error instanceof ProxyError && error.status === 401;
}
