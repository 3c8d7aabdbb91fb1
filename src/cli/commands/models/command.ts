import { command } from '../../command.ts';
import { UsageError } from '../../../outcome/errors.ts';
import { list, mappedList, toggle } from '../../flags/flag.ts';
import { limitFlags, proxyFlags } from '../../flags/flags.ts';
import { rememberModels } from '../../asking/model-names.ts';
import { table } from '../../views/table.ts';
import { jsonLine } from '../../../terminal/terminal-safe.ts';
import { abilities, type Ability } from '../../../client/model-abilities.ts';
import { servedModels, type ServedModel } from './served-models.ts';

export const models = command({
  usage: 'models',
  describe: 'what the proxy serves: mode, context, prices, abilities',
  flags: {
    ...proxyFlags,
    'connect-timeout': limitFlags['connect-timeout'],
    can: mappedList(list(`only models that can: ${abilities.join(', ')}; each of those that are given`), ability),
    json: toggle('as JSON; prices in USD per token'),
  },
  async run({ json, can }, context) {
    const { io } = context;
    const client = await context.client();
    const served = await servedModels(client, io.signal);
    rememberModels(
      { paths: context.paths, uid: io.uid },
      client.baseUrl,
      served.map(({ id }) => id),
    );
    const shown = served.filter((model) => can.every((each) => model.can[each] === true));
    const unknown = served.filter((model) => can.some((each) => model.can[each] === null)).length;
    if (unknown > 0) {
      const whose = unknown === 1 ? '1 model is' : `${unknown} models are`;
      context.remark(`${whose} left out, of which the proxy does not say whether they have ${can.join(' and ')}`);
    }
    if (json) {
      await io.stdout.write(jsonLine(shown.map(toJson), 2));
      return null;
    }
    const heading = ['model', 'mode', 'context', 'in $/M', 'out $/M', 'provider', 'can', 'until'];
    const rows = shown.map((model) => [
      model.id,
      model.mode,
      model.maxInputTokens,
      perMillion(model.inputCostPerToken),
      perMillion(model.outputCostPerToken),
      model.providers.join(', '),
      abilities.filter((each) => model.can[each] === true).join(' '),
      model.deprecated,
    ]);
    await io.stdout.write(table(io.stdout, heading, rows));
    return null;
  },
});

function ability(given: string, name: string): Ability {
  const known = abilities.find((each) => each === given);
  if (known !== undefined) return known;
  throw new UsageError(`--${name} ${given} is no ability`, { hint: `one of ${abilities.join(', ')}` });
}

/** USD for a million tokens, as price lists say it; a model with several deployments may have several prices. */
function perMillion(cost: ServedModel['inputCostPerToken']): string | null {
  if (cost === null) return null;
  const [low, high] = cost.map((each) => String(Number((each * 1e6).toPrecision(6))));
  return low === high ? (low ?? null) : `${low}-${high}`;
}

function toJson(model: ServedModel): Record<string, unknown> {
  const price = (cost: [number, number] | null): Record<string, number> | null =>
    cost === null ? null : { low: cost[0], high: cost[1] };
  return {
    id: model.id,
    mode: model.mode,
    max_input_tokens: model.maxInputTokens,
    max_output_tokens: model.maxOutputTokens,
    input_cost_per_token: price(model.inputCostPerToken),
    output_cost_per_token: price(model.outputCostPerToken),
    providers: model.providers,
    can: model.can,
    deprecated: model.deprecated,
  };
}
