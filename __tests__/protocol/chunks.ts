import type { ChatCompletionChunk, ChunkChoice } from '../../src/protocol/types.ts';

/** A chunk as LiteLLM writes it, with members replaced or added. What a test gives may be of any type. */
export function chunkOf(members: Record<string, unknown> = {}): ChatCompletionChunk {
  return {
    id: 'chatcmpl-1',
    object: 'chat.completion.chunk',
    created: 1_763_800_000,
    model: 'gpt-4o-mini',
    choices: [],
    ...members,
  };
}

export function choiceOf(delta: Record<string, unknown>, members: Record<string, unknown> = {}): ChunkChoice {
  return { index: 0, delta, ...members };
}

/** A chunk with one choice, index 0. */
export function deltaChunk(delta: Record<string, unknown>, finishReason?: string): ChatCompletionChunk {
  return chunkOf({ choices: [choiceOf(delta, finishReason === undefined ? {} : { finish_reason: finishReason })] });
}

/** A chunk as an event of the stream. */
export function dataLine(value: unknown): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}
