import type { LiteLLMClient, ModelEntry, ModelInfo } from '../../../client/client.ts';
import { abilities, type Ability, hasAbility } from '../../../client/model-abilities.ts';
import { count, extent, usd } from '../../../protocol/figures.ts';
import { budgetRefusal, explainBudget, namedModels } from '../../asking/budget.ts';

/** A model as `cllm models` shows it; null is what nobody knows. Prices are USD per token, the lowest and highest of its deployments. */
export interface ServedModel {
  id: string;
  mode: string | null;
  maxInputTokens: number | null;
  maxOutputTokens: number | null;
  inputCostPerToken: [low: number, high: number] | null;
  outputCostPerToken: [low: number, high: number] | null;
  providers: string[];
  /** Of each ability whether all of its deployments have it; null where one of them does not say. */
  can: Record<Ability, boolean | null>;
  /** The day from which the first of its deployments is no longer served, `2027-01-31`. */
  deprecated: string | null;
}

/**
 * What the key may use, with what the proxy knows of each deployment behind it. `/model/info` is more than some keys may
 * see, and more than some proxies have; without it the list alone stands.
 *
 * @throws CllmError when the list itself does not come
 */
export async function servedModels(client: LiteLLMClient, signal: AbortSignal): Promise<ServedModel[]> {
  const [entries, deployments] = await Promise.all([
    listed(client, signal),
    client.modelInfo({ signal }).catch((): ModelInfo[] => []),
  ]);
  const byName = new Map<string, ModelInfo[]>();
  for (const deployment of deployments) {
    const known = byName.get(deployment.model_name);
    if (known === undefined) byName.set(deployment.model_name, [deployment]);
    else known.push(deployment);
  }
  return entries.map((entry) => describeModel(entry, byName.get(entry.id) ?? []));
}

/** Over a budget the proxy lists nothing, but it still tells which models the key names, if it names some. */
async function listed(client: LiteLLMClient, signal: AbortSignal): Promise<ModelEntry[]> {
  try {
    return await client.models({ signal });
  } catch (error) {
    const refusal = budgetRefusal(error);
    if (refusal === null) throw error;
    const names = namedModels(await client.keyInfo({ signal }));
    if (names.length === 0) throw await explainBudget(refusal, client);
    return names.map((id) => ({ id }));
  }
}

function describeModel(entry: ModelEntry, deployments: readonly ModelInfo[]): ServedModel {
  const infos = deployments.map(({ model_info: info }) => info ?? {});
  const first = (name: string): unknown =>
    entry[name] ?? infos.map((info) => info[name]).find((value) => value != null);
  return {
    id: entry.id,
    mode: text(first('mode')),
    maxInputTokens: count(first('max_input_tokens')),
    maxOutputTokens: count(first('max_output_tokens')),
    inputCostPerToken: range(infos, 'input_cost_per_token'),
    outputCostPerToken: range(infos, 'output_cost_per_token'),
    providers: [...new Set(infos.flatMap((info) => text(info['litellm_provider']) ?? []))],
    can: Object.fromEntries(abilities.map((ability) => [ability, hasAbility(infos, ability)])) as Record<
      Ability,
      boolean | null
    >,
    deprecated: infos.flatMap((info) => day(info['deprecation_date']) ?? []).toSorted()[0] ?? null,
  };
}

function range(infos: readonly Record<string, unknown>[], name: string): [number, number] | null {
  return extent(infos.flatMap((info) => (typeof info[name] === 'number' ? (usd(info[name]) ?? []) : [])));
}

function day(value: unknown): string | null {
  return typeof value === 'string' && /^\d{4}-\d\d-\d\d$/.test(value) ? value : null;
}

function text(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}
