import { CllmError } from '../outcome/errors.ts';
import { isPresent, toErrorFrame } from '../protocol/error/error-frame.ts';
import { cleanErrorMessage } from '../protocol/error/error-message.ts';
import { isJsonObject, type JsonObject, textOrNull } from '../protocol/json.ts';
import { bounded } from './untrusted.ts';

/** What a tool of an MCP server gave. */
export interface McpResult {
  /** Its text as it came, of any length, and a line for each thing that is none. */
  text: string;
  /** The tool says itself that it failed. */
  isError: boolean;
  media: McpMedia[];
  /** As it came: MCP's `content` and `structuredContent`. */
  content: unknown[];
  structured: JsonObject | null;
}

/** An image, a recording or a file in a result. */
export interface McpMedia {
  kind: 'image' | 'audio' | 'file';
  mediaType: string;
  /** Base64, as it came: what it holds may be damaged. */
  data: string;
}

/** A result with more parts than this is told of in part. */
const mostParts = 1_000;
/** A name, a media type or an address inside a line. */
const longestWord = 200;

/**
 * Reads the answer of a call. What MCP's types do not name is named and left out.
 *
 * Source: the MCP specification of 2025-06-18, `CallToolResult`; litellm 1.104.2 and 1.108.7.
 *
 * @throws CllmError `mcp_unavailable` for an answer that is no result, an error among it
 */
export function readMcpResult(answer: unknown): McpResult {
  if (!isJsonObject(answer)) throw noResult('the answer is no object');
  const { content, structuredContent } = answer;
  if (isPresent(answer['error']) && !Array.isArray(content)) throw noResult(wordsOf(answer));
  const structured = isJsonObject(structuredContent) ? structuredContent : null;
  if (!Array.isArray(content) && structured === null) {
    throw noResult(
      textOrNull(answer['resultType']) === 'input_required'
        ? 'the tool asks for more input, which can not be given here'
        : 'the answer has no content',
    );
  }
  const parts: unknown[] = Array.isArray(content) ? content : [];
  const media: McpMedia[] = [];
  const texts = parts.slice(0, mostParts).map((part) => partText(part, media));
  if (parts.length > mostParts) texts.push(`[${parts.length - mostParts} more parts are left out]`);
  // MCP asks servers to repeat it as text, for clients that do not know it: then it says nothing new.
  if (structured !== null && !parts.some((part) => isJsonObject(part) && textOrNull(part['text']) !== null))
    texts.push(JSON.stringify(structured));
  return {
    text: texts.join('\n'),
    isError: answer['isError'] === true,
    media,
    content: parts,
    structured,
  };
}

/** What an answer that should be a result or a list says of an error. */
export function wordsOf(answer: JsonObject): string {
  const told = cleanErrorMessage(textOrNull(answer['message']) ?? toErrorFrame(answer).message);
  return told === '' ? 'it tells of an error without words' : told;
}

function noResult(why: string): CllmError {
  return new CllmError('mcp_unavailable', `the tool gave no result: ${why}`, {
    hint: 'look before you try again: whether it ran is not known',
  });
}

function partText(part: unknown, media: McpMedia[]): string {
  if (!isJsonObject(part)) return '[a part that can not be read]';
  const { type, text } = part;
  if (type === 'text' && typeof text === 'string') return text;
  if (type === 'image' || type === 'audio') {
    const { data, mimeType } = part;
    if (typeof data !== 'string') return `[${type} without data]`;
    const title = word(mimeType) ?? type;
    media.push({ kind: type, mediaType: title, data });
    return `[${type}: ${title}, ${bytesOf(data)} bytes, not shown]`;
  }
  if (type === 'resource' && isJsonObject(part['resource'])) return resourceText(part['resource'], media);
  if (type === 'resource_link') {
    const about = [part['name'], part['mimeType']].flatMap((each) => word(each) ?? []).join(', ');
    return `[link to ${word(part['uri']) ?? 'nowhere'}${about === '' ? '' : ` (${about})`}, not followed]`;
  }
  return `[content of the type ${word(type) ?? 'unknown'}, not shown]`;
}

function resourceText({ uri, mimeType, text, blob }: JsonObject, media: McpMedia[]): string {
  const name = word(uri) ?? 'without a name';
  if (typeof text === 'string') return `[resource ${name}]\n${text}`;
  if (typeof blob !== 'string') return `[resource ${name}, empty]`;
  const mediaType = word(mimeType) ?? 'application/octet-stream';
  media.push({ kind: 'file', mediaType, data: blob });
  return `[resource ${name}: ${mediaType}, ${bytesOf(blob)} bytes, not shown]`;
}

/** One line of a foreign word, short. */
function word(value: unknown): string | null {
  const text = textOrNull(value);
  return text === null ? null : bounded(text.slice(0, longestWord).replaceAll(/\s+/g, ' '), longestWord);
}

function bytesOf(base64: string): number {
  return Buffer.byteLength(base64, 'base64');
}
