/** No call costs and no budget holds more. A figure above it is a mistake, or somebody who wants a sum to be wrong. */
const mostUsd = 1e9;

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

/** Headers carry text: `"0.5"` is a figure like 0.5. */
function figure(value: unknown): number | null {
  const number =
    typeof value === 'number' ? value : typeof value === 'string' && value.trim() !== '' ? Number(value) : Number.NaN;
  return Number.isFinite(number) && number >= 0 ? number : null;
}
