import { CllmError } from '../outcome/errors.ts';
import type { Verdict } from '../outcome/exits.ts';
import { bodyKind, isSuccess, type BodyKind } from './body-kind.ts';
import { hasContent, readEvent, readValue, type FallbackNotice, type StreamItem } from './chunk.ts';
import { Arrival } from './arrival.ts';
import { ChunkRun } from './chunk-run.ts';
import { ChunkTemplate } from './chunk-template.ts';
import { CompletionBuilder } from './fold/completion-builder.ts';
import { chunkOfCompletion } from './completion-chunk.ts';
import { readCompletion } from './completion-reader.ts';
import { errorInText } from './error/error-text.ts';
import { appliedGuardrails } from './error/guardrail.ts';
import { htmlTitle, isHtml } from './error/html-title.ts';
import { parseJson } from './json.ts';
import { replyError } from './error/reply-error.ts';
import { defaultMaxEventBytes, SseDecoder, type SseEvent } from './sse.ts';
import type { ChatCompletion, ChatCompletionChunk } from './types.ts';
import { verdict, type StreamEnd } from './verdict.ts';

/** The part of a response's head that says how its body is to be read. */
export interface ReplyHead {
  status: number;
  contentType: string | null;
  /** The guardrails of the proxy that ran, as the head names them. */
  guardrails?: readonly string[];
  /** Whether a key went with the request; what nobody knows counts as yes. */
  hasKey?: boolean;
}

/** What the reader needs of a head: a live one, or a recorded one. */
export function replyHead({
  status,
  headers,
}: {
  status: number;
  headers: Readonly<Record<string, string>>;
}): ReplyHead {
  return { status, contentType: headers['content-type'] ?? null, guardrails: appliedGuardrails(headers) };
}

export interface ReplyReaderOptions {
  /** The largest event, in bytes: past it the verdict is `error`. Default 16 MiB. */
  maxEventBytes?: number;
  /** The largest body, in bytes: past it the verdict is `cut`. Default 256 MiB. */
  maxReplyBytes?: number;
}

/** A reply that has ended. */
export interface Reply {
  /** What came, folded, or the proxy's own `chat.completion`, checked (`readCompletion`); null when no chunk came. */
  completion: ChatCompletion | null;
  /** Null when the body was no reply: a page, plain text, JSON of another kind, nothing at all. */
  verdict: Verdict | null;
  end: StreamEnd;
  /** Null only for the verdict `complete`. */
  error: CllmError | null;
  fallback: FallbackNotice | null;
  /** Whether the last event came without its blank line. */
  isUnterminated: boolean;
}

const defaultMaxReplyBytes = 256 * 1024 * 1024;

/** Compared with what the deltas said; more of them, each as long as the reply, would be work without an end. */
const mostWholeMessages = 16;

/** How much of a body that is no reply is kept: enough for a page's title. */
const keptOfOther = 64 * 1024;

/**
 * The one pipeline from the bytes of a body to a reply: events, chunks, fold, verdict. A live stream, a replayed
 * recording and a recovered journal differ only in who pushes the bytes. Synchronous, without I/O and without a clock;
 * it throws on nothing that can arrive.
 */
export class ReplyReader {
  readonly #head: ReplyHead;
  readonly #maxEventBytes: number;
  readonly #maxReplyBytes: number;
  readonly #template = new ChunkTemplate();
  readonly #decoder: SseDecoder<ChunkRun>;
  /** Whether the last chunk was one of the template's: of the next one, only the text is new. */
  #isRepeating = false;
  readonly #builder: CompletionBuilder;
  #unfolded: ChunkRun | null = null;
  /** Null until the first bytes tell. */
  #kind: BodyKind | null = null;
  /** The body, or the first part of it, where it is no event stream. */
  #kept: Uint8Array[] = [];
  #keptBytes = 0;
  #bytes = 0;
  /** How the stream itself ended, once it has. */
  #end: StreamEnd | null = null;
  #hasContent = false;
  #broughtContent = false;
  #fallback: FallbackNotice | null = null;
  #isUnterminated = false;
  #hasChunks = false;
  #hasLastUsage = false;
  /** Whole messages that came after chunks: hardly any comes twice. */
  #wholeMessages = 0;
  /** A whole `chat.completion`, as long as nothing else came. */
  #received: ChatCompletion | null = null;

