import type { ChatCompletionChunk } from '../../protocol/types.ts';

/**
 * The chunks of a stream's reads, one by one. Most reads hold several, and a chunk that is here already needs no async
 * function. Calls of `next()` that are not waited for get theirs in order.
 */
export class ChunkIteration implements AsyncIterator<ChatCompletionChunk> {
  readonly #reads: Required<Pick<AsyncIterator<ChatCompletionChunk[]>, 'next' | 'return'>>;
  readonly #end: () => Promise<void>;
  #chunks: ChatCompletionChunk[] = [];
  #index = 0;
  #waiting = 0;
  #last: Promise<unknown> = Promise.resolve();
  #isOver = false;

  /** @param end Called after the last chunk; what it throws, the iteration throws. */
  constructor(
    reads: Required<Pick<AsyncIterator<ChatCompletionChunk[]>, 'next' | 'return'>>,
    end: () => Promise<void>,
  ) {
    this.#reads = reads;
    this.#end = end;
  }

  next(): Promise<IteratorResult<ChatCompletionChunk>> {
    const chunk = this.#waiting === 0 ? this.#taken() : undefined;
    if (chunk !== undefined) return Promise.resolve({ value: chunk, done: false });
    this.#waiting += 1;
    const turn = this.#last.then(() => this.#wait()).finally(() => (this.#waiting -= 1));
    this.#last = turn.catch(() => {});
    return turn;
  }

  async return(): Promise<IteratorResult<ChatCompletionChunk>> {
    this.#isOver = true;
    this.#chunks = [];
    await this.#reads.return();
    return { value: undefined, done: true };
  }

  async #wait(): Promise<IteratorResult<ChatCompletionChunk>> {
    for (;;) {
      const chunk = this.#taken();
      if (chunk !== undefined) return { value: chunk, done: false };
      if (this.#isOver) return { value: undefined, done: true };
      const read = await this.#reads.next();
      if (read.done === true) break;
      [this.#chunks, this.#index] = [read.value, 0];
    }
    if (!this.#isOver) {
      this.#isOver = true;
      await this.#end();
    }
    return { value: undefined, done: true };
  }

  #taken(): ChatCompletionChunk | undefined {
    const chunk = this.#chunks[this.#index];
    if (chunk !== undefined) this.#index += 1;
    return chunk;
  }
}
