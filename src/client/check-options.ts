import { UsageError } from '../outcome/errors.ts';
import type { CallOptions, ClientOptions, RequestInput } from './client.ts';
import { isJsonObject } from '../protocol/json.ts';

type Kind = 'text' | 'number' | 'boolean' | 'function' | 'object' | 'texts' | 'taps' | 'signal';

const isKind: Readonly<Record<Kind, (value: unknown) => boolean>> = {
  text: (value) => typeof value === 'string',
  number: (value) => typeof value === 'number' && Number.isFinite(value) && value >= 0,
  boolean: (value) => typeof value === 'boolean',
  function: (value) => typeof value === 'function',
  object: isJsonObject,
  texts: (value) =>
    typeof value === 'string' || (Array.isArray(value) && value.every((each) => typeof each === 'string')),
  taps: (value) =>
    Array.isArray(value) &&
    value.every(
      (tap: unknown) => isJsonObject(tap) && ['head', 'read', 'end'].every((name) => typeof tap[name] === 'function'),
    ),
  signal: (value) =>
    isJsonObject(value) && typeof value['aborted'] === 'boolean' && typeof value['addEventListener'] === 'function',
};

const words: Readonly<Record<Kind, string>> = {
  text: 'a string',
  number: 'a number, 0 or more',
  boolean: 'true or false',
  function: 'a function',
  object: 'an object',
  texts: 'a string or a list of strings',
  taps: 'a list of objects with head, read and end',
  signal: 'an AbortSignal',
};

const clientKinds: Readonly<Record<Exclude<keyof ClientOptions, 'baseUrl'>, Kind>> = {
  apiKey: 'text',
  retries: 'number',
  connectTimeout: 'number',
  firstTokenTimeout: 'number',
  idleTimeout: 'number',
  timeout: 'number',
  maxReplyBytes: 'number',
  maxEventBytes: 'number',
  headers: 'object',
  ca: 'texts',
  cert: 'text',
  certKey: 'text',
  httpProxy: 'object',
  untaggedHeaders: 'object',
  onTagsRefused: 'function',
  renewApiKey: 'function',
  requireModel: 'text',
  allowFallbacks: 'boolean',
  allowCache: 'boolean',
  userAgent: 'text',
  onDebug: 'function',
};

const callKinds: Readonly<Record<keyof CallOptions, Kind>> = {
  signal: 'signal',
  onRetry: 'function',
  taps: 'taps',
  sessionId: 'text',
};

/**
 * Checks what a program without types may give.
 *
 * @throws UsageError `config_invalid`, which repeats no value: it may be a key in the wrong place
 */
export function checkClientOptions(options: ClientOptions): void {
  const given: unknown = options;
  if (!isJsonObject(given)) throw wrong('the options of a client', 'object', given);
  if (typeof given['baseUrl'] !== 'string') throw wrong('baseUrl', 'text', given['baseUrl']);
  check(given, clientKinds);
  for (const [name, value] of Object.entries((given['headers'] as object | undefined) ?? {}))
    if (typeof value !== 'string') throw wrong(`the header ${JSON.stringify(name)}`, 'text', value);
}

/** @throws UsageError `config_invalid` */
export function checkCallOptions(options: CallOptions): void {
  const given: unknown = options;
  if (!isJsonObject(given)) throw wrong('the options of a call', 'object', given);
  check(given, callKinds);
  const { sessionId } = options;
  // It becomes a header.
  if (sessionId !== undefined && !/^[\x21-\x7e]{1,200}$/.test(sessionId))
    throw invalid('sessionId has to be 1 to 200 visible characters of ASCII', 'config_invalid');
}

/** @throws UsageError `input_invalid` */
export function checkRequest(request: RequestInput): void {
  const given: unknown = request;
  if (!isJsonObject(given)) throw wrong('a request', 'object', given, 'input_invalid');
  const { model, messages, stream, stream_options: streamOptions } = given;
  if (typeof model !== 'string') throw wrong('model', 'text', model, 'input_invalid');
  if (typeof messages !== 'string') {
    if (!Array.isArray(messages))
      throw invalid(`messages is ${kindOf(messages)}: it has to be a string or a list of messages`, 'input_invalid');
    for (const [at, message] of messages.entries())
      if (!isJsonObject(message)) throw wrong(`messages[${at}]`, 'object', message, 'input_invalid');
  }
  if (stream !== undefined && typeof stream !== 'boolean') throw wrong('stream', 'boolean', stream, 'input_invalid');
  if (streamOptions !== undefined && streamOptions !== null && !isJsonObject(streamOptions))
    throw wrong('stream_options', 'object', streamOptions, 'input_invalid');
}

function check(given: Record<string, unknown>, kinds: Readonly<Record<string, Kind>>): void {
  for (const [name, kind] of Object.entries(kinds)) {
    const value = given[name];
    if (value !== undefined && !isKind[kind](value)) throw wrong(name, kind, value);
  }
}

function wrong(
  what: string,
  kind: Kind,
  value: unknown,
  code: 'config_invalid' | 'input_invalid' = 'config_invalid',
): UsageError {
  return invalid(`${what} is ${kindOf(value)}: it has to be ${words[kind]}`, code);
}

function invalid(message: string, code: 'config_invalid' | 'input_invalid'): UsageError {
  return new UsageError(message, { code, hint: 'give what the types of cllm say' });
}

/** What a value is, and never what it holds, but for a number. */
function kindOf(value: unknown): string {
  if (value === null || value === undefined || typeof value === 'number') return String(value);
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' || typeof value === 'undefined' ? 'an object' : `a ${typeof value}`;
}
