import type { Arrival, TextDelta } from '../../protocol/arrival.ts';

/**
 * The text and the reasoning of choice 0, read by read. A character beyond the BMP that a delta cut in half is held until
 * its other half comes: no encoding can carry a half of it.
 */
export class DeltaReader {
  #half: TextDelta | null = null;

  read(arrival: Arrival): TextDelta[] {
    const deltas = arrival.deltas();
    if (this.#half !== null) {
      const [first] = deltas;
      if (first?.type === this.#half.type) first.content = this.#half.content + first.content;
      else deltas.unshift(this.#half);
      this.#half = null;
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

function isHighSurrogate(code: number): boolean {
  return code >= 0xd800 && code <= 0xdbff;
}
