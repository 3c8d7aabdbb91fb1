import { formatUsd } from '../../spending/usd.ts';
import { CostCap } from '../../spending/cost-cap.ts';
import type { LiteLLMClient } from '../../client/client.ts';
import { pricedModels } from '../../spending/prices.ts';
import { CllmError, UsageError } from '../../outcome/errors.ts';
import { usd } from '../../protocol/figures.ts';
import type { Values } from '../flags/flag.ts';
import type { moneyFlags } from '../flags/flags.ts';

/** What a run may spend. */
export interface Spending {
  cap: CostCap;
  /** Why a model may not be asked under the cap; null when it may. */
  refuseModel: (model: string) => CllmError | null;
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
 * what is left of the key's budget where `/key/info` answers (it needs a database).
 *
 * @throws UsageError for a cap and a model of unknown price, unless --allow-unknown-cost
 * @throws CllmError `budget_exceeded` when the key has nothing left, `cost_cap` for a cap of 0
 */
export async function prepareSpending(
  { maxCost, allowUnknownCost: isUnknownAllowed }: Values<typeof moneyFlags>,
  { client, model, signal, remark }: SpendingRun,
): Promise<Spending> {
  const mostUsd = maxCost ?? null;
  const cap = new CostCap(mostUsd, { isUnknownAllowed });
  if (cap.refusal !== null) throw capReached(cap.refusal);
  const arePricesNeeded = mostUsd !== null && !isUnknownAllowed;
  const [priced] = await Promise.all([
    arePricesNeeded ? knownPrices(client, signal) : null,
    checkBudget(client, mostUsd, signal, remark),
  ]);
  const refuseModel = (name: string): CllmError | null => (priced === null || priced.has(name) ? null : unpriced(name));
  const refused = model === null ? null : refuseModel(model);
  if (refused !== null) throw refused;
  return { cap, refuseModel };
}

/** Our own cost cap, as the error that decides the exit code. */
export function capReached(why: string): CllmError {
  return new CllmError('cost_cap', why, { hint: 'allow more with --max-cost' });
}

async function knownPrices(client: LiteLLMClient, signal: AbortSignal): Promise<ReadonlySet<string>> {
  try {
    return pricedModels(await client.modelInfo({ signal: AbortSignal.any([signal, AbortSignal.timeout(patience)]) }));
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
  mostUsd: number | null,
  stop: AbortSignal,
  remark: (text: string) => void,
): Promise<void> {
  let left: number;
  try {
    const signal = AbortSignal.any([stop, AbortSignal.timeout(patience)]);
    const info = await client.keyInfo({ signal });
    const [spend, budget] = [usd(info.spend), usd(info.max_budget)];
    if (spend === null || budget === null) return;
    left = budget - spend;
  } catch {
    // No database, or a key that may not ask: the proxy itself says no when the budget is gone.
    return;
  }
  if (left <= 0) {
    throw new CllmError('budget_exceeded', `the budget of this key is used up`, {
      hint: '`cllm whoami` shows it and when it resets; an admin of the proxy can raise it',
    });
  }
  if (mostUsd !== null && left < mostUsd) {
    remark(`this key has ${formatUsd(left)} of its budget left, less than --max-cost ${mostUsd}`);
  }
}

function unpriced(model: string): UsageError {
  return new UsageError(`the proxy does not know what ${model} costs, so --max-cost can not be kept`, {
    hint: 'ask an admin of the proxy to set its price, or take the risk with --allow-unknown-cost',
  });
}
