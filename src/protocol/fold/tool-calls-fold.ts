import { CallFold, type CallFragment } from './call-fold.ts';
import { integerOrNull, isJsonObject, textOrNull, type JsonObject } from '../json.ts';
import type { ReplyBudget } from './reply-budget.ts';
import type { ToolCall } from '../types.ts';

/**
 * The fragments of a choice's tool calls, folded. Providers contradict each other, and themselves, in what an id, an index
 * and a name are for; what they agree on is that the arguments of a call are JSON. So that decides, by these rules, the
 * first that applies:
 *
 * 1. **A known id wins over a position.** A fragment belongs to the call that had its id, whatever its index (one id at two
 *    indexes: mudler/LocalAI#9722; two calls in one chunk, continued by id: ollama/ollama#7881). An id that serves two
 *    calls by another name at another index is worth nothing from then on.
 * 2. **A new index is a new call** when something names one: an id or a name. (A fragment of nothing but arguments goes to
 *    the call that is open: danny-avila/LibreChat#13987.) A fragment without an index has that of its position among those
 *    of its chunk; where it is the only one, it goes on with the call that is open (vercel/ai#7238).
 * 3. **A call is over when its arguments are whole JSON.** Then a fragment with a name begins another one at its index
 *    (all calls at index 0, with ids: InternLM/lmdeploy#3412; without: NousResearch/hermes-agent#62937), unless it repeats
 *    the call: the same arguments, or a part of them from the beginning, add nothing (BerriAI/litellm#20480, also encoded
 *    twice; cumulative: lidge-jun/opencodex#361), and `{}` before more is an opening (ogx-ai/ogx#5462). A new id with a name
 *    is always another call, unless this one has changed its id before.
 * 4. **While they are not, the open call goes on**, with a new id, too (one for each fragment: vllm-project/vllm#23522),
 *    unless the fragment has another name and another id, or another name where neither has an id, or the arguments can not
 *    go on like that and the fragment has an id or a name.
 * 5. **Nothing is glued.** What fits nowhere is a call of its own, without a name if it has none; a call that never got its
 *    id or its name is kept (LiteLLM's builder drops it). Nothing is repaired: arguments that no reading makes JSON stay as
 *    they came.
 *
 * For the rest the rules are those of LiteLLM's builder: the last type and name win, and the last id; calls are ordered by
 * index, then by opening.
 */
export class ToolCallsFold {
  readonly #budget: ReplyBudget;
  /** The calls at each index, in the order of their opening. A map: indexes come from the network. */
  readonly #callsByIndex = new Map<number, CallFold[]>();
  /** Null: the id serves several calls. */
  readonly #callsById = new Map<string, CallFold | null>();
  /** The call that the last fragment went to. */
  #last: CallFold | null = null;

  constructor(budget: ReplyBudget) {
    this.#budget = budget;
  }

