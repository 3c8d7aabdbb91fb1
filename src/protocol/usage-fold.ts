import { isJsonObject, type JsonObject } from './json.ts';
import type { Usage } from './types.ts';

/** Anthropic reports these at the start of a stream; the last `prompt_tokens_details` may lack them. */
const stickyPromptDetails = ['cache_creation_token_details', 'web_search_requests', 'google_maps_grounding_requests'];

/** Keys whose last value must be a string to count. */
const textKeys = new Set(['speed', 'inference_geo']);

/** The usage objects of a stream, folded: some servers send one, some send one a chunk, zeros included. */
export class UsageFold {
  #promptTokens = 0;
  #completionTokens = 0;
  #cacheCreation: number | null = null;
  #cacheRead: number | null = null;
  #completionDetails: JsonObject | null = null;
  #promptDetails: JsonObject | null = null;
  readonly #keptPromptDetails = new Map<string, unknown>();
  readonly #others = new Map<string, unknown>();

  add(usage: JsonObject): void {
    const promptTokens = count(usage['prompt_tokens']) ?? 0;
    const completionTokens = count(usage['completion_tokens']) ?? 0;
    const cacheCreation = count(usage['cache_creation_input_tokens']);
    const cacheRead = count(usage['cache_read_input_tokens']);
    // A 0 says that the server has not counted yet, never that what it counted is gone.
    if (promptTokens > 0) this.#promptTokens = promptTokens;
    if (completionTokens > 0) this.#completionTokens = completionTokens;
    const reportsPrompt = promptTokens > 0 || (cacheCreation ?? 0) > 0 || (cacheRead ?? 0) > 0;
    if (cacheCreation !== null && (reportsPrompt || this.#cacheCreation === null)) this.#cacheCreation = cacheCreation;
    if (cacheRead !== null && (reportsPrompt || this.#cacheRead === null)) this.#cacheRead = cacheRead;
    this.#addDetails(usage);
    for (const key in usage) {
      if (!isCounted(key)) this.#addOther(key, usage[key]);
    }
  }

  build(): Usage {
    return {
      prompt_tokens: this.#promptTokens,
      completion_tokens: this.#completionTokens,
      total_tokens: this.#promptTokens + this.#completionTokens,
      ...(this.#completionDetails === null ? {} : { completion_tokens_details: { ...this.#completionDetails } }),
      ...(this.#promptDetails === null ? {} : { prompt_tokens_details: this.#buildPromptDetails(this.#promptDetails) }),
      ...(this.#cacheCreation === null ? {} : { cache_creation_input_tokens: this.#cacheCreation }),
      ...(this.#cacheRead === null ? {} : { cache_read_input_tokens: this.#cacheRead }),
      ...Object.fromEntries(this.#others),
    };
  }

  #addDetails(usage: JsonObject): void {
    const { completion_tokens_details: completionDetails, prompt_tokens_details: promptDetails } = usage;
    if (isJsonObject(completionDetails)) this.#completionDetails = completionDetails;
    if (isJsonObject(promptDetails)) {
      this.#promptDetails = promptDetails;
      for (const key of stickyPromptDetails) {
        const value = promptDetails[key];
        if (value !== undefined && value !== null) this.#keptPromptDetails.set(key, value);
      }
    }
  }

  #addOther(key: string, value: unknown): void {
    if (value === null || value === undefined) return;
    if (textKeys.has(key) && typeof value !== 'string') return;
    if (key === 'cost' && count(value) === null) return;
    this.#others.set(key, value);
  }

  #buildPromptDetails(last: JsonObject): JsonObject {
    return { ...last, ...Object.fromEntries(this.#keptPromptDetails) };
  }
}

function isCounted(key: string): boolean {
  switch (key) {
    case 'prompt_tokens':
    case 'completion_tokens':
    case 'total_tokens':
    case 'completion_tokens_details':
    case 'prompt_tokens_details':
    case 'cache_creation_input_tokens':
    case 'cache_read_input_tokens':
      return true;
    default:
      return false;
  }
}

function count(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}
