import { isJsonObject, type JsonObject } from '../json.ts';
import type { ReplyBudget } from './reply-budget.ts';

/**
 * Members of a chunk, or of its choice, that no rule knows: the last value that holds something stays. Providers repeat
 * them on every chunk, grown (citations), or empty before and after the one that matters. A map, for `__proto__` is a name
 * like any other.
 */
export class LastMembers {
  readonly #budget: ReplyBudget;
  readonly #members = new Map<string, unknown>();

  constructor(budget: ReplyBudget) {
    this.#budget = budget;
  }

  set(key: string, value: unknown): void {
    if (!holdsSomething(value)) return;
    const before = this.#members.get(key);
    if (before === value) return;
    if (before === undefined && !this.#budget.allowsMember(this.#members.size)) return;
    if (!this.#budget.allowsValue(value)) return;
    if (before !== undefined) this.#budget.release(before);
    this.#members.set(key, value);
  }

  build(): JsonObject {
    return Object.fromEntries(this.#members);
  }
}

function holdsSomething(value: unknown): boolean {
  if (value === null || value === undefined || value === '') return false;
  if (Array.isArray(value)) return value.length > 0;
  return !isJsonObject(value) || Object.keys(value).length > 0;
}
