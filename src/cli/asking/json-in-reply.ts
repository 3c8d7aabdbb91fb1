import { ambiguityOf } from '../../protocol/ambiguous-json.ts';
import { parseJson } from '../../protocol/json.ts';
import { fencedBlocks } from '../../terminal/fenced-blocks.ts';
import { behindThought } from './behind-thought.ts';

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
  const bare = reply.replace(/^\uFEFF/, '').trim();
  const all = parsed(bare);
  if (all !== null) return certain(all, null);
  const rest = behindThought(bare)?.trim() ?? null;
  if (rest === null) return 'it is no JSON, but a thought without an end';
  const whole = rest === bare ? null : parsed(rest);
  if (whole !== null) return certain(whole, 'the JSON behind <think>');
  const candidates = fencedBlocks(rest).flatMap(({ text }) => parsed(text.trim()) ?? []);
  const [first, second] = candidates;
  if (first === undefined) return 'it is no JSON';
  if (second === undefined) return certain(first, 'the JSON of its fenced block');
  const names = candidates.slice(0, 5).map(({ text }) => text.replace(/\s+/g, ' ').slice(0, 30));
  return `it has ${candidates.length} blocks of JSON, and nothing says which: ${names.join(' | ')}`;
}

/** What one program was told is valid has to be what the next one reads. */
function certain(found: Omit<FoundJson, 'note'>, note: string | null): FoundJson | string {
  const ambiguity = ambiguityOf(found.text);
  return ambiguity === null ? { ...found, note } : `it ${ambiguity}`;
}

function parsed(text: string): Omit<FoundJson, 'note'> | null {
  try {
    return { text, value: parseJson(text) };
  } catch {
    return null;
  }
}
