import { isJsonObject, type JsonObject } from './json.ts';
import type { ChatCompletion, ChatCompletionChunk, ChunkChoice, Delta } from './types.ts';

/** One chunk that says all that a whole completion says, so that it can be shown and folded like a stream. */
export function chunkOfCompletion(completion: ChatCompletion): ChatCompletionChunk {
  const choices = completion.choices.map((choice) => {
    const { message, ...rest } = choice as unknown as JsonObject;
    return { ...rest, delta: deltaOfMessage(message) } as unknown as ChunkChoice;
  });
  return { ...completion, object: 'chat.completion.chunk', choices };
}

function deltaOfMessage(message: unknown): Delta {
  if (!isJsonObject(message)) return {};
  const { tool_calls: toolCalls } = message;
  // Calls of a message have no index; their order is it.
  if (!Array.isArray(toolCalls)) return message;
  return {
    ...message,
    tool_calls: toolCalls.map((call: unknown, index) => (isJsonObject(call) ? { ...call, index } : null)),
  } as Delta;
}
