import { isJsonObject, type JsonObject } from './json.ts';

/** `provider_specific_fields`, merged key by key: the last value of a key wins. A map, for `__proto__` is a key like any other. */
export class ProviderFieldsFold {
  #fields: Map<string, unknown> | null = null;
  #citations: unknown[] | null = null;

  add(fields: unknown): void {
    if (!isJsonObject(fields)) return;
    for (const key in fields) {
      this.#fields ??= new Map();
      this.#fields.set(key, fields[key]);
    }
  }

  /** As `add()`, by the rules of a message: `citation` comes one a chunk and is gathered, `thinking_blocks` is a mirror. */
  addOfMessage(fields: unknown): void {
    if (!isJsonObject(fields)) return;
    for (const key in fields) {
      const value = fields[key];
      if (key === 'citation') {
        if (value !== null) (this.#citations ??= []).push(value);
      } else if (key !== 'thinking_blocks') {
        this.#fields ??= new Map();
        this.#fields.set(key, value);
      }
    }
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
