/** Pieces that are kept apart until they are joined. Joining in groups keeps the memory of a million one-token deltas
 * near that of their text: a small string costs 32 bytes besides its characters. */
const groupSize = 1024;

/** A text that arrives in pieces. Adding costs the piece, joining costs what came since the last join. */
export class TextPieces {
  #text = '';
  #pieces: string[] = [];

  add(piece: string): void {
    if (this.#pieces.push(piece) === groupSize) this.join();
  }

  /** The whole text so far. A surrogate pair that was cut between two pieces is one character again. */
  join(): string {
    if (this.#pieces.length > 0) {
      this.#text += this.#pieces.join('');
      this.#pieces = [];
    }
    return this.#text;
  }
}
