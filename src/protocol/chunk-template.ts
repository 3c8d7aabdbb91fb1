import { isJsonObject, type JsonObject } from './json.ts';
import type { ChatCompletionChunk } from './types.ts';

/** The deltas that come by the thousand, each a token of text. */
const textKeys = ['content', 'reasoning_content'] as const;

export type TextKey = (typeof textKeys)[number];

/** What stands around a delta's text in the data of an event. */
interface Frame {
  key: TextKey;
  before: string;
  after: string;
}

interface Template {
  frame: Frame;
  chunk: JsonObject;
  choice: JsonObject;
  delta: JsonObject;
  /** Whether the text is all that a second chunk of this frame adds to a fold. */
  isTextOnly: boolean;
}

/** A chunk that was read without a parse. */
export interface TextChunk {
  chunk: ChatCompletionChunk;
  /** Which text of which choice it goes on with. */
  key: TextKey;
  index: unknown;
  text: string;
  /** Whether folding the text is folding the chunk, once another of its kind has been folded just before. */
  isTextOnly: boolean;
}

/** A text that no wire sends, to find out where in a chunk a frame's text ends up. */
const probe = 'cllm:probe:text';

/**
 * Reads chunks that differ from an earlier one in nothing but the text of their delta, in a quarter of the time that
 * JSON.parse takes. Nine tenths of a reply are such chunks: the same 200 characters around a token of five.
 *
 * It never guesses. Where the text stands in a frame is proved once, by parsing the frame around a probe, and a later event
 * counts only if its data is that frame to the character around what is one JSON string; then JSON.parse could give
 * nothing else. Every chunk is an object of its own, as a parsed one would be.
 */
export class ChunkTemplate {
  #template: Template | null = null;
  /** The frame of the last chunk that was parsed: a second one like it makes it the template. */
  #candidate: Frame | null = null;

  /** The chunk that the data of an event says; null when it has to be parsed. */
  read(data: string): TextChunk | null {
    const template = this.#template;
    if (template === null) return null;
    const text = textInFrame(data, template.frame);
    if (text === null) return null;
    const { frame, choice, isTextOnly } = template;
    const delta = { ...template.delta, [frame.key]: text };
    const chunk = { ...template.chunk, choices: [{ ...choice, delta }] } as unknown as ChatCompletionChunk;
    return { chunk, key: frame.key, index: choice['index'], text, isTextOnly };
  }

  /** Takes note of a chunk that had to be parsed. */
  learn(data: string): void {
    const candidate = this.#candidate;
    if (candidate !== null && textInFrame(data, candidate) !== null) {
      this.#template = templateOf(candidate);
      this.#candidate = null;
    } else {
      this.#candidate = frameOf(data);
    }
  }
}

function frameOf(data: string): Frame | null {
  for (const key of textKeys) {
    const name = `"${key}":"`;
    const at = data.indexOf(name);
    if (at !== -1) {
      const from = at + name.length;
      const to = data.indexOf('"', from);
      return { key, before: data.slice(0, from), after: data.slice(to) };
    }
  }
  return null;
}

/** The text that stands in a frame; null when the data is not the frame around one JSON string. */
function textInFrame(data: string, { before, after }: Frame): string | null {
  const end = data.length - after.length;
  // Slices compare faster than startsWith() and endsWith(), whose loops V8 does not always optimize.
  if (end < before.length || data.slice(0, before.length) !== before || data.slice(end) !== after) return null;
  const text = data.slice(before.length, end);
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    if (unit === 0x22 || unit === 0x5c || unit < 0x20) return unescaped(text);
  }
  return text;
}

/** What a JSON string with these characters between its quotes says; null when they are not one string's. */
function unescaped(text: string): string | null {
  try {
    return JSON.parse(`"${text}"`) as string;
  } catch {
    return null;
  }
}

/** Null when the probe does not end up in the delta, or when two chunks would share an object. */
function templateOf(frame: Frame): Template | null {
  let chunk: unknown;
  try {
    chunk = JSON.parse(`${frame.before}${probe}${frame.after}`);
  } catch {
    return null;
  }
  if (!isJsonObject(chunk)) return null;
  const { choices } = chunk;
  const choice: unknown = Array.isArray(choices) && choices.length === 1 ? choices[0] : null;
  const delta = isJsonObject(choice) ? choice['delta'] : null;
  if (!isJsonObject(choice) || !isJsonObject(delta) || delta[frame.key] !== probe) return null;
  const isFlat = holdsNoObjects(chunk, 'choices') && holdsNoObjects(choice, 'delta') && holdsNoObjects(delta, '');
  if (!isFlat) return null;
  const isTextOnly = Object.keys(delta).every((key) => key === frame.key || key === 'role' || isEmpty(delta[key]));
  return { frame, chunk, choice, delta, isTextOnly };
}

function isEmpty(value: unknown): boolean {
  return value === null || value === '';
}

function holdsNoObjects(value: JsonObject, except: string): boolean {
  return Object.entries(value).every(([key, inner]) => key === except || typeof inner !== 'object' || inner === null);
}
