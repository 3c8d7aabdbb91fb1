/** What a body is, by its first bytes and its content type. */
export type BodyKind = 'sse' | 'json' | 'other';

/** A body that holds this much white space and nothing else is judged by its content type. */
const longestPrefix = 64 * 1024;

const fields = ['data', 'event', 'id', 'retry'];

/**
 * Says what a body is, or null while its first bytes do not tell. The bytes decide, for reverse proxies mislabel in both
 * directions; the content type decides what they leave open.
 *
 * @param prefix the first characters of the body; each byte one character, for every one that counts is ASCII
 * @param hasEnded whether there will be no more of them
 */
export function bodyKind(prefix: string, contentType: string | null, hasEnded: boolean): BodyKind | null {
  const isEventStream = /^\s*text\/event-stream\s*(;|$)/i.test(contentType ?? '');
  const byContentType = isEventStream ? 'sse' : 'other';
  const text = prefix.replace(/^(\xEF\xBB\xBF)?\s*/, '');
  if (text === '') return hasEnded || prefix.length > longestPrefix ? byContentType : null;
  if (text.startsWith('{') || text.startsWith('[')) return 'json';
  if (text.startsWith('<')) return 'other';
  if (isEventStream || text.startsWith(':')) return 'sse';
  const name = /^[a-z]*/.exec(text)?.[0] ?? '';
  if (name.length < text.length)
    return fields.includes(name) && /[:\r\n]/.test(text.charAt(name.length)) ? 'sse' : 'other';
  return !hasEnded && fields.some((field) => field.startsWith(name)) ? null : 'other';
}
