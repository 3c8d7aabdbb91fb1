import { bodyKind } from '../body-kind.ts';
import { type ErrorFrame, isErrorObject, toErrorFrame } from './error-frame.ts';
import { cleanErrorMessage } from './error-message.ts';
import { isJsonObject, parseJson } from '../json.ts';

/** Errors as they stand in a text that is no JSON as a whole: in lines, in an event stream, glued to a torn one. */

/** An error is short; what is longer is a reply. */
const longestText = 65_536;
const mostLines = 200;
const mostTries = 8;

/** Where an object begins that may be an error. In a JSON string its quotes would be escaped. */
const beginnings =
  /\{\s*"(?:error|errors|Error|error_message|error_msg|error_code|error_type|message|detail|fault|base_resp|object|type|code|status)"\s*:/g;

/**
 * What the body of an answer that is no reply says. LiteLLM sends what goes wrong before the first chunk of a stream as a
 * frame of it, under the error's own status.
 */
export function errorOfBody(body: string): { frame: ErrorFrame; isForeign: boolean } {
  const nothing: ErrorFrame = { message: '', type: null, code: null, param: null };
  if (body.trim() === '') return { frame: nothing, isForeign: true };
  const value = parsed(body);
  if (typeof value === 'object' && value !== null) return { frame: toErrorFrame(value), isForeign: false };
  const frame = errorInText(body);
  if (frame !== null) return { frame, isForeign: false };
  const text = bodyKind(body.slice(0, 4096), null, true) === 'sse' ? dataOf(body) : body;
  return { frame: { ...nothing, message: cleanErrorMessage(text) }, isForeign: true };
}

/** The error in a text that is no JSON: the first line that is one, else an object that stands at the text's end. */
export function errorInText(text: string): ErrorFrame | null {
  const searched = text.slice(-longestText);
  const whole = errorOf(parsed(searched));
  if (whole !== null) return whole;
  for (const line of searched.split('\n', mostLines)) {
    const frame = errorOf(parsed(withoutField(line)));
    if (frame !== null) return frame;
  }
  let tries = 0;
  for (const { index } of searched.matchAll(beginnings)) {
    tries += 1;
    if (tries > mostTries) return null;
    const rest = searched.slice(index);
    const frame = errorOf(parsed(rest) ?? parsed(rest.slice(0, rest.indexOf('\n') + 1)));
    if (frame !== null) return frame;
  }
  return null;
}

function errorOf(value: unknown): ErrorFrame | null {
  if (Array.isArray(value)) return value.length > 0 && isJsonObject(value[0]) ? errorOf(value[0]) : null;
  return isJsonObject(value) && isErrorObject(value) ? toErrorFrame(value) : null;
}

/** Undefined where the text is no JSON. */
function parsed(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
}

function withoutField(line: string): string {
  return line.replace(/^\s*(?:data|error)\s?:/, '');
}

/** The text of an event stream whose data is no JSON. */
function dataOf(body: string): string {
  return body
    .split('\n', mostLines)
    .filter((line) => line.startsWith('data:') && line.slice(5).trim() !== '[DONE]')
    .map((line) => line.slice(5).trim())
    .join('\n');
}
