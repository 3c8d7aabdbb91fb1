import { ArgumentsFold } from './arguments-fold.ts';
import { isJsonObject, type JsonObject } from '../json.ts';
import { JsonScanner } from '../json-scanner.ts';
import { MembersFold } from './members-fold.ts';
import { ProviderFieldsFold } from './provider-fields-fold.ts';
import type { ReplyBudget } from './reply-budget.ts';
import { TextPieces } from './text-pieces.ts';
import type { ToolCall } from '../types.ts';

/** A fragment of a call, as ToolCallsFold reads it: an empty text is null. */
export interface CallFragment {
  /** Null: it has none, and is the only one of its chunk. */
  index: number | null;
  id: string | null;
  type: string | null;
  /** Of the function, or of the custom tool. */
  name: string | null;
  isCustom: boolean;
  customName: string | null;
  /** A text, as a rule; an object from some servers. */
  arguments: unknown;
  input: unknown;
  /** As it came: what it has beside all this is kept. */
  source: JsonObject;
}

/** Ids of one call that are told apart: more of them, one for each fragment, tell nothing. */
const mostIds = 16;

/** One tool call. Which fragments are its own is for ToolCallsFold to say. */
export class CallFold {
  readonly index: number;
  readonly #budget: ReplyBudget;
  readonly #ids = new Set<string>();
  #id: string | null = null;
  #type: string | null = null;
  #name: string | null = null;
  #customName: string | null = null;
  #hasCustom = false;
  readonly #arguments = new ArgumentsFold();
  readonly #input = new TextPieces();
  readonly #providerFields: ProviderFieldsFold;
  #members: MembersFold | null = null;
  #functionMembers: MembersFold | null = null;
  #customMembers: MembersFold | null = null;
  /** What began to say this call again: another call, if it goes on in another way. */
  #echo: { id: string | null; name: string | null } | null = null;
  #version = 0;

  constructor(index: number, budget: ReplyBudget) {
    this.index = index;
    this.#budget = budget;
    this.#providerFields = new ProviderFieldsFold(budget);
  }

  get name(): string | null {
    return this.#name ?? this.#customName;
  }

  /** Whether its arguments are whole JSON. What a custom tool takes is text, and may always go on. */
  get isWhole(): boolean {
    return this.#arguments.isWhole;
  }

  /** Whether it is whole, and stays so when the fragment comes: nothing of its arguments can be missing. */
  isOverAt(fragment: CallFragment): boolean {
    return this.isWhole && !this.#arguments.isContinuedBy(textOf(fragment.arguments));
  }

  /** Changes with each fragment that adds something. */
  get version(): number {
    return this.#version;
  }

  hasId(id: string): boolean {
    return this.#ids.has(id);
  }

