import type { LiteLLMClient, RequestInput, RequestPreview } from '../../client/client.ts';
import { isFileData } from '../../client/masking.ts';
import type { Settings } from '../../config/settings.ts';
import { requestOf } from '../../conversation/conversation-context.ts';
import { contextFor } from '../../conversation/turn-keeper.ts';
import type { Conversation } from '../../conversation/conversation.ts';
import { schemaVersion } from '../../conversation/result-object.ts';
import type { Store } from '../../conversation/turn.ts';
import { CllmError } from '../../outcome/errors.ts';
import { exitCodeOf } from '../../outcome/exits.ts';
import { isJsonObject } from '../../protocol/json.ts';
import type { ChatMessage, RequestBody } from '../../protocol/types.ts';
import { countInput } from '../../preview/input-count.ts';
import { type ModelFacts, modelFacts } from '../../preview/model-facts.ts';
import { type Figures, figuresOf } from '../../preview/preview.ts';
import { refusalOf, type SizeCheck, type SizeLimit, sizeRefusal } from '../../preview/size-limit.ts';
import type { StrictProblem } from '../../schema/strict.ts';
import { formatUsd } from '../../spending/usd.ts';
import { terminalSafe } from '../../terminal/terminal-safe.ts';
import { modelInfoOf } from './model-info.ts';

/** What `--dry-run --output-format json` prints (docs/events.md). */
export interface DryRunObject extends Figures {
  type: 'dry_run';
  timestamp: string;
  schema_version: number;
  model: string;
  request: RequestPreview;
  /** Of the reply's schema: whether it goes out strict and, where not, the place in it and the reason. */
  output_schema: { strict: boolean; at: string | null; why: string | null } | null;
  is_error: boolean;
  exit_code: number;
  error: { code: string; message: string } | null;
}

export interface DryRun {
  client: LiteLLMClient;
  signal: AbortSignal;
  /** Null without `--max-input-tokens`. */
  limit: SizeLimit | null;
  /** Of the reply's schema; undefined without one. */
  strictProblem: StrictProblem | null | undefined;
  facts: FactsOf;
  sessionId?: string;
}

export type FactsOf = (model: string) => Promise<ModelFacts | null>;

/** What the proxy knows of its models, when it is first wanted; nothing where it does not say. */
export function factsOf(client: Pick<LiteLLMClient, 'modelInfo'>, signal: AbortSignal): FactsOf {
  return async (model) => modelFacts(await modelInfoOf(client, signal).catch(() => []), model);
}

/** `--max-input-tokens`, or the setting; null without either. A flag can not loosen what a project file says. */
export function sizeLimitOf({ maxInputTokens: { value, origin } }: Pick<Settings, 'maxInputTokens'>): SizeLimit | null {
  if (value === null) return null;
  const isProjects = origin.from === 'project file';
  return {
    tokens: value,
    name: origin.from === 'flag' ? origin.name : 'max_input_tokens',
    hint: isProjects
      ? `shorten it, or allow more with max_input_tokens in ${origin.file}: of several limits the lowest counts`
      : 'shorten it, or allow more with --max-input-tokens',
  };
}

/**
 * Makes sure that a request is within the limit, where there is one; the proxy is asked only about one that may not be.
 *
 * @throws UsageError `input_too_large`; CllmError when nobody could count
 */
export async function assertSize(request: RequestInput, limit: SizeLimit | null, check: SizeCheck): Promise<void> {
  const refused = limit === null ? null : await sizeRefusal(request, limit, check);
  if (refused !== null) throw refused;
}

/** Why a request may not be sent: it is too long, or nobody could count it. */
export type RefuseRequest = (request: RequestInput) => Promise<CllmError | null>;

/** The same for many, each by itself: what went wrong is the end of that one. Why a figure is a guess is said once. Null without a limit. */
export function limitOf(
  settings: Pick<Settings, 'maxInputTokens'>,
  { client, signal, remark }: { client: LiteLLMClient; signal: AbortSignal; remark: (text: string) => void },
): RefuseRequest | null {
  const limit = sizeLimitOf(settings);
  if (limit === null) return null;
  let isTold = false;
  const onGuess = (text: string): void => {
    if (!isTold) remark(text);
    isTold = true;
  };
  const check = { client, signal, facts: factsOf(client, signal), onGuess };
  return async (request) => {
    try {
      return await sizeRefusal(request, limit, check);
    } catch (error) {
      if (error instanceof CllmError) return error;
      throw error;
    }
  };
}

