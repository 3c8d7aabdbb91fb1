import { reduceTraceback } from './error-message.ts';
import type { Guardrail } from '../../outcome/errors.ts';
import { numeric } from '../figures.ts';
import { guardrailBlock } from './guardrail.ts';
import { htmlTitle, isHtml, titledPage } from './html-title.ts';
import { isJsonObject, textOrNull, type JsonObject } from '../json.ts';

/** An error that the proxy reported, in a body or inside a reply. */
export interface ErrorFrame {
  message: string;
  /** LiteLLM's `error.type`, e.g. `budget_exceeded`. */
  type: string | null;
  /** As text, whether it came as a number or as a string. */
  code: string | null;
  param: string | null;
  /** The rule of the proxy that refused the prompt or the reply; absent where no rule did. */
  guardrail?: Guardrail;
}

/** A provider may put a whole page into its message. */
const longestMessage = 2000;

/** Providers nest: `{"error":{"error":{…}}}`, `{"detail":{"error":…}}`, `[{"error":…}]`. */
const deepestNesting = 4;

/** Of a list of errors, so many are told. */
const mostErrors = 3;

/** Where an envelope keeps the error itself: OpenAI and most; Cloudflare, GraphQL and JSON:API (`errors`); Apigee (`fault`). */
const innerMembers = ['error', 'Error', 'errors', 'fault', 'Fault', 'err', 'exception'];

/** Where it may be if it has no words of its own: FastAPI, MiniMax, Volcengine, Xunfei. */
const furtherMembers = ['detail', 'Detail', 'details', 'base_resp', 'ResponseMetadata', 'header'];

/** Where its words are, the one that says most first: OAuth, Baidu, AWS, Apigee, MiniMax and RFC 9457 among them. */
const wordMembers = [
  'message',
  'Message',
  'msg',
  'error_message',
  'errorMessage',
  'error_msg',
  'errorMsg',
  'errmsg',
  'errMsg',
  'error_description',
  'faultstring',
  'status_msg',
  'detail',
  'Detail',
  'reason',
  'description',
  'title',
  'Title',
];
const typeMembers = ['type', 'error_type', 'errorType', '__type', 'Type'];
const codeMembers = ['code', 'Code', 'error_code', 'errorCode', 'errorcode', 'errcode', 'status_code', 'statusCode'];

/** Where only errors keep themselves, also beside choices. */
const tellingMembers: ReadonlySet<string> = new Set(['error', 'errors', 'fault', 'Error']);

/** The words that only errors have, also beside choices. */
const tellingWords: ReadonlySet<string> = new Set([
  'error_message',
  'errorMessage',
  'error_msg',
  'errorMsg',
  'errmsg',
  'errMsg',
  'error_description',
  'faultstring',
]);

/** Members that may tell of an error beside choices. */
const suspects: ReadonlySet<string> = new Set([...tellingMembers, ...tellingWords, 'base_resp', 'ResponseMetadata']);

/** Reads an error in any of the shapes that proxies and providers write: an object, an object in an object, a text, a page. */
export function toErrorFrame(value: unknown): ErrorFrame {
  const frame: ErrorFrame = { message: '', type: null, code: null, param: null };
  frame.message = readable(readInto(frame, value, 0));
  return frame;
}

/** The error frame of data that is no JSON, or JSON that is no chunk. Its text may be the reply's, so it is not quoted. */
export function notAChunk(what: string): ErrorFrame {
  return { message: what, type: null, code: null, param: null };
}

/** Whether an object without choices tells of an error: `{"error":…}`, FastAPI's `detail`, vLLM's `object: "error"`. */
export function isErrorObject(value: JsonObject): boolean {
  if (errorBesideChoices(value) !== null || isJsonObject(value['error']) || value['object'] === 'error') return true;
  const type = textOrNull(value['type']) ?? '';
  if (type === 'error' || /(_error|Error|Exception)$/.test(type)) return true;
  if (/ping|keep-?alive|heart-?beat/i.test(type)) return false;
  if (isPresent(value['detail']) || isPresent(value['Detail']) || isPresent(value['Message'])) return true;
  if (value['success'] === false || value['status'] === 'error') return true;
  if (isPresent(value['title']) && numeric(value['status']) >= 400) return true;
  return !('id' in value) && (isPresent(value['message']) || isPresent(value['msg']));
}

/** The error that an object with choices tells of, in a member that only errors have or in a choice; null when there is none. */
export function errorBesideChoices(value: JsonObject): unknown {
  // By the members that are there: each chunk is asked, and has six of them.
  for (const name in value) if (suspects.has(name) && isTelling(name, value[name])) return value;
  for (const choice of Array.isArray(value['choices']) ? value['choices'] : []) {
    if (!isJsonObject(choice)) continue;
    if (isPresent(choice['error'])) return { error: choice['error'] };
    const delta = choice['delta'];
    if (isJsonObject(delta) && isJsonObject(delta['error']) && isPresent(delta['error']))
      return { error: delta['error'] };
  }
  return null;
}

