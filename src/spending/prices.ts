import { usd } from '../protocol/figures.ts';
import type { ModelInfo } from '../client/client.ts';

/**
 * The model names whose price the proxy knows, from its `/model/info`: every deployment behind the name has a price.
 * A price of 0 is one, where somebody wrote it down; one below it is none.
 */
export function pricedModels(deployments: readonly ModelInfo[]): Set<string> {
  const priced = new Map<string, boolean>();
  for (const { model_name: name, model_info: info } of deployments) {
    priced.set(name, (priced.get(name) ?? true) && hasPrice(info));
  }
  return new Set([...priced].filter(([, isPriced]) => isPriced).map(([name]) => name));
}

function hasPrice(info: unknown): boolean {
  if (typeof info !== 'object' || info === null) return false;
  const prices = Object.entries(info).filter(([name]) => /^(in|out)put_cost_per_(token|character|second)$/.test(name));
  return prices.some(([, price]) => typeof price === 'number' && usd(price) !== null);
}
