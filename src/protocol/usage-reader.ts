import { count, usd } from './figures.ts';
import { isJsonObject } from './json.ts';
import type { Usage } from './types.ts';

/**
 * Usage as `types.ts` says it, from whatever came under that name: a count that is no number, or below zero, is null and
 * never 0; a cost likewise is left out. Perplexity's cost is an object that has the sum as `total_cost`.
 *
 * @returns null when the value is no object, or holds nothing.
 */
export function readUsage(value: unknown): Usage | null {
  if (!isJsonObject(value) || Object.keys(value).length === 0) return null;
  const kept = Object.entries(value).filter(([name, figure]) => isKept(name, figure));
  const cost = costOf(value['cost']);
  return {
    ...Object.fromEntries(kept),
    prompt_tokens: figureOf(value['prompt_tokens']),
    completion_tokens: figureOf(value['completion_tokens']),
    total_tokens: figureOf(value['total_tokens']),
    ...(cost === null ? {} : { cost }),
  };
}

function figureOf(value: unknown): number | null {
  return typeof value === 'number' ? count(value) : null;
}

function costOf(value: unknown): number | null {
  const cost = isJsonObject(value) ? value['total_cost'] : value;
  return typeof cost === 'number' ? usd(cost) : null;
}

/** Whether a member may stay as it is: one that nobody knows, or null, or of its right kind. */
function isKept(name: string, value: unknown): boolean {
  if (value === null) return true;
  switch (name) {
    case 'completion_tokens_details':
    case 'prompt_tokens_details':
      return isJsonObject(value);
    case 'cache_creation_input_tokens':
    case 'cache_read_input_tokens':
      return figureOf(value) !== null;
    case 'cost':
      return false;
    default:
      return true;
  }
}
