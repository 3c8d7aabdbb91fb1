import type { Deadline } from '../errors.ts';
import type { Verdict } from '../outcome.ts';
import type { ErrorFrame } from './error-frame.ts';
import { isJsonObject } from './json.ts';
import type { ChatCompletion, CompletionChoice } from './types.ts';

/** How the source of a stream ended. Plain JSON: a recording keeps it. */
export type StreamEnd =
  /** `[DONE]`. */
  | { type: 'done' }
  /** A clean end of the body without `[DONE]`. */
  | { type: 'end' }
  /** An error frame, or a data line that is no JSON. */
  | { type: 'error'; error: ErrorFrame }
  /** A clean end of the body in the middle of a data line. */
  | { type: 'torn' }
  /** The connection was lost: a reset, a FIN inside a chunked body, fewer bytes than were announced. */
  | { type: 'lost'; message: string }
  /** The reply passed `maxReplyBytes`, or one event `maxEventBytes`. */
  | { type: 'limit'; limit: 'reply' | 'event'; bytes: number }
  /** One of cllm's own deadlines fired, after so many seconds. */
  | { type: 'deadline'; deadline: Deadline; seconds: number }
  /** A signal; null: the program itself stopped (`abort()`, `break`, a closed pipe). */
  | { type: 'signal'; signal: 'SIGHUP' | 'SIGINT' | 'SIGTERM' | null };

/**
 * What a finish_reason means, in the vocabularies of OpenAI, Anthropic, Cohere, Gemini, Bedrock and Zhipu. LiteLLM maps
 * most of them before its wire; other proxies pass them on. A word that is not here is no success, whatever LiteLLM
 * makes of it: it turns `error`, `network_error` and `MALFORMED_FUNCTION_CALL` into `stop`.
 */
const meanings: Record<'complete' | 'length' | 'content_filter', readonly string[]> = {
  complete: ['stop', 'end_turn', 'eos', 'stop_sequence', 'tool_calls', 'function_call', 'tool_use'],
  length: ['length', 'max_tokens', 'MAX_TOKENS', 'compaction'],
  content_filter: [
    'content_filter',
    'content_filtered',
    'refusal',
    'sensitive',
    'guardrail_intervened',
    'SAFETY',
    'RECITATION',
    'LANGUAGE',
    'OTHER',
    'BLOCKLIST',
    'PROHIBITED_CONTENT',
    'SPII',
    'IMAGE_SAFETY',
    'IMAGE_PROHIBITED_CONTENT',
    'IMAGE_RECITATION',
    'IMAGE_OTHER',
    'NO_IMAGE',
    'ESCALATION',
    'ERROR_TOXIC',
  ],
};

/**
 * How a stream ended, decided once, from what the fold saw and how the source ended.
 *
 * Several ends at once: signal, deadline, error, cut. Choice 0 decides, because with n > 1 LiteLLM finishes no other.
 * After its finish_reason a lost connection, a torn line or a missing `[DONE]` changes nothing; an error frame does.
 */
export function verdict(fold: ChatCompletion | null, end: StreamEnd): Verdict {
  switch (end.type) {
    case 'signal':
      return 'interrupted';
    case 'deadline':
      return 'timed_out';
    case 'error':
      // A rule of the proxy ended a reply that had begun; before that it is an error like any other.
      return end.error.guardrail !== undefined && fold !== null && hasBegun(fold) ? 'content_filter' : 'error';
    case 'limit':
      return end.limit === 'event' ? 'error' : 'cut';
    case 'done':
    case 'end':
    case 'torn':
    case 'lost':
      return verdictOfFold(fold);
  }
}

/** The choice that decides a verdict, which the builder gives first; undefined when the stream had none of it. */
export function decidingChoice(fold: ChatCompletion | null): CompletionChoice | undefined {
  // A proxy's own `chat.completion` is judged as received: its index may be missing.
  return fold?.choices.find((choice) => (choice.index ?? 0) === 0);
}

function verdictOfFold(fold: ChatCompletion | null): Verdict {
  const choice = decidingChoice(fold);
  const finishReason = choice?.finish_reason ?? '';
  if (choice === undefined || finishReason === '') return 'cut';
  if (meanings.complete.includes(finishReason)) return hasReply(choice) ? 'complete' : 'empty';
  if (meanings.length.includes(finishReason)) return 'length';
  return meanings.content_filter.includes(finishReason) ? 'content_filter' : 'error';
}

function hasBegun(fold: ChatCompletion): boolean {
  const choice = decidingChoice(fold);
  return choice !== undefined && (hasReply(choice) || isText(choice.message.reasoning_content));
}

/** Text, a refusal, a call, audio or an image. Reasoning alone is no reply. */
function hasReply({ message }: CompletionChoice): boolean {
  const { content, refusal, tool_calls: toolCalls, images, audio, function_call: functionCall } = message;
  // Where LiteLLM leaves the refusal of a reply that was not streamed.
  const hidden = message.provider_specific_fields?.['refusal'];
  return (
    isText(content) ||
    isText(refusal) ||
    isText(hidden) ||
    isList(toolCalls) ||
    isList(images) ||
    isJsonObject(functionCall) ||
    isJsonObject(audio)
  );
}

function isText(value: unknown): boolean {
  // A proxy's own `chat.completion` may hold content parts.
  return Array.isArray(value) ? value.length > 0 : typeof value === 'string' && value !== '';
}

function isList(value: unknown): boolean {
  return Array.isArray(value) && value.length > 0;
}
