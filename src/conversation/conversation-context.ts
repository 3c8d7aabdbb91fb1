import type { Turn } from '../history/history.ts';
import {
  type AnswerableCall,
  answerableCalls,
  answerTo,
  leadingAnswers,
  toolsOfContext,
} from '../protocol/answerable-calls.ts';
import type { ChatMessage, CompletionMessage, RequestBody } from '../protocol/types.ts';

export interface ConversationContext {
  messages: ChatMessage[];
  /** How many of the replies in it are not complete. */
  partialReplies: number;
}

export interface ContextOptions {
  system: string | null;
  model: string;
  /** What comes next: answers to calls of the last turn stand at its beginning. Default: nothing. */
  next?: readonly ChatMessage[];
  /** What calls of a turn have come to that no later turn holds, by their place in the reply. */
  outcomes?: (turnId: string) => ReadonlyMap<number, { content: string }>;
}

/**
 * What earlier turns send along with the next one: those that have a reply. A turn without one (a 401, say) is kept and
 * shown, but not sent, except for its answers to the calls before it: the tools have run. Calls go along once one of their
 * message is answered, since no provider takes back a call without; a partial reply goes as plain assistant text.
 */
export function contextOf(turns: readonly Turn[], options: ContextOptions): ConversationContext {
  const { next: coming = [] } = options;
  const messages: ChatMessage[] = [];
  let partialReplies = 0;
  if (options.system !== null) messages.push({ role: 'system', content: options.system });
  for (const [at, turn] of turns.entries()) {
    const reply = turn.completion?.choices[0]?.message;
    // A reply whose prompt is lost would be the answer to another one.
    if (reply === undefined || turn.damage?.includes('messages')) continue;
    const isComplete = turn.verdict === 'complete';
    const later = turns.slice(at + 1);
    const next = later.findIndex(({ completion }) => completion !== null);
    const answering = later
      .slice(0, next === -1 ? later.length : next + 1)
      .find(({ messages: said }) => leadingAnswers(said).length > 0);
    const isOpen = next === -1 && answering === undefined;
    const calls = isComplete ? answerableCalls(turn.completion) : [];
    const answers = answersOf(
      calls,
      answering?.messages ?? (isOpen ? coming : []),
      calls.length === 0 ? undefined : options.outcomes?.(turn.id),
    );
    const assistant = assistantMessage(reply, {
      mayCarryThinking: isComplete && turn.model === options.model,
      calls: answers.length === 0 ? [] : calls,
    });
    // A turn that brought neither text nor calls has nothing to go on from.
    if (assistant === null && !reply.tool_calls?.length) continue;
    if (!isComplete) partialReplies += 1;
    messages.push(...turn.messages.slice(leadingAnswers(turn.messages).length));
    if (assistant !== null) messages.push(assistant);
    // Those of the next turn stand in it already.
    const own = isOpen ? leadingAnswers(coming) : [];
    messages.push(...answers.filter(({ tool_call_id: id }) => !own.some((answer) => answer['tool_call_id'] === id)));
  }
  return { messages, partialReplies };
}

/** The request that a turn is, with all that goes before it. */
export function requestOf(
  context: ConversationContext,
  { messages, body }: { messages: readonly ChatMessage[]; body: RequestBody },
): RequestBody & { messages: ChatMessage[] } {
  const all = [...context.messages, ...messages];
  return { ...(body['tools'] === undefined && toolsOfContext(all)), ...body, messages: all };
}

/** One answer for each call, in their order; none at all when none of them is answered. */
function answersOf(
  calls: readonly AnswerableCall[],
  following: readonly ChatMessage[],
  outcomes: ReadonlyMap<number, { content: string }> = new Map(),
): ChatMessage[] {
  const given = leadingAnswers(following);
  const found = calls.map((call, place) => {
    const answer = given.find((message) => message['tool_call_id'] === call.id);
    const outcome = outcomes.get(place);
    return answer ?? (outcome === undefined ? null : answerTo(call, outcome.content));
  });
  if (found.every((answer) => answer === null)) return [];
  return found.map((answer, place) => answer ?? answerTo(calls[place] as AnswerableCall, 'This call was not run.'));
}

/**
 * What a model thought goes back only to the model that thought it, and signed thinking only whole: a provider refuses a
 * block whose signature it does not know. Thinking blocks are Anthropic's, `reasoning_details` OpenRouter's, whom LiteLLM
 * passes them on to, and thought signatures Gemini's, which LiteLLM 1.104.2 takes out of `provider_specific_fields`.
 */
export function assistantMessage(
  reply: CompletionMessage,
  { mayCarryThinking, calls }: { mayCarryThinking: boolean; calls: readonly AnswerableCall[] },
): ChatMessage | null {
  const content = reply.content || reply.refusal || '';
  if (content === '' && calls.length === 0) return null;
  // OpenAI takes an empty text beside calls, Anthropic does not.
  const message: ChatMessage = { role: 'assistant', content: content === '' ? null : content };
  if (calls.length > 0) message['tool_calls'] = calls.map(({ wire }) => wire);
  const blocks = reply.thinking_blocks ?? [];
  const isSigned = blocks.every(
    (block) => block['type'] === 'redacted_thinking' || typeof block['signature'] === 'string',
  );
  if (!mayCarryThinking) return message;
  if (blocks.length > 0 && isSigned) message['thinking_blocks'] = blocks;
  const fields = reply.provider_specific_fields ?? {};
  // LiteLLM moves them there in a reply that is not streamed.
  const details = reply['reasoning_details'] ?? fields['reasoning_details'];
  if (isFilled(details)) message['reasoning_details'] = details;
  const signatures = fields['thought_signatures'];
  if (isFilled(signatures)) message['provider_specific_fields'] = { thought_signatures: signatures };
  return message;
}

function isFilled(value: unknown): value is unknown[] {
  return Array.isArray(value) && value.length > 0;
}
