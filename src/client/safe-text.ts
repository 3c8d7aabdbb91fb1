import { redactSecrets } from '../protocol/error-message.ts';

/** What must not stand in a message, a hint, a cause or a debug line. */
export interface Secrets {
  /** Keys and the values of headers that hold keys: taken out wherever they stand. */
  keys: readonly string[];
  /** The texts of the prompt: a validation error of the proxy may quote them. */
  prompts: readonly string[];
}

/** A passage of a prompt that is at least this long is a quotation, not a coincidence. */
const quotation = 16;
const shortestPrompt = 8;
/** `includes` on a megabyte costs about 0.1 ms, and an error text has a few hundred places to look from. */
const longestPrompt = 4_000_000;

/** What must never be shown: the key, and what a header of that kind holds. */
export function secretValues(headers: Record<string, string>): string[] {
  return Object.entries(headers)
    .filter(([name]) => /auth|key|token|secret|cookie|password/.test(name))
    .map(([, value]) => value.replace(/^(bearer|basic)\s+/i, ''));
}

/** Takes keys, and passages of the prompt, out of a text that a stranger wrote. */
export function safeText(text: string, secrets: Secrets): string {
  let safe = text;
  // The longest first: masking one that another begins with would leave the rest of that one.
  for (const key of secrets.keys.toSorted((one, other) => other.length - one.length)) {
    if (key.length >= 4) safe = safe.replaceAll(key, '****');
  }
  safe = redactSecrets(safe);
  for (const prompt of secrets.prompts) safe = withoutQuotation(safe, prompt.slice(0, longestPrompt));
  return safe;
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

function withoutQuotation(text: string, prompt: string): string {
  const trimmed = prompt.trim();
  if (trimmed.length < shortestPrompt) return text;
  if (trimmed.length <= quotation) return text.replaceAll(trimmed, '…');
  let safe = '';
  let index = 0;
  while (index < text.length) {
    let length = quotation;
    if (index + length > text.length || !prompt.includes(text.slice(index, index + length))) {
      safe += text[index];
      index += 1;
      continue;
    }
    while (index + length < text.length && prompt.includes(text.slice(index, index + length + 1))) length += 1;
    safe += '…';
    index += length;
  }
  return safe;
}
