import { isContentPart, readContentParts } from './content-parts.ts';
import { isJsonObject, textOrNull, type JsonObject } from './json.ts';
import type { ChatCompletion, CompletionChoice, CompletionMessage, Logprobs, ToolCall } from './types.ts';
import { readUsage } from './usage-reader.ts';

/**
 * Reads a whole completion, wherever it comes from: a body without a stream, an event of one, a row of the history, a
 * line of an import or of a batch's results. What it gives is what `types.ts` says, whatever came, so that nothing that
 * shows, keeps or sends a completion has to doubt it. It throws on nothing that is JSON, and reading its result again
 * changes nothing.
 *
 * A completion of the right shape comes out member for member as it came in, null members and unknown ones included. Of
 * any other, what can be used goes where it belongs, by LiteLLM 1.104's wire:
 *
 * - `content` in parts: texts are the content, images `images`, a recording `audio`, thinking `reasoning_content` and,
 *   signed, `thinking_blocks`, a `tool_use` one of `tool_calls`; parts that have no member of their own stay in
 *   `provider_specific_fields.content_parts`. A number as content is its text, an object that is no part its JSON.
 * - Choices, calls, images or blocks that are an object instead of a list are the list of it, or of its values where
 *   it is numbered; null in a list is nothing. Choices are ordered by their index; one without has that of its place.
 * - `arguments` that are no text are their JSON; without any they are `{}`. A call whose function is not named as such
 *   is read from the call itself; one that holds nothing is none.
 * - A finish_reason of another kind is kept as its JSON, a word that no table knows.
 * - A figure that is no number, or below zero, is null, never 0.
 * - A refusal that LiteLLM left in `provider_specific_fields` is the message's, `reasoning` its `reasoning_content`.
 *
 * What is of another kind than any of this is left out: nothing is invented for it.
 *
 * @returns null when the value is no object: there is no completion.
 */
export function readCompletion(value: JsonObject): ChatCompletion;
export function readCompletion(value: unknown): ChatCompletion | null;
export function readCompletion(value: unknown): ChatCompletion | null {
  if (!isJsonObject(value)) return null;
  return {
    ...withoutWrong(value, { system_fingerprint: isText, service_tier: isText }),
    id: nameOf(value['id']),
    object: 'chat.completion',
    created: typeof value['created'] === 'number' && Number.isFinite(value['created']) ? value['created'] : 0,
    model: nameOf(value['model']),
    choices: choicesOf(value['choices']),
    usage: readUsage(value['usage']),
  };
}

function readMessage(value: unknown): CompletionMessage {
  const message = isJsonObject(value) ? value : { content: value };
  const parts = partsOf(message['content']);
  const fields = isJsonObject(message['provider_specific_fields']) ? message['provider_specific_fields'] : null;
  const read: CompletionMessage = {
    // Servers that do not stream name every member: null is how they say that there is none.
    ...withoutWrong(message, nullMembers),
    role: textOrNull(message['role']) ?? 'assistant',
    content: parts === null ? scalarText(message['content']) : parts.text || null,
  };
  setText(read, 'refusal', [textOf(message['refusal']), parts?.refusal, textOf(fields?.['refusal'])]);
  setText(read, 'reasoning_content', [
    textOf(message['reasoning_content']),
    textOf(message['reasoning']),
    parts?.reasoning,
  ]);
  setList(read, 'thinking_blocks', message, [
    ...blocksOf(message['thinking_blocks']),
    ...(parts?.thinkingBlocks ?? []),
  ]);
  const calls = [...listOf(message['tool_calls'], isCallLike), ...(parts?.toolCalls ?? [])];
  setList(read, 'tool_calls', message, calls.map(readCall).filter(isPresent));
  setList(read, 'annotations', message, listOf(message['annotations'], isAnything));
  setList(read, 'images', message, [...listOf(message['images'], isAnything), ...(parts?.images ?? [])]);
  const called = message['function_call'];
  if (isJsonObject(called) && !isNothing(functionOf(called))) read.function_call = { ...called, ...functionOf(called) };
  const audio = isJsonObject(message['audio']) ? message['audio'] : (parts?.audio ?? null);
  if (audio !== null) read.audio = audio;
  const others = parts?.others ?? [];
  if (fields !== null || others.length > 0) {
    read.provider_specific_fields = { ...fields, ...(others.length > 0 && { content_parts: others }) };
  }
  return read;
}

