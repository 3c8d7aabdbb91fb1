import { meaningOf, worse } from '../finish-words.ts';
import type { FinishState } from '../verdict.ts';

/** What a finish_reason came with, in one chunk. */
export type Beside = 'nothing' | 'content' | 'reasoning';

/**
 * The finish_reasons of a choice and the content around them. Of several words the worst stays (`length` before `stop`:
 * ollama/ollama#17485); one that content follows was not the last word (open-webui/open-webui#16377 has one on a chunk of
 * reasoning, some proxies on every chunk).
 */
export class FinishFold {
  #word: string | null = null;
  #hasSaid = false;
  #isFinished = false;
  #wentOn = false;
  #beside: Beside = 'nothing';

  /** The worst word so far, as it came. */
  get word(): string | null {
    return this.#word;
  }

  /** Whether there was a finish_reason, and no content since. */
  get isFinished(): boolean {
    return this.#isFinished;
  }

  /** What came after the finish_reason. */
  get state(): FinishState {
    if (!this.#wentOn) return 'final';
    if (!this.#isFinished) return 'overtaken';
    return this.#beside === 'content' ? 'doubtful' : 'repeated';
  }

  /**
   * Whether nothing more of the choice is to be expected: it is finished, and this proxy's word for that was good so far.
   * One beside reasoning, before any word of the reply, is not.
   */
  get isSettled(): boolean {
    return this.#isFinished && !this.#wentOn && (this.#hasSaid || this.#beside !== 'reasoning');
  }

  /** Content came. */
  say(): void {
    this.#hasSaid = true;
    if (!this.#isFinished) return;
    this.#isFinished = false;
    this.#wentOn = true;
  }

  /** A finish_reason came, after whatever was in its chunk. */
  finish(word: string, beside: Beside): void {
    this.#word = worse(this.#word, word);
    if (meaningOf(word) === 'unfinished') return;
    this.#isFinished = true;
    this.#beside = beside;
  }
}