  /**
   * @param value a list of fragments; or one, or an object of several by number, as some servers send them
   * @returns whether it changed anything: a call that is sent again does not
   */
  add(value: unknown): boolean {
    const list = listOf(value);
    const [first] = list;
    if (list.length === 1 && isJsonObject(first)) return this.#place(readFragment(first, indexOf(first)));
    const isAlone = list.filter((fragment) => isJsonObject(fragment) && indexOf(fragment) === null).length === 1;
    let unnumbered = 0;
    let hasChanged = false;
    for (const fragment of list) {
      if (!isJsonObject(fragment)) continue;
      const index = indexOf(fragment);
      const position = index ?? (isAlone ? null : unnumbered);
      if (index === null) unnumbered += 1;
      if (this.#place(readFragment(fragment, position))) hasChanged = true;
    }
    return hasChanged;
  }

  /** The calls by index, then by opening; those to which nothing came are left out. */
  build(): ToolCall[] {
    return this.calls().map((call) => call.build());
  }

  calls(): CallFold[] {
    const indexes = [...this.#callsByIndex.keys()].toSorted((left, right) => left - right);
    const calls = indexes.flatMap((index) => this.#callsByIndex.get(index) ?? []);
    return calls.filter((call) => !call.isEmpty);
  }

  /** Whether a call, as a whole message says it, is one of these. */
  has(call: JsonObject): boolean {
    const fragment = readFragment(call, null);
    if (fragment.id !== null && this.#callsById.has(fragment.id)) return true;
    return [...this.#callsByIndex.values()].some((calls) => calls.some((known) => known.isRepeatedBy(fragment)));
  }

  #place(fragment: CallFragment): boolean {
    const known = fragment.id === null ? undefined : this.#callsById.get(fragment.id);
    if (known !== undefined && known !== null) {
      if (!this.#isShared(known, fragment)) return this.#give(known, fragment);
      this.#callsById.set(fragment.id as string, null);
      return this.#open(fragment);
    }
    const newest = fragment.index === null ? this.#openCall(fragment) : this.#callsByIndex.get(fragment.index)?.at(-1);
    if (newest !== undefined && newest !== null) {
      return newest.isEndedBy(fragment) ? this.#open(fragment) : this.#give(newest, fragment);
    }
    const last = this.#last;
    const isNamed = fragment.id !== null || fragment.name !== null;
    if (!isNamed && last !== null && !last.isOverAt(fragment) && last.take(fragment)) return true;
    return this.#open(fragment);
  }

  /** Whether a fragment with the id of a call is another one's all the same. */
  #isShared(known: CallFold, { index, name }: CallFragment): boolean {
    const isElsewhere = index !== null && index !== known.index;
    return name !== null && known.name !== null && name !== known.name && (isElsewhere || known.isWhole);
  }

  /** Where a fragment without an index goes on: the last call, or else one that is still open. */
  #openCall(fragment: CallFragment): CallFold | null {
    const last = this.#last;
    if (last === null || !last.isOverAt(fragment)) return last;
    const newest = [...this.#callsByIndex.values()].map((calls) => calls.at(-1));
    return newest.findLast((call) => call !== undefined && !call.isWhole) ?? last;
  }

  #give(call: CallFold, fragment: CallFragment): boolean {
    const before = call.version;
    if (call.take(fragment)) {
      this.#last = call;
      this.#remember(fragment.id, call);
      return call.version !== before;
    }
    const isNamed = fragment.name !== null || (fragment.id !== null && !call.hasId(fragment.id));
    if (isNamed || call.isWhole || CallFold.isWholeByItself(fragment))
      return this.#open({ ...call.begunAgain(fragment), index: call.index });
    call.force(fragment);
    return true;
  }

  #open(fragment: CallFragment): boolean {
    if (!this.#budget.allowsCall()) return false;
    const index = fragment.index ?? this.#last?.index ?? 0;
    const call = new CallFold(index, this.#budget);
    const calls = this.#callsByIndex.get(index);
    if (calls === undefined) this.#callsByIndex.set(index, [call]);
    else calls.push(call);
    this.#last = call;
    if (!call.take(fragment)) call.force(fragment);
    this.#remember(fragment.id, call);
    return !call.isEmpty;
  }

  /** An id that was found to serve several calls stays worthless. */
  #remember(id: string | null, call: CallFold): void {
    if (id !== null && this.#callsById.get(id) !== null && call.hasId(id)) this.#callsById.set(id, call);
  }
}

/** Fragments as a list: `tool_calls` may be an object, of one call (huggingface/text-generation-inference#2794) or of several. */
function listOf(value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  if (!isJsonObject(value)) return [];
  const isCall = ['function', 'custom', 'name', 'id', 'arguments'].some((key) => Object.hasOwn(value, key));
  if (isCall) return [value];
  return Object.entries(value).map(([key, call]) => (isJsonObject(call) ? { index: key, ...call } : call));
}

function indexOf({ index }: JsonObject): number | null {
  return typeof index === 'string' && /^\d{1,9}$/.test(index) ? Number(index) : integerOrNull(index);
}

function readFragment(fragment: JsonObject, index: number | null): CallFragment {
  const { id, type, custom } = fragment;
  // Some servers leave the function out, and have its name and arguments on the call.
  const called = isJsonObject(fragment['function']) ? fragment['function'] : isJsonObject(custom) ? {} : fragment;
  const customName = isJsonObject(custom) ? textOrNull(custom['name']) : null;
  return {
    index,
    id: typeof id === 'number' ? String(id) : textOrNull(id),
    type: textOrNull(type),
    name: textOrNull(called['name']) ?? textOrNull(fragment['function']) ?? customName,
    isCustom: isJsonObject(custom),
    customName,
    arguments: called['arguments'],
    input: isJsonObject(custom) ? custom['input'] : undefined,
    source: fragment,
  };
}
