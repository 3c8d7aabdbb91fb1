import type { KeyInfo, LiteLLMClient } from '../../../client/client.ts';
import { CllmError, ProxyError } from '../../../outcome/errors.ts';
import { count, usd } from '../../../protocol/figures.ts';
import { objectOf } from '../../../protocol/json.ts';
import { type Budget, budgetRefusal, budgetsOf, namedModels } from '../../asking/budget.ts';

/** What is known of a key; null is what nobody told. USD, and limits by the minute. */
export interface KeyFacts {
  alias: string | null;
  /** As LiteLLM masks it: `sk-...1234`. */
  name: string | null;
  team: string | null;
  user: string | null;
  spend: number | null;
  maxBudget: number | null;
  /** `30d`, `1mo`, … */
  budgetDuration: string | null;
  /** ISO 8601. */
  budgetResetAt: string | null;
  expires: string | null;
  requestLimit: number | null;
  tokenLimit: number | null;
  parallelLimit: number | null;
  /** The names that the proxy lists for this key; of a used-up budget those that the key itself names. */
  models: string[];
  /** Those that bind, the one with the least left first. */
  budgets: Budget[];
  /** Why the proxy could not tell all of it, in a sentence; null when it did. */
  gap: string | null;
}

/**
 * Whose key the client has, on a used-up budget as well. A proxy without a database knows no keys, and the master key is
 * in no database: then what the headers tell is all there is.
 *
 * @throws CllmError when the key is refused or the proxy is not there
 */
export async function keyFacts(
  client: LiteLLMClient,
  signal: AbortSignal,
  { key = null }: { key?: string | null } = {},
): Promise<KeyFacts> {
  // First: over a budget it is answered all the same, and the list of models is not.
  let info: KeyInfo = {};
  let gap: string | null = null;
  let refusal: CllmError | null = null;
  try {
    info = await client.keyInfo({ signal });
  } catch (error) {
    refusal = budgetRefusal(error);
    gap = refusal === null ? gapOf(error) : overBudget;
    const user = isOfSignIn(error, key) ? await signedInUser(client, signal) : null;
    if (user !== null) {
      info = user;
      gap = 'a key of a sign-in has no budget and no limits of its own: those of the person count';
    }
    if (gap === null) throw error;
  }
  let models = namedModels(info);
  try {
    models = (await client.models({ signal })).map(({ id }) => id);
  } catch (error) {
    const refused = budgetRefusal(error);
    if (refused === null) throw error;
    refusal ??= refused;
    gap ??= overBudget;
  }
  const isTold = Object.keys(info).length > 0 || refusal !== null;
  const facts = isTold ? factsOfInfo(info) : factsOfHeaders(await client.keyHeaders({ signal }));
  return { ...facts, models, budgets: await budgetsOf(info, refusal, client, signal), gap };
}

/** Why some of it is missing. */
export const overBudget = 'over its budget the proxy answers no more than this';

/**
 * The key of a sign-in is in no table of LiteLLM's and does not begin as those do that are: 1.108.7 does not find it, and
 * 1.104.2 breaks.
 */
function isOfSignIn(error: unknown, key: string | null): boolean {
  if (!(error instanceof ProxyError)) return false;
  if (error.status === 500) return error.message.includes('where.token');
  return error.status === 404 && key !== null && !key.startsWith('sk-');
}

/** Whose sign-in it is: of the person the proxy tells as much as of a key. Null where it tells nothing. */
async function signedInUser(client: LiteLLMClient, signal: AbortSignal): Promise<KeyInfo | null> {
  try {
    const user = objectOf(objectOf(await client.get('/user/info', { signal }))['user_info']);
    return Object.keys(user).length === 0 ? null : { user_id: user['user_id'], user_email: user['user_email'] };
  } catch (error) {
    if (!(error instanceof CllmError) || error.code === 'interrupted') throw error;
    return null;
  }
}

function gapOf(error: unknown): string | null {
  if (!(error instanceof CllmError)) return null;
  if (/(DB|database) not connected|no connected db/i.test(error.message)) {
    return 'this proxy has no database, so it knows no names, teams or resets of keys; its headers tell the rest';
  }
  if (error instanceof ProxyError && (error.status === 404 || error.status === 405)) {
    return 'this key is not in the database of the proxy (a master key is not)';
  }
  return null;
}

function factsOfInfo(info: KeyInfo): Omit<KeyFacts, 'models' | 'budgets' | 'gap'> {
  return {
    alias: text(info.key_alias),
    name: text(info.key_name),
    team: text(info['team_alias']) ?? text(info.team_id),
    user: text(info['user_email']) ?? text(info['user_id']),
    spend: usd(info.spend),
    maxBudget: usd(info.max_budget),
    budgetDuration: text(info['budget_duration']),
    budgetResetAt: text(info.budget_reset_at),
    expires: text(info.expires),
    requestLimit: count(info.rpm_limit),
    tokenLimit: count(info.tpm_limit),
    parallelLimit: count(info['max_parallel_requests']),
  };
}

function factsOfHeaders(headers: Readonly<Record<string, string>>): Omit<KeyFacts, 'models' | 'budgets' | 'gap'> {
  const of = (name: string): string | undefined => headers[`x-litellm-key-${name}`];
  return {
    alias: null,
    name: null,
    team: null,
    user: null,
    spend: usd(of('spend')),
    maxBudget: usd(of('max-budget')),
    budgetDuration: null,
    budgetResetAt: null,
    expires: null,
    requestLimit: count(of('rpm-limit')),
    tokenLimit: count(of('tpm-limit')),
    parallelLimit: null,
  };
}

function text(value: unknown): string | null {
  return typeof value === 'string' && value !== '' && value !== 'None' ? value : null;
}
