import { integerOrNull, isJsonObject, type JsonObject } from '../json.ts';
import type { ReplyBudget } from './reply-budget.ts';
import { TextPieces } from './text-pieces.ts';

/** What is put together, or was kept as it came. */
type Node = TextPieces | ListNode | MembersFold | { value: unknown };

/** A string under these names says what a thing is: it is said again, and never in pieces. */
const names = /^(id|type|object|format|name|role|status|model|provider|version|language|encoding)$|_(id|type|format)$/;
/** A string under these names is taken back to the letter by whoever made it: said again, it must not be doubled. */
const tokens = /signature|encrypted|^data$/;

/** What making a node costs, in bytes, whatever it holds. */
const nodeWeight = 250;

/**
 * Members that no rule knows, of a delta or of a call, folded to what a message that was not streamed would have:
 *
 * - strings are appended; but of those that name something (`type`, `id`, `format`, …) the last one stays, and a signature
 *   that comes again is not doubled
 * - of lists, items with the same `index` are folded into one, others are appended
 * - objects are merged
 * - of numbers and booleans the last one stays; null adds nothing; where the kind changes the last one stays
 *
 * A thought signature that is dropped, or doubled, makes the next turn a 400 (ServiceNow/eva#206, earendil-works/pi#7745).
 * Source of the rule: OpenAI's libraries (`accumulate_delta`), held against LiteLLM 1.104's bodies in
 * __tests__/litellm/fold-vs-body.test.ts. A map, for `__proto__` is a name like any other.
 */
export class MembersFold {
  readonly #budget: ReplyBudget;
  readonly #members = new Map<string, Node>();

  constructor(budget: ReplyBudget) {
    this.#budget = budget;
  }

  has(key: string): boolean {
    return this.#members.has(key);
  }

  add(key: string, value: unknown): void {
    if (value === null || value === undefined) return;
    const before = this.#members.get(key);
    if (before === undefined && !this.#budget.allowsMember(this.#members.size)) return;
    const node = this.#merged(before, key, value);
    if (node !== null && node !== before) this.#members.set(key, node);
  }

  addAll(object: JsonObject): void {
    for (const key in object) this.add(key, object[key]);
  }

  build(): JsonObject {
    return Object.fromEntries([...this.#members].map(([key, node]) => [key, valueOf(node)]));
  }

  /** Null: it can not be kept. */
  #merged(before: Node | undefined, key: string, value: unknown): Node | null {
    if (typeof value === 'string') return this.#mergedText(before, key, value);
    if (Array.isArray(value)) {
      const list = before instanceof ListNode ? before : this.#made(new ListNode(this.#budget));
      list?.add(value);
      return list;
    }
    if (isJsonObject(value)) {
      const fold = before instanceof MembersFold ? before : this.#made(new MembersFold(this.#budget));
      fold?.addAll(value);
      return fold;
    }
    return { value };
  }

  #mergedText(before: Node | undefined, key: string, text: string): Node | null {
    if (!(before instanceof TextPieces) || (names.test(key) && text !== '')) {
      const pieces = this.#made(new TextPieces());
      pieces?.add(text);
      return pieces;
    }
    if (!names.test(key) && !(tokens.test(key) && text === before.join())) before.add(text);
    return before;
  }

  #made<Made extends Node>(node: Made): Made | null {
    return this.#budget.allowsMemory(nodeWeight) ? node : null;
  }
}

class ListNode {
  readonly #budget: ReplyBudget;
  readonly #items: ({ value: unknown } | MembersFold)[] = [];
  readonly #byIndex = new Map<number, MembersFold>();

  constructor(budget: ReplyBudget) {
    this.#budget = budget;
  }

  add(list: unknown[]): void {
    for (const item of list) {
      if (item === null) continue;
      const index = isJsonObject(item) ? integerOrNull(item['index']) : null;
      if (index !== null) this.#addAt(index, item as JsonObject);
      else if (this.#budget.allowsValue(item) && this.#budget.allowsMemory(nodeWeight / 4))
        this.#items.push({ value: item });
      else return;
    }
  }

  build(): unknown[] {
    return this.#items.map(valueOf);
  }

  #addAt(index: number, item: JsonObject): void {
    let fold = this.#byIndex.get(index);
    if (fold === undefined) {
      if (!this.#budget.allowsMemory(nodeWeight)) return;
      fold = new MembersFold(this.#budget);
      this.#byIndex.set(index, fold);
      this.#items.push(fold);
    }
    fold.addAll(item);
  }
}

function valueOf(node: Node): unknown {
  if (node instanceof TextPieces) return node.join();
  return node instanceof ListNode || node instanceof MembersFold ? node.build() : node.value;
}
