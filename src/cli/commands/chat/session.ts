import { type Attachments, userMessage } from '../../input/attachments.ts';
import type { ChatMessage } from '../../../protocol/types.ts';
import type { LiteLLMClient, RequestInput } from '../../../client/client.ts';
import { type Receipt, receiptFromJson } from '../../../client/receipt.ts';
import { Conversation } from '../../../conversation/conversation.ts';
import type { Store, TurnResult } from '../../../conversation/turn.ts';
import type { Turn, TurnTemplate } from '../../../history/history.ts';
import type { MadePrompt } from '../../asking/template-prompt.ts';
import { CllmError } from '../../../outcome/errors.ts';
import { judgement } from '../../../outcome/exits.ts';
import type { RequestBody } from '../../../protocol/types.ts';
import { explainBudget } from '../../asking/budget.ts';
import type { Spending } from '../../asking/spending.ts';
import type { LoopOptions } from '../../../tools/loop.ts';
import type { Toolbox } from '../../asking/tool-run.ts';
import type { View } from '../../views/view.ts';

/** What the turns of a chat took together. A figure that nobody told is not counted, and its turn is. */
export interface ChatUsage {
  turns: number;
  inputTokens: number;
  outputTokens: number;
  costUsd: number;
  turnsWithoutTokens: number;
  turnsWithoutCost: number;
}

/** A prompt that a template made. */
export interface ChatPrompt {
  made: MadePrompt;
  template: TurnTemplate;
}

export interface ChatToolbox extends Toolbox {
  maxSteps: number;
}

/** What a chat is made of, and what it may ask of the run around it. */
export interface ChatSessionParts {
  conversation: Conversation;
  /** Its model may be changed on the way. */
  body: RequestBody;
  store: Store;
  client: LiteLLMClient;
  /** Null without `--max-cost`. */
  spending: Spending | null;
  /** What a turn is looked at for before it is sent; null without `--max-input-tokens`. */
  checkSize: ((next: RequestInput, signal: AbortSignal) => Promise<void>) | null;
  /** How many tokens the model takes; null when nobody knows. */
  contextWindow: (model: string) => Promise<number | null>;
  isShortAllowed: boolean;
  /** What the model may call; null for nothing. */
  toolbox: ChatToolbox | null;
  /** Aborted when the whole chat ends, not a turn of it. */
  signal: AbortSignal;
  newView: () => View;
  explained: (error: CllmError) => Promise<CllmError>;
  remark: (text: string) => void;
  /** A turn is in the history. */
  onKept: () => void;
}

/** A conversation under way: one client, one connection, one history for all of its turns. */
export class ChatSession {
  conversation: Conversation;
  readonly body: RequestBody;
  readonly store: Store;
  readonly #parts: ChatSessionParts;
  #lastPrompt: string | null = null;
  /** What goes with the next prompt; null for nothing. */
  #attached: Attachments | null = null;
  #lastAttached: Attachments | null = null;
  /** Asks the person about a call; null where nobody can be asked. */
  approve: LoopOptions['ask'] = null;
  /** The tokens of the last turn, its reply with it: the next one sends them again. */
  #contextTokens: number | null = null;

  constructor(parts: ChatSessionParts) {
    this.#parts = parts;
    this.conversation = parts.conversation;
    this.body = parts.body;
    this.store = parts.store;
  }

  /** Nothing of it outlives the process. */
  get isEphemeral(): boolean {
    return this.store.history?.path === ':memory:';
  }

  /**
   * Whether one more turn may be sent under `--max-cost`.
   *
   * @throws CllmError `cost_cap` when it is spent; UsageError for a model whose price nobody knows
   */
  checkSpending(): void {
    const { spending } = this.#parts;
    if (spending === null) return;
    const { cap, refuseModel, reached } = spending;
    if (cap.refusal !== null) throw reached(cap.refusal);
    const refused = refuseModel(this.body.model);
    if (refused !== null) throw refused;
  }

