import { ChunkRun } from './chunk-run.ts';
import { textOfDelta } from './delta-text.ts';
import type { ChatCompletionChunk } from './types.ts';

/** A piece of what the model says (`message`) or thinks (`reasoning`). */
export interface TextDelta {
  type: 'message' | 'reasoning';
  content: string;
}

/**
 * What one read of the stream brought, in order. That most chunks of a reply are read as text alone, and made into objects
 * only when somebody asks for them, stays in here.
 */
export class Arrival {
  readonly #items: (ChatCompletionChunk | ChunkRun)[] = [];

  get isEmpty(): boolean {
    return this.#items.length === 0;
  }

  /** How many pieces it is kept in: at most one a chunk. */
  get size(): number {
    return this.#items.length;
  }

  add(item: ChatCompletionChunk | ChunkRun): void {
    this.#items.push(item);
  }

  /** Puts what came later behind. */
  append(later: Arrival): void {
    for (const item of later.#items) this.#items.push(item);
  }

  /** The chunks, each an object of its own. */
  chunks(): ChatCompletionChunk[] {
    return this.#items.flatMap((item) => (item instanceof ChunkRun ? item.chunks() : [item]));
  }

  /** The text and the reasoning of choice 0; neighbours of one kind are one piece. */
  deltas(): TextDelta[] {
    const deltas: TextDelta[] = [];
    for (const item of this.#items) {
      if (item instanceof ChunkRun) {
        if ((item.index ?? 0) === 0) join(deltas, item.key === 'content' ? 'message' : 'reasoning', item.text);
        continue;
      }
      for (const choice of Array.isArray(item.choices) ? item.choices : []) {
        if ((choice?.index ?? 0) !== 0 || !choice?.delta) continue;
        const { content, reasoning } = textOfDelta(choice.delta);
        join(deltas, 'reasoning', reasoning);
        join(deltas, 'message', content);
      }
    }
    return deltas;
  }
}

function join(deltas: TextDelta[], type: TextDelta['type'], content: unknown): void {
  if (typeof content !== 'string' || content === '') return;
  const last = deltas.at(-1);
  if (last?.type === type) last.content += content;
  else deltas.push({ type, content });
}
