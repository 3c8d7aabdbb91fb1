import type { JsonObject } from './json.ts';
import { type ReplyCall, sourcedCalls } from './reply-content.ts';
import type { ChatCompletion, ChatMessage, Json } from './types.ts';

/** A call that can be answered: it has an id, which no other call of its message has. */
export interface AnswerableCall extends ReplyCall {
  id: string;
  /** The item of `tool_calls` that goes back to the model with the answer. */
  wire: JsonObject;
}

/**
 * The calls of a reply as they go back to the model. Ids are the provider's own; a call without one, or with that of
 * another call, gets one by its place, the same each time. What else a provider put on a call goes back untouched: Gemini
 * answers 400 without the thought signature that LiteLLM keeps in `provider_specific_fields`, or in the id itself.
 * Arguments that are no JSON go back inside of some: LiteLLM parses them for Anthropic and Gemini, and fails.
 */
export function answerableCalls(completion: ChatCompletion | null): AnswerableCall[] {
  const taken = new Set<string>();
  return sourcedCalls(completion).map(({ call, source }, place) => {
    let id = call.id ?? `call_${place + 1}`;
    while (taken.has(id)) id = `${id}_${place + 1}`;
    taken.add(id);
    const { index: _, function: called, custom, id: __, type: ___, name: ____, arguments: _____, ...rest } = source;
    const wire: JsonObject =
      custom !== undefined && called === undefined
        ? { ...rest, id, type: 'custom', custom: { name: call.name, input: call.input } }
        : { ...rest, id, type: 'function', function: { name: call.name, arguments: argumentsOf(call) } };
    return { ...call, id, wire };
  });
}

/** The message that answers a call. */
export function answerTo(call: Pick<AnswerableCall, 'id'>, content: string): ChatMessage {
  return { role: 'tool', tool_call_id: call.id, content };
}

/** The messages at the beginning of a turn that answer calls of the turn before it. */
export function leadingAnswers(messages: readonly ChatMessage[]): ChatMessage[] {
  const end = messages.findIndex(({ role }) => role !== 'tool');
  return messages.slice(0, end === -1 ? messages.length : end);
}

/**
 * Definitions for calls that stand in a context while the request itself has no tools. LiteLLM 1.104.2 refuses such a
 * request for Anthropic; `tool_choice: "none"` keeps the model from calling what nobody would run.
 */
export function toolsOfContext(messages: readonly ChatMessage[]): { tools?: Json[]; tool_choice?: 'none' } {
  const names = new Set<string>();
  for (const { tool_calls: calls } of messages) {
    if (!Array.isArray(calls)) continue;
    for (const call of calls as JsonObject[]) {
      const name = (call['function'] as JsonObject | undefined)?.['name'];
      if (typeof name === 'string') names.add(name);
    }
  }
  if (names.size === 0) return {};
  const parameters = { type: 'object', properties: {} };
  const tools = [...names].map((name) => ({ type: 'function', function: { name, parameters } }));
  return { tools, tool_choice: 'none' };
}

function argumentsOf({ input, isMalformed }: ReplyCall): string {
  if (isMalformed) return JSON.stringify({ not_json: input });
  return input === '' ? '{}' : input;
}
