import { isFallbackNotice } from './chunk.ts';
import { ChoiceFold } from './choice-fold.ts';
import type { TextKey } from './chunk-run.ts';
import { integerOrNull, isJsonObject, type JsonObject } from './json.ts';
import type { ChatCompletion, ChatCompletionChunk } from './types.ts';
import { UsageFold } from './usage-fold.ts';

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
  readonly #others = new Map<string, unknown>();

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
      if (isJsonObject(choice)) this.#choiceAt(choice['index']).add(choice);
    }
  }

  /**
   * Takes chunks that differ from the one before them in nothing but the text of their delta: what they repeat is folded
   * already.
   *
   * @internal
   */
  addText(index: unknown, key: TextKey, text: string): void {
    this.#choiceAt(index).addText(key, text);
  }

  /** The fold so far; null before the first chunk. In O(size of the reply). */
  snapshot(): ChatCompletion | null {
    if (!this.#hasChunks) return null;
    const choices = this.#choices.size === 0 ? new Map([[0, new ChoiceFold(0)]]) : this.#choices;
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
      ...Object.fromEntries(this.#others),
    };
  }

  /** The finished fold; null when there was no chunk. The same as `snapshot()`, and it may go on after it, too. */
  build(): ChatCompletion | null {
    return this.snapshot();
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
          if (isJsonObject(value)) (this.#usage ??= new UsageFold()).add(value);
          break;
        default:
          if (holdsSomething(value)) this.#others.set(key, value);
      }
    }
  }

  #choiceAt(index: unknown): ChoiceFold {
    const position = integerOrNull(index) ?? 0;
    if (position === this.#lastIndex && this.#lastChoice !== null) return this.#lastChoice;
    let choice = this.#choices.get(position);
    if (choice === undefined) {
      choice = new ChoiceFold(position);
      this.#choices.set(position, choice);
    }
    this.#lastIndex = position;
    this.#lastChoice = choice;
    return choice;
  }
}

/** Providers repeat a top-level key on every chunk, often as an empty list before and after the one that matters. */
function holdsSomething(value: unknown): boolean {
  if (value === null || value === undefined || value === '') return false;
  if (Array.isArray(value)) return value.length > 0;
  return !isJsonObject(value) || Object.keys(value).length > 0;
}
