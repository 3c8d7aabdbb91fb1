import type { CllmError } from '../outcome/errors.ts';
import { nextStep } from '../outcome/error-table.ts';
import { exitCodeOf, type ExitCode, type Verdict } from '../outcome/exits.ts';
import { parseJson } from '../protocol/json.ts';
import { redactSecrets } from '../protocol/redact-secrets.ts';
import type { ChatCompletion } from '../protocol/types.ts';
import { decidingChoice } from '../protocol/verdict.ts';
import type { Step } from './turn.ts';

/** The version of the events and of the result object: raised when a field changes its meaning or goes. */
export const schemaVersion = 1;

/** `{"type":"error",…}`: the event before a failed `result`, and its `error` member. */
export interface ErrorObject {
  type: 'error';
  /** ISO 8601, UTC. */
  timestamp: string;
  code: string;
  message: string;
  /** What to do next. */
  hint: string;
}

/** The figures that a result takes from a receipt; null is unknown, never 0. */
export interface ResultFigures {
  inputTokens: number | null;
  outputTokens: number | null;
  cachedInputTokens: number | null;
  reasoningTokens: number | null;
  costUsd: number | null;
  costSource: 'stream' | 'header' | 'unknown';
  durationMs: number;
  ttftMs: number | null;
  callId: string | null;
  sessionId: string | null;
  modelServed: string | null;
  guardrails: readonly string[];
  maskedPassages: number | null;
}

/** A guardrail of the proxy: it refused, it masked a passage of the reply, or it ran and nobody knows more. */
export interface GuardrailObject {
  name: string | null;
  mode: string | null;
  action: 'blocked' | 'masked' | 'ran';
}

/** The template that a prompt was made from, and the digest of its bytes: `sha256:…`. */
export interface TemplateObject {
  name: string;
  digest: string;
}

export interface ResultParts {
  timestamp: string;
  error: CllmError | null;
  verdict?: Verdict | null;
  completion?: ChatCompletion | null;
  /** What was taken out of the reply, where a form was wanted of it. */
  taken?: { text: string; json?: unknown } | null;
  /** With tools: the requests that it took. */
  steps?: readonly Step[] | null;
  figures?: ResultFigures | null;
  conversationId?: string | null;
  template?: TemplateObject | null;
  /** Milliseconds since the command began; used where no receipt has its own. */
  durationMs?: number | null;
}

/** The one object that says how a run ended: `--output-format json` and the last line of `stream-json`. */
export interface ResultObject {
  type: 'result';
  timestamp: string;
  schema_version: number;
  status: 'success' | 'error';
  is_error: boolean;
  verdict: Verdict | null;
  exit_code: ExitCode;
  /** What text output prints: the text of choice 0, or what was taken out of it (`--output-schema`, `--extract`). Empty when none came. */
  result: string;
  /** The value of the reply's JSON, where a schema was asked for and it matches; else null. */
  result_json: unknown;
  finish_reason: string | null;
  usage: {
    input_tokens: number | null;
    output_tokens: number | null;
    cached_input_tokens: number | null;
    reasoning_tokens: number | null;
  } | null;
  total_cost_usd: number | null;
  cost_source: 'stream' | 'header' | 'unknown';
  duration_ms: number | null;
  ttft_ms: number | null;
  conversation_id: string | null;
  call_id: string | null;
  /** What the proxy groups its calls by: the conversation, the run of a batch or a comparison, or the CI job. */
  session_id: string | null;
  model_served: string | null;
  /** Null when no guardrail is known to have run. */
  guardrails: GuardrailObject[] | null;
  /** Null for a prompt of its own. */
  template: TemplateObject | null;
  /** With `--mcp`, `--allow` or `--tool-result`: the requests to the model, in their order; else null. */
  steps: StepObject[] | null;
  error: ErrorObject | null;
  completion: ChatCompletion | null;
}

/** One request to the model, and what became of the calls of its reply. */
export interface StepObject {
  verdict: Verdict | null;
  finish_reason: string | null;
  usage: ResultObject['usage'];
  total_cost_usd: number | null;
  duration_ms: number | null;
  call_id: string | null;
  model_served: string | null;
  tool_calls: {
    tool_name: string;
    tool_id: string;
    /** As in `tool_use`: a string where it is no JSON. */
    parameters: unknown;
    /** `needed`: no rule allows it and nobody could be asked; `caller`: whoever wrote `--tools` answers it. */
    decision: 'allowed' | 'refused' | 'needed' | 'caller' | 'failed';
    by: 'rule' | 'person' | 'conversation' | 'caller' | null;
    rule: string | null;
    is_error: boolean | null;
    duration_ms: number | null;
  }[];
}

