import { isJsonObject, textOrNull, type JsonObject } from './json.ts';

/** What a list of content parts holds, by the member of a message that LiteLLM's wire has for it. */
export interface ContentParts {
  text: string;
  refusal: string;
  reasoning: string;
  /** Signed or redacted thinking: what a provider wants back as it was. */
  thinkingBlocks: JsonObject[];
  /** `{ type: 'image_url', image_url: { url } }` each. */
  images: JsonObject[];
  /** `{ data, … }`; null when there is none. */
  audio: JsonObject | null;
  /** Anthropic's `tool_use`, as OpenAI's calls. */
  toolCalls: JsonObject[];
  /** What has no member of its own: a file, a second recording, a list in the list. */
  others: unknown[];
}

const imageTypes: ReadonlySet<unknown> = new Set(['image_url', 'image', 'input_image', 'output_image']);
const audioTypes: ReadonlySet<unknown> = new Set(['audio', 'input_audio', 'output_audio']);
const thinkingTypes: ReadonlySet<unknown> = new Set(['thinking', 'reasoning', 'reasoning_content']);

/**
 * Reads content that came as a list of parts. Each part goes where LiteLLM 1.104's wire has it in a message: texts joined
 * without anything between them, thinking as `reasoning_content` (Mistral's is a list of texts itself), signed thinking
 * as a block too, images as `images`, a recording as `audio`.
 */
export function readContentParts(list: readonly unknown[]): ContentParts {
  const parts: ContentParts = {
    text: '',
    refusal: '',
    reasoning: '',
    thinkingBlocks: [],
    images: [],
    audio: null,
    toolCalls: [],
    others: [],
  };
  for (const part of list) addPart(parts, part);
  return parts;
}

/** Whether an object is a content part by itself, and no JSON that a server forgot to write as text. */
export function isContentPart(value: JsonObject): boolean {
  return typeof value['type'] === 'string' || typeof value['text'] === 'string';
}

function addPart(parts: ContentParts, part: unknown): void {
  if (typeof part === 'string') parts.text += part;
  if (!isJsonObject(part)) {
    if (part !== null && typeof part !== 'string') parts.others.push(part);
    return;
  }
  const { type } = part;
  if (thinkingTypes.has(type)) addThinking(parts, part);
  else if (type === 'redacted_thinking') parts.thinkingBlocks.push(part);
  else if (type === 'tool_use') parts.toolCalls.push(callOf(part));
  else if (imageTypes.has(type) || isJsonObject(part['image_url'])) addImage(parts, part);
  else if (audioTypes.has(type)) addAudio(parts, part);
  else if (typeof part['refusal'] === 'string') parts.refusal += part['refusal'];
  else addText(parts, part);
}

function addText(parts: ContentParts, part: JsonObject): void {
  const text = textOf(part['text']) ?? textOf(part['content']);
  if (text === null) parts.others.push(part);
  else parts.text += text;
}

/** A text; or OpenAI's older `{ value, annotations }`. */
function textOf(value: unknown): string | null {
  if (typeof value === 'string') return value;
  return isJsonObject(value) && typeof value['value'] === 'string' ? value['value'] : null;
}

function addThinking(parts: ContentParts, part: JsonObject): void {
  const value = part['thinking'] ?? part['reasoning'] ?? part['text'];
  const text = Array.isArray(value) ? readContentParts(value).text : textOf(value);
  const signature = textOrNull(part['signature']);
  if (text !== null) parts.reasoning += text;
  if (signature !== null) parts.thinkingBlocks.push({ ...part, type: 'thinking', thinking: text ?? '' });
}

function addImage(parts: ContentParts, part: JsonObject): void {
  const url = urlOf(part);
  if (url === null) parts.others.push(part);
  else parts.images.push(isJsonObject(part['image_url']) ? part : { type: 'image_url', image_url: { url } });
}

function urlOf(part: JsonObject): string | null {
  const { image_url: image, source } = part;
  if (isJsonObject(image)) return textOrNull(image['url']);
  if (isJsonObject(source)) {
    const data = textOrNull(source['data']);
    return data === null
      ? textOrNull(source['url'])
      : `data:${textOrNull(source['media_type']) ?? 'image/png'};base64,${data}`;
  }
  return textOrNull(image) ?? textOrNull(part['url']);
}

function addAudio(parts: ContentParts, part: JsonObject): void {
  const audio = [part['audio'], part['input_audio'], part['output_audio'], part].find(isJsonObject) as JsonObject;
  if (parts.audio === null && textOrNull(audio['data']) !== null) parts.audio = audio;
  else parts.others.push(part);
}

function callOf({ id, name, input }: JsonObject): JsonObject {
  return { id, type: 'function', function: { name, arguments: input } };
}
