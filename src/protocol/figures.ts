/** No call costs and no budget holds more. A figure above it is a mistake, or somebody who wants a sum to be wrong. */
export const mostUsd = 1e9;

/**
 * A cost, a spend or a budget in USD, as a proxy or a file of another run tells it. One below zero, one that is no
 * number and one that nothing costs are unknown: a negative cost would give money back to `--max-cost`.
 */
export function usd(value: unknown): number | null {
  const cost = figure(value);
  return cost === null || cost > mostUsd ? null : cost;
}

/** A count of tokens or tries: whole, from 0. */
export function count(value: unknown): number | null {
  const found = figure(value);
  return found !== null && Number.isSafeInteger(found) ? found : null;
}

/** A duration in milliseconds, from 0 to ten years; fractions too. */
export function milliseconds(value: unknown): number | null {
  const found = figure(value);
  return found === null || found > 3.2e11 ? null : found;
}

/**
 * A number, or a text that is one: headers carry text, so `"0.5"` is 0.5. Not a number for anything else, where Number()
 * would throw: the `valueOf` of foreign JSON need not be a function.
 */
export function numeric(value: unknown): number {
  if (typeof value === 'number') return value;
  return typeof value === 'string' && value.trim() !== '' ? Number(value) : Number.NaN;
}

/** The least and the most of a list of any length, which `Math.min(...list)` would put on the stack; null of none. */
export function extent(figures: Iterable<number>): [least: number, most: number] | null {
  let found: [number, number] | null = null;
  for (const each of figures)
    found = found === null ? [each, each] : [Math.min(found[0], each), Math.max(found[1], each)];
  return found;
}

function figure(value: unknown): number | null {
  const number = numeric(value);
  return Number.isFinite(number) && number >= 0 ? number : null;
}
