import { integerOrNull, isJsonObject, textOrNull, type JsonObject } from './json.ts';
import { ProviderFieldsFold } from './provider-fields-fold.ts';
import { TextPieces } from './text-pieces.ts';
import type { ToolCall } from './types.ts';

/**
 * The fragments of a choice's tool calls, folded. Where a provider's habit and the position disagree, the rules of
 * LiteLLM's builder hold but for two: a new id with a name at a used index is another call (servers that number
 * nothing send every call as index 0), and a call that never got its id or name is kept.
 */
export class ToolCallsFold {
  /** The calls at each index, in the order of their opening. A map: indexes come from the network. */
  readonly #callsByIndex = new Map<number, CallFold[]>();

  add(fragments: unknown[]): void {
    let unnumbered = 0;
    for (const fragment of fragments) {
      if (!isJsonObject(fragment)) continue;
      let index = integerOrNull(fragment['index']);
      if (index === null) {
        index = unnumbered;
        unnumbered += 1;
      }
      this.#callFor(index, fragment).add(fragment);
    }
  }

  /** The calls by index, then by opening; those to which nothing came are left out. */
  build(): ToolCall[] {
    const indexes = [...this.#callsByIndex.keys()].toSorted((left, right) => left - right);
    const calls = indexes.flatMap((index) => this.#callsByIndex.get(index) ?? []);
    return calls.filter((call) => !call.isEmpty).map((call) => call.build());
  }

  #callFor(index: number, fragment: JsonObject): CallFold {
    let calls = this.#callsByIndex.get(index);
    if (calls === undefined) {
      calls = [new CallFold()];
      this.#callsByIndex.set(index, calls);
    }
    let newest = calls.at(-1) as CallFold;
    if (newest.isEndedBy(fragment)) {
      newest = new CallFold();
      calls.push(newest);
    }
    return newest;
  }
}

class CallFold {
  #id: string | null = null;
  #type: string | null = null;
  #name: string | null = null;
  #customName: string | null = null;
  #hasCustom = false;
  readonly #arguments = new TextPieces();
  readonly #input = new TextPieces();
  readonly #providerFields = new ProviderFieldsFold();

  /** Whether a fragment begins another call: it has an id of its own and a name. An id alone is made up per fragment. */
  isEndedBy(fragment: JsonObject): boolean {
    if (this.#id === null) return false;
    const id = textOrNull(fragment['id']);
    return id !== null && id !== this.#id && nameOf(fragment) !== null;
  }

  add(fragment: JsonObject): void {
    this.#id = textOrNull(fragment['id']) ?? this.#id;
    this.#type = textOrNull(fragment['type']) ?? this.#type;
    const { function: called, custom } = fragment;
    if (isJsonObject(called)) {
      this.#name = textOrNull(called['name']) ?? this.#name;
      if (typeof called['arguments'] === 'string') this.#arguments.add(called['arguments']);
    }
    if (isJsonObject(custom)) {
      this.#hasCustom = true;
      this.#customName = textOrNull(custom['name']) ?? this.#customName;
      if (typeof custom['input'] === 'string') this.#input.add(custom['input']);
    }
    // On the fragment, or else on its function.
    const ofFunction = isJsonObject(called) ? called['provider_specific_fields'] : undefined;
    this.#providerFields.add(hasEntries(fragment['provider_specific_fields']) ?? ofFunction);
  }

  get isEmpty(): boolean {
    const hasName = this.#id !== null || this.#name !== null || this.#customName !== null;
    return (
      !hasName && this.#arguments.join() === '' && this.#input.join() === '' && this.#providerFields.build() === null
    );
  }

  build(): ToolCall {
    const providerFields = this.#providerFields.build();
    const extra = providerFields === null ? {} : { provider_specific_fields: providerFields };
    if (this.#isCustom()) {
      return { id: this.#id, type: 'custom', custom: { name: this.#customName, input: this.#input.join() }, ...extra };
    }
    return {
      id: this.#id,
      type: this.#type ?? 'function',
      function: { name: this.#name, arguments: this.#arguments.join() || '{}' },
      ...extra,
    };
  }

  #isCustom(): boolean {
    if (this.#customName !== null) return true;
    return this.#name === null && (this.#hasCustom || this.#type === 'custom') && this.#arguments.join() === '';
  }
}

function nameOf(fragment: JsonObject): string | null {
  const { function: called, custom } = fragment;
  return (
    (isJsonObject(called) ? textOrNull(called['name']) : null) ??
    (isJsonObject(custom) ? textOrNull(custom['name']) : null)
  );
}

function hasEntries(value: unknown): JsonObject | undefined {
  return isJsonObject(value) && Object.keys(value).length > 0 ? value : undefined;
}
