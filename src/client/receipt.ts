import { count, milliseconds, usd } from '../protocol/figures.ts';
import { appliedGuardrails, maskedPassages } from '../protocol/error/guardrail.ts';
import { snakeCased } from '../protocol/json.ts';
import type { ChatCompletion, Usage } from '../protocol/types.ts';
import { decidingChoice } from '../protocol/verdict.ts';

/**
 * Who served a reply, and what it cost. A figure that nobody told is null, never 0.
 *
 * Source: LiteLLM 1.104.2's response headers and usage.
 */
export interface Receipt {
  modelRequested: string;
  /** The name under which the proxy says it was served; another one than requested after a fallback. */
  modelServed: string | null;
  /** The deployment's hash. */
  modelId: string | null;
  modelGroup: string | null;
  apiBase: string | null;
  /** What the proxy's admin looks a call up by. */
  callId: string | null;
  /** What the proxy groups its calls by, as it was sent; null when nothing was. */
  sessionId: string | null;
  proxyVersion: string | null;
  inputTokens: number | null;
  outputTokens: number | null;
  /** Part of `inputTokens`. */
  cachedInputTokens: number | null;
  /** Part of `outputTokens`. */
  reasoningTokens: number | null;
  costUsd: number | null;
  costSource: 'stream' | 'header' | 'unknown';
  /** USD; a streamed reply's own cost is not in it yet. */
  keySpend: number | null;
  keyMaxBudget: number | null;
  /** The proxy's own, upstream. */
  attemptedRetries: number | null;
  attemptedFallbacks: number | null;
  /** cllm's own. */
  retries: number;
  isCacheHit: boolean | null;
  /** The guardrails of the proxy that ran, whatever they found. */
  guardrails: string[];
  /** How many passages of the reply they masked; null when nothing tells, as of a prompt that they masked. */
  maskedPassages: number | null;
  /** Milliseconds from the first attempt to the end. */
  durationMs: number;
  /** Milliseconds from the first attempt to the first content; null when none came. */
  ttftMs: number | null;
}

export function receiptOf(facts: {
  modelRequested: string;
  headers: Readonly<Record<string, string>>;
  /** The request's `x-litellm-session-id`; without one there is none. */
  sessionId?: string | null;
  completion: ChatCompletion | null;
  /** The model that a fallback notice in the stream named. */
  fallbackModel: string | null;
  retries: number;
  durationMs: number;
  ttftMs: number | null;
}): Receipt {
  const { headers, completion } = facts;
  const usage = completion?.usage ?? null;
  const modelGroup = text(headers['x-litellm-model-group']);
  const attemptedFallbacks = count(headers['x-litellm-attempted-fallbacks']);
  const guardrails = appliedGuardrails(headers);
  const masked = guardrails.length === 0 ? 0 : maskedPassages(contentOf(completion));
  const costInStream = usd(usage?.cost);
  const costInHeader = usd(headers['x-litellm-response-cost']);
  return {
    modelRequested: facts.modelRequested,
    // Streamed, `model` names the group that served. Not streamed it is the provider's own name after a fallback.
    modelServed:
      facts.fallbackModel ??
      (attemptedFallbacks !== null && attemptedFallbacks > 0 ? modelGroup : null) ??
      text(completion?.model) ??
      modelGroup,
    modelId: text(headers['x-litellm-model-id']),
    modelGroup,
    apiBase: text(headers['x-litellm-model-api-base']),
    callId: text(headers['x-litellm-call-id']),
    sessionId: facts.sessionId ?? null,
    proxyVersion: text(headers['x-litellm-version']),
    inputTokens: count(usage?.prompt_tokens),
    outputTokens: count(usage?.completion_tokens),
    cachedInputTokens: detail(usage, 'prompt_tokens_details', 'cached_tokens') ?? count(usage?.cache_read_input_tokens),
    reasoningTokens: detail(usage, 'completion_tokens_details', 'reasoning_tokens'),
    // The other cost headers of a stream (`-cost-original`, …) say 0.0 whatever it costs.
    costUsd: costInStream ?? costInHeader,
    costSource: costInStream !== null ? 'stream' : costInHeader !== null ? 'header' : 'unknown',
    keySpend: usd(headers['x-litellm-key-spend']),
    keyMaxBudget: usd(headers['x-litellm-key-max-budget']),
    attemptedRetries: count(headers['x-litellm-attempted-retries']),
    attemptedFallbacks,
    retries: facts.retries,
    isCacheHit: cacheHit(headers),
    guardrails,
    maskedPassages: masked > 0 ? masked : null,
    durationMs: facts.durationMs,
    ttftMs: facts.ttftMs,
  };
}

/** The JSON form: the same names in snake_case. */
export function receiptToJson(receipt: Receipt): Record<string, unknown> {
  return snakeCased(receipt);
}

/** Reads `receiptToJson`'s form; a member that is missing, or no longer what it should be, is unknown. */
export function receiptFromJson(json: Readonly<Record<string, unknown>>): Receipt {
  const costSource = json['cost_source'];
  const isCacheHit = json['is_cache_hit'];
  return {
    modelRequested: text(json['model_requested']) ?? '',
    modelServed: text(json['model_served']),
    modelId: text(json['model_id']),
    modelGroup: text(json['model_group']),
    apiBase: text(json['api_base']),
    callId: text(json['call_id']),
    sessionId: text(json['session_id']),
    proxyVersion: text(json['proxy_version']),
    inputTokens: count(json['input_tokens']),
    outputTokens: count(json['output_tokens']),
    cachedInputTokens: count(json['cached_input_tokens']),
    reasoningTokens: count(json['reasoning_tokens']),
    costUsd: usd(json['cost_usd']),
    costSource: costSource === 'stream' || costSource === 'header' ? costSource : 'unknown',
    keySpend: usd(json['key_spend']),
    keyMaxBudget: usd(json['key_max_budget']),
    attemptedRetries: count(json['attempted_retries']),
    attemptedFallbacks: count(json['attempted_fallbacks']),
    retries: count(json['retries']) ?? 0,
    isCacheHit: typeof isCacheHit === 'boolean' ? isCacheHit : null,
    guardrails: Array.isArray(json['guardrails']) ? json['guardrails'].filter((name) => typeof name === 'string') : [],
    maskedPassages: count(json['masked_passages']),
    durationMs: milliseconds(json['duration_ms']) ?? 0,
    ttftMs: milliseconds(json['ttft_ms']),
  };
}

function contentOf(completion: ChatCompletion | null): string {
  const content: unknown = decidingChoice(completion)?.message?.content;
  return typeof content === 'string' ? content : '';
}

function cacheHit(headers: Readonly<Record<string, string>>): boolean | null {
  const said = headers['x-litellm-cache-hit']?.toLowerCase();
  if (said === 'true' || said === 'false') return said === 'true';
  // Sent only with a reply that came from the proxy's cache.
  return headers['x-litellm-cache-key'] === undefined ? null : true;
}

function detail(
  usage: Usage | null,
  group: 'prompt_tokens_details' | 'completion_tokens_details',
  name: string,
): number | null {
  const details = usage?.[group];
  return typeof details === 'object' && details !== null ? count(details[name]) : null;
}

function text(value: unknown): string | null {
  return typeof value === 'string' && value !== '' && value !== 'None' ? value : null;
}
