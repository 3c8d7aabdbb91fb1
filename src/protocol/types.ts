/**
 * The wire's own types: what an OpenAI-compatible proxy takes and sends, snake_case exactly as on the wire. Types only;
 * this file imports nothing, so every layer may name these types (docs/decisions/ has the reason).
 *
 * Everything that arrives comes from a network, so optional and nullable members mean what they say, and unknown keys
 * stay where they were.
 *
 * Source: OpenAI's chat completions reference as LiteLLM 1.104.2 speaks it.
 */

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** A message of a request. Content is text or parts (text, image_url, …). */
export interface ChatMessage {
  role: string;
  content: string | Json[] | null;
  [key: string]: unknown;
}

/** The body of `POST /v1/chat/completions`, but for its messages. */
export interface RequestBody {
  model: string;
  stream?: boolean;
  stream_options?: { include_usage?: boolean };
  [key: string]: unknown;
}

export interface ChatRequest extends RequestBody {
  messages: ChatMessage[];
}

/** A fragment of a tool call in a delta. */
export interface ToolCallDelta {
  index?: number | null;
  id?: string | null;
  type?: string | null;
  function?: { name?: string | null; arguments?: string | null } | null;
  custom?: { name?: string | null; input?: string | null } | null;
  provider_specific_fields?: Record<string, unknown> | null;
}

/** A choice's increment. */
export interface Delta {
  role?: string | null;
  content?: string | null;
  refusal?: string | null;
  reasoning_content?: string | null;
  /** Some servers' name for `reasoning_content`. */
  reasoning?: string | null;
  thinking_blocks?: unknown[] | null;
  tool_calls?: ToolCallDelta[] | null;
  function_call?: { name?: string | null; arguments?: string | null } | null;
  annotations?: unknown[] | null;
  images?: unknown[] | null;
  audio?: Record<string, unknown> | null;
  provider_specific_fields?: Record<string, unknown> | null;
  [key: string]: unknown;
}

export interface ChunkChoice {
  index: number;
  delta: Delta;
  finish_reason?: string | null;
  logprobs?: Logprobs | null;
  [key: string]: unknown;
}

/** A parsed `chat.completion.chunk`. `choices` may be empty. */
export interface ChatCompletionChunk {
  id: string;
  object: string;
  created: number;
  model: string;
  choices: ChunkChoice[];
  usage?: Usage | null;
  system_fingerprint?: string | null;
  service_tier?: string | null;
  [key: string]: unknown;
}

export interface Logprobs {
  content?: unknown[] | null;
  refusal?: unknown[] | null;
  [key: string]: unknown;
}

/** Token counts, in tokens; null when nobody told. `cost` is in USD and absent or null when nobody knows it. */
export interface Usage {
  prompt_tokens: number | null;
  completion_tokens: number | null;
  total_tokens: number | null;
  completion_tokens_details?: Record<string, unknown> | null;
  prompt_tokens_details?: Record<string, unknown> | null;
  cache_creation_input_tokens?: number | null;
  cache_read_input_tokens?: number | null;
  cost?: number | null;
  [key: string]: unknown;
}

export interface FunctionToolCall {
  /** Null when the stream never named one. */
  id: string | null;
  type: string;
  function: { name: string | null; arguments: string };
  provider_specific_fields?: Record<string, unknown> | null;
}

export interface CustomToolCall {
  id: string | null;
  type: 'custom';
  custom: { name: string | null; input: string };
  provider_specific_fields?: Record<string, unknown> | null;
}

export type ToolCall = FunctionToolCall | CustomToolCall;

/** The message of a finished choice. A member that is null is as good as missing: servers that do not stream name them all. */
export interface CompletionMessage {
  role: string;
  content: string | null;
  refusal?: string | null;
  reasoning_content?: string | null;
  thinking_blocks?: Record<string, unknown>[] | null;
  tool_calls?: ToolCall[] | null;
  function_call?: { name: string | null; arguments: string } | null;
  annotations?: unknown[] | null;
  images?: unknown[] | null;
  audio?: Record<string, unknown> | null;
  provider_specific_fields?: Record<string, unknown> | null;
  [key: string]: unknown;
}

export interface CompletionChoice {
  index: number;
  message: CompletionMessage;
  /** As received; null when the stream ended without one. */
  finish_reason: string | null;
  logprobs?: Logprobs | null;
  [key: string]: unknown;
}

/** One merged reply, as the wire would have sent it with `stream: false`. */
export interface ChatCompletion {
  id: string;
  object: 'chat.completion';
  /** Unix seconds. */
  created: number;
  model: string;
  choices: CompletionChoice[];
  /** Null when the stream reported none: cllm never counts tokens itself. */
  usage: Usage | null;
  system_fingerprint?: string | null;
  service_tier?: string | null;
  [key: string]: unknown;
}
