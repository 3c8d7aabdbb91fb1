import { formatUsd } from '../../spending/usd.ts';
import { CostCap } from '../../spending/cost-cap.ts';
import type { LiteLLMClient } from '../../client/client.ts';
import { pricedModels } from '../../spending/prices.ts';
import { CllmError, UsageError } from '../../outcome/errors.ts';
import { type Budget, budgetsOf, leftOf } from './budget.ts';
import { modelInfoOf } from './model-info.ts';
import type { Origin, Settings } from '../../config/settings.ts';

/** What a run may spend. */
export interface Spending {
  cap: CostCap;
  /** Why a model may not be asked under the cap; null when it may. */
  refuseModel: (model: string) => CllmError | null;
  /** The cap, as the error that decides the exit code. */
  reached: (why: string) => CllmError;
}

/** What a run may cost, and who said so. */
export interface SpendingLimit {
  maxCost: Settings['maxCost'];
  allowUnknownCost: boolean;
  /** Whether others ask, with keys of their own: then the budgets of this one say nothing. */
  areKeysOthers?: boolean;
}

/** Whose spending it is. */
export interface SpendingRun {
  client: LiteLLMClient;
  /** The model that is asked when a prompt names none; null when there is none. */
  model: string | null;
  signal: AbortSignal;
  remark: (text: string) => void;
}

/** The preflight asks the proxy about money, not for a reply: it must not hold a run up for long. */
const patience = 10_000;

/**
 * Looks before a run whether what it may cost can be known and is there: the price of each model when there is a cap, and
 * what is left of the budgets that bind the key where `/key/info` answers (it needs a database).
 *
 * @throws UsageError for a cap and a model of unknown price, unless --allow-unknown-cost
 * @throws CllmError `budget_exceeded` when one of them has nothing left, `cost_cap` for a cap of 0
 */
export async function prepareSpending(
  { maxCost, allowUnknownCost: isUnknownAllowed, areKeysOthers = false }: SpendingLimit,
  { client, model, signal, remark }: SpendingRun,
): Promise<Spending> {
  const { value: mostUsd, origin } = maxCost;
  const name = origin.from === 'flag' ? origin.name : 'max_cost';
  const reached = (why: string): CllmError => new CllmError('cost_cap', why, { hint: hintOf(origin) });
  const cap = new CostCap(mostUsd, { isUnknownAllowed, name });
  if (cap.refusal !== null) throw reached(cap.refusal);
  const arePricesNeeded = mostUsd !== null && !isUnknownAllowed;
  const [priced] = await Promise.all([
    arePricesNeeded ? knownPrices(client, signal) : null,
    areKeysOthers ? null : checkBudget(client, mostUsd === null ? null : { name, mostUsd }, signal, remark),
  ]);
  const refuseModel = (asked: string): CllmError | null =>
    priced === null || priced.has(asked) ? null : unpriced(asked, name);
  const refused = model === null ? null : refuseModel(model);
  if (refused !== null) throw refused;
  return { cap, refuseModel, reached };
}

/** A flag can not loosen what a project file says. */
function hintOf(origin: Origin): string {
  if (origin.from !== 'project file') return 'allow more with --max-cost';
  return `allow more with max_cost in ${origin.file}: of several caps the lowest counts`;
}

async function knownPrices(client: LiteLLMClient, signal: AbortSignal): Promise<ReadonlySet<string>> {
  try {
    return pricedModels(await modelInfoOf(client, signal));
  } catch (error) {
    // A proxy that can not be reached, or a bad key: there the price is not the problem.
    if (signal.aborted || (error instanceof CllmError && isAboutTheWay(error))) throw error;
    return new Set();
  }
}

function isAboutTheWay({ code }: CllmError): boolean {
  return /^(no_key|key_rejected|dns_failed|connection_|tls_failed|http_proxy_failed|redirect_refused)/.test(code);
}

async function checkBudget(
  client: LiteLLMClient,
  cap: { name: string; mostUsd: number } | null,
  stop: AbortSignal,
  remark: (text: string) => void,
): Promise<void> {
  let tightest: Budget | undefined;
  try {
    const signal = AbortSignal.any([stop, AbortSignal.timeout(patience)]);
    [tightest] = await budgetsOf(await client.keyInfo({ signal }), null, client, signal);
  } catch {
    // No database, or a key that may not ask: the proxy itself says no when a budget is gone.
    return;
  }
  if (tightest === undefined) return;
  const left = leftOf(tightest);
  const whose = `the ${tightest.owner}${tightest.name === null ? '' : ` ${tightest.name}`}`;
  if (left <= 0) {
    throw new CllmError('budget_exceeded', `the budget of ${whose} is used up`, {
      hint: '`cllm whoami` shows it and when it resets; an admin of the proxy can raise it',
    });
  }
  if (cap !== null && left < cap.mostUsd) {
    remark(`${whose} has ${formatUsd(left)} of its budget left, less than ${cap.name} ${cap.mostUsd}`);
  }
}

function unpriced(model: string, cap: string): UsageError {
  return new UsageError(`the proxy does not know what ${model} costs, so ${cap} can not be kept`, {
    hint: 'ask an admin of the proxy to set its price, or take the risk with --allow-unknown-cost',
  });
}