  /**
   * One turn, shown as it comes. Gives what went wrong, which has been reported.
   *
   * @throws what `checkSpending` throws, and UsageError `input_too_large`, before anything is sent
   */
  async send(prompt: string, signal: AbortSignal, made: ChatPrompt | null = null): Promise<CllmError | null> {
    this.checkSpending();
    const messages = made === null ? [this.#message(prompt)] : await this.#newMessages(made);
    const message = messages.at(-1);
    if (message !== undefined && Array.isArray(message.content)) {
      const { assertModelsTake } = await import('../../asking/model-takes.ts');
      await assertModelsTake(message, [this.body.model], this.#parts.client, signal);
    }
    await this.#checkSize(messages, signal);
    this.#lastAttached = this.#attached;
    this.#attached = null;
    this.#lastPrompt = prompt;
    const { newView, explained, client, isShortAllowed } = this.#parts;
    const view = newView();
    const sender = await this.#sender(view, signal);
    const result = await (sender ?? this.conversation).send({
      messages,
      body: this.body,
      signal,
      observer: view,
      ...(made !== null && { template: made.template }),
    });
    const failure = result.error && (await explained(await explainBudget(result.error, client)));
    const judged = judgement([failure, result.unsaved], { isShortAllowed });
    const conversationId = this.isEphemeral ? null : result.conversationId;
    if (conversationId !== null && result.unsaved === null && !this.conversation.state.isReadOnly) this.#parts.onKept();
    // Who pressed Ctrl-C knows it; the receipt says what that makes of the reply.
    const errors = this.#parts.signal.aborted
      ? judged.errors
      : judged.errors.filter(({ code }) => code !== 'interrupted');
    await view.end({ ...result, ...judged, errors, conversationId });
    // The loop of tools counts each request when its reply is there.
    if (sender === null) this.#count(result);
    const { inputTokens = null, outputTokens = null } = (result.steps?.at(-1) ?? result).receipt ?? {};
    if (inputTokens !== null) this.#contextTokens = inputTokens + (outputTokens ?? 0);
    return judged.decisive;
  }

  #message(prompt: string): ChatMessage {
    return this.#attached === null ? { role: 'user', content: prompt } : userMessage(prompt, this.#attached);
  }

  /** Outputs that the conversation has already are not sent again. */
  async #newMessages({ made }: ChatPrompt): Promise<ChatMessage[]> {
    const { id } = this.conversation.state;
    const turns = id === null ? [] : (this.store.history?.turns(id) ?? []);
    const { withoutRepeated } = await import('../../asking/repeated-output.ts');
    return withoutRepeated(made, turns, this.#parts.remark);
  }

  /** Sends with the tools of the chat; null for a chat without. */
  async #sender(view: View, signal: AbortSignal): Promise<Pick<Conversation, 'send'> | null> {
    const { toolbox, spending, checkSize } = this.#parts;
    if (toolbox === null) return null;
    const { standstillOf, toolSender } = await import('../../asking/tool-run.ts');
    const { conversation, store } = this;
    const { pending } = standstillOf(conversation, store);
    // Calls of the caller's own tools are nobody's here: they stay without an answer, as in a chat without tools.
    const isRun = (name: string): boolean => toolbox.tools.some((tool) => tool.name === name && tool.run !== null);
    return toolSender(conversation, {
      ...toolbox,
      store,
      pending: pending?.calls.every(({ name }) => isRun(name)) === true ? pending : null,
      handedIn: new Map(),
      observer: view,
      ask: this.approve,
      isKept: ({ unsaved, conversationId }) =>
        unsaved === null && conversationId !== null && !conversation.state.isReadOnly,
      onReply: (reply) => this.#count(reply),
      refusal: () => {
        const reason = spending?.cap.refusal ?? null;
        return reason === null ? null : (spending?.reached(reason) ?? null);
      },
      refuse: checkSize === null ? null : (messages) => this.#tooLong(messages, signal),
      now: () => performance.now(),
    });
  }

