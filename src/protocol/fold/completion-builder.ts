import { isFallbackNotice } from '../chunk.ts';
import { ChoiceFold } from './choice-fold.ts';
import type { TextKey } from '../chunk-run.ts';
import { integerOrNull, isJsonObject, type JsonObject } from '../json.ts';
import { LastMembers } from './last-members.ts';
import { type ExceededLimit, ReplyBudget } from './reply-budget.ts';
import type { ChatCompletion, ChatCompletionChunk } from '../types.ts';
import { UsageFold } from './usage-fold.ts';
import type { FinishState } from '../verdict.ts';

/**
 * The fold of a stream: chunks to the one ChatCompletion that the wire would have sent with `stream: false`.
 *
 * It follows `litellm.stream_chunk_builder` (1.104.2) field by field, but for differences that lose less: each choice
 * folded by itself, logprobs, refusals and service tier kept, a repeated signed thinking block not doubled, an index
 * that serves two calls told apart, nothing counted, invented or mapped. The suite compares the two on the same chunks.
 *
 * It throws on nothing that a proxy can send: a value of the wrong type adds nothing. It has no clock and no random
 * values, does not change the chunks that it is given, and what `snapshot()` returned does not change later. Lists and
 * objects deep inside (an annotation, a token's logprobs) are shared with the chunks.
 */
export class CompletionBuilder {
  readonly #budget: ReplyBudget;
  #hasChunks = false;
  #id = '';
  #created: number | null = null;
  #firstModel: string | null = null;
  /** The first model that differs from the first chunk's: a fallback or a router says so on the way. */
  #servedModel: string | null = null;
  #systemFingerprint: string | null = null;
  #serviceTier: string | null = null;
  #usage: UsageFold | null = null;
  readonly #choices = new Map<number, ChoiceFold>();
  /** The choice that the last delta belonged to: in most streams there is no other. */
  #lastIndex = -1;
  #lastChoice: ChoiceFold | null = null;
  readonly #others: LastMembers;

  /** @param mostMemory bytes that objects and lists may take: default 256 MiB */
  constructor(mostMemory?: number) {
    this.#budget = new ReplyBudget(mostMemory);
    this.#others = new LastMembers(this.#budget);
  }

  /** Takes the next chunk, in O(its size). */
  add(chunk: ChatCompletionChunk): void {
    if (!isJsonObject(chunk)) return;
    const { choices } = chunk as JsonObject;
    const hasChoices = Array.isArray(choices) && choices.length > 0;
    if (!hasChoices && isFallbackNotice(chunk)) return;
    this.#hasChunks = true;
    this.#addTopLevel(chunk);
    if (!hasChoices) return;
    for (const choice of choices) {
      if (isJsonObject(choice)) this.#addChoice(choice);
    }
  }

  /**
   * Takes chunks that differ from the one before them in nothing but the text of their delta: what they repeat is folded
   * already.
   *
   * @internal
   */
  addText(index: unknown, key: TextKey, text: string): void {
    this.#choiceAt(index)?.addText(key, text);
  }

  /**
   * The limit that the reply has passed, null if none: what came since is not all in the fold.
   *
   * @internal
   */
  get exceeded(): ExceededLimit | null {
    return this.#budget.exceeded;
  }

  /**
   * What came after the finish_reason of choice 0, which decides.
   *
   * @internal
   */
  get finishState(): FinishState {
    return this.#choices.get(0)?.finish.state ?? 'final';
  }

  /**
   * Whether choice 0 has a finish_reason, and no content since.
   *
   * @internal
   */
  get isFinished(): boolean {
    return this.#choices.get(0)?.finish.isFinished ?? false;
  }

