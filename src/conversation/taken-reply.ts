import { CllmError } from '../outcome/errors.ts';
import type { ChatMessage } from '../protocol/types.ts';
import type { Conversation } from './conversation.ts';
import { joined } from './joined-results.ts';
import { textOf } from './result-object.ts';
import type { TurnRequest, TurnResult } from './turn.ts';

/** What programs take out of a reply: the JSON that its schema wants, or the inside of a block. */
export interface TakenReply {
  /** What is printed. */
  text: string;
  /** The parsed value; undefined where no JSON was wanted. */
  json?: unknown;
  /** What stood around it and was left out, in words for a receipt; null when nothing did. */
  note: string | null;
}

export interface Taking {
  /** Null for a reply that does not give it, and for one that broke off. */
  taken: TakenReply | null;
  /** Why it does not; null for a reply that broke off, which its own error describes. */
  error: CllmError | null;
  /** The same, in words for the model; null where asking again is no use. */
  complaint: string | null;
}

/** A form that replies have to have. */
export interface ReplyForm {
  take(reply: Pick<TurnResult, 'completion' | 'verdict'>, isKept: boolean): Taking;
}

export interface TakingOptions {
  form: ReplyForm | null;
  /** How often a complaint goes back to the model. */
  retries: number;
  /** Whether the conversation holds its turns, so that what was said before goes along by itself. */
  isKept: (result: TurnResult) => boolean;
  /** Told of every reply, before it is decided whether to ask again: what it cost counts. */
  onReply: (result: TurnResult) => void;
  /** Whether there is money for another try. */
  mayGoOn: () => boolean;
  /** Why a turn of these messages may not be sent, as longer than it may be say; null when nobody looks. */
  refuse: RefuseTurn | null;
}

export type RefuseTurn = (messages: readonly ChatMessage[]) => Promise<CllmError | null>;

export interface TakenTurn {
  /** The last try; its figures are of all of them. */
  result: TurnResult;
  taking: Taking;
}

const nothingWanted: Taking = { taken: null, error: null, complaint: null };

/**
 * Sends a turn until its reply has the form that is wanted, and each time says what was wrong. Every try is a turn of the
 * conversation. Only whole replies are complained about: one that was cut or refused is what its own error says.
 */
export async function sendForTaking(
  conversation: Pick<Conversation, 'send'>,
  turn: TurnRequest,
  { form, retries, isKept, onReply, mayGoOn, refuse }: TakingOptions,
): Promise<TakenTurn> {
  let request = turn;
  let before: TurnResult | null = null;
  for (let attempt = 1; ; attempt += 1) {
    const reply = await conversation.send(request);
    onReply(reply);
    const result = joined(before, reply);
    // A loop of tools that ended before the model answered has no reply that could have a form.
    const last = result.steps?.at(-1);
    const isOpen = last?.calls.some((call) => call.decision === 'caller' && call.result === null) === true;
    const isAnswered = last === undefined || (result.error === null && !isOpen) || result.verdict !== 'complete';
    const taking = (isAnswered ? form?.take(result, isKept(result)) : null) ?? nothingWanted;
    const { complaint, error } = taking;
    const isOver = complaint === null || attempt > retries || turn.signal?.aborted === true || !mayGoOn();
    if (isOver || error === null || result.error !== null) return { result, taking };
    const said: ChatMessage[] = [
      { role: 'assistant', content: textOf(result.completion) },
      { role: 'user', content: complaint },
    ];
    const messages = isKept(result) ? said.slice(1) : [...(result.asked ?? request.messages), ...said];
    const refusal = (await refuse?.(messages)) ?? null;
    if (refusal !== null) return { result, taking: { ...taking, error: notAskedAgain(error, refusal) } };
    turn.observer?.retry?.({ attempt, maxRetries: retries, delayMs: 0, error });
    request = {
      ...turn,
      messages,
      // It has begun once.
      ...(turn.observer && {
        observer: {
          arrival: (arrival) => turn.observer?.arrival?.(arrival),
          retry: (retry) => turn.observer?.retry?.(retry),
        },
      }),
    };
    before = {
      ...result,
      ...(result.steps && { steps: result.steps.map((step) => ({ ...step, isRejected: true as const })) }),
    };
  }
}

/** The reply is here and does not fit: that is what decides, and not what kept another one from being asked for. */
function notAskedAgain({ code, message, hint }: CllmError, refusal: CllmError): CllmError {
  return new CllmError(code, `${message}; it was not asked for again: ${refusal.message}`, {
    cause: refusal,
    ...(hint !== undefined && { hint }),
  });
}
