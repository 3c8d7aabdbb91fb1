import type { JsonObject } from '../json.ts';
import type { ReplyBudget } from './reply-budget.ts';
import { TextPieces } from './text-pieces.ts';

/**
 * `audio`, folded. Each piece of data is base64 by itself and may end in padding, so the bytes are joined, not the
 * texts. When a piece is not whole base64, the text was cut anywhere, and the joined text is decoded.
 */
export class AudioFold {
  #id: string | null = null;
  #expiresAt: number | null = null;
  readonly #transcript = new TextPieces();
  readonly #data: Base64Pieces;

  constructor(budget: ReplyBudget) {
    this.#data = new Base64Pieces(budget);
  }

  /** @returns whether there was sound in it, or words */
  add(audio: JsonObject): boolean {
    const { id, expires_at: expiresAt, transcript, data } = audio;
    if (typeof id === 'string') this.#id = id;
    if (typeof expiresAt === 'number') this.#expiresAt = expiresAt;
    if (typeof transcript === 'string') this.#transcript.add(transcript);
    if (typeof data === 'string') this.#data.add(data);
    return holdsText(data) || holdsText(transcript);
  }

  /** Null when it was only a placeholder. `id` and `expires_at` stay null when the stream had none. */
  build(): JsonObject | null {
    const [data, transcript] = [this.#data.join(), this.#transcript.join()];
    if (this.#id === null && this.#expiresAt === null && data === '' && transcript === '') return null;
    return { id: this.#id, data, expires_at: this.#expiresAt, transcript };
  }
}

function holdsText(value: unknown): boolean {
  return typeof value === 'string' && value !== '';
}

/** What a run of pieces costs, in bytes, whatever it holds. */
const runWeight = 200;

class Base64Pieces {
  readonly #budget: ReplyBudget;
  #isWhole = true;
  /** Each ends where padding ended, so within one the texts may be joined. */
  readonly #runs: TextPieces[] = [new TextPieces()];

  constructor(budget: ReplyBudget) {
    this.#budget = budget;
  }

  add(piece: string): void {
    if (piece === '') return;
    if (piece.length % 4 !== 0) this.#isWhole = false;
    this.#runs.at(-1)?.add(piece);
    if (piece.endsWith('=') && this.#budget.allowsMemory(runWeight)) this.#runs.push(new TextPieces());
  }

  join(): string {
    const runs = this.#runs.map((run) => run.join());
    const texts = this.#isWhole ? runs : [runs.join('')];
    return Buffer.concat(texts.map((text) => Buffer.from(text, 'base64'))).toString('base64');
  }
}
