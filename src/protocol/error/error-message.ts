import { pageWords, startsWithPage, titledPage } from './html-title.ts';
import { redactSecrets } from '../redact-secrets.ts';

/**
 * What an error text of a proxy really says. LiteLLM wraps a provider's error in its own, in Python's repr of bytes, in
 * a traceback or in a paragraph about model groups; a reverse proxy answers with a page of HTML. Pure text in, one
 * readable line out, for HTTP bodies and for error frames alike.
 *
 * Source: the error bodies of LiteLLM 1.104.2, and of nginx and common load balancers.
 */

/** Whether a proxy takes no tags from its clients (`reject_clientside_metadata_tags`). Source: litellm 1.104.2, auth_checks.py. */
export function isTagRefusal(message: string): boolean {
  return message.includes("Client-side 'metadata.tags' not allowed");
}

/**
 * How many requests may be under way at a time, where a proxy refuses one more; null for another refusal. A place is free
 * as soon as a reply ends, whatever `retry-after` says: LiteLLM puts the length of its window there, 60 s, each time.
 *
 * Source: litellm 1.104.2, parallel_request_limiter_v3.py.
 */
export function parallelLimitOf(message: string): number | null {
  const [, places] = /Limit type: max_parallel_requests\W+Current limit: (\d{1,6})\b/.exec(message) ?? [];
  return places === undefined || Number(places) < 1 ? null : Number(places);
}

/** More than this of an error text is never looked at: an error body can be as large as a reply. */
const longestInput = 32_768;

/** One line is enough to act upon; the proxy's own log has the rest. */
const longestMessage = 500;

/** One line without control characters, keys, tracebacks or HTML; empty when the text says nothing. */
export function cleanErrorMessage(text: string): string {
  let message = text.slice(0, longestInput);
  if (startsWithPage(message)) return limit(redactSecrets(oneLine(pageWords(message))), longestMessage);
  message = withoutChunks(cutRouterParagraph(message));
  message = unfoldBytes(message);
  message = unfoldJson(message);
  message = reduceTraceback(titledPage(message));
  return limit(redactSecrets(oneLine(message)), longestMessage);
}

/**
 * A budget refusal. LiteLLM's status for it changed from 400 to 429 to 422, so the type decides; a deployment's or a
 * provider's budget has no type of its own, in an answer and in an error frame, and is known by its words.
 */
export function isBudgetRefusal(error: { message: string; type: string | null }): boolean {
  return (
    error.type === 'budget_exceeded' ||
    /crossed budget|\bBudgetExceededError\b|\bBudget has been exceeded!|ExceededBudget:/i.test(error.message)
  );
}

/**
 * `\n\nLiteLLM: model group 'x' failed …` (1.104) and `. Received Model Group=…` (earlier) tell of the router, not of the
 * failure. What stands before them is the failure.
 */
function cutRouterParagraph(message: string): string {
  const older = /\.? ?Received Model Group=| LiteLLM Retried: \d+ times/.exec(message);
  const end = Math.min(older?.index ?? message.length, routerParagraph(message));
  const kept = message.slice(0, end).trimEnd();
  return kept === '' ? message : kept;
}

/** Where a line begins that starts so; line by line, for a pattern would try each of a thousand blank lines anew. */
function routerParagraph(message: string): number {
  let start = message.indexOf('\n');
  while (start !== -1) {
    const next = message.indexOf('\n', start + 1);
    if (
      message
        .slice(start, next === -1 ? undefined : next)
        .trimStart()
        .startsWith('LiteLLM: model group ')
    )
      return start;
    start = next;
  }
  return message.length;
}

/** Gemini's streaming errors carry Python's repr of the provider's body: `b'{\n  "error": …}'`. */
function unfoldBytes(message: string): string {
  const repr = /\bb(['"])((?:\\[^]|(?!\1)[^\\])*)\1?/.exec(message);
  if (repr === null || (repr.index > 0 && !/[\s(:-]/.test(message[repr.index - 1] ?? ''))) return message;
  const body = decodePythonBytes(repr[2] ?? '');
  return `${message.slice(0, repr.index)}${innerMessage(body) ?? body}`;
}

function decodePythonBytes(body: string): string {
  const simple: Record<string, string> = { n: '\n', r: '\r', t: '\t', '\\': '\\', "'": "'", '"': '"' };
  const encoded = body.replaceAll(/(?:\\x[0-9a-f]{2})+|\\[^]/gi, (escape) =>
    escape.startsWith('\\x') && escape.length > 2
      ? new TextDecoder().decode(Uint8Array.from(escape.slice(2).split('\\x'), (hex) => Number.parseInt(hex, 16)))
      : (simple[escape[1] ?? ''] ?? escape),
  );
  return encoded;
}

/** `litellm.BadRequestError: OpenAIException - {"error": {"message": …}}` says the same twice, once in JSON. */
function unfoldJson(message: string): string {
  const start = message.search(/\{\s*["']/);
  if (start === -1) return message;
  const inner = innerMessage(message.slice(start));
  return inner === null ? message : `${message.slice(0, start)}${inner}`;
}

/** The `message` of an error object, also of one that was cut short. */
function innerMessage(text: string): string | null {
  const field = /["'](?:message|detail)["']\s*:\s*("(?:[^"\\]|\\.)*")/.exec(text)?.[1];
  if (field === undefined) return null;
  try {
    const message: unknown = JSON.parse(field.replaceAll(/[\n\r\t]/g, ' '));
    return typeof message === 'string' && message !== '' ? message : null;
  } catch {
    return null;
  }
}

/**
 * `… no content string given. Received Chunk={…}`: LiteLLM quotes what it could not read, which may be words of the reply.
 * No message holds those.
 */
function withoutChunks(message: string): string {
  const quotation = /\bReceived chunk\s?[=:]|\bfrom chunk:|\bdecode chunk:|,\s?chunk:/i.exec(message);
  if (quotation === null) return message;
  const kept = message.slice(0, quotation.index).trimEnd();
  return /[.,;:]$/.test(kept) ? `${kept.slice(0, -1)}.` : kept;
}

/** A Python traceback says what happened in its last line; file names of the proxy's machine are nobody's business. */
export function reduceTraceback(message: string): string {
  const start = message.indexOf('Traceback (most recent call last)');
  if (start === -1) return message;
  const before = message.slice(0, start).trim();
  const lines = message.slice(start).split('\n');
  const last = lines.findLast((line) => line.trim() !== '' && !/^\s+(File "|[\^~]+\s*$)/.test(line))?.trim() ?? '';
  if (before === '' || last.includes(before)) return last;
  return before.includes(last) || lines.length === 1 ? before : `${before}: ${last}`;
}

function oneLine(text: string): string {
  // Cc and Cf: no control byte, and no bidi mark, of a stranger's text reaches a terminal or a log through an error.
  return text.replaceAll(/[\p{Cc}\p{Cf}\s]+/gu, ' ').trim();
}

function limit(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1).trimEnd()}…`;
}