/** The members that `readMessage` sets by its own rules; all others stay as they came. */
const nullMembers = {
  refusal: isNull,
  reasoning_content: isNull,
  thinking_blocks: isNull,
  tool_calls: isNull,
  function_call: isNull,
  annotations: isNull,
  images: isNull,
  audio: isNull,
  provider_specific_fields: isNull,
};

function setText(
  read: CompletionMessage,
  name: 'refusal' | 'reasoning_content',
  found: (string | null | undefined)[],
): void {
  const text = found.find(Boolean) ?? found.find((each) => typeof each === 'string');
  if (typeof text === 'string' && (text !== '' || found[0] === '')) read[name] = text;
}

/** An empty list stays where there was one: `annotations: []` is how OpenAI says that there are none. */
function setList<Name extends 'thinking_blocks' | 'tool_calls' | 'annotations' | 'images'>(
  read: CompletionMessage,
  name: Name,
  message: JsonObject,
  list: NonNullable<CompletionMessage[Name]>,
): void {
  if (list.length > 0 || Array.isArray(message[name])) read[name] = list;
}

function choicesOf(value: unknown): CompletionChoice[] {
  const taken = new Set<number>();
  return listOf(value, isChoiceLike)
    .filter(isJsonObject)
    .map((choice, place) => {
      let index = positionOf(choice['index']) ?? place;
      // Of two choices at one place the second is another one all the same.
      while (taken.has(index)) index += 1;
      taken.add(index);
      const logprobs = logprobsOf(choice['logprobs']);
      return {
        ...withoutWrong(choice, { logprobs: isNull }),
        index,
        // OpenAI's older completions have a text and no message.
        message: readMessage(choice['message'] ?? choice['delta'] ?? choice['text']),
        finish_reason: wordOf(choice['finish_reason']),
        ...(logprobs === null ? {} : { logprobs }),
      };
    })
    .toSorted((one, other) => one.index - other.index);
}

function positionOf(index: unknown): number | null {
  const number = typeof index === 'string' && /^\d{1,9}$/.test(index) ? Number(index) : index;
  return Number.isSafeInteger(number) && (number as number) >= 0 ? (number as number) : null;
}

function wordOf(finishReason: unknown): string | null {
  if (finishReason === undefined || finishReason === null || finishReason === '') return null;
  return typeof finishReason === 'string' ? finishReason : JSON.stringify(finishReason);
}

function logprobsOf(value: unknown): Logprobs | null {
  return isJsonObject(value) ? withoutWrong(value, { content: isListOrNull, refusal: isListOrNull }) : null;
}

/** Null when it is nothing: neither a name nor arguments, and nothing of a provider's own. */
function readCall(value: unknown): ToolCall | null {
  if (!isJsonObject(value)) return null;
  const { function: called, custom } = value;
  const id = textOrNull(value['id']) ?? (typeof value['id'] === 'number' ? String(value['id']) : null);
  const common = { ...withoutWrong(value, shownMembers), id };
  const hasOthers = Object.keys(common).some((name) => name !== 'id' && name !== 'type' && name !== 'index');
  if (isJsonObject(custom) && (!isJsonObject(called) || textOrNull(called['name']) === null)) {
    const read = { ...custom, name: textOrNull(custom['name']), input: inputOf(custom['input'], '') };
    return isNothing(read) && !hasOthers ? null : { ...common, type: 'custom', custom: read };
  }
  // Some servers leave the function out and have its name and arguments on the call.
  const read = isJsonObject(called) ? { ...called, ...functionOf(called) } : functionOf(value);
  if (isNothing(read) && !hasOthers) return null;
  return { ...common, type: textOrNull(value['type']) ?? 'function', function: read };
}