  constructor(head: ReplyHead, options: ReplyReaderOptions = {}) {
    this.#head = head;
    this.#maxEventBytes = options.maxEventBytes ?? defaultMaxEventBytes;
    this.#maxReplyBytes = options.maxReplyBytes ?? defaultMaxReplyBytes;
    this.#builder = new CompletionBuilder(this.#maxReplyBytes);
    this.#decoder = new SseDecoder(
      { maxEventBytes: this.#maxEventBytes },
      { shortcut: (text, from) => this.#template.read(text, from), readStray: strayError },
    );
    if (!isSuccess(head.status)) this.#kind = 'other';
  }

  /** Takes the bytes of one read and gives what they completed; nothing once the reply is over. */
  push(bytes: Uint8Array): Arrival {
    this.#broughtContent = false;
    if (this.#end !== null) return new Arrival();
    const room = this.#maxReplyBytes - this.#bytes;
    this.#bytes += bytes.length;
    if (bytes.length <= room) return this.#take(bytes);
    const arrival = this.#take(bytes.subarray(0, room));
    this.#end ??= { type: 'limit', limit: 'reply', bytes: this.#maxReplyBytes };
    return arrival;
  }

  /**
   * Folds what the last `push()` gave, as the next one or `finish()` would: for who shows them first, and has
   * time then.
   */
  fold(): void {
    const run = this.#unfolded;
    if (run === null) return;
    this.#unfolded = null;
    if (!this.#isRepeating) this.#builder.add(run.withoutText());
    this.#isRepeating = true;
    this.#builder.addText(run.index, run.key, run.text);
  }

  /** Whether nothing more will be taken: after `[DONE]`, an error frame or a limit. The caller closes the connection. */
  get isOver(): boolean {
    return this.#end !== null || (this.#kind === 'other' && this.#keptBytes >= keptOfOther);
  }

  /** Whether a delta has changed the message yet: text, reasoning, a refusal, a call, audio or an image. */
  get hasContent(): boolean {
    return this.#hasContent;
  }

  /** Whether no more content is to be expected, although the stream is open: `[DONE]`, usage or an error may follow. */
  get isSettled(): boolean {
    return this.#builder.isSettled;
  }

  /** Whether usage came after that, on a chunk of its own: the last but `[DONE]`. */
  get hasLastUsage(): boolean {
    return this.#hasLastUsage;
  }

  /** Whether the last `push()` did so. */
  get broughtContent(): boolean {
    return this.#broughtContent;
  }

  /**
   * Says how the source ended, and gives the last chunks and the reply. What the stream itself had decided before
   * (`[DONE]`, an error frame, a limit) stands.
   */
  finish(end: StreamEnd): { arrival: Arrival; reply: Reply } {
    const arrival = new Arrival();
    if (this.#end === null && this.#kind === null) {
      this.#kind = bodyKind(this.#prefix(), this.#head.contentType, true);
      if (this.#kind === 'sse') this.#readKept(arrival);
    }
    if (this.#end === null && this.#kind === 'sse' && end.type === 'end') this.#endEvents(arrival);
    if (this.#kind === 'json') this.#readJson(arrival, end);
    this.#end ??= end;
    return { arrival, reply: this.#reply(this.#end) };
  }

  #take(bytes: Uint8Array): Arrival {
    const arrival = new Arrival();
    if (this.#kind === 'sse') {
      this.#readBytes(bytes, arrival);
      return arrival;
    }
    this.#keep(bytes);
    if (this.#kind === null) {
      this.#kind = bodyKind(this.#prefix(), this.#head.contentType, false);
      if (this.#kind === 'sse') this.#readKept(arrival);
    }
    return arrival;
  }

  #keep(bytes: Uint8Array): void {
    if (this.#kind === 'other' && this.#keptBytes >= keptOfOther) return;
    // A copy: the caller may use its buffer again.
    this.#kept.push(Uint8Array.from(bytes));
    this.#keptBytes += bytes.length;
  }

  #prefix(): string {
    return Buffer.concat(this.#kept).toString('latin1');
  }

  #readKept(arrival: Arrival): void {
    const kept = this.#kept;
    this.#kept = [];
    for (const bytes of kept) this.#readBytes(bytes, arrival);
  }

  #readBytes(bytes: Uint8Array, arrival: Arrival): void {
    if (this.#end !== null) return;
    this.#readEvents(() => this.#decoder.decode(bytes), arrival);
  }

  #endEvents(arrival: Arrival): void {
    this.#readEvents(() => this.#decoder.end(), arrival);
    if (this.#decoder.isTorn) this.#end ??= { type: 'torn' };
  }

  #readEvents(next: () => (SseEvent | ChunkRun)[], arrival: Arrival): void {
    let events: (SseEvent | ChunkRun)[] = [];
    try {
      events = next();
    } catch (error) {
      if (!(error instanceof CllmError)) throw error;
    }
    for (const event of events) {
      if (event instanceof ChunkRun) this.#addRun(event, arrival);
      else this.#readEvent(event, arrival);
      if (this.#end !== null) return;
    }
    if (this.#decoder.error !== null) this.#end = { type: 'limit', limit: 'event', bytes: this.#maxEventBytes };
  }

  #readEvent(event: SseEvent, arrival: Arrival): void {
    if (event.unterminated === true) this.#isUnterminated = true;
    this.fold();
    this.#isRepeating = false;
    const item = readEvent(event);
    this.#readItem(item, arrival);
    if (item.type === 'chunk') this.#template.learn(event.data, item.chunk);
  }

  #readItem(item: StreamItem, arrival: Arrival): void {
    switch (item.type) {
      case 'chunk':
        this.#received = null;
        this.#addChunk(item.chunk, arrival);
        break;
      case 'completion':
        this.#addWhole(readCompletion(item.completion), arrival);
        break;
      case 'fallback':
        this.#fallback = item.notice;
        break;
      case 'error':
        if (item.chunk !== undefined) this.#addChunk(item.chunk, arrival);
        this.#end = { type: 'error', error: item.error };
        break;
      case 'done':
        this.#end = { type: 'done' };
        break;
      case 'ending':
        if (this.#builder.isFinished) this.#end = { type: 'done' };
        else this.#readItem(item.otherwise, arrival);
        break;
      case 'heartbeat':
        break;
    }
  }

  /** A whole message in place of deltas; or after them, when what they said already is not said again. */
  #addWhole(completion: ChatCompletion, arrival: Arrival): void {
    const chunk = chunkOfCompletion(completion);
    if (!this.#hasChunks) {
      this.#received = completion;
      this.#addChunk(chunk, arrival);
      return;
    }
    this.#received = null;
    this.#wholeMessages += 1;
    if (this.#wholeMessages <= mostWholeMessages) this.#addChunk(this.#builder.unsaid(chunk), arrival);
  }

  #addRun(run: ChunkRun, arrival: Arrival): void {
    this.fold();
    this.#unfolded = run;
    if (run.text !== '') this.#hasContent = this.#broughtContent = true;
    arrival.add(run);
  }

  #addChunk(chunk: ChatCompletionChunk, arrival: Arrival): void {
    this.#hasChunks = true;
    if (!this.#broughtContent && hasContent(chunk)) this.#hasContent = this.#broughtContent = true;
    this.#builder.add(chunk);
    arrival.add(chunk);
    if (typeof chunk.usage === 'object' && chunk.usage !== null) this.#noteUsage(chunk);
    const { exceeded } = this.#builder;
    if (exceeded !== null) this.#end = { type: 'limit', ...exceeded };
  }

  /** Usage beside a finish_reason, or on every chunk, may be followed by more. */
  #noteUsage({ choices }: ChatCompletionChunk): void {
    const hasFinish = Array.isArray(choices) && choices.some((choice) => choice?.finish_reason);
    if (!hasFinish && this.#builder.isSettled) this.#hasLastUsage = true;
  }

  /** A JSON body in place of a stream: a whole completion, or an error. */
  #readJson(arrival: Arrival, end: StreamEnd): void {
    if (this.#end !== null) return;
    let value: unknown;
    try {
      value = parseJson(
        Buffer.concat(this.#kept)
          .toString('utf8')
          .replace(/^\uFEFF/, ''),
      );
    } catch {
      const error = errorInText(Buffer.concat(this.#kept).toString('utf8'));
      if (error !== null && !isOurs(end)) this.#end = { type: 'error', error };
      // Torn, as far as anybody can tell.
      else if (end.type === 'end') this.#end = { type: 'torn' };
      return;
    }
    const item = readValue(value);
    if (item.type === 'completion' || (item.type === 'error' && !isOurs(end))) {
      this.#readItem(item, arrival);
    } else if (item.type !== 'error') {
      this.#kind = 'other';
    }
  }

  #reply(end: StreamEnd): Reply {
    this.fold();
    const completion = this.#received ?? this.#builder.build();
    const isOther = this.#kind === 'other' && !isOurs(end);
    const finish = this.#received === null ? this.#builder.finishState : 'final';
    const outcome = isOther ? null : verdict(completion, end, finish);
    return {
      completion,
      verdict: outcome,
      end,
      error:
        outcome === null
          ? this.#unexpectedResponse(end)
          : replyError(outcome, end, completion, {
              hasContent: this.#hasContent,
              hasKey: this.#head.hasKey ?? true,
              guardrails: this.#head.guardrails ?? [],
            }),
      fallback: this.#fallback,
      isUnterminated: this.#isUnterminated,
    };
  }

  #unexpectedResponse(end: StreamEnd): CllmError {
    const what = this.#describeBody();
    const lost = end.type === 'lost' ? ', and the connection was lost' : '';
    return new CllmError(
      'unexpected_response',
      `the answer is no reply: HTTP ${this.#head.status} with ${what}${lost}`,
      {
        hint: 'check that the base URL is that of a LiteLLM proxy: cllm doctor',
      },
    );
  }

  #describeBody(): string {
    if (this.#keptBytes === 0) return 'an empty body';
    const text = Buffer.concat(this.#kept).toString('utf8');
    if (isHtml(text)) {
      const title = htmlTitle(text);
      return title === null ? 'an HTML page' : `an HTML page titled "${title}"`;
    }
    const type = this.#head.contentType;
    return type === null ? 'a body without a content type' : `a body of type ${type.slice(0, 80)}`;
  }
}

/** We ended it: what came until then says nothing about the rest. */
function isOurs(end: StreamEnd): boolean {
  return end.type === 'signal' || end.type === 'deadline';
}

/** An error that a server wrote into the stream in no field of an event stream, or in one of its own (`error: {…}`). */
function strayError(text: string): SseEvent | null {
  const told = /^error\s?:\s*([^]*)$/.exec(text)?.[1] ?? (errorInText(text) === null ? '' : text);
  return told.trim() === '' ? null : { event: 'error', data: told };
}
