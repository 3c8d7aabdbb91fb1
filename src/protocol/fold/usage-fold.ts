import { count, usd } from '../figures.ts';
import { isJsonObject, type JsonObject } from '../json.ts';
import { LastMembers } from './last-members.ts';
import type { ReplyBudget } from './reply-budget.ts';
import type { Usage } from '../types.ts';

/** Anthropic reports these at the start of a stream; the last `prompt_tokens_details` may lack them. */
const stickyPromptDetails = ['cache_creation_token_details', 'web_search_requests', 'google_maps_grounding_requests'];

/** Keys whose last value must be a string to count. */
const textKeys = new Set(['speed', 'inference_geo']);

/**
 * The usage objects of a stream, folded: some servers send one, some send one a chunk, zeros included. A figure that nobody
 * told is null, never 0. Counts also come as texts, and under the names of OpenAI's Responses (`input_tokens`).
 */
export class UsageFold {
  readonly #budget: ReplyBudget;
  #promptTokens: number | null = null;
  #completionTokens: number | null = null;
  #totalTokens: number | null = null;
  #cacheCreation: number | null = null;
  #cacheRead: number | null = null;
  #completionDetails: JsonObject | null = null;
  #promptDetails: JsonObject | null = null;
  readonly #keptPromptDetails = new Map<string, unknown>();
  #cost: number | null = null;
  readonly #others: LastMembers;

  constructor(budget: ReplyBudget) {
    this.#budget = budget;
    this.#others = new LastMembers(budget);
  }

  add(usage: JsonObject): void {
    const promptTokens = count(usage['prompt_tokens']) ?? count(usage['input_tokens']);
    const completionTokens = count(usage['completion_tokens']) ?? count(usage['output_tokens']);
    const cacheCreation = count(usage['cache_creation_input_tokens']);
    const cacheRead = count(usage['cache_read_input_tokens']);
    this.#promptTokens = counted(this.#promptTokens, promptTokens);
    this.#completionTokens = counted(this.#completionTokens, completionTokens);
    this.#totalTokens = counted(this.#totalTokens, count(usage['total_tokens']));
    const reportsPrompt = (promptTokens ?? 0) > 0 || (cacheCreation ?? 0) > 0 || (cacheRead ?? 0) > 0;
    if (cacheCreation !== null && (reportsPrompt || this.#cacheCreation === null)) this.#cacheCreation = cacheCreation;
    if (cacheRead !== null && (reportsPrompt || this.#cacheRead === null)) this.#cacheRead = cacheRead;
    this.#addDetails(usage);
    for (const key in usage) {
      if (!isCounted(key)) this.#addOther(key, usage[key]);
    }
  }

  /** Null when nothing was told: an empty object is no usage. */
  build(): Usage | null {
    const [prompt, completion] = [this.#promptTokens, this.#completionTokens];
    const others = this.#others.build();
    const usage: Usage = {
      prompt_tokens: prompt,
      completion_tokens: completion,
      // Of the two, when both are known: some servers' sum is wrong.
      total_tokens: prompt !== null && completion !== null ? prompt + completion : this.#totalTokens,
      ...(this.#completionDetails === null ? {} : { completion_tokens_details: { ...this.#completionDetails } }),
      ...(this.#promptDetails === null ? {} : { prompt_tokens_details: this.#buildPromptDetails(this.#promptDetails) }),
      ...(this.#cacheCreation === null ? {} : { cache_creation_input_tokens: this.#cacheCreation }),
      ...(this.#cacheRead === null ? {} : { cache_read_input_tokens: this.#cacheRead }),
      ...(this.#cost === null ? {} : { cost: this.#cost }),
      ...others,
    };
    return Object.values(usage).some((figure) => figure !== null) ? usage : null;
  }

  #addDetails(usage: JsonObject): void {
    const { completion_tokens_details: completionDetails, prompt_tokens_details: promptDetails } = usage;
    if (isJsonObject(completionDetails) && this.#budget.allowsValue(completionDetails)) {
      if (this.#completionDetails !== null) this.#budget.release(this.#completionDetails);
      this.#completionDetails = completionDetails;
    }
    if (isJsonObject(promptDetails) && this.#budget.allowsValue(promptDetails)) {
      if (this.#promptDetails !== null) this.#budget.release(this.#promptDetails);
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
    if (key !== 'cost') {
      this.#others.set(key, value);
      return;
    }
    this.#cost = costOf(value) ?? this.#cost;
    // What it is made of, under the name that others have for that.
    if (isJsonObject(value)) this.#others.set('cost_details', value);
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

/** A 0 says that the server has not counted yet, never that what it counted is gone. */
function counted(before: number | null, now: number | null): number | null {
  return now === null || (now === 0 && before !== null) ? before : now;
}

/** A cost: a number; or an object that has the sum (Perplexity's, which LiteLLM flattens on its own route only). */
function costOf(value: unknown): number | null {
  return usd(isJsonObject(value) ? (value['total_cost'] ?? value['total']) : value);
}
