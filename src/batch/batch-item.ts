import { hash } from 'node:crypto';
import { UsageError } from '../outcome/errors.ts';
import { steeringReason } from '../protocol/request-fields.ts';
import type { ChatMessage } from '../protocol/types.ts';
import type { Line } from './lines.ts';
import { isJsonObject } from '../protocol/json.ts';

/** JSON lines (OpenAI's batch form among them), or a prompt a line. */
export type LineFormat = 'jsonl' | 'text';

/** Lines, or a table whose rows a template makes prompts of. */
export type InputFormat = LineFormat | 'csv' | 'tsv';

/** What one line of the input asks for. */
export interface BatchItem {
  /** Counted from 1, blank lines too. */
  line: number;
  /** The item's own name, by which a later run knows it again; null when it has none. */
  customId: string | null;
  /** Stands for the line's text where no name does: 16 hexadecimal digits. */
  digest: string | null;
  /** Null when the line makes no sense. */
  request: ItemRequest | null;
  /** Why `request` is null. */
  error: UsageError | null;
}

export interface ItemRequest {
  messages: ChatMessage[];
  /** The item's own system prompt; null leaves the batch's. */
  system: string | null;
  /** The other fields of the request body; they win over the batch's. */
  params: Record<string, unknown>;
}

/** A line that begins like an object says that the file is JSON lines; the name of a file says it more surely. */
export function formatOf(fileName: string | null, firstLine: string): LineFormat {
  if (fileName !== null && /\.(jsonl|ndjson|json)$/i.test(fileName)) return 'jsonl';
  return firstLine.trimStart().startsWith('{') ? 'jsonl' : 'text';
}

/** Reads one line; a line that makes no sense is an item with an error, which is the result of that line alone. */
export function readItem(line: Line, format: LineFormat): BatchItem {
  const item: BatchItem = { line: line.number, customId: null, digest: null, request: null, error: null };
  try {
    if (line.text === null) throw invalid(line.problem ?? 'can not be read');
    item.digest = hash('sha256', line.text).slice(0, 16);
    if (format === 'text') {
      item.request = { messages: [{ role: 'user', content: line.text }], system: null, params: {} };
      return item;
    }
    const object = parseObject(line.text);
    item.customId = customIdOf(object['custom_id']);
    item.request = requestOf('body' in object ? bodyOf(object) : object);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    item.error = new UsageError(`line ${line.number} ${error.message}`, { code: 'input_invalid', hint: error.hint });
  }
  return item;
}

/** What is wrong with a line. It says so without the line's words: a prompt has no place in a message. */
class Problem extends Error {
  readonly hint: string;

  constructor(message: string, hint: string) {
    super(message);
    this.hint = hint;
  }
}

function invalid(
  message: string,
  hint = 'each line is {"prompt": "…"}, {"messages": […]} or a line of OpenAI\'s batch form; --input-format text takes plain lines',
): Problem {
  return new Problem(message, hint);
}

function parseObject(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw invalid('is no JSON');
  }
  if (!isJsonObject(value)) throw invalid('is no JSON object');
  return value;
}

function customIdOf(value: unknown): string | null {
  if (value === undefined || value === null) return null;
  if (typeof value === 'number') return String(value);
  if (typeof value === 'string' && value !== '') return value;
  throw invalid('has a custom_id that is no text', 'a custom_id is a string of one character or more');
}

/** OpenAI's batch form: the request body in an envelope that names the route. */
function bodyOf(envelope: Record<string, unknown>): Record<string, unknown> {
  const { method, url, body } = envelope;
  const hint = 'OpenAI\'s form is {"custom_id", "method": "POST", "url": "/v1/chat/completions", "body": {…}}';
  if (method !== undefined && (typeof method !== 'string' || method.toUpperCase() !== 'POST')) {
    throw invalid('has a method other than POST', hint);
  }
  if (url !== undefined && (typeof url !== 'string' || !/(^|\/)chat\/completions\/?$/.test(url))) {
    throw invalid('has a url other than /v1/chat/completions', hint);
  }
  const others = Object.keys(envelope).filter((name) => !['custom_id', 'method', 'url', 'body'].includes(name));
  if (others.length > 0) throw invalid(`has ${others.slice(0, 3).join(', ')} beside its body`, hint);
  if (!isJsonObject(body)) throw invalid('has a body that is no object', hint);
  return body;
}

function requestOf(fields: Record<string, unknown>): ItemRequest {
  const { custom_id: _id, prompt, messages, system, ...params } = fields;
  refuseSteering(params);
  // LiteLLM reads what steers it there as well.
  for (const name of ['metadata', 'litellm_metadata']) if (isJsonObject(params[name])) refuseSteering(params[name]);
  if (params['model'] !== undefined && (typeof params['model'] !== 'string' || params['model'] === '')) {
    throw invalid('has a model that is no name');
  }
  if (system !== undefined && typeof system !== 'string') throw invalid('has a system that is no text');
  if (prompt !== undefined && messages !== undefined) throw invalid('has both a prompt and messages');
  if (prompt === undefined && messages === undefined) throw invalid('has neither a prompt nor messages');
  return { messages: prompt === undefined ? messagesOf(messages) : [promptOf(prompt)], system: system ?? null, params };
}

/** A line may say how a model answers it, and not where it goes, what guards it or what it costs. */
function refuseSteering(fields: Record<string, unknown>): void {
  for (const name of Object.keys(fields)) {
    const reason = steeringReason(name);
    if (reason === null) continue;
    const shown = /^[\w .-]{1,60}$/.test(name) ? name : 'a field';
    throw invalid(`has ${shown}, which never stands in a request`, `take it out: ${reason}`);
  }
}

function promptOf(prompt: unknown): ChatMessage {
  if (typeof prompt !== 'string' || prompt.trim() === '') throw invalid('has a prompt that is empty or no text');
  return { role: 'user', content: prompt };
}

function messagesOf(messages: unknown): ChatMessage[] {
  const isMessage = (message: unknown): boolean => isJsonObject(message) && typeof message['role'] === 'string';
  if (!Array.isArray(messages) || messages.length === 0) throw invalid('has messages that are no list of some');
  if (!messages.every(isMessage)) throw invalid('has a message without a role');
  return messages as ChatMessage[];
}