/** The request that the next turn of a conversation is. Nothing is written for it. */
export function nextRequest(
  { state }: Conversation,
  { history }: Pick<Store, 'history'>,
  { messages, body }: { messages: readonly ChatMessage[]; body: RequestBody },
): RequestInput {
  const earlier = history === null || state.id === null ? [] : history.turns(state.id);
  return requestOf(contextFor(earlier, state, { messages, body }, history), { messages, body });
}

/** Looks at a request without sending it; the error is what would keep it from being sent. */
export async function dryRun(
  request: RequestInput,
  { client, signal, limit, strictProblem, facts: factsFor, sessionId }: DryRun,
): Promise<{ object: DryRunObject; error: CllmError | null }> {
  const preview = client.preview(request, sessionId === undefined ? {} : { sessionId });
  const facts = await factsFor(request.model);
  const count = await countInput(client, request, { facts, signal });
  const error = limit === null ? null : refusalOf(count, limit);
  return {
    error,
    object: {
      type: 'dry_run',
      timestamp: new Date().toISOString(),
      schema_version: schemaVersion,
      model: request.model,
      request: preview,
      ...figuresOf(request, count, facts),
      output_schema:
        strictProblem === undefined
          ? null
          : {
              strict: strictProblem === null,
              at: strictProblem?.at ?? null,
              why: strictProblem?.why ?? null,
            },
      is_error: error !== null,
      exit_code: error === null ? 0 : exitCodeOf(error),
      error: error && { code: error.code, message: error.message },
    },
  };
}

/** The request for people: its head and its body, files in it by their size. */
export function requestText({ method, url, headers, body }: RequestPreview): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return `${[`${method} ${url}`, ...lines].join('\n')}\n\n${JSON.stringify(body, shortened, 2)}\n`;
}

/** The figures for people, a line each. */
export function figureLines(figures: Figures & Pick<Partial<DryRunObject>, 'output_schema'>): string[] {
  const { input_tokens: tokens, max_input_tokens: most, context_share: share, input_tokens_note: note } = figures;
  // A stranger's words, which must not make lines of their own.
  const because = note === null ? '' : ` (${terminalSafe(note.replaceAll(/\s+/g, ' '))})`;
  const { max_output_tokens: output, output_schema: schema = null } = figures;
  return [
    `tokens   ${tokens === null ? 'unknown' : `${figures.input_tokens_estimated ? '~' : ''}${tokens}`}${because}`,
    `context  ${share === null || most === null ? 'unknown' : `${percent(share)} of ${most}`}`,
    `price    ${priceText(figures)}${figures.cost_usd === null || output === null ? '' : ` (no output, ${output} tokens of it)`}`,
    ...(schema === null ? [] : [`schema   ${strictText(schema)}`]),
  ];
}

export function priceText({
  cost_usd: cost,
  input_tokens_estimated: isGuess,
}: Pick<Figures, 'cost_usd' | 'input_tokens_estimated'>): string {
  if (cost === null) return 'unknown';
  const { low, high } = cost;
  const about = isGuess ? '~' : '';
  return high === null
    ? `${about}${formatUsd(low)} and what the reply costs: its longest is unknown`
    : `${about}${formatUsd(low)} to ${about}${formatUsd(high)}`;
}

export function percent(share: number): string {
  const value = share * 100;
  return value > 0 && value < 1 ? '<1 %' : `${Math.round(value)} %`;
}

function strictText({ strict, at, why }: NonNullable<DryRunObject['output_schema']>): string {
  return strict ? 'strict' : `not strict: at ${at === '' || at === null ? 'the root' : at}, ${why}`;
}

function shortened(name: string, value: unknown): unknown {
  if (typeof value === 'string') {
    if (!isFileData(name, value)) return value;
    const head = value.slice(0, value.indexOf(',') + 1);
    return `${head}… (${value.length - head.length} characters)`;
  }
  if (name !== 'input_audio' || !isJsonObject(value) || typeof value['data'] !== 'string') return value;
  return { ...value, data: `… (${value['data'].length} characters)` };
}
