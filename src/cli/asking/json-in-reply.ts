import { parseJson } from '../../protocol/json.ts';
import { fencedBlocks } from '../../terminal/fenced-blocks.ts';

/** JSON that was found in a reply. */
export interface FoundJson {
  /** As it stood there. */
  text: string;
  value: unknown;
  /** What was around it; null when nothing was. */
  note: string | null;
}

/**
 * The JSON of a reply that is JSON, or nearly: behind a BOM or a `<think>…</think>`, or inside of a fenced block, which may
 * have words around it.
 *
 * @returns why there is none, in words, where none or more than one is to be found
 */
export function jsonIn(reply: string): FoundJson | string {
  const [thought = ''] = /^\s*<think(?:ing)?>[^]*?<\/think(?:ing)?>/i.exec(reply.replace(/^\uFEFF/, '')) ?? [];
  const rest = reply
    .replace(/^\uFEFF/, '')
    .slice(thought.length)
    .trim();
  const around = thought === '' ? null : 'the JSON behind <think>';
  const whole = parsed(rest);
  if (whole !== null) return { ...whole, note: around };
  const candidates = fencedBlocks(rest).flatMap(({ language, text }) => {
    const found = parsed(text.trim());
    return found === null ? [] : [{ ...found, language }];
  });
  const [first, second] = candidates;
  if (first === undefined) return 'it is no JSON';
  if (second === undefined) return { text: first.text, value: first.value, note: 'the JSON of its fenced block' };
  const names = candidates.slice(0, 5).map(({ text }) => text.replace(/\s+/g, ' ').slice(0, 30));
  return `it has ${candidates.length} blocks of JSON, and nothing says which: ${names.join(' | ')}`;
}

function parsed(text: string): { text: string; value: unknown } | null {
  try {
    return { text, value: parseJson(text) };
  } catch {
    return null;
  }
}