function errorObject(error: CllmError, timestamp: string): ErrorObject {
  return {
    type: 'error',
    timestamp,
    code: error.code,
    message: redactSecrets(error.message),
    hint: redactSecrets(nextStep(error)),
  };
}

/** `is_error` is true exactly when the exit code is not 0, for both come from the same error. */
export function resultObject(parts: ResultParts): ResultObject {
  const { timestamp, error, completion = null, figures = null } = parts;
  const exitCode = exitCodeOf(error);
  const isError = exitCode !== 0;
  const choice = decidingChoice(completion);
  return {
    type: 'result',
    timestamp,
    schema_version: schemaVersion,
    status: isError ? 'error' : 'success',
    is_error: isError,
    verdict: parts.verdict ?? null,
    exit_code: exitCode,
    result: parts.taken?.text ?? saidIn(parts.steps ?? [], completion),
    result_json: parts.taken?.json ?? null,
    finish_reason: choice?.finish_reason ?? null,
    usage: figures && usageOf(figures),
    total_cost_usd: figures?.costUsd ?? null,
    cost_source: figures?.costSource ?? 'unknown',
    duration_ms: rounded(figures?.durationMs ?? parts.durationMs),
    ttft_ms: rounded(figures?.ttftMs),
    conversation_id: parts.conversationId ?? null,
    call_id: figures?.callId ?? null,
    session_id: figures?.sessionId ?? null,
    model_served: figures?.modelServed ?? null,
    guardrails: guardrailsOf(error, figures),
    template: parts.template ?? null,
    steps: parts.steps?.map(stepObject) ?? null,
    error: error && isError ? errorObject(error, timestamp) : null,
    completion,
  };
}

/** The text of choice 0: what is printed, written with -o, and checked against a schema. */
export function textOf(completion: ChatCompletion | null): string {
  return decidingChoice(completion)?.message.content ?? '';
}

/** The text of all steps, each in lines of its own: what is printed. */
function saidIn(all: readonly Step[], completion: ChatCompletion | null): string {
  const steps = all.filter(({ isRejected }) => isRejected !== true);
  const texts = steps.map((step) => textOf(step.completion)).filter((text) => text !== '');
  if (steps.length < 2) return textOf(completion);
  return texts.map((text, at) => (at < texts.length - 1 && !text.endsWith('\n') ? `${text}\n` : text)).join('');
}

function stepObject({ completion, verdict, receipt, calls }: Step): StepObject {
  return {
    verdict,
    finish_reason: decidingChoice(completion)?.finish_reason ?? null,
    usage: receipt && usageOf(receipt),
    total_cost_usd: receipt?.costUsd ?? null,
    duration_ms: rounded(receipt?.durationMs),
    call_id: receipt?.callId ?? null,
    model_served: receipt?.modelServed ?? null,
    tool_calls: calls.map(({ name, id, input, decision, by, rule, result }) => ({
      tool_name: name,
      tool_id: id,
      parameters: parsedOr(input),
      decision,
      by,
      rule,
      is_error: result?.isError ?? null,
      duration_ms: rounded(result?.durationMs),
    })),
  };
}

/** The arguments of a call; as they came where they are no JSON. */
export function parsedOr(input: string): unknown {
  try {
    return parseJson(input);
  } catch {
    return input;
  }
}

function guardrailsOf(error: CllmError | null, figures: ResultFigures | null): GuardrailObject[] | null {
  const block = error?.guardrail ?? null;
  const names = figures?.guardrails ?? [];
  // With several nobody knows which of them it was.
  const isMasked = figures !== null && figures.maskedPassages !== null && names.length === 1;
  const all: GuardrailObject[] = names
    .filter((name) => name !== block?.name)
    .map((name) => ({ name, mode: null, action: isMasked ? 'masked' : 'ran' }));
  if (block !== null) all.unshift({ ...block, action: 'blocked' });
  return all.length === 0 ? null : all;
}

function usageOf(
  figures: Pick<ResultFigures, 'inputTokens' | 'outputTokens' | 'cachedInputTokens' | 'reasoningTokens'>,
): ResultObject['usage'] {
  if (figures.inputTokens === null && figures.outputTokens === null) return null;
  return {
    input_tokens: figures.inputTokens,
    output_tokens: figures.outputTokens,
    cached_input_tokens: figures.cachedInputTokens,
    reasoning_tokens: figures.reasoningTokens,
  };
}

function rounded(milliseconds: number | null | undefined): number | null {
  return milliseconds === null || milliseconds === undefined ? null : Math.round(milliseconds);
}
