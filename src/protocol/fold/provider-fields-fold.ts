import { isJsonObject, type JsonObject } from '../json.ts';
import type { ReplyBudget } from './reply-budget.ts';

/** `provider_specific_fields`, merged key by key: the last value of a key wins. A map, for `__proto__` is a key like any other. */
export class ProviderFieldsFold {
  readonly #budget: ReplyBudget;
  #fields: Map<string, unknown> | null = null;
  #citations: unknown[] | null = null;

  constructor(budget: ReplyBudget) {
    this.#budget = budget;
  }

  add(fields: unknown): void {
    if (!isJsonObject(fields)) return;
    for (const key in fields) this.#set(key, fields[key]);
  }

  /** As `add()`, by the rules of a message: `citation` comes one a chunk and is gathered, `thinking_blocks` is a mirror. */
  addOfMessage(fields: unknown): void {
    if (!isJsonObject(fields)) return;
    for (const key in fields) {
      const value = fields[key];
      if (key === 'citation') {
        if (value !== null && this.#budget.allowsValue(value)) (this.#citations ??= []).push(value);
      } else if (key !== 'thinking_blocks') {
        this.#set(key, value);
      }
    }
  }

  #set(key: string, value: unknown): void {
    const fields = (this.#fields ??= new Map<string, unknown>());
    const isKnown = fields.has(key);
    if (!isKnown && !this.#budget.allowsMember(fields.size)) return;
    if (!this.#budget.allowsValue(value)) return;
    if (isKnown) this.#budget.release(fields.get(key));
    fields.set(key, value);
  }

  /** The merged fields; null when there were none. An explicit `citations` outdoes the gathered ones. */
  build(): JsonObject | null {
    if (this.#fields === null && this.#citations === null) return null;
    const merged = new Map<string, unknown>();
    if (this.#citations !== null) {
      merged.set('citations', this.#citations.every(Array.isArray) ? [...this.#citations] : [[...this.#citations]]);
    }
    for (const [key, value] of this.#fields ?? []) merged.set(key, value);
    return Object.fromEntries(merged);
  }
}
