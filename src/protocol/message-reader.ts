import { isJsonObject } from './json.ts';
import type { ChatMessage, Json } from './types.ts';

/**
 * Reads the messages of a request that was kept: a row of the history, a line of an export, the first line of a journal.
 * What it gives is what `types.ts` says, whatever came; messages of the right shape come out as they came in. It throws
 * on nothing that is JSON.
 *
 * An object in place of the list is its only message, and a text is the user's. Parts that are neither object nor text
 * are left out, content of another kind is its JSON.
 */
export function readMessages(value: unknown): ChatMessage[] {
  const list: unknown[] = Array.isArray(value) ? value : [value];
  return list.map(messageOf).filter((message) => message !== null);
}

function messageOf(value: unknown): ChatMessage | null {
  if (typeof value === 'string') return { role: 'user', content: value };
  if (!isJsonObject(value)) return null;
  const { role, content } = value;
  return { ...value, role: typeof role === 'string' ? role : 'user', content: contentOf(content) };
}

function contentOf(content: unknown): ChatMessage['content'] {
  if (typeof content === 'string') return content;
  if (content === undefined || content === null) return null;
  if (!Array.isArray(content)) return isJsonObject(content) ? [content as Json] : JSON.stringify(content);
  return content.flatMap((part: unknown): Json[] => {
    if (typeof part === 'string') return [{ type: 'text', text: part }];
    return isJsonObject(part) ? [part as Json] : [];
  });
}