function isTelling(name: string, value: unknown): boolean {
  if (tellingMembers.has(name)) return isPresent(value);
  if (tellingWords.has(name)) return typeof value === 'string' && isPresent(value);
  if (!isJsonObject(value)) return false;
  if (name === 'base_resp') return numeric(value['status_code'] || 0) !== 0;
  return name === 'ResponseMetadata' && isPresent(value['Error']);
}

/**
 * Whether a member says that something is there: `"error": null`, false, 0, "", {} and [] are how some servers say that
 * there is none, and so is an object whose members all are.
 */
export function isPresent(error: unknown): boolean {
  if (typeof error === 'string') return error.trim() !== '' && error !== 'None' && error !== 'null';
  if (Array.isArray(error)) return error.some((item) => isPresent(item));
  if (!isJsonObject(error)) return error !== undefined && error !== null && error !== false && error !== 0;
  const isSuccess = numeric(error['code']) === 0 && /^(|ok|success)$/i.test(textOrNull(error['message']) ?? '');
  return !isSuccess && Object.values(error).some((member) => isPresent(member));
}

/** Gives the words of a value, and puts what else it says into the frame. */
function readInto(frame: ErrorFrame, value: unknown, depth: number): string {
  if (typeof value === 'string') return value;
  if (depth >= deepestNesting) return '';
  if (Array.isArray(value)) {
    const words = value.slice(0, mostErrors).map((item) => readInto(frame, item, depth + 1));
    return [...new Set(words.filter((each) => each.trim() !== ''))].join('; ');
  }
  if (!isJsonObject(value)) return '';
  const type = firstNamed(value, typeMembers);
  // RFC 9457 has an address there, which nobody may follow.
  if (type !== null && !/^(about|https?):/.test(type)) frame.type = type;
  frame.code = firstNamed(value, codeMembers) ?? frame.code ?? named(value['status']);
  frame.param = named(value['param']) ?? frame.param;
  const block = guardrailBlock(value);
  if (block !== null) frame.guardrail = block;
  const own = ownWords(value);
  const inner = innerError(value, own);
  if (inner === undefined) return own;
  const told = readInto(frame, inner, depth + 1) || (isJsonObject(inner) ? listed(inner) : '');
  if (typeof inner !== 'string' || own === '') return told.trim() === '' ? own : told;
  // `{"error": "invalid_grant", "error_description": "…"}`: where both are texts, one is a word and one the sentence.
  return own.length >= told.length ? own : told;
}

function ownWords(value: JsonObject): string {
  for (const name of wordMembers) {
    const words = textOrNull(value[name]);
    if (words !== null && words.trim() !== '') return words;
  }
  return '';
}

/** ASP.NET and Rails list what is wrong by field: `{"errors": {"model": ["is unknown"]}}`. */
function listed(fields: JsonObject): string {
  const lists = Object.entries(fields).filter(
    (entry): entry is [string, string[]] =>
      Array.isArray(entry[1]) && entry[1].every((item) => typeof item === 'string'),
  );
  return lists
    .slice(0, mostErrors)
    .map(([field, words]) => `${field}: ${words.slice(0, mostErrors).join(', ')}`)
    .join('; ');
}

function innerError(value: JsonObject, own: string): unknown {
  const name = innerMembers.find((each) => isPresent(value[each]) && value[each] !== true);
  if (name !== undefined) return value[name];
  // A message that is an object holds the provider's own error.
  if (isJsonObject(value['message'])) return value['message'];
  if (own !== '') return undefined;
  const further = furtherMembers.find((each) => isPresent(value[each]) && value[each] !== true);
  return further === undefined ? undefined : value[further];
}

function firstNamed(value: JsonObject, names: readonly string[]): string | null {
  for (const name of names) {
    const found = named(value[name]);
    if (found !== null) return found;
  }
  return null;
}

/** LiteLLM writes Python's `None` as a string in places. */
function named(value: unknown): string | null {
  if (typeof value === 'number') return String(value);
  return value === 'None' ? null : textOrNull(value);
}

function readable(message: string): string {
  if (message.trim() === '') return 'an error without a message';
  if (isHtml(message)) {
    const title = htmlTitle(message);
    return title === null ? 'an HTML page without a title' : `an HTML page titled "${title}"`;
  }
  const short = titledPage(reduceTraceback(message));
  return short.length > longestMessage ? `${short.slice(0, longestMessage)}…` : short;
}
