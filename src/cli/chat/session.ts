import { type Receipt, receiptFromJson } from '../../client/receipt.ts';
import { Conversation } from '../../conversation/conversation.ts';
import type { Store, TurnResult } from '../../conversation/turn.ts';
import type { CllmError } from '../../errors.ts';
import { judgement } from '../../outcome.ts';
import type { RequestBody } from '../../protocol/types.ts';
import { paramValues } from '../../config/settings.ts';
import { explainBudget } from '../budget.ts';
import { chooseConversation, modelFor } from '../choose-conversation.ts';
import type { Context } from '../context.ts';
import { isSet } from '../flag-values.ts';
import type { Flags } from '../flags.ts';
import { type Spending, capReached, prepareSpending } from '../spending.ts';
import { createView } from '../render/create-view.ts';
import type { View } from '../render/view.ts';
import { requestBody } from '../request-body.ts';

/** What the turns of a chat took together. A figure that nobody told is not counted, and its turn is. */
export interface ChatUsage {
  turns: number;
  inputTokens: number;
  outputTokens: number;
  costUsd: number;
  turnsWithoutTokens: number;
  turnsWithoutCost: number;
}

/** A conversation under way: one client, one connection, one history for all of its turns. */
export class ChatSession {
  conversation: Conversation;
  readonly body: RequestBody;
  readonly store: Store;
  readonly #flags: Flags;
  readonly #context: Context;
  readonly #newView: () => View;
  readonly #spending: Spending | null;
  #lastPrompt: string | null = null;

  private constructor(
    flags: Flags,
    context: Context,
    parts: {
      conversation: Conversation;
      body: RequestBody;
      store: Store;
      newView: () => View;
      spending: Spending | null;
    },
  ) {
    this.#flags = flags;
    this.#context = context;
    this.conversation = parts.conversation;
    this.body = parts.body;
    this.store = parts.store;
    this.#newView = parts.newView;
    this.#spending = parts.spending;
  }

  static async open(flags: Flags, context: Context): Promise<ChatSession> {
    const settings = await context.settings();
    await context.assertTrusted();
    const client = await context.client();
    const store = await storeOf(context);
    const conversation = await chooseConversation(flags, context, client, store);
    const model = await modelFor(conversation, context);
    const body = await requestBody(flags, model, paramValues(settings.params), context.io);
    const spending = flags['max-cost'] === undefined ? null : await prepareSpending(flags, context, client, body.model);
    const newView = (): View =>
      createView(flags, context, {
        isHeldBack: false,
        baseUrl: settings.baseUrl.value,
        model: body.model,
        render: settings.render.value,
      });
    return new ChatSession(flags, context, { conversation, body, store, newView, spending });
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
    if (this.#spending === null) return;
    const { cap, refuseModel } = this.#spending;
    if (cap.refusal !== null) throw capReached(cap.refusal);
    const refused = refuseModel(this.body.model);
    if (refused !== null) throw refused;
  }

  /**
   * One turn, shown as it comes. Gives what went wrong, which has been reported.
   *
   * @throws what `checkSpending` throws, before anything is sent
   */
  async send(prompt: string, signal: AbortSignal): Promise<CllmError | null> {
    this.checkSpending();
    this.#lastPrompt = prompt;
    const view = this.#newView();
    const result = await this.conversation.send({
      messages: [{ role: 'user', content: prompt }],
      body: this.body,
      signal,
      observer: view,
    });
    const context = this.#context;
    const failure =
      result.error && (await context.explained(await explainBudget(result.error, await context.client())));
    const judged = judgement([failure, result.unsaved], {
      isShortAllowed: isSet(this.#flags, 'allow-short'),
    });
    const conversationId = this.isEphemeral ? null : result.conversationId;
    if (conversationId !== null && result.unsaved === null && !isSet(this.#flags, 'read-only'))
      this.#context.hasKeptReply = true;
    // Who pressed Ctrl-C knows it; the receipt says what that makes of the reply.
    const errors = this.#context.io.signal.aborted
      ? judged.errors
      : judged.errors.filter(({ code }) => code !== 'interrupted');
    await view.end({ ...result, ...judged, errors, conversationId });
    this.#count(result);
    return judged.decisive;
  }

  #count({ completion, receipt, verdict }: TurnResult): void {
    if (this.#spending === null || completion === null) return;
    const { cap } = this.#spending;
    const costUsd = receipt?.costUsd ?? null;
    // The cost comes last: one who stops a reply has none told, and wants to go on all the same.
    if (costUsd === null && verdict !== 'complete' && verdict !== 'length') cap.addBrokenOff();
    else cap.add(costUsd);
    if (cap.isExceeded) this.#context.remark(`this chat has cost more than --max-cost ${cap.mostUsd}`);
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
    const { id } = this.conversation.state;
    const content = id === null ? undefined : this.store.history?.turns(id).at(-1)?.messages.at(-1)?.content;
    return typeof content === 'string' ? content : null;
  }

  /**
   * Goes back before the last turn, so that its prompt can be asked again without its reply as context. That reply is
   * kept where it was; the conversation's name goes along to the fork that the chat goes on in.
   */
  async rewind(): Promise<void> {
    const { history } = this.store;
    const { state } = this.conversation;
    if (history === null || state.id === null || state.isReadOnly) return;
    const last = history.turns(state.id).at(-1);
    // A turn without a reply is no context of the next one anyway.
    if (last === undefined || last.completion === null) return;
    if (state.name !== null) history.rename(state.id, null);
    const client = await this.#context.client();
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

/** A chat remembers its turns also when nothing of them is to be kept: in memory. */
async function storeOf(context: Context): Promise<Store> {
  const store = await context.store();
  if (store.history !== null || store.problem !== null) return store;
  const { History } = await import('../../history/history.ts');
  return { history: History.open(':memory:', { uid: context.io.uid }), journal: null, problem: null };
}
