import type { ModelInfo } from '../client/client.ts';
import { count, extent, usd } from '../protocol/figures.ts';

/** What is known of a model before it is asked, over all of its deployments: a request may go to any of them. */
export interface ModelFacts {
  /** The smallest of them; null when one does not say. */
  maxInputTokens: number | null;
  /** The largest of them; null when one does not say. */
  maxOutputTokens: number | null;
  /** USD per token. Null when one of them does not say. */
  prices: readonly DeploymentPrice[] | null;
  providers: readonly string[];
}

/** What a deployment costs, by the tokens that go in: LiteLLM has dearer prices for long prompts. */
export interface DeploymentPrice {
  input: readonly Tier[];
  output: readonly Tier[];
}

interface Tier {
  /** So many tokens of input are not yet priced so. */
  above: number;
  /** USD per token. */
  price: number;
}

/** Null for a model that the proxy tells nothing of. */
export function modelFacts(deployments: readonly ModelInfo[], model: string): ModelFacts | null {
  const infos = deployments.filter(({ model_name: name }) => name === model).map(({ model_info: info }) => info ?? {});
  if (infos.length === 0) return null;
  const prices = infos.map(priceOf);
  return {
    maxInputTokens: extreme(infos, 'max_input_tokens', 0),
    maxOutputTokens: extreme(infos, 'max_output_tokens', 1),
    prices: prices.every((price) => price !== null) ? prices : null,
    providers: [...new Set(infos.flatMap(({ litellm_provider: name }) => (typeof name === 'string' ? [name] : [])))],
  };
}

/** What so many tokens cost at the cheapest and at the dearest deployment; null when one of them does not say, or more than anything costs. */
export function costOf(
  prices: ModelFacts['prices'],
  inputTokens: number,
  outputTokens: number,
): { low: number; high: number } | null {
  if (prices === null) return null;
  const costs = prices.map(({ input, output }) => {
    return inputTokens * priceAt(input, inputTokens) + outputTokens * priceAt(output, inputTokens);
  });
  const [low, high] = extent(costs) ?? [null, null];
  return usd(low) === null || usd(high) === null ? null : { low: low ?? 0, high: high ?? 0 };
}

function priceAt(tiers: readonly Tier[], inputTokens: number): number {
  return tiers.findLast(({ above }) => above === 0 || inputTokens > above)?.price ?? 0;
}

function priceOf(info: Readonly<Record<string, unknown>>): DeploymentPrice | null {
  const [input, output] = [tiersOf(info, 'input'), tiersOf(info, 'output')];
  return input === null || output === null ? null : { input, output };
}

/** Source: `model_prices_and_context_window.json` of LiteLLM 1.104.2, `input_cost_per_token_above_200k_tokens`. */
function tiersOf(info: Readonly<Record<string, unknown>>, side: 'input' | 'output'): Tier[] | null {
  const base = usd(info[`${side}_cost_per_token`]);
  if (base === null) return null;
  const tiers: Tier[] = [{ above: 0, price: base }];
  for (const [name, value] of Object.entries(info)) {
    const [, named, thousands] = /^(input|output)_cost_per_token_above_(\d{1,6})k_tokens$/.exec(name) ?? [];
    const price = usd(value);
    if (named === side && price !== null) tiers.push({ above: Number(thousands) * 1000, price });
  }
  return tiers.toSorted((one, other) => one.above - other.above);
}

function extreme(infos: readonly Readonly<Record<string, unknown>>[], name: string, which: 0 | 1): number | null {
  const figures = infos.map((info) => (typeof info[name] === 'number' ? count(info[name]) : null));
  const isKnown = (figure: number | null): figure is number => figure !== null && figure > 0;
  return figures.every(isKnown) ? (extent(figures)?.[which] ?? null) : null;
}
