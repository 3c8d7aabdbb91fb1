import { endsInCalls } from './finish-words.ts';
import { isJsonObject, textOrNull, type JsonObject } from './json.ts';
import { mediaOf } from './media.ts';
import type { ChatCompletion, CompletionChoice, CompletionMessage } from './types.ts';

/**
 * What counts as a reply: something that a person or a program can use. Text, a refusal, a call with a name, audio or an
 * image with data. Placeholders are none of it: an empty `function_call`, `audio: {}`, `images: [{}]`, a call without a
 * name; nor is reasoning alone. The verdict, the events and the views ask here and nowhere else. Any value may stand
 * anywhere: a proxy's own `chat.completion` is judged as it came.
 */

/** A call that somebody can act on. */
export interface ReplyCall {
  name: string;
  id: string | null;
  /** The arguments as they came: JSON in a string, or what a custom tool takes. */
  input: string;
  /** Whether the arguments should be JSON and are not: nobody should act on them unseen. What a custom tool takes is text. */
  isMalformed: boolean;
}

/** A call beside the object that it was read from. */
export interface SourcedCall {
  call: ReplyCall;
  source: JsonObject;
}

/** The choice that decides a verdict, which the builder gives first; undefined when the stream had none of it. */
export function decidingChoice(fold: ChatCompletion | null): CompletionChoice | undefined {
  // A proxy's own `chat.completion` is judged as received: its index may be missing.
  return fold?.choices.find((choice) => (choice.index ?? 0) === 0);
}

export function hasReply(fold: ChatCompletion): boolean {
  const message: unknown = decidingChoice(fold)?.message;
  return (isJsonObject(message) && hasContent(message)) || repliedCalls(fold).length > 0;
}

/** Whether anything of a reply has come, reasoning included. */
export function hasBegun(fold: ChatCompletion): boolean {
  return hasReply(fold) || hasText(decidingChoice(fold)?.message?.reasoning_content);
}

/**
 * The calls of a reply: those of choice 0, its older `function_call` (unless that repeats one of them), and those of the
 * other choices when choice 0 says that there are calls and has none. (LiteLLM before 1.103.3 puts a call of its bridge to
 * OpenAI's Responses into choice 1: BerriAI/litellm#44346.)
 */
export function repliedCalls(fold: ChatCompletion | null): ReplyCall[] {
  return sourcedCalls(fold).map(({ call }) => call);
}

/** The same, each with the object that it was read from: what else a provider put on it goes back with it. */
export function sourcedCalls(fold: ChatCompletion | null): SourcedCall[] {
  const choice = decidingChoice(fold);
  if (fold === null || choice === undefined) return [];
  const calls = callsOf(choice);
  if (calls.length > 0 || !endsInCalls(textOrNull(choice.finish_reason) ?? '')) return calls;
  return fold.choices.filter((other) => other !== choice).flatMap(callsOf);
}

function hasContent(message: JsonObject): boolean {
  const { content, refusal } = message;
  return (
    hasText(content) ||
    hasText(refusal) ||
    // What is told of and can be written, and nothing else: a transcript without its sound is shown nowhere.
    mediaOf(message as CompletionMessage).length > 0
  );
}

function callsOf({ message }: CompletionChoice): SourcedCall[] {
  if (!isJsonObject(message)) return [];
  const calls = listOf((message as JsonObject)['tool_calls']).flatMap(sourced);
  const [older] = isJsonObject(message.function_call) ? sourced({ function: message.function_call }) : [];
  const isRepeated = ({ name, input }: ReplyCall): boolean =>
    calls.some(({ call }) => name === call.name && input === call.input);
  if (older !== undefined && !isRepeated(older.call)) calls.push(older);
  return calls;
}

function sourced(source: unknown): SourcedCall[] {
  const call = callOf(source);
  return call === null ? [] : [{ call, source: source as JsonObject }];
}

function callOf(call: unknown): ReplyCall | null {
  if (!isJsonObject(call)) return null;
  const { function: called, custom } = call;
  const isCustom = isJsonObject(custom) && !isJsonObject(called);
  const body = isCustom ? custom : called;
  if (!isJsonObject(body)) return null;
  const name = textOrNull(body['name']);
  if (name === null) return null;
  const input = inputOf(isCustom ? body['input'] : body['arguments']);
  return { name, id: textOrNull(call['id']), input, isMalformed: !isCustom && input !== '' && !isJson(input) };
}

function inputOf(input: unknown): string {
  if (input === undefined || input === null) return '';
  return typeof input === 'string' ? input : JSON.stringify(input);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** A text, or a list of parts of which one has something. */
function hasText(value: unknown): boolean {
  if (typeof value === 'string') return value !== '';
  return listOf(value).some((part) => (isJsonObject(part) ? hasPart(part) : typeof part === 'string' && part !== ''));
}

function hasPart(part: JsonObject): boolean {
  const { text, content, refusal } = part;
  if (isThought(part)) return false;
  const isSaid = [text, content, refusal].some(
    (each) => textOrNull(isJsonObject(each) ? each['value'] : each) !== null,
  );
  return isSaid || hasImage(part) || hasAudio(part['audio']) || hasAudio(part['input_audio']);
}

function isThought({ type }: JsonObject): boolean {
  return typeof type === 'string' && /thinking|reasoning/.test(type);
}

/** An image's data, or where it is: OpenAI's and LiteLLM's `image_url`, the Images API's `b64_json`, a source. */
function hasImage(image: unknown): boolean {
  if (typeof image === 'string') return hasData(image);
  if (!isJsonObject(image)) return false;
  return ['image_url', 'url', 'b64_json', 'data', 'source', 'file_id'].some((key) => {
    const value = image[key];
    return isJsonObject(value) ? hasImage(value) : hasData(value);
  });
}

/** An id alone names no sound that anybody has. */
function hasAudio(audio: unknown): boolean {
  return isJsonObject(audio) && hasData(audio['data']);
}

/** A text that is not merely the beginning of a data URL. */
function hasData(value: unknown): boolean {
  return typeof value === 'string' && value !== '' && !/^data:[^,]{0,200},?$/.test(value);
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}
