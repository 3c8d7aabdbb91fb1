import { formatUsd } from '../../../spending/usd.ts';
import { command } from '../../command.ts';
import { toggle } from '../../flags/flag.ts';
import { limitFlags, proxyFlags } from '../../flags/flags.ts';
import { keyFacts, type KeyFacts, overBudget } from './key-facts.ts';
import { type Budget, leftOf } from '../../asking/budget.ts';
import { moment } from '../../views/moment.ts';
import { table, type Cell } from '../../views/table.ts';
import { snakeCased } from '../../../protocol/json.ts';
import { jsonLine } from '../../../terminal/terminal-safe.ts';

export const whoami = command({
  usage: 'whoami',
  describe: 'whose key this is: its spend, budget, limits and models',
  flags: {
    ...proxyFlags,
    'connect-timeout': limitFlags['connect-timeout'],
    json: toggle('as JSON; what nobody told is null'),
  },
  async run({ json }, context) {
    const { io } = context;
    const client = await context.client();
    const { key: used, maskedKey, origin } = await context.apiKey();
    const facts = await keyFacts(client, io.signal, { key: used });
    const key = { base_url: client.baseUrl, key: maskedKey, key_from: origin };
    if (json) {
      await io.stdout.write(jsonLine({ ...key, ...toJson(facts) }, 2));
      return null;
    }
    const rows: [string, Cell][] = [
      ['proxy', client.baseUrl],
      ['key', maskedKey === null ? 'none' : `${maskedKey} (${origin})`],
      ...rowsOf(facts, new Date()),
    ];
    await io.stdout.write(
      table(
        io.stdout,
        ['what', 'value'],
        rows.filter(([, value]) => value !== null),
      ),
    );
    const [tightest] = facts.budgets;
    if (tightest !== undefined && leftOf(tightest) === 0)
      context.remark(`the budget of the ${tightest.owner}${named(tightest)} is used up`);
    if (facts.gap !== null) context.remark(facts.gap);
    return null;
  },
});

function rowsOf(facts: KeyFacts, now: Date): [string, Cell][] {
  const { spend, maxBudget, budgetResetAt, budgetDuration } = facts;
  const every = budgetDuration === null ? '' : ` (every ${budgetDuration})`;
  return [
    ['alias', facts.alias],
    ['team', facts.team],
    ['user', facts.user],
    ['spend', spend === null ? null : formatUsd(spend)],
    ['budget', maxBudget === null ? null : `${formatUsd(maxBudget)}${left(maxBudget, spend)}`],
    ['resets', budgetResetAt === null ? null : `${moment(budgetResetAt, now)}${every}`],
    ...facts.budgets
      .filter(({ owner }) => owner !== 'key')
      .map((budget): [string, Cell] => [`${budget.owner} budget`, `${figuresOf(budget, now)}${named(budget, 'of ')}`]),
    ['expires', facts.expires === null ? null : moment(facts.expires, now)],
    ['requests/min', facts.requestLimit],
    ['tokens/min', facts.tokenLimit],
    ['at a time', facts.parallelLimit],
    ['models', facts.models.join(', ') || (facts.gap === overBudget ? null : 'none')],
  ];
}

function named({ name }: Budget, word = ''): string {
  return name === null ? '' : ` ${word}${name}`;
}

function figuresOf({ max, spend, resetsAt }: Budget, now: Date): string {
  const resets = resetsAt === null ? '' : `, resets ${moment(resetsAt, now)}`;
  return `${formatUsd(max)}${left(max, spend)}${resets}`;
}

function left(maxBudget: number, spend: number | null): string {
  return spend === null ? '' : `, ${formatUsd(Math.max(0, maxBudget - spend))} left`;
}

function toJson({ budgets, ...facts }: KeyFacts): Record<string, unknown> {
  return { ...snakeCased(facts), budgets: budgets.map(snakeCased) };
}