  /**
   * Whether choice 0 and all others that came are finished, as far as this proxy's word is good for.
   *
   * @internal
   */
  get isSettled(): boolean {
    // Asked after each read: in nearly all of them there is nothing to settle.
    if (this.#choices.get(0)?.finish.isSettled !== true) return false;
    return this.#choices.size === 1 || [...this.#choices.values()].every(({ finish }) => finish.isSettled);
  }

  /**
   * A whole message, as a chunk of what the deltas before it did not say.
   *
   * @internal
   */
  unsaid(chunk: ChatCompletionChunk): ChatCompletionChunk {
    const choices = chunk.choices.map((choice) => {
      const known = this.#choices.get(integerOrNull(choice.index) ?? 0);
      return known === undefined ? choice : { ...choice, delta: known.unsaid(choice.delta) };
    });
    return { ...chunk, choices };
  }

  /** The fold so far; null before the first chunk. In O(size of the reply). */
  snapshot(): ChatCompletion | null {
    if (!this.#hasChunks) return null;
    const choices = this.#choices.size === 0 ? new Map([[0, new ChoiceFold(0, this.#budget)]]) : this.#choices;
    const indexes = [...choices.keys()].toSorted((left, right) => left - right);
    return {
      id: this.#id,
      object: 'chat.completion',
      created: this.#created ?? 0,
      model: this.#servedModel ?? this.#firstModel ?? '',
      choices: indexes.map((index) => (choices.get(index) as ChoiceFold).build()),
      usage: this.#usage?.build() ?? null,
      ...(this.#systemFingerprint === null ? {} : { system_fingerprint: this.#systemFingerprint }),
      ...(this.#serviceTier === null ? {} : { service_tier: this.#serviceTier }),
      ...this.#others.build(),
    };
  }

  /** The finished fold; null when there was no chunk. The same as `snapshot()`, and it may go on after it, too. */
  build(): ChatCompletion | null {
    return this.snapshot();
  }

  #addChoice(choice: JsonObject): void {
    this.#choiceAt(choice['index'])?.add(choice);
    // Some servers have it here, and not in the chunk.
    if (isJsonObject(choice['usage'])) this.#addUsage(choice['usage']);
  }

  #addUsage(usage: JsonObject): void {
    (this.#usage ??= new UsageFold(this.#budget)).add(usage);
  }

  #addTopLevel(chunk: JsonObject): void {
    if (this.#firstModel === null) this.#firstModel = typeof chunk['model'] === 'string' ? chunk['model'] : '';
    for (const key in chunk) {
      const value = chunk[key];
      switch (key) {
        case 'choices':
        case 'object':
          break;
        case 'id':
          if (this.#id === '' && typeof value === 'string') this.#id = value;
          break;
        case 'created':
          if (this.#created === null && typeof value === 'number') this.#created = value;
          break;
        case 'model':
          if (this.#servedModel === null && typeof value === 'string' && value !== '' && value !== this.#firstModel) {
            this.#servedModel = value;
          }
          break;
        case 'system_fingerprint':
          if (this.#systemFingerprint === null && typeof value === 'string') this.#systemFingerprint = value;
          break;
        case 'service_tier':
          if (typeof value === 'string') this.#serviceTier = value;
          break;
        case 'usage':
          if (isJsonObject(value)) this.#addUsage(value);
          break;
        case 'x_groq':
          if (isJsonObject(value) && isJsonObject(value['usage'])) this.#addUsage(value['usage']);
          this.#others.set(key, value);
          break;
        default:
          this.#others.set(key, value);
      }
    }
  }

  /** Null: there are too many. */
  #choiceAt(index: unknown): ChoiceFold | null {
    const position = integerOrNull(index) ?? 0;
    if (position === this.#lastIndex && this.#lastChoice !== null) return this.#lastChoice;
    let choice = this.#choices.get(position);
    if (choice === undefined) {
      if (!this.#budget.allowsChoice()) return null;
      choice = new ChoiceFold(position, this.#budget);
      this.#choices.set(position, choice);
    }
    this.#lastIndex = position;
    this.#lastChoice = choice;
    return choice;
  }
}
