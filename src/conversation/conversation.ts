import type { CallOptions, LiteLLMClient, RequestInput } from '../client/client.ts';
import type { CompletionStream } from '../client/completion-stream.ts';
import { CllmError } from '../errors.ts';
import type { ConversationSummary } from '../history/history.ts';
import type { ConversationState, Store, TurnRequest, TurnResult } from './turn.ts';
import { TurnKeeper } from './turn-keeper.ts';

/** A line of turns that share a context. `send` is one turn of it, from the prompt's commit to the reply's. */
export class Conversation {
  readonly #client: LiteLLMClient;
  readonly #store: Store;
  readonly state: ConversationState;

  constructor(client: LiteLLMClient, store: Store, state: Partial<ConversationState> = {}) {
    this.#client = client;
    this.#store = store;
    this.state = { id: null, name: null, system: null, isReadOnly: false, ...state };
  }

  static of(client: LiteLLMClient, store: Store, summary: ConversationSummary, isReadOnly = false): Conversation {
    return new Conversation(client, store, { id: summary.id, name: summary.name, system: summary.system, isReadOnly });
  }

  /**
   * Commits the prompt, streams, journals each read before it is shown, folds, and commits the reply with its verdict.
   * Never throws for what the network or the disk does: the result says it.
   */
  async send(turn: TurnRequest): Promise<TurnResult> {
    const keeper = new TurnKeeper(this.#store, this.state, turn);
    const { messages, partialReplies } = keeper.context;
    await turn.observer?.begin?.({ conversationId: this.state.id, model: turn.body.model, partialReplies });
    const request = { ...turn.body, messages: [...messages, ...turn.messages] };
    const stream = this.#begun(keeper, request, {
      taps: [keeper, ...(turn.taps ?? [])],
      ...(turn.signal && { signal: turn.signal }),
      onRetry: (retry) => turn.observer?.retry?.(retry),
    });
    await stream.consume((chunks) => turn.observer?.chunks?.(chunks));
    const { completion, verdict, receipt, error } = await stream.result();
    const unsaved = keeper.commit({ completion, verdict, receipt, error });
    return { conversationId: this.state.id, completion, verdict, receipt, error, unsaved };
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
