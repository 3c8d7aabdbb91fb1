import { reduceTraceback } from './error-message.ts';
import { htmlTitle, isHtml } from './html-title.ts';
import { isJsonObject, textOrNull, type JsonObject } from './json.ts';

/** An error that the proxy reported inside a reply. */
export interface ErrorFrame {
  message: string;
  /** LiteLLM's `error.type`, e.g. `budget_exceeded`. */
  type: string | null;
  /** As text, whether it came as a number or as a string. */
  code: string | null;
  param: string | null;
}

/** A provider may put a whole page into its message. */
const longestMessage = 2000;

/** Providers nest: `{"error":{"error":{…}}}`, `{"detail":{"error":…}}`, `[{"error":…}]`. */
const deepestNesting = 4;

/** Reads an error in any of the shapes that proxies and providers write: an object, an object in an object, a text, a page. */
export function toErrorFrame(value: unknown): ErrorFrame {
  const frame: ErrorFrame = { message: '', type: null, code: null, param: null };
  let current = value;
  for (let depth = 0; depth < deepestNesting; depth += 1) {
    if (Array.isArray(current)) current = current.find((item) => isJsonObject(item)) ?? current[0];
    if (!isJsonObject(current)) break;
    frame.type = named(current['type']) ?? frame.type;
    frame.code = named(current['code']) ?? frame.code ?? named(current['status']);
    frame.param = named(current['param']) ?? frame.param;
    const message = textOrNull(current['message']) ?? textOrNull(current['msg']);
    if (message !== null) frame.message = message;
    const inner = innerError(current);
    if (inner === undefined) break;
    current = inner;
  }
  if (typeof current === 'string' && current.trim() !== '') frame.message = current;
  frame.message = readable(frame.message);
  return frame;
}

/** The error frame of data that is no JSON, or JSON that is no chunk. Its text may be the reply's, so it is not quoted. */
export function notAChunk(what: string): ErrorFrame {
  return { message: what, type: null, code: null, param: null };
}

/** Whether an object without choices tells of an error: `{"error":…}`, FastAPI's `detail`, vLLM's `object: "error"`. */
export function isErrorObject(value: JsonObject): boolean {
  if (isPresent(value['error']) || value['object'] === 'error' || value['type'] === 'error') return true;
  return isPresent(value['detail']) || (typeof value['message'] === 'string' && !('id' in value));
}

/** `"error": null`, false or "" is how some servers say that there is none. */
export function isPresent(error: unknown): boolean {
  return error !== undefined && error !== null && error !== false && error !== '';
}

function innerError(value: JsonObject): unknown {
  if (isPresent(value['error'])) return value['error'];
  if (isPresent(value['detail'])) return value['detail'];
  // A message that is an object holds the provider's own error.
  return isJsonObject(value['message']) ? value['message'] : undefined;
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
  const short = reduceTraceback(message);
  return short.length > longestMessage ? `${short.slice(0, longestMessage)}…` : short;
}
