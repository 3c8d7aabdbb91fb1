import {
  errorBesideChoices,
  notAChunk,
  toErrorFrame,
  isErrorObject,
  isPresent,
  type ErrorFrame,
} from './error/error-frame.ts';
import { errorInText } from './error/error-text.ts';
import { isEnding, isHeartbeatName, isHeartbeatObject, isHeartbeatText, isNamedHeartbeat } from './heartbeat.ts';
import { isHtml } from './error/html-title.ts';
import { isJsonObject, parseJson, textOrNull, type JsonObject } from './json.ts';
import type { SseEvent } from './sse.ts';
import type { ChatCompletionChunk } from './types.ts';

export type { ErrorFrame } from './error/error-frame.ts';

/** LiteLLM's word, in the stream, that another model than the one asked for answers. No part of the reply. */
export interface FallbackNotice {
  fallbackModel: string | null;
  /** Why the models before it did not answer. */
  errors: { message: string; code: string | null }[];
}

/** What one event says. */
export type StreamItem =
  | { type: 'chunk'; chunk: ChatCompletionChunk }
  /** With the chunk that it came in, where that may have words of the reply too. */
  | { type: 'error'; error: ErrorFrame; chunk?: ChatCompletionChunk }
  | { type: 'fallback'; notice: FallbackNotice }
  /** `[DONE]`. */
  | { type: 'done' }
  /** A sign of life: it ends nothing and enters nothing. */
  | { type: 'heartbeat' }
  /** Another server's way to write `[DONE]`, which counts after a finish_reason; what it is before one. */
  | { type: 'ending'; otherwise: StreamItem }
  /** A whole `chat.completion`, although a stream was asked for: as it came, for `readCompletion` to read. */
  | { type: 'completion'; completion: JsonObject };

const done: StreamItem = { type: 'done' };
const heartbeat: StreamItem = { type: 'heartbeat' };

const openBrace = 0x7b;

/**
 * Says what an event is. The one place that decides it; it throws on nothing.
 *
 * A chunk is any JSON object that is nothing else, exactly as parsed, unknown keys included. `[DONE]` is compared after
 * trimming, never by prefix, so that no text can forge it. An error is what `event: error` names, or an object with an
 * `error`, whatever else it holds. A heartbeat (heartbeat.ts) is none of these.
 */
export function readEvent(event: SseEvent): StreamItem {
  const { data } = event;
  if (event.event !== 'message' && isHeartbeatName(event.event)) return heartbeat;
  const isObject = data.charCodeAt(0) === openBrace;
  if (!isObject && data.trim() === '[DONE]') return done;
  const isEmpty = !isObject && event.event !== 'error' && isHeartbeatText(data);
  const item = isEmpty ? heartbeat : readData(event);
  return isEnding(event) ? { type: 'ending', otherwise: item } : item;
}

function readData(event: SseEvent): StreamItem {
  let value: unknown;
  try {
    value = parseJson(event.data);
  } catch {
    return { type: 'error', error: unparsable(event) };
  }
  if (event.event === 'error') return { type: 'error', error: toErrorFrame(value) };
  return readValue(value);
}

/** Says what a parsed event, or a parsed JSON body in place of a stream, is. */
export function readValue(value: unknown): StreamItem {
  if (!isJsonObject(value)) {
    // Gemini's way to refuse: a list that holds the error.
    if (Array.isArray(value) && value.some((item) => isJsonObject(item) && isPresent(item['error']))) {
      return { type: 'error', error: toErrorFrame(value) };
    }
    return { type: 'error', error: notAChunk('the stream sent JSON that is no object') };
  }
  const choices = value['choices'];
  const error = errorBesideChoices(value);
  if (error === null && isCompletion(value)) return { type: 'completion', completion: value };
  if (Array.isArray(choices) && choices.length > 0) {
    if (error !== null) return withChunk(toErrorFrame(error), value);
    return { type: 'chunk', chunk: value as unknown as ChatCompletionChunk };
  }
  if (isFallbackNotice(value)) return { type: 'fallback', notice: fallbackNotice(value) };
  if (error !== null) return { type: 'error', error: toErrorFrame(error) };
  if (isNamedHeartbeat(value)) return heartbeat;
  if (!Array.isArray(choices) && value['object'] !== 'chat.completion.chunk' && isErrorObject(value)) {
    return { type: 'error', error: toErrorFrame(value) };
  }
  if (isHeartbeatObject(value)) return heartbeat;
  return { type: 'chunk', chunk: value as unknown as ChatCompletionChunk };
}

