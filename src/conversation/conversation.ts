import type { CallOptions, LiteLLMClient, RequestInput } from '../client/client.ts';
import type { CompletionStream } from '../client/reply/completion-stream.ts';
import { CllmError } from '../outcome/errors.ts';
import type { ConversationSummary } from '../history/history.ts';
import { requestOf } from './conversation-context.ts';
import type { ConversationState, Store, TurnObserver, TurnRequest, TurnResult } from './turn.ts';
import { TurnKeeper } from './turn-keeper.ts';

/** An observer that is told no more once it has thrown: what it shows is lost, and not what it is shown of. */
class Watched {
  #observer: TurnObserver | undefined;
  #failures: unknown[] = [];

  constructor(observer: TurnObserver | undefined) {
    this.#observer = observer;
  }

  tell(of: (observer: TurnObserver) => Promise<void> | void): Promise<void> | undefined {
    const observer = this.#observer;
    if (observer === undefined) return undefined;
    try {
      return of(observer)?.catch((thrown: unknown) => this.#fail(thrown));
    } catch (thrown) {
      this.#fail(thrown);
      return undefined;
    }
  }

  rethrow(): void {
    if (this.#failures.length > 0) throw this.#failures[0];
  }

  #fail(thrown: unknown): void {
    this.#observer = undefined;
    this.#failures.push(thrown);
  }
}

/** A line of turns that share a context. `send` is one turn of it, from the prompt's commit to the reply's. */
export class Conversation {
  readonly #client: LiteLLMClient;
  readonly #store: Store;
  readonly state: ConversationState;
  /** Of turns that are not kept. */
  #session: string | null = null;

  constructor(client: LiteLLMClient, store: Store, state: Partial<ConversationState> = {}) {
    this.#client = client;
    this.#store = store;
    this.state = {
      id: null,
      name: null,
      system: null,
      hasNewSystem: false,
      model: null,
      isReadOnly: false,
      ...state,
    };
  }

  static of(client: LiteLLMClient, store: Store, summary: ConversationSummary, isReadOnly = false): Conversation {
    const { id, name, system, model } = summary;
    return new Conversation(client, store, { id, name, system, model, isReadOnly });
  }

  /**
   * Commits the prompt, streams, journals each read before it is shown, folds, and commits the reply with its verdict.
   * Never throws for what the network or the disk does: the result says it.
   *
   * @throws CllmError `history_unsaved` for answers to calls of a conversation that was deleted meanwhile; and what the observer threw, once the turn is committed: it is told no more then, but the reply is taken to its end
   */
  async send(turn: TurnRequest): Promise<TurnResult> {
    const keeper = new TurnKeeper(this.#store, this.state, turn, this.#client.baseUrl);
    const watched = new Watched(turn.observer);
    const { partialReplies } = keeper.context;
    await watched.tell((observer) =>
      observer.begin?.({ conversationId: this.state.id, model: turn.body.model, partialReplies }),
    );
    const request = requestOf(keeper.context, turn);
    const stream = this.#begun(keeper, request, {
      sessionId: turn.sessionId ?? this.state.id ?? (this.#session ??= newSession()),
      taps: [keeper, ...(turn.taps ?? [])],
      ...(turn.signal && { signal: turn.signal }),
      onRetry: (retry) => void watched.tell((observer) => observer.retry?.(retry)),
    });
    let result: TurnResult | null = null;
    try {
      await stream.consume((arrival) => watched.tell((observer) => observer.arrival?.(arrival)));
    } finally {
      const end = await stream.result();
      result = { conversationId: this.state.id, turnId: keeper.turnId, ...end, unsaved: keeper.commit(end) };
    }
    watched.rethrow();
    return result;
  }

  /** The prompt is in the history by now, so a request that can not even be made ends its turn like any other. */
  #begun(keeper: TurnKeeper, request: RequestInput, options: CallOptions): CompletionStream {
    try {
      return this.#client.stream(request, options);
    } catch (thrown) {
      if (thrown instanceof CllmError) keeper.commit({ completion: null, verdict: null, receipt: null, error: thrown });
      throw thrown;
    }
  }
}

/** Only has to differ from others: a run that keeps nothing has no id. */
export function newSession(): string {
  return `cllm-${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 10)}`;
}
