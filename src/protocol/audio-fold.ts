import type { JsonObject } from './json.ts';
import { TextPieces } from './text-pieces.ts';

/**
 * `audio`, folded. Each piece of data is base64 by itself and may end in padding, so the bytes are joined, not the
 * texts. When a piece is not whole base64, the text was cut anywhere, and the joined text is decoded.
 */
export class AudioFold {
  #id: string | null = null;
  #expiresAt: number | null = null;
  readonly #transcript = new TextPieces();
  readonly #data = new Base64Pieces();

  add(audio: JsonObject): void {
    const { id, expires_at: expiresAt, transcript, data } = audio;
    if (typeof id === 'string') this.#id = id;
    if (typeof expiresAt === 'number') this.#expiresAt = expiresAt;
    if (typeof transcript === 'string') this.#transcript.add(transcript);
    if (typeof data === 'string') this.#data.add(data);
  }

  /** `id` and `expires_at` stay null when the stream had none. */
  build(): JsonObject {
    return {
      id: this.#id,
      data: this.#data.join(),
      expires_at: this.#expiresAt,
      transcript: this.#transcript.join(),
    };
  }
}

class Base64Pieces {
  #isWhole = true;
  /** Each ends where padding ended, so within one the texts may be joined. */
  readonly #runs: TextPieces[] = [new TextPieces()];

  add(piece: string): void {
    if (piece === '') return;
    if (piece.length % 4 !== 0) this.#isWhole = false;
    this.#runs.at(-1)?.add(piece);
    if (piece.endsWith('=')) this.#runs.push(new TextPieces());
  }

  join(): string {
    const runs = this.#runs.map((run) => run.join());
    const texts = this.#isWhole ? runs : [runs.join('')];
    return Buffer.concat(texts.map((text) => Buffer.from(text, 'base64'))).toString('base64');
  }
}
