import { type ContentParts, isContentPart, readContentParts } from './content-parts.ts';
import { isJsonObject, type JsonObject } from './json.ts';

/** What a delta says and thinks, however it came; null where it says nothing of it. */
export interface DeltaText {
  content: string | null;
  reasoning: string | null;
  /** Where the content, or a text, came in parts: what is in them beside text. */
  parts: ContentParts | null;
}

/**
 * The text and the reasoning of a delta. Content may come in parts (Mistral's thinking models: BerriAI/litellm#16272);
 * `reasoning` is some servers' name for `reasoning_content`, and counts where that is empty: others send both, the same
 * text twice or one of them empty (strands-agents/harness-sdk#2354).
 */
export function textOfDelta(delta: JsonObject): DeltaText {
  const { content, reasoning_content: thought, reasoning } = delta;
  const parts = partsOf(content);
  const thoughts = [textIn(thought) || textIn(reasoning), parts?.reasoning].filter((text) => typeof text === 'string');
  return {
    content: parts === null ? stringOrNull(content) : parts.text,
    reasoning: thoughts.length === 0 ? null : thoughts.join(''),
    parts,
  };
}

/** What came as a list of parts, or as one. */
export function partsOf(value: unknown): ContentParts | null {
  if (Array.isArray(value)) return readContentParts(value);
  return isJsonObject(value) && isContentPart(value) ? readContentParts([value]) : null;
}

/** A text, or the texts of its parts. */
export function textIn(value: unknown): string | null {
  if (typeof value === 'string') return value;
  const parts = partsOf(value);
  return parts === null ? null : parts.text || parts.reasoning;
}

function stringOrNull(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
