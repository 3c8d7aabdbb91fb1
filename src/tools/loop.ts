import type { Conversation } from '../conversation/conversation.ts';
import { assistantMessage } from '../conversation/conversation-context.ts';
import { joined } from '../conversation/joined-results.ts';
import type { PendingCalls } from '../conversation/pending-calls.ts';
import type { RefuseTurn } from '../conversation/taken-reply.ts';
import type { CallRecord, Step, TurnRequest, TurnResult } from '../conversation/turn.ts';
import { CllmError, InterruptedError, UsageError } from '../outcome/errors.ts';
import { type AnswerableCall, answerableCalls } from '../protocol/answerable-calls.ts';
import { callersTools } from './callers-tools.ts';
import { type Answers, answerCalls, type CallObserver, type CallRules } from './answer-calls.ts';
import type { Tool } from './tool.ts';

/** Told of the loop as it goes. */
export interface LoopObserver extends CallObserver {
  /** A reply that calls something is whole; its calls are decided on next. */
  stepEnd?(result: TurnResult, calls: readonly AnswerableCall[]): Promise<void> | void;
  /** The next request goes out. */
  stepBegin?(): Promise<void> | void;
}

export interface LoopOptions extends Omit<CallRules, 'observer'> {
  observer: LoopObserver | undefined;
  /** `isForeign`: nobody here asked the model that calls; a person may allow it, and no rule does. */
  pending: (PendingCalls & { conversationId: string | null; isForeign: boolean }) | null;
  /** Requests to the model, at most. */
  maxSteps: number;
  /** Whether the conversation holds its turns, so that what was said before goes along by itself. */
  isKept: (result: TurnResult) => boolean;
  /** Told of every reply: what it cost counts. */
  onReply: (result: TurnResult) => void;
  /** Why no further request may be sent; null when one may. */
  refusal: () => CllmError | null;
  /** Why a further turn may not be sent, as longer than it may be say; null when nobody looks. */
  refuse: RefuseTurn | null;
}

/**
 * A turn with tools: asks the model, runs what it calls as far as that is allowed, gives it the results, and so on until
 * it answers. Every request is a turn of the conversation, committed like any other; what became of the calls is kept
 * before and after each runs. The result is that of the last request, with the figures of all.
 *
 * @throws what `Conversation.send` throws
 */
export async function sendWithTools(
  conversation: Pick<Conversation, 'send'>,
  turn: TurnRequest,
  given: LoopOptions,
): Promise<TurnResult> {
  const options = { ...given, tools: toolsFor(turn.body, given.tools) };
  const { observer, pending, maxSteps, isKept, onReply, refusal, refuse } = options;
  const signal = turn.signal ?? new AbortController().signal;
  const steps: Step[] = [];
  let before: TurnResult | null = null;
  let request: TurnRequest = { ...turn, body: withTools(turn.body, options) };
  // Results that are handed in are for the calls that wait, whatever ids later ones have.
  const rules = { ...options, handedIn: new Map<string, string>() };
  const answered = (turnId: string | null, calls: readonly AnswerableCall[]): Promise<Answers> =>
    answerCalls(turnId, calls, rules, signal);
  if (pending !== null) {
    const nothing = { ...nothingCame, conversationId: pending.conversationId };
    request = { ...request, answers: pending.turnId };
    await observer?.stepEnd?.(nothing, pending.calls);
    const { messages, records, stop } = await answerCalls(
      pending.turnId,
      pending.calls,
      pending.isForeign ? mistrusting(options) : options,
      signal,
    );
    steps.push({ ...nothingCame, calls: records });
    if (stop !== null) {
      const error = stop.error ?? waiting();
      return { ...nothing, error: turn.messages.length === 0 ? error : unasked(error), steps };
    }
    request = { ...request, messages: [...messages, ...turn.messages] };
    const tooLong = (await refuse?.(request.messages)) ?? null;
    if (tooLong !== null) return { ...nothing, error: tooLong, steps };
  }
  for (let requests = 1; ; requests += 1) {
    let reply: TurnResult;
    try {
      reply = await conversation.send(request);
    } catch (error) {
      // What came before it came all the same.
      if (before === null || !(error instanceof CllmError)) throw error;
      return { ...before, error, steps, asked: request.messages };
    }
    onReply(reply);
    const result: TurnResult = joined(before, reply);
    const calls = reply.error === null && reply.verdict === 'complete' ? answerableCalls(reply.completion) : [];
    const step = {
      completion: reply.completion,
      verdict: reply.verdict,
      receipt: reply.receipt,
      calls: [] as CallRecord[],
    };
    steps.push(step);
    const ended = (error: CllmError | null): TurnResult => ({
      ...result,
      error,
      steps,
      asked: request.messages,
    });
    // What can not be kept is not run: after `recover` it would be there to be run again.
    if (calls.length === 0 || reply.unsaved !== null) return ended(result.error);
    await observer?.stepEnd?.(reply, calls);
    const isLast = requests >= maxSteps;
    const isOurs = !isForCaller(calls, options);
    if (isLast && isOurs) return ended(tooManySteps(maxSteps));
    // Nothing runs whose result could not be told.
    const refused = refusal();
    if (refused !== null && isOurs) return ended(refused);
    const { messages, records, stop } = await answered(isKept(reply) ? (reply.turnId ?? null) : null, calls);
    step.calls = records;
    if (stop !== null) return ended(stop.error);
    if (refused !== null) return ended(refused);
    if (isLast) return ended(tooManySteps(maxSteps));
    // What the history would send along for a turn that it does not hold.
    const message = isKept(reply) ? undefined : reply.completion?.choices[0]?.message;
    const assistant = message === undefined ? null : assistantMessage(message, { mayCarryThinking: true, calls });
    const said = assistant === null ? [] : [assistant];
    request = {
      ...request,
      messages: isKept(reply) ? messages : [...request.messages, ...said, ...messages],
      answers: isKept(reply) ? (reply.turnId ?? null) : (request.answers ?? null),
      // It has begun once.
      ...(turn.observer && {
        observer: {
          arrival: (arrival) => turn.observer?.arrival?.(arrival),
          retry: (retry) => turn.observer?.retry?.(retry),
        },
      }),
    };
    const tooLong = (await refuse?.(request.messages)) ?? null;
    if (tooLong !== null) return ended(tooLong);
    before = result;
    await observer?.stepBegin?.();
  }
}

