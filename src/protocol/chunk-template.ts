import { ChunkRun, type RunFrame, type TextKey } from './chunk-run.ts';
import { isJsonObject, type JsonObject } from './json.ts';
import type { ChatCompletionChunk } from './types.ts';

const textKeys: readonly TextKey[] = ['content', 'reasoning_content'];

/** What stands around a delta's text in the data of an event. */
interface Surroundings {
  key: TextKey;
  before: string;
  after: string;
}

interface Template {
  surroundings: Surroundings;
  frame: RunFrame;
  /** The surroundings in a stream: a block of one `data` line, and the blank line that ends it. */
  blockStart: string;
  blockEnd: string;
}

/** A text that no wire sends, to find out where in a chunk a text ends up. */
const probe = 'cllm:probe:text';

const quote = 0x22;
const backslash = 0x5c;
const firstPrintable = 0x20;

/**
 * Knows events whose chunks differ from an earlier one in nothing but the text of their delta, and reads them off the
 * stream in a quarter of the time that parsing takes (bench/protocol.bench.mjs). Nine tenths of a reply are such events:
 * the same 200 characters around a token of five.
 *
 * It never guesses. Where the text ends up in a chunk is proved once, by parsing the chunk around a probe. A later event
 * counts only if it is a block of that one line to the character around what is one JSON string: as such a string holds
 * no line end, the block is one event (WHATWG HTML §9.2.6), and JSON.parse could make nothing else of its data.
 */
export class ChunkTemplate {
  #template: Template | null = null;
  /** Around the text of the last chunk that was parsed: a second one like it makes the template. */
  #candidate: Surroundings | null = null;
  /** What was tried and makes none: with log probabilities, every chunk of a reply would be tried again. */
  #hopeless: Surroundings | null = null;

  /**
   * Reads events off a text that begins with a block of its own, up to the first that has to be parsed.
   *
   * @returns their chunks and where the text goes on; null when not even the first is known
   */
  read(text: string, from: number): { item: ChunkRun; end: number } | null {
    const template = this.#template;
    if (template === null) return null;
    const { blockStart, blockEnd, frame } = template;
    const texts: string[] = [];
    let at = from;
    // Slices compare faster than startsWith(), whose loop V8 does not always optimize.
    while (text.slice(at, at + blockStart.length) === blockStart) {
      const start = at + blockStart.length;
      const end = endOfString(text, start);
      if (text.slice(end, end + blockEnd.length) !== blockEnd) break;
      const written = text.slice(start, end);
      // indexOf() all along this path: includes() leaves JavaScript for C++, which a delta on its own pays for.
      const said = written.indexOf('\\') !== -1 ? unescaped(written) : written;
      if (said === null) break;
      texts.push(said);
      at = end + blockEnd.length;
    }
    return texts.length === 0 ? null : { item: new ChunkRun(frame, texts), end: at };
  }

  /** Takes note of the data of a chunk that had to be parsed, and of what it was parsed to. */
  learn(data: string, { choices }: ChatCompletionChunk): void {
    const delta = Array.isArray(choices) ? choices[0]?.delta : null;
    // A call's chunks hold no text, and to search each of them for one would cost a fifth of reading it.
    if (typeof delta?.content !== 'string' && typeof delta?.reasoning_content !== 'string') return;
    // One of those that are known already, whose event two reads had cut.
    if (this.#template !== null && isWithin(data, this.#template.surroundings)) return;
    if (this.#hopeless !== null && isWithin(data, this.#hopeless)) return;
    const candidate = this.#candidate;
    if (candidate !== null && isWithin(data, candidate)) {
      const template = templateOf(candidate);
      if (template === null) this.#hopeless = candidate;
      else this.#template = template;
      this.#candidate = null;
    } else {
      this.#candidate = surroundingsIn(data);
    }
  }
}

function surroundingsIn(data: string): Surroundings | null {
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

/** Whether the data is these surroundings around one JSON string. */
function isWithin(data: string, { before, after }: Surroundings): boolean {
  const end = data.length - after.length;
  if (end < before.length || !data.startsWith(before) || data.slice(end) !== after) return false;
  return endOfString(data, before.length) === end && unescaped(data.slice(before.length, end)) !== null;
}

/** Where the string that begins here ends: at its closing quote, or at the first character that no JSON string holds. */
function endOfString(text: string, from: number): number {
  for (let at = from; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    if (unit === quote || unit < firstPrintable) return at;
    if (unit === backslash) at += 1;
  }
  return text.length;
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
function templateOf(surroundings: Surroundings): Template | null {
  const { key, before, after } = surroundings;
  let chunk: unknown;
  try {
    chunk = JSON.parse(`${before}${probe}${after}`);
  } catch {
    return null;
  }
  if (!isJsonObject(chunk)) return null;
  const { choices } = chunk;
  const choice: unknown = Array.isArray(choices) && choices.length === 1 ? choices[0] : null;
  const delta = isJsonObject(choice) ? choice['delta'] : null;
  if (!isJsonObject(choice) || !isJsonObject(delta) || delta[key] !== probe) return null;
  const isFlat = holdsNoObjects(chunk, 'choices') && holdsNoObjects(choice, 'delta') && holdsNoObjects(delta, '');
  if (!isFlat || !isTextOnly(delta, key) || isWord(choice['finish_reason'])) return null;
  // A line end between two tokens of JSON is as good as a space, but makes a second line of an event.
  if (/[\r\n]/.test(before + after)) return null;
  return {
    surroundings,
    frame: { chunk, choice, delta, key },
    blockStart: `data: ${before}`,
    blockEnd: `${after}\n\n`,
  };
}

/** A finish_reason on every chunk: which of them is the last word is for the fold to see, chunk by chunk. */
function isWord(finishReason: unknown): boolean {
  return typeof finishReason === 'string' && finishReason !== '';
}

/** Whether the text is all that a second chunk of this kind adds to a fold. */
function isTextOnly(delta: JsonObject, text: TextKey): boolean {
  return Object.keys(delta).every((key) => key === text || key === 'role' || delta[key] === null || delta[key] === '');
}

function holdsNoObjects(value: JsonObject, except: string): boolean {
  return Object.entries(value).every(([key, inner]) => key === except || typeof inner !== 'object' || inner === null);
}