/** The members of a call that `readCall` sets, or has read. */
const shownMembers = {
  function: isNever,
  custom: isNever,
  name: isNever,
  arguments: isNever,
  provider_specific_fields: isObjectOrNull,
};

function functionOf({ name, arguments: given }: JsonObject): { name: string | null; arguments: string } {
  return { name: textOrNull(name), arguments: inputOf(given, '{}') };
}

/** What a call is given, as text: on the wire it is JSON in a string. */
function inputOf(value: unknown, none: string): string {
  if (value === undefined || value === null) return none;
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function isNothing(called: { name: string | null; arguments?: unknown; input?: unknown }): boolean {
  const given = called.arguments ?? called.input;
  return called.name === null && (given === '' || given === '{}');
}

/** A block is an object; a text in place of a block, or of all of them, is an unsigned one. */
function blocksOf(value: unknown): JsonObject[] {
  const blocks = typeof value === 'string' ? [value] : listOf(value, isAnything);
  return blocks
    .map((block) => (typeof block === 'string' && block !== '' ? { type: 'thinking', thinking: block } : block))
    .filter(isJsonObject);
}

function partsOf(content: unknown): ReturnType<typeof readContentParts> | null {
  if (Array.isArray(content)) return readContentParts(content);
  return isJsonObject(content) && isContentPart(content) ? readContentParts([content]) : null;
}

function scalarText(content: unknown): string | null {
  if (content === undefined || content === null) return null;
  return typeof content === 'string' ? content : JSON.stringify(content);
}

/** A text, or the texts of a list of parts. */
function textOf(value: unknown): string | null {
  if (typeof value === 'string') return value;
  return Array.isArray(value) ? readContentParts(value).text : null;
}

/**
 * What should be a list, as one, without its nulls. An object in its place is its only item where it looks like one, and
 * else a list by number (`{"0": …}`).
 */
function listOf(value: unknown, isItem: (value: JsonObject) => boolean): unknown[] {
  if (Array.isArray(value)) return value.filter((item) => item !== null);
  if (!isJsonObject(value)) return [];
  const names = Object.keys(value);
  if (names.length > 0 && names.every((name) => /^\d+$/.test(name))) return listOf(Object.values(value), isItem);
  return names.length > 0 && isItem(value) ? [value] : [];
}

function isAnything(): boolean {
  return true;
}

function isChoiceLike(value: JsonObject): boolean {
  return ['message', 'delta', 'text', 'finish_reason'].some((name) => Object.hasOwn(value, name));
}

function isCallLike(value: JsonObject): boolean {
  return ['function', 'custom', 'name', 'id'].some((name) => Object.hasOwn(value, name));
}

/** An id or the name of a model; some servers count. */
function nameOf(value: unknown): string {
  return typeof value === 'string' ? value : typeof value === 'number' ? String(value) : '';
}

/** A copy without the members of another kind than theirs; `__proto__` is a member like any other. */
function withoutWrong(value: JsonObject, kinds: Readonly<Record<string, (value: unknown) => boolean>>): JsonObject {
  return Object.fromEntries(
    Object.entries(value).filter(([name, member]) => !Object.hasOwn(kinds, name) || kinds[name]?.(member)),
  );
}

function isText(value: unknown): boolean {
  return typeof value === 'string' || value === null;
}

function isListOrNull(value: unknown): boolean {
  return Array.isArray(value) || value === null;
}

function isObjectOrNull(value: unknown): boolean {
  return isJsonObject(value) || value === null;
}

function isNull(value: unknown): boolean {
  return value === null;
}

function isNever(): boolean {
  return false;
}

function isPresent<Value>(value: Value | null): value is Value {
  return value !== null;
}
