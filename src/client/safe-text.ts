import { KeyMask, redactSecrets } from '../protocol/redact-secrets.ts';
import { withoutQuotations } from './quotation.ts';

/** What must not stand in a message, a hint, a cause or a debug line. */
export interface Secrets {
  /** Keys and the values of headers that hold keys: taken out wherever they stand. */
  keys: readonly string[];
  /** The texts of the prompt: a validation error of the proxy may quote them. */
  prompts: readonly string[];
}

/** A word this short that stands for a key is no secret, and masking it would take every text apart. */
const shortestKey = 4;

/** More of a stranger's text than this is never shown, so it need not be looked through. */
const longestText = 65_536;

/** What must never be shown: the key, and what a header of that kind holds. */
export function secretValues(headers: Record<string, string>): string[] {
  return Object.entries(headers)
    .filter(([name]) => /auth|key|token|secret|cookie|password/.test(name))
    .map(([, value]) => value.replace(/^(bearer|basic)\s+/i, ''));
}

/** Takes keys, and passages of the prompt, out of a text that a stranger wrote. */
export function safeText(text: string, secrets: Secrets): string {
  return safeTexts([text], secrets)[0] ?? '';
}

/** The same for several, in one pass over the prompts. */
export function safeTexts(texts: readonly string[], { keys, prompts }: Secrets): string[] {
  const mask = keyMask(keys);
  const short = texts.map((text) => text.slice(0, longestText));
  return withoutQuotations(
    short.map((text) => redactSecrets(mask.mask(text))),
    prompts,
  );
}

/** The mask of the last keys: those of a client are the same for every reply, and their patterns take time to make. */
let last: { keys: readonly string[]; mask: KeyMask } | null = null;

/** Masks the keys themselves and nothing else: for what must otherwise stay as it was sent. */
export function keyMask(keys: readonly string[]): KeyMask {
  const isSame = last !== null && last.keys.length === keys.length && last.keys.every((key, at) => key === keys[at]);
  // A copy: the list may get another key.
  if (!isSame) last = { keys: [...keys], mask: new KeyMask(keys.filter((key) => key.length >= shortestKey)) };
  return (last as NonNullable<typeof last>).mask;
}

/** The texts of a request's messages. */
export function promptTexts(messages: readonly { content: unknown }[]): string[] {
  const texts: string[] = [];
  const collect = (content: unknown) => {
    if (typeof content === 'string') texts.push(content);
    else if (Array.isArray(content)) for (const part of content) collect((part as { text?: unknown } | null)?.text);
  };
  for (const message of messages) collect(message.content);
  return texts;
}

/** Every text of a value that is sent as JSON. */
export function textsIn(value: unknown): string[] {
  const texts: string[] = [];
  // Without recursion: what comes from elsewhere may be nested deeper than the stack.
  const open: unknown[] = [value];
  while (open.length > 0) {
    const next = open.pop();
    if (typeof next === 'string') texts.push(next);
    else if (typeof next === 'object' && next !== null) for (const each of Object.values(next)) open.push(each);
  }
  return texts;
}
