import { type Arrived, ChunkRun } from '../../protocol/chunk-run.ts';
import { textOfDelta } from '../../protocol/delta-text.ts';

/** A piece of what the model says (`message`) or thinks (`reasoning`). */
export interface TextDelta {
  type: 'message' | 'reasoning';
  content: string;
}

/**
 * The text and the reasoning of choice 0, in the order they came; neighbours of one kind are one piece. A character
 * beyond the BMP that a delta cut in half is held until its other half comes: no encoding can carry a half of it.
 */
export class DeltaReader {
  #half: TextDelta | null = null;

  read(chunks: readonly Arrived[]): TextDelta[] {
    const deltas: TextDelta[] = [];
    if (this.#half !== null) deltas.push(this.#half);
    this.#half = null;
    for (const chunk of chunks) {
      if (chunk instanceof ChunkRun) {
        if ((chunk.index ?? 0) === 0) append(deltas, chunk.key === 'content' ? 'message' : 'reasoning', chunk.text);
        continue;
      }
      for (const choice of Array.isArray(chunk.choices) ? chunk.choices : []) {
        if ((choice?.index ?? 0) !== 0 || !choice?.delta) continue;
        const { content, reasoning } = textOfDelta(choice.delta);
        append(deltas, 'reasoning', reasoning);
        append(deltas, 'message', content);
      }
    }
    const last = deltas.at(-1);
    if (last !== undefined && isHighSurrogate(last.content.charCodeAt(last.content.length - 1))) {
      this.#half = { type: last.type, content: last.content.slice(-1) };
      last.content = last.content.slice(0, -1);
      if (last.content === '') deltas.pop();
    }
    return deltas;
  }

  /** What still waits for its other half when nothing more comes. */
  end(): TextDelta[] {
    const rest = this.#half === null ? [] : [this.#half];
    this.#half = null;
    return rest;
  }
}

function append(deltas: TextDelta[], type: TextDelta['type'], content: unknown): void {
  if (typeof content !== 'string' || content === '') return;
  const last = deltas.at(-1);
  if (last?.type === type) last.content += content;
  else deltas.push({ type, content });
}

function isHighSurrogate(code: number): boolean {
  return code >= 0xd800 && code <= 0xdbff;
}
