import { count, milliseconds, usd } from '../protocol/figures.ts';
import { isJsonObject, type JsonObject, objectOf, textOrNull } from '../protocol/json.ts';
import type { SpendFigures } from './spend-table.ts';

/** A call as the proxy's log has it; null is what nobody told. */
export interface LoggedCall {
  /** What `x-litellm-call-id` said; a reply's own id where the log has no other. */
  callId: string | null;
  requestId: string | null;
  sessionId: string | null;
  /** The name that was asked for, as the proxy knows it. */
  model: string | null;
  /** The provider's own. */
  providerModel: string | null;
  provider: string | null;
  status: string | null;
  /** ISO 8601. */
  startedAt: string | null;
  durationMs: number | null;
  /** USD. */
  spend: number | null;
  inputTokens: number | null;
  outputTokens: number | null;
  key: string | null;
  team: string | null;
  user: string | null;
  endUser: string | null;
  tags: string[];
  isCacheHit: boolean;
  retries: number | null;
  fallbacks: number | null;
  guardrails: string[];
  /** USD, the parts that the price is made of. */
  parts: { name: string; usd: number }[];
  error: string | null;
  metadata: JsonObject;
}

export interface LogPage {
  calls: LoggedCall[];
  pages: number;
}

/**
 * Source: LiteLLM 1.104.2, `/spend/logs/v2`: `data` with a row a call, `total_pages`.
 *
 * @returns null for an answer that is none
 */
export function readLogPage(answer: unknown): LogPage | null {
  if (!isJsonObject(answer) || !Array.isArray(answer['data'])) return null;
  return { calls: answer['data'].filter(isJsonObject).map(readCall), pages: count(answer['total_pages']) ?? 1 };
}

export function figuresOfCall(call: LoggedCall): SpendFigures {
  return {
    spend: call.spend,
    requests: 1,
    failed: call.status === 'failure' ? 1 : 0,
    inputTokens: call.inputTokens,
    outputTokens: call.outputTokens,
    unpriced: call.spend === null ? 1 : 0,
  };
}

function readCall(row: JsonObject): LoggedCall {
  const metadata = objectOf(row['metadata']);
  const said = objectOf(metadata['error_information']);
  const error = [said['error_class'], said['error_code'], said['error_message']]
    .map(text)
    .filter((part) => part !== null);
  return {
    callId: text(row['litellm_call_id']) ?? text(metadata['litellm_call_id']) ?? text(row['request_id']),
    requestId: text(row['request_id']),
    sessionId: text(row['session_id']),
    model: text(row['model_group']) ?? text(row['model']),
    providerModel: text(row['model']),
    provider: text(row['custom_llm_provider']),
    status: text(row['status']),
    startedAt: text(row['startTime']),
    durationMs: milliseconds(row['request_duration_ms']),
    spend: usd(row['spend']),
    inputTokens: count(row['prompt_tokens']),
    outputTokens: count(row['completion_tokens']),
    key: text(metadata['user_api_key_alias']),
    team: text(metadata['user_api_key_team_alias']) ?? text(row['team_id']),
    user: text(row['user']),
    endUser: text(row['end_user']),
    tags: textsOf(row['request_tags']),
    isCacheHit: text(row['cache_hit'])?.toLowerCase() === 'true',
    retries: count(metadata['attempted_retries']),
    fallbacks: count(metadata['attempted_fallbacks']),
    guardrails: textsOf(metadata['applied_guardrails']),
    parts: partsOf(objectOf(metadata['cost_breakdown'])),
    error: error.length === 0 ? null : error.join(' '),
    metadata: objectOf(metadata['spend_logs_metadata']),
  };
}

const partNames: Readonly<Record<string, string>> = {
  input_cost: 'input',
  output_cost: 'output',
  tool_usage_cost: 'tools',
  discount_amount: 'discount',
  margin_total_amount: 'margin',
};

function partsOf(breakdown: JsonObject): LoggedCall['parts'] {
  return Object.entries(partNames).flatMap(([member, name]) => {
    const cost = usd(breakdown[member]);
    return cost === null || cost === 0 ? [] : { name, usd: cost };
  });
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === 'string') : [];
}

function text(value: unknown): string | null {
  const found = typeof value === 'number' ? String(value) : textOrNull(value);
  return found === '' || found === 'None' ? null : found;
}
