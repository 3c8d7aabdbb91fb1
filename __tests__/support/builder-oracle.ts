import { execFile } from 'node:child_process';
import { join } from 'node:path';

import { CompletionBuilder } from '../../src/protocol/fold/completion-builder.ts';
import { isJsonObject, type JsonObject } from '../../src/protocol/json.ts';
import type { ChatCompletionChunk } from '../../src/protocol/types.ts';

/** A stream as parsed chunks. Any JSON may stand in them. */
export type Stream = JsonObject[];

export interface OracleAnswer {
  completion?: JsonObject | null;
  /** The class of the exception that Python raised instead. */
  error?: string;
}

/** Asks Python for the fold of every stream, in one process: importing litellm takes seconds. */
export async function askPython(python: string, streams: Stream[]): Promise<OracleAnswer[]> {
  // ASCII alone: Python would not take a lone surrogate that is not escaped.
  const input = JSON.stringify(streams).replace(
    /[\u0080-\uFFFF]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  const output = await new Promise<string>((resolve, reject) => {
    const child = execFile(
      python,
      [join(process.cwd(), '__tests__/support/builder-oracle.py')],
      { maxBuffer: 256 * 1024 * 1024, timeout: 110_000, env: { ...process.env, LITELLM_LOCAL_MODEL_COST_MAP: 'True' } },
      (error, stdout) => {
        if (error === null) resolve(stdout);
        else reject(error);
      },
    );
    child.stdin?.end(input);
  });
  return (JSON.parse(output) as { answers: OracleAnswer[] }).answers;
}

export function fold(stream: Stream): JsonObject | null {
  const builder = new CompletionBuilder();
  for (const chunk of stream) builder.add(chunk as unknown as ChatCompletionChunk);
  return builder.build();
}

/** LiteLLM's `map_finish_reason`: Python maps, we keep what came. A word that it does not know becomes `stop`. */
const mapped: Record<string, string> = {
  length: 'length',
  max_tokens: 'length',
  MAX_TOKENS: 'length',
  tool_calls: 'tool_calls',
  tool_use: 'tool_calls',
  function_call: 'function_call',
  content_filter: 'content_filter',
  SAFETY: 'content_filter',
  refusal: 'content_filter',
};

/**
 * What is left of our fold when every intended difference that hides no other is taken away: what Python loses, maps,
 * counts or makes up. The differences that need a stream of their own (several choices, an index used twice, thinking
 * restated, …) are not touched: a generated stream has none of them.
 */
export function oursWithoutIntended(stream: Stream): JsonObject | null {
  const ours = fold(stream);
  if (ours === null) return null;
  const kept: JsonObject = {};
  for (const key of ['id', 'object', 'created', 'model', 'usage']) kept[key] = ours[key];
  if (isReported(stream[0]?.['system_fingerprint'])) kept['system_fingerprint'] = ours['system_fingerprint'];
  if (typeof ours['service_tier'] === 'string') kept['service_tier'] = ours['service_tier'];
  kept['choices'] = (ours['choices'] as JsonObject[]).map(({ index, message, finish_reason: finishReason }) => {
    const { refusal: _lost, ...rest } = message as JsonObject;
    return { index, message: rest, finish_reason: mapped[finishReason as string] ?? 'stop' };
  });
  if (isJsonObject(ours['usage'])) kept['usage'] = pick(ours['usage'], usageKeys);
  return normalize(kept);
}

/** Python's answer without what it made up for a stream. */
export function pythonWithoutInvented(stream: Stream, { completion, error }: OracleAnswer): JsonObject | null {
  if (error !== undefined) throw new Error(`Python raised ${error}`);
  if (completion === undefined || completion === null) return null;
  const kept: JsonObject = { ...completion };
  const usages = stream.map((chunk) => chunk['usage']).filter(isJsonObject);
  const usage = completion['usage'];
  if (usages.length === 0 || !isJsonObject(usage)) {
    delete kept['usage'];
  } else {
    const { completion_tokens_details: completionDetails, prompt_tokens_details: promptDetails, ...counts } = usage;
    kept['usage'] = {
      ...counts,
      completion_tokens_details: reportedKeys(completionDetails, last(usages, 'completion_tokens_details')),
      prompt_tokens_details: withoutMirrors(promptDetails, usages),
    };
  }
  if (!isReported(stream[0]?.['system_fingerprint'])) delete kept['system_fingerprint'];
  if (!stream.some((chunk) => isReported(chunk['id']))) kept['id'] = '';
  for (const choice of kept['choices'] as JsonObject[]) {
    const message = choice['message'] as JsonObject;
    if (isJsonObject(message['audio'])) message['audio'] = withoutInventedAudio(stream, message['audio']);
    if (isJsonObject(message['provider_specific_fields']))
      delete message['provider_specific_fields']['thinking_blocks'];
    delete choice['provider_specific_fields'];
  }
  return normalize(kept);
}

const usageKeys = [
  'prompt_tokens',
  'completion_tokens',
  'total_tokens',
  'completion_tokens_details',
  'prompt_tokens_details',
  'cache_creation_input_tokens',
  'cache_read_input_tokens',
  'cost',
  'server_tool_use',
  'speed',
  'inference_geo',
];

/** Null is absent, and so are lists and details of nothing; a float keeps twelve digits. `content: null` stays. */
function normalize(completion: JsonObject): JsonObject {
  return prune(completion) as JsonObject;
}

function prune(value: unknown): unknown {
  if (typeof value === 'number') return Number.isInteger(value) ? value : Number(value.toPrecision(12));
  if (Array.isArray(value)) return value.map(prune);
  if (!isJsonObject(value)) return value;
  const entries = Object.entries(value)
    .map(([key, inner]) => [key, prune(inner)] as const)
    .filter(([key, inner]) => key === 'content' || !(inner === null || inner === undefined || isEmpty(key, inner)));
  return Object.fromEntries(entries);
}

function isEmpty(key: string, value: unknown): boolean {
  if (['tool_calls', 'annotations', 'images', 'thinking_blocks'].includes(key))
    return Array.isArray(value) && value.length === 0;
  if (!key.endsWith('_details') && key !== 'provider_specific_fields' && key !== 'server_tool_use') return false;
  return isJsonObject(value) && Object.keys(value).length === 0;
}

function isReported(value: unknown): boolean {
  return typeof value === 'string' && value !== '';
}

function last(usages: JsonObject[], key: string): JsonObject {
  return usages.map((usage) => usage[key]).findLast(isJsonObject) ?? {};
}

function pick(value: JsonObject, keys: string[]): JsonObject {
  return Object.fromEntries(Object.entries(value).filter(([key]) => keys.includes(key)));
}

/** Python fills details that nobody reported. */
function reportedKeys(details: unknown, reported: JsonObject): JsonObject {
  return isJsonObject(details) ? pick(details, Object.keys(reported)) : {};
}

/** Python copies the flat cache counts into the prompt's details. */
function withoutMirrors(details: unknown, usages: JsonObject[]): JsonObject {
  if (!isJsonObject(details)) return {};
  const reported = usages.map((usage) => usage['prompt_tokens_details']).filter(isJsonObject);
  const sticky = ['cache_creation_token_details', 'web_search_requests', 'google_maps_grounding_requests'];
  const kept = reported.flatMap((each) => Object.keys(each).filter((key) => sticky.includes(key)));
  return pick(details, [...Object.keys(reported.at(-1) ?? {}), ...kept]);
}

function withoutInventedAudio(stream: Stream, audio: JsonObject): JsonObject {
  const text = JSON.stringify(stream);
  return {
    ...audio,
    ...(text.includes('"expires_at":') ? {} : { expires_at: null }),
    ...(text.includes(`"id":${JSON.stringify(audio['id'])}`) ? {} : { id: null }),
  };
}
