import type { LiteLLMClient, RequestInput } from '../client/client.ts';
import type { Receipt } from '../client/receipt.ts';
import { Conversation } from '../conversation/conversation.ts';
import { type ReplyForm, sendForTaking, type TakenReply, type TakenTurn } from '../conversation/taken-reply.ts';
import type { TurnResult } from '../conversation/turn.ts';
import { CllmError, InterruptedError, ProxyError, UsageError } from '../outcome/errors.ts';
import { decisive, judgement } from '../outcome/exits.ts';
import type { RequestBody } from '../protocol/types.ts';
import { resultObject, type TemplateObject } from '../conversation/result-object.ts';
import type { BatchItem, ItemRequest } from './batch-item.ts';
import type { BatchResult } from './batch-result.ts';

/** What holds for every item that does not say otherwise. */
export interface ItemDefaults {
  /** Null when only the items can name one. */
  model: string | null;
  /** The model that a name of an item stands for. */
  resolveModel: (name: string) => string;
  system: string | null;
  /** The other fields of the request body. */
  params: Record<string, unknown>;
  isShortAllowed: boolean;
  /** What the prompts are made from; null for prompts of their own. */
  template: TemplateObject | null;
  /** The form that replies have to have; null where any will do. */
  form: ReplyForm | null;
  /** How often a complaint about the form goes back to the model. */
  schemaRetries: number;
  /** Why a model may not be asked; null when it may. */
  refuseModel: ((model: string) => CllmError | null) | null;
  /** Why a request may not be sent, as longer than it may be say; null when nobody looks. */
  refuseRequest: ((request: RequestInput) => Promise<CllmError | null>) | null;
  /** Who sends in place of the conversation, for items whose model may call tools; null for all others. */
  withTools: ((conversation: Conversation, run: ToolItemRun) => Pick<Conversation, 'send'>) | null;
  /** A last look at the body: what must not get lost when an item has a field that cllm sets as well. */
  complete: (body: RequestBody) => RequestBody;
}

/** What a loop of tools needs of the run that an item is in. */
export interface ToolItemRun {
  onReply: () => void;
  mayGoOn: () => boolean;
}

/** What a proxy that had no room says: what to wait for, or how many requests it takes at a time. */
export interface Throttle {
  retryAfterMs: number | null;
  parallelLimit: number | null;
}

/** How one try ended. */
export interface ItemEnd {
  result: BatchResult;
  /** The error that decides; null is success. */
  error: CllmError | null;
  /** The proxy had no room for it: nothing came, and it may be tried again. */
  throttled: Throttle | null;
  /** What the proxy says of the key with the reply; null without one. */
  receipt: Pick<Receipt, 'keySpend' | 'keyMaxBudget'> | null;
}

export interface AskOptions {
  holds: Holds;
  /** ISO 8601, UTC. */
  timestamp: () => string;
  /** What the proxy groups the calls of the run by. */
  sessionId: string;
  /** Whether there is money for another try. */
  mayGoOn: () => boolean;
  /** `--retries 0` says no: then a refusal for lack of room is a failure like any other. */
  mayWait: boolean;
  /** What whoever asks wants to know at once, in place of another try by the client: it will ask in another way. */
  givesUp?: (error: CllmError) => boolean;
}

/**
 * The requests in flight, each of which can be stopped by itself, and all by one signal. `AbortSignal.any` for each item
 * would say the same, with weak references that show in a profile of a batch.
 */
export class Holds {
  readonly signal: AbortSignal;
  readonly #taken = new Set<AbortController>();