/** Whether an object is LiteLLM's fallback notice, which looks like a chunk without choices. */
export function isFallbackNotice(value: JsonObject): boolean {
  return value['id'] === 'litellm-fallback-metadata' || isJsonObject(value['litellm_fallback']);
}

/**
 * Whether a chunk has content: a delta that changes the message, be it text, reasoning, a refusal, a fragment of a call,
 * audio or an image. A role, a finish_reason, usage and empty strings are none.
 */
export function hasContent(chunk: ChatCompletionChunk): boolean {
  const choices: unknown = isJsonObject(chunk) ? chunk['choices'] : undefined;
  if (!Array.isArray(choices)) return false;
  return choices.some((choice) => isJsonObject(choice) && isJsonObject(choice['delta']) && changes(choice['delta']));
}

function changes(delta: JsonObject): boolean {
  for (const key in delta) {
    if (key !== 'role' && holdsSomething(delta[key])) return true;
  }
  return false;
}

/** Whether anything but positions, types and empty values is in a delta's member. */
function holdsSomething(value: unknown): boolean {
  if (typeof value === 'string') return value !== '';
  if (Array.isArray(value)) return value.some(holdsSomething);
  if (!isJsonObject(value)) return false;
  return Object.entries(value).some(([key, inner]) => key !== 'type' && holdsSomething(inner));
}

/**
 * Whether an object is a whole completion, whatever it calls itself: one of its choices has a message, and none has a
 * delta. Some servers call their chunks `chat.completion`, and send the growing message beside each delta.
 */
function isCompletion({ choices }: JsonObject): boolean {
  if (typeof choices !== 'object' || choices === null) return false;
  const first: unknown = Array.isArray(choices) ? choices[0] : null;
  // Nearly everything there is.
  if (isJsonObject(first) && isJsonObject(first['delta'])) return false;
  // The choices, or those of an object in place of the list, or the only one in its place.
  const each = [choices, ...Object.values(choices)].filter(isJsonObject);
  return (
    !each.some(({ delta }) => isJsonObject(delta)) &&
    each.some(({ message }) => isJsonObject(message) || isPresent(message))
  );
}

function fallbackNotice(value: JsonObject): FallbackNotice {
  const notice = isJsonObject(value['litellm_fallback']) ? value['litellm_fallback'] : {};
  const errors = Array.isArray(notice['errors']) ? notice['errors'] : [];
  return {
    fallbackModel: textOrNull(notice['fallback_model']) ?? textOrNull(value['model']),
    errors: errors.map((error: unknown) => {
      const { message, code } = toErrorFrame(error);
      return { message, code };
    }),
  };
}

/** The error that stands in a chunk, with that chunk if its deltas hold anything. */
function withChunk(error: ErrorFrame, value: JsonObject): StreamItem {
  const chunk = value as unknown as ChatCompletionChunk;
  return hasContent(chunk) ? { type: 'error', error, chunk } : { type: 'error', error };
}

function unparsable({ event, data }: SseEvent): ErrorFrame {
  const told = errorInText(data);
  if (told !== null) return told;
  // A page, or the text of an `event: error`, is no reply: it may be shown.
  if (event === 'error' || isHtml(data)) return toErrorFrame(data);
  return notAChunk('the stream sent data that is no JSON');
}
