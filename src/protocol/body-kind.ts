/** What a body is, by its first bytes and its content type. */
export type BodyKind = 'sse' | 'json' | 'other';

/** Whether a status says that the body is what was asked for: any 2xx but those that have no body. */
export function isSuccess(status: number): boolean {
  return status >= 200 && status < 300 && status !== 204 && status !== 205;
}

/** The characters that are looked at. When all are white space, the content type decides. */
const longestPrefix = 4096;

/** A byte order mark, byte by byte. */
const mark = '\xEF\xBB\xBF';

const fields = ['data', 'event', 'id', 'retry'];

/**
 * Says what a body is, or null while its first bytes do not tell. The bytes decide, for reverse proxies mislabel in both
 * directions; the content type decides what they leave open.
 *
 * @param prefix the first characters, or more, of the body; each byte one character, for every one that counts is ASCII
 * @param hasEnded whether there will be no more of them
 */
export function bodyKind(prefix: string, contentType: string | null, hasEnded: boolean): BodyKind | null {
  const isEventStream = /^\s*text\/event-stream\s*(;|$)/i.test(contentType ?? '');
  const byContentType = isEventStream ? 'sse' : 'other';
  const isAll = hasEnded || prefix.length >= longestPrefix;
  if (!isAll && prefix.length < mark.length && mark.startsWith(prefix)) return null;
  const head = prefix.slice(prefix.startsWith(mark) ? mark.length : 0, longestPrefix).trimStart();
  if (head === '') return isAll ? byContentType : null;
  if (head.startsWith('{') || head.startsWith('[')) return 'json';
  if (head.startsWith('<')) return 'other';
  if (isEventStream || head.startsWith(':')) return 'sse';
  const name = /^[a-z]*/.exec(head)?.[0] ?? '';
  if (name === head) return isAll || !fields.some((field) => field.startsWith(name)) ? 'other' : null;
  return fields.includes(name) && /[:\r\n]/.test(head.charAt(name.length)) ? 'sse' : 'other';
}
