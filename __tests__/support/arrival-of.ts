import { Arrival } from '../../src/protocol/arrival.ts';
import type { ChatCompletionChunk } from '../../src/protocol/types.ts';

/** Chunks as one read brought them. */
export function arrivalOf(chunks: readonly ChatCompletionChunk[]): Arrival {
  const arrival = new Arrival();
  for (const chunk of chunks) arrival.add(chunk);
  return arrival;
}