  /** Whether a fragment at this call's index, with no id that is known, begins another call. */
  isEndedBy(fragment: CallFragment): boolean {
    const { id, name } = fragment;
    if (name === null) return false;
    const hasOtherId = id !== null && this.#id !== null;
    const hasOtherName = this.name !== null && name !== this.name;
    const hasNoIds = id === null && this.#id === null;
    if (this.#hasCustom || fragment.isCustom || this.#arguments.isBroken) {
      return hasOtherId || (hasOtherName && hasNoIds && !this.#isBare());
    }
    if (this.isOverAt(fragment))
      return hasOtherName || (hasOtherId && !(this.#ids.size > 1 && this.isRepeatedBy(fragment)));
    if (hasOtherName) return hasOtherId || hasNoIds;
    // Without an index, what opens like a call and has an id of its own is one; with it, a server may count fragments.
    return (
      hasOtherId && fragment.index === null && this.#ids.size === 1 && /^\s*(\{|$)/.test(textOf(fragment.arguments))
    );
  }

  /** Whether a whole call says this one again. */
  isRepeatedBy({ name, arguments: given, input }: CallFragment): boolean {
    if (name !== this.name) return false;
    if (this.#isCustom()) return input === this.#input.join();
    return this.isWhole && this.#arguments.isSaidBy(textOf(given));
  }

  /** @returns false when the fragment can not be of this call: nothing was changed */
  take(fragment: CallFragment): boolean {
    const wasWhole = this.isWhole;
    if (!this.#takeArguments(fragment)) return false;
    const echo = this.#arguments.unfinishedEcho;
    if (echo === null) this.#echo = null;
    else this.#echo ??= { id: fragment.id, name: fragment.name };
    this.#note(fragment, wasWhole);
    return true;
  }

  /** Keeps a fragment although the arguments are no JSON with it. */
  force(fragment: CallFragment): void {
    this.#arguments.force(textOf(fragment.arguments));
    this.#version += 1;
    this.#note(fragment, false);
  }

  /** Whether a fragment's arguments are a call's by themselves: an object with members, from its beginning to its end. */
  static isWholeByItself({ arguments: given }: CallFragment): boolean {
    const text = textOf(given).trim();
    return text.length > 2 && text.startsWith('{') && new JsonScanner().read(text).isWhole;
  }

  /** The fragment of another call that turned out to be none of this one: with what was taken for a repetition. */
  begunAgain(fragment: CallFragment): CallFragment {
    const begun = this.#arguments.unfinishedEcho;
    const echo = this.#echo;
    if (begun === null || echo === null) return fragment;
    this.#arguments.forgetEcho();
    this.#echo = null;
    return {
      ...fragment,
      id: fragment.id ?? echo.id,
      name: fragment.name ?? echo.name,
      arguments: begun + textOf(fragment.arguments),
    };
  }

  get isEmpty(): boolean {
    const hasName = this.#id !== null || this.name !== null;
    const hasMembers =
      this.#providerFields.build() !== null || this.#members !== null || this.#functionMembers !== null;
    return !hasName && !hasMembers && this.#isBare();
  }

  build(): ToolCall {
    const providerFields = this.#providerFields.build();
    const extra = {
      ...(providerFields === null ? {} : { provider_specific_fields: providerFields }),
      ...this.#members?.build(),
    };
    if (this.#isCustom()) {
      const custom = { name: this.#customName, input: this.#input.join(), ...this.#customMembers?.build() };
      return { id: this.#id, type: 'custom', custom, ...extra };
    }
    const called = { name: this.#name, arguments: this.#arguments.text || '{}', ...this.#functionMembers?.build() };
    return { id: this.#id, type: this.#type ?? 'function', function: called, ...extra };
  }

  /** The call in OpenAI's older form, in which no arguments are an empty text. */
  buildFunction(): { name: string | null; arguments: string } {
    return { name: this.#name, arguments: this.#arguments.text, ...this.#functionMembers?.build() };
  }

  #takeArguments({ arguments: given, input, name, index, id }: CallFragment): boolean {
    if (typeof input === 'string' && input !== '') {
      // A custom tool's text, once more as a whole.
      const isAgain = id !== null && name !== null && this.hasId(id) && input === this.#input.join();
      if (!isAgain) {
        this.#input.add(input);
        this.#version += 1;
      }
    }
    const piece = textOf(given);
    if (piece === '') return true;
    const isSurely = name === null || (id !== null && this.hasId(id));
    const mayGrow = isSurely && (index === null || index === this.index);
    const { length } = this.#arguments;
    const isTaken =
      this.#arguments.take(piece, mayGrow) || (mayGrow && isJsonObject(given) && this.#arguments.merge(given));
    if (this.#arguments.length !== length) this.#version += 1;
    return isTaken;
  }

  #note(fragment: CallFragment, wasWhole: boolean): void {
    const { id, name, type, isCustom, customName, source } = fragment;
    const isAgain = wasWhole && textOf(fragment.arguments) !== '';
    // What says a whole call again may have made up an id for it.
    if (id !== null && !(wasWhole && this.#id !== null)) this.#id = id;
    if (id !== null && this.#ids.size < mostIds) this.#ids.add(id);
    this.#type = type ?? this.#type;
    if (isCustom) {
      this.#hasCustom = true;
      this.#customName = customName ?? this.#customName;
    } else if (name !== null) {
      this.#name = name;
    }
    this.#keepMembers(source, isAgain);
  }

  #keepMembers(source: JsonObject, isAgain: boolean): void {
    const { function: called, custom, provider_specific_fields: fields } = source;
    // On the fragment, or else on its function.
    const ofFunction = isJsonObject(called) ? called['provider_specific_fields'] : undefined;
    this.#providerFields.add(isJsonObject(fields) && Object.keys(fields).length > 0 ? fields : ofFunction);
    const isFlat = !isJsonObject(called) && !isJsonObject(custom);
    this.#members = this.#added(this.#members, source, isFlat ? flatKeys : callKeys, isAgain);
    if (isJsonObject(called)) {
      this.#functionMembers = this.#added(this.#functionMembers, called, functionKeys, isAgain);
    }
    if (isJsonObject(custom)) this.#customMembers = this.#added(this.#customMembers, custom, customKeys, isAgain);
  }

  /** @param isAgain the source says what was said before: only what is new counts */
  #added(
    members: MembersFold | null,
    source: JsonObject,
    known: ReadonlySet<string>,
    isAgain: boolean,
  ): MembersFold | null {
    let fold = members;
    for (const key in source) {
      if (known.has(key) || source[key] === null || (isAgain && fold?.has(key) === true)) continue;
      fold ??= new MembersFold(this.#budget);
      fold.add(key, source[key]);
    }
    return fold;
  }

  #isBare(): boolean {
    return this.#arguments.isEmpty && this.#input.join() === '';
  }

  #isCustom(): boolean {
    if (this.#customName !== null) return true;
    return this.#name === null && (this.#hasCustom || this.#type === 'custom') && this.#arguments.isEmpty;
  }
}

const callKeys: ReadonlySet<string> = new Set([
  'index',
  'id',
  'type',
  'function',
  'custom',
  'provider_specific_fields',
]);
const flatKeys: ReadonlySet<string> = new Set([...callKeys, 'name', 'arguments']);
const functionKeys: ReadonlySet<string> = new Set(['name', 'arguments', 'provider_specific_fields']);
const customKeys: ReadonlySet<string> = new Set(['name', 'input']);

/** Arguments as text: on the wire they are JSON in a string, and from some servers the JSON itself. */
function textOf(given: unknown): string {
  if (typeof given === 'string') return given;
  return typeof given === 'object' && given !== null ? JSON.stringify(given) : '';
}
