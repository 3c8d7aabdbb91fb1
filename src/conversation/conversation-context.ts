import type { Turn } from '../history/history.ts';
import type { ChatMessage, CompletionMessage } from '../protocol/types.ts';

export interface ConversationContext {
  messages: ChatMessage[];
  /** How many of the replies in it are not complete. */
  partialReplies: number;
}

/**
 * What earlier turns send along with the next one: those that have a reply. A turn without one (a 401, say) is kept and
 * shown, but not sent. Calls are never run by cllm, so they stay unanswered and no provider would take them back; a
 * partial reply goes as plain assistant text.
 */
export function contextOf(
  turns: readonly Turn[],
  options: { system: string | null; model: string },
): ConversationContext {
  const messages: ChatMessage[] = [];
  let partialReplies = 0;
  if (options.system !== null) messages.push({ role: 'system', content: options.system });
  for (const turn of turns) {
    const reply = turn.completion?.choices[0]?.message;
    // A reply whose prompt is lost would be the answer to another one.
    if (reply === undefined || turn.damage?.includes('messages')) continue;
    const isComplete = turn.verdict === 'complete';
    const assistant = assistantMessage(reply, isComplete && turn.model === options.model);
    // A turn that brought neither text nor calls has nothing to go on from.
    if (assistant === null && !reply.tool_calls?.length) continue;
    if (!isComplete) partialReplies += 1;
    messages.push(...turn.messages);
    if (assistant !== null) messages.push(assistant);
  }
  return { messages, partialReplies };
}

/**
 * What a model thought goes back only to the model that thought it, and signed thinking only whole: a provider refuses a
 * block whose signature it does not know. Thinking blocks are Anthropic's, `reasoning_details` OpenRouter's, whom LiteLLM
 * passes them on to, and thought signatures Gemini's, which LiteLLM 1.104.2 takes out of `provider_specific_fields`.
 */
function assistantMessage(reply: CompletionMessage, mayCarryThinking: boolean): ChatMessage | null {
  const content = reply.content || reply.refusal || '';
  if (content === '') return null;
  const message: ChatMessage = { role: 'assistant', content };
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
