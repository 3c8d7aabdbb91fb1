import type { JsonObject } from './json.ts';
import type { ChatCompletionChunk } from './types.ts';

/** The deltas that come by the thousand, each a token of text. */
export type TextKey = 'content' | 'reasoning_content';

/** What all chunks of a run say; their delta says this, too, around their text. */
export interface RunFrame {
  chunk: JsonObject;
  choice: JsonObject;
  delta: JsonObject;
  key: TextKey;
}

/**
 * Chunks in a row that differ in nothing but the text of their delta. Who shows or folds them needs that text alone, so
 * the chunks themselves are made only when somebody asks for them.
 */
export class ChunkRun {
  /** Which text of which choice they go on with. */
  readonly key: TextKey;
  readonly index: unknown;
  /** A delta's text each. */
  readonly texts: readonly string[];
  /** Of all of them. */
  readonly text: string;
  readonly #frame: RunFrame;

  constructor(frame: RunFrame, texts: readonly string[]) {
    this.#frame = frame;
    this.key = frame.key;
    this.index = frame.choice['index'];
    this.texts = texts;
    this.text = texts.length === 1 ? (texts[0] as string) : texts.join('');
  }

  /** The chunks, as parsed ones would be: each an object of its own. */
  chunks(): ChatCompletionChunk[] {
    return this.texts.map((text) => this.#chunkOf(text));
  }

  /** What each of them says beside its text. */
  withoutText(): ChatCompletionChunk {
    return this.#chunkOf('');
  }

  #chunkOf(text: string): ChatCompletionChunk {
    const { chunk, choice, delta, key } = this.#frame;
    return { ...chunk, choices: [{ ...choice, delta: { ...delta, [key]: text } }] } as unknown as ChatCompletionChunk;
  }
}