  constructor(signal: AbortSignal) {
    this.signal = signal;
    signal.addEventListener('abort', () => {
      for (const hold of this.#taken) hold.abort(signal.reason);
    });
  }

  take(): AbortController {
    const hold = new AbortController();
    if (this.signal.aborted) hold.abort(this.signal.reason);
    this.#taken.add(hold);
    return hold;
  }

  release(hold: AbortController): void {
    this.#taken.delete(hold);
  }
}

/** Asks for one item, once; the client tries again what a network or a server failed at. */
export async function askItem(
  client: LiteLLMClient,
  item: BatchItem,
  defaults: ItemDefaults,
  { holds, timestamp, sessionId, mayWait, mayGoOn, givesUp = () => false }: AskOptions,
): Promise<ItemEnd> {
  const at = (): EndFacts => ({ timestamp: timestamp(), template: defaults.template });
  const prepared = prepare(item, defaults);
  if (prepared instanceof CllmError) return endOf(item, null, prepared, at());
  const refused = (await defaults.refuseRequest?.(requestOf(prepared))) ?? null;
  if (refused !== null) return endOf(item, null, refused, at());
  // The client would wait with the item's place in its hands. Given back, the place goes to nobody until the limit,
  // which has to learn of the refusal at once, says so.
  const hold = holds.take();
  let refusal: CllmError | null = null;
  let givenUp: CllmError | null = null;
  let replies = 0;
  // Nothing is kept beside the output: the history is for conversations, and a batch would bury them.
  const conversation = new Conversation(
    client,
    { history: null, journal: null, problem: null },
    { system: prepared.system },
  );
  const onReply = (): void => void (replies += 1);
  const sender = defaults.withTools?.(conversation, { onReply, mayGoOn }) ?? null;
  let sent: TakenTurn;
  try {
    sent = await sendForTaking(
      sender ?? conversation,
      {
        messages: [...prepared.messages],
        body: prepared.body,
        signal: hold.signal,
        sessionId,
        observer: {
          retry({ error }) {
            // What has been paid for is not given up for a place: the client waits with it.
            if (replies > 0) return;
            if (error.code === 'rate_limited') refusal = error;
            else if (givesUp(error)) givenUp = error;
            else return;
            hold.abort(new InterruptedError(null, 'held back'));
          },
        },
      },
      {
        form: defaults.form,
        retries: defaults.schemaRetries,
        isKept: () => false,
        // A loop of tools tells of each by itself.
        onReply: sender === null ? onReply : () => {},
        mayGoOn,
        refuse: async (messages) => (await defaults.refuseRequest?.(requestOf({ ...prepared, messages }))) ?? null,
      },
    );
  } catch (error) {
    // A request that the client can make no sense of is this item's fault, and no other's.
    if (!(error instanceof UsageError)) throw error;
    return endOf(item, null, error, at());
  } finally {
    holds.release(hold);
  }
  const { result: turn, taking } = sent;
  if (givenUp !== null && !holds.signal.aborted) return endOf(item, null, givenUp, at());
  // A wait that is too long for the client ends there without a retry.
  if (replies === 1) refusal ??= turn.error?.code === 'rate_limited' && turn.error.isRetryable ? turn.error : null;
  if (refusal !== null && mayWait && !holds.signal.aborted) {
    return { ...endOf(item, null, refusal, at()), throttled: waitOf(refusal) };
  }
  const { decisive: error } = judgement([turn.error, taking.error], defaults);
  return endOf(item, turn, error, { ...at(), taken: taking.taken });
}

/** The request that an item is, or why it is none. */
export function itemRequest(item: BatchItem, defaults: ItemDefaults): CllmError | RequestInput {
  const prepared = prepare(item, defaults);
  return prepared instanceof CllmError ? prepared : requestOf(prepared);
}

/** What stands in every result of a run. */
export interface EndFacts {
  /** ISO 8601, UTC. */
  timestamp: string;
  template: TemplateObject | null;
}

/** The result of an item that was not asked for. */
export function refusedItem(item: BatchItem, error: CllmError, facts: EndFacts): BatchResult {
  return endOf(item, null, error, facts).result;
}

interface PreparedItem {
  messages: readonly ItemRequest['messages'][number][];
  system: string | null;
  body: RequestBody;
}

function requestOf({ messages, system, body }: PreparedItem): RequestInput {
  return { ...body, messages: [...(system === null ? [] : [{ role: 'system', content: system }]), ...messages] };
}

function prepare(item: BatchItem, defaults: ItemDefaults): CllmError | PreparedItem {
  const { request } = item;
  if (request === null)
    return item.error ?? new UsageError(`line ${item.line} can not be asked`, { code: 'input_invalid' });
  const named = request.params['model'];
  const model = typeof named === 'string' ? defaults.resolveModel(named) : defaults.model;
  if (model === null) {
    return new UsageError(`line ${item.line} names no model, and there is no default`, { code: 'no_model' });
  }
  const refused = defaults.refuseModel?.(model) ?? null;
  if (refused !== null) return refused;
  // A conversation that begins with a system prompt of its own needs no second one.
  const hasOwn = request.messages.some(({ role }) => role === 'system' || role === 'developer');
  return {
    messages: request.messages,
    system: request.system ?? (hasOwn ? null : defaults.system),
    body: defaults.complete({ ...defaults.params, ...request.params, model }),
  };
}

function endOf(
  item: BatchItem,
  turn: TurnResult | null,
  error: CllmError | null,
  { timestamp, template, taken = null }: EndFacts & { taken?: TakenReply | null },
): ItemEnd {
  const object = resultObject({
    timestamp,
    error: decisive(error === null ? [] : [error]),
    verdict: turn?.verdict ?? null,
    completion: turn?.completion ?? null,
    taken,
    steps: turn?.steps ?? null,
    figures: turn?.receipt ?? null,
    template,
  });
  return {
    result: {
      ...object,
      custom_id: item.customId,
      line: item.line,
      input_digest: item.customId === null ? item.digest : null,
    },
    error,
    throttled: null,
    receipt: turn?.receipt ?? null,
  };
}

function waitOf(error: CllmError): Throttle {
  const { retryAfterMs = null, parallelLimit = null } = error instanceof ProxyError ? error : {};
  return { retryAfterMs, parallelLimit };
}