/** Those of the request itself, whoever brought it, and ours of other names. */
function toolsFor(body: TurnRequest['body'], ours: readonly Tool[]): Tool[] {
  const theirs = callersTools(body);
  return [...theirs, ...ours.filter(({ name, run }) => run !== null && theirs.every((tool) => tool.name !== name))];
}

function withTools(body: TurnRequest['body'], { tools }: LoopOptions): TurnRequest['body'] {
  const given = Array.isArray(body['tools']) ? (body['tools'] as unknown[]) : [];
  // Those of the caller stand in the body already.
  const own = tools.filter(({ run }) => run !== null).map(({ definition }) => definition);
  const all = [...given, ...own];
  return all.length === 0 ? body : { ...body, tools: all };
}

/** Whether nothing of it is ours to run: then the caller has the calls, as without a loop. */
function isForCaller(calls: readonly AnswerableCall[], { tools }: LoopOptions): boolean {
  return calls.every(({ name }) => tools.some((tool) => tool.name === name && tool.run === null));
}

/** Rules that allow nothing by themselves. */
function mistrusting(rules: LoopOptions): LoopOptions {
  const { keeper, decide } = rules;
  return {
    ...rules,
    decide: (subject) => {
      const { decision, rule } = decide(subject);
      return decision === 'deny' ? { decision, rule } : { decision: 'ask', rule: null };
    },
    keeper: {
      outcomes: (turnId) => keeper.outcomes(turnId),
      begin: (...run) => keeper.begin(...run),
      end: (...end) => keeper.end(...end),
      isGranted: () => false,
      grant: (subject) => keeper.grant(subject),
    },
  };
}

function waiting(): UsageError {
  return new UsageError('the conversation waits for results of your own tools: nothing was asked', {
    hint: 'give each one: cllm -c --tool-result ID=@FILE',
  });
}

/** The calls came first, and what was to be asked after them is kept nowhere. */
function unasked(error: CllmError): CllmError {
  if (error instanceof InterruptedError) return error;
  const hint = [error.hint, 'the prompt was not sent: give it again then'].filter((each) => each !== undefined);
  return new CllmError(error.code, error.message, { cause: error, hint: hint.join('; ') });
}

/** Nothing was asked in this run: the reply that calls is an earlier one's. */
const nothingCame: TurnResult = {
  conversationId: null,
  completion: null,
  verdict: null,
  receipt: null,
  error: null,
  unsaved: null,
};

function tooManySteps(most: number): CllmError {
  return new CllmError(
    'too_many_steps',
    `the model still calls tools after ${most} ${most === 1 ? 'request' : 'requests'} (--max-steps)`,
  );
}