  async #tooLong(messages: readonly ChatMessage[], signal: AbortSignal): Promise<CllmError | null> {
    try {
      await this.#checkSize(messages, signal);
      return null;
    } catch (error) {
      if (error instanceof CllmError) return error;
      throw error;
    }
  }

  /** The names of the tools that the model may call. */
  get toolNames(): string[] {
    return this.#parts.toolbox?.tools.map(({ name }) => name) ?? [];
  }

  /**
   * Takes files along with the next prompt.
   *
   * @throws UsageError
   */
  attach({ blocks, parts }: Attachments): void {
    this.#attached = {
      blocks: [...(this.#attached?.blocks ?? []), ...blocks],
      parts: [...(this.#attached?.parts ?? []), ...parts],
    };
  }

  /** What went with the last prompt goes along again. */
  attachAgain(): void {
    this.#attached = this.#lastAttached;
  }

  async #checkSize(messages: readonly ChatMessage[], signal: AbortSignal): Promise<void> {
    const { checkSize } = this.#parts;
    if (checkSize === null) return;
    const { nextRequest } = await import('../../asking/dry-run.ts');
    await checkSize(nextRequest(this.conversation, this.store, { messages, body: this.body }), signal);
  }

  /**
   * How full the context of the model is, from 0, by the usage of the last reply; null while nobody knows, or while so
   * little is in it that the proxy need not be asked how much there could be.
   */
  async contextShare(): Promise<number | null> {
    const tokens = this.#contextTokens;
    // A third of the smallest windows.
    if (tokens === null || tokens < 1000) return null;
    const most = await this.#parts.contextWindow(this.body.model);
    return most === null ? null : tokens / most;
  }

  #count({ completion, receipt, verdict }: TurnResult): void {
    const { spending, remark } = this.#parts;
    if (spending === null || completion === null) return;
    const { cap } = spending;
    const costUsd = receipt?.costUsd ?? null;
    // The cost comes last: one who stops a reply has none told, and wants to go on all the same.
    if (costUsd === null && verdict !== 'complete' && verdict !== 'length') cap.addBrokenOff();
    else cap.add(costUsd);
    if (cap.isExceeded) remark(`this chat has cost more than --max-cost ${cap.mostUsd}`);
  }

  get system(): string | null {
    return this.conversation.state.system;
  }

  setSystem(system: string | null): void {
    const { state } = this.conversation;
    state.system = system;
    if (state.id !== null && !state.isReadOnly) this.store.history?.setSystem(state.id, system);
  }

  /** The prompt to ask again; null when there is none. */
  get lastPrompt(): string | null {
    if (this.#lastPrompt !== null) return this.#lastPrompt;
    const content = this.#lastAsked()?.messages.at(-1)?.content;
    return typeof content === 'string' ? content : null;
  }

  /** The last turn that a prompt began; those after it went on with what tools gave. */
  #lastAsked(): Turn | null {
    const { id } = this.conversation.state;
    const turns = id === null ? [] : (this.store.history?.turns(id) ?? []);
    return turns.findLast(({ messages }) => messages.at(-1)?.role === 'user') ?? null;
  }

  /**
   * Goes back before the last prompt, so that it can be asked again without its reply as context. That reply is
   * kept where it was; the conversation's name goes along to the fork that the chat goes on in.
   */
  async rewind(): Promise<void> {
    this.#contextTokens = null;
    const { history } = this.store;
    const { state } = this.conversation;
    if (history === null || state.id === null || state.isReadOnly) return;
    const last = this.#lastAsked();
    // A turn without a reply is no context of the next one anyway.
    if (last === null || last.completion === null) return;
    if (state.name !== null) history.rename(state.id, null);
    const { client } = this.#parts;
    if (last.seq === 1)
      this.conversation = new Conversation(client, this.store, { name: state.name, system: state.system });
    else {
      const fork = history.fork(state.id, { atSeq: last.seq - 1, name: state.name });
      this.conversation = Conversation.of(client, this.store, fork);
    }
  }

  usage(): ChatUsage {
    const { id } = this.conversation.state;
    const turns = id === null ? [] : (this.store.history?.turns(id) ?? []);
    const receipts = turns.flatMap(({ receipt }) => (receipt === null ? [] : [receiptFromJson(receipt)]));
    const known = (pick: (receipt: Receipt) => number | null): number[] =>
      receipts.map(pick).filter((figure) => figure !== null);
    const sum = (figures: readonly number[]): number => figures.reduce((total, each) => total + each, 0);
    const tokens = known(({ inputTokens }) => inputTokens);
    const costs = known(({ costUsd }) => costUsd);
    return {
      turns: turns.length,
      inputTokens: sum(tokens),
      outputTokens: sum(known(({ outputTokens }) => outputTokens)),
      costUsd: sum(costs),
      turnsWithoutTokens: turns.length - tokens.length,
      turnsWithoutCost: turns.length - costs.length,
    };
  }
}
