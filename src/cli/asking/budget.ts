import type { KeyInfo, LiteLLMClient } from '../../client/client.ts';
import { CllmError } from '../../outcome/errors.ts';
import { usd } from '../../protocol/figures.ts';
import { isJsonObject, type JsonObject, textOrNull } from '../../protocol/json.ts';
import { moment } from '../views/moment.ts';

/** Whose budget a refusal is about. */
export interface BudgetOwner {
  kind:
    | 'key'
    | 'user'
    | 'team'
    | 'team member'
    | 'organization'
    | 'project'
    | 'tag'
    | 'model access group'
    | 'end user'
    | 'provider'
    | 'deployment';
  /** As the proxy names it; null when it does not. */
  name: string | null;
}

/** A budget that binds, in USD; null is what nobody told. */
export interface Budget {
  owner: BudgetOwner['kind'];
  /** The alias where there is one, else the id. */
  name: string | null;
  spend: number | null;
  max: number;
  /** ISO 8601. */
  resetsAt: string | null;
}

/** Beside a refusal nobody waits long for the date on which it ends. */
const patienceMs = 3_000;

/**
 * A budget's refusal with a hint that says whose budget it is and when it resets, as far as the proxy tells: one without a
 * database knows no dates. Any other error comes back as it is.
 */
export async function explainBudget(refusal: CllmError, client: LiteLLMClient, now = new Date()): Promise<CllmError> {
  if (refusal.code !== 'budget_exceeded') return refusal;
  const owner = budgetOwner(refusal.message);
  if (owner === null) return refusal;
  const facts = await factsOf(owner, client).catch(() => null);
  const name = textOf(facts?.['team_alias']) ?? owner.name;
  const whose = `it is the budget of the ${owner.kind}${name === null ? '' : ` ${name}`}`;
  const reset = textOf(facts?.['budget_reset_at']);
  const when = reset === null ? 'the proxy does not say when it resets' : `it resets ${moment(reset, now)}`;
  return new CllmError(refusal.code, refusal.message, {
    cause: refusal.cause,
    isRetryable: refusal.isRetryable,
    completion: refusal.completion,
    hint: `${whose}; ${when}; an admin of the proxy can raise it${owner.kind === 'key' ? ', or give you another key' : ''}`,
  });
}

/** Source: the wording of LiteLLM 1.104.2 and of the releases before it. */
export function budgetOwner(message: string): BudgetOwner | null {
  const exceeded =
    /(?:Budget has been exceeded!|ExceededBudget:)\s*(Key|End ?User|User|Team ?Member|Team|Org(?:anization)?|Project|Tag|Model access group)\b(?:\s*=\s*(.{1,200}?))?(?=\s*(?:Current cost|over\b|\(|,|$))/i;
  const [, word, given] = exceeded.exec(message) ?? [];
  if (word !== undefined) {
    const kind = kinds[word.toLowerCase().replaceAll(' ', '')] ?? 'key';
    const [, ofTeam] = /^(\S+) in Team=\S+$/.exec(given ?? '') ?? [];
    if (ofTeam !== undefined) return { kind: 'team member', name: ofTeam };
    return { kind, name: given === undefined || given === 'None' ? null : given };
  }
  const [, what, which] = /Exceeded budget for (provider|deployment|tag)[ :=]+([^\s,:]+)/i.exec(message) ?? [];
  if (what === undefined) return null;
  return { kind: what.toLowerCase() as 'provider' | 'deployment' | 'tag', name: which ?? null };
}

const kinds: Readonly<Record<string, BudgetOwner['kind']>> = {
  key: 'key',
  enduser: 'end user',
  user: 'user',
  teammember: 'team member',
  team: 'team',
  org: 'organization',
  organization: 'organization',
  project: 'project',
  tag: 'tag',
  modelaccessgroup: 'model access group',
};

/**
 * The budgets that bind a key, as far as it may ask: its own, its team's and its user's; and the one that a refusal is
 * about, which may be none of these. The one with the least left comes first.
 *
 * @param refusal of budget, where the proxy has answered with one
 */
export async function budgetsOf(
  info: KeyInfo,
  refusal: CllmError | null,
  client: LiteLLMClient,
  stop: AbortSignal,
): Promise<Budget[]> {
  const signal = AbortSignal.any([stop, AbortSignal.timeout(patienceMs)]);
  const [team, user] = await Promise.all([teamOf(info, client, signal), userOf(info, client, signal)]);
  const found = [
    budgetIn('key', textOf(info.key_alias), info),
    budgetIn('team', textOf(team?.['team_alias']) ?? textOf(info.team_id), team),
    budgetIn('user', textOf(user?.['user_email']) ?? textOf(info['user_id']), user),
  ].filter((budget) => budget !== null);
  const refused = refusal === null ? null : refusedBudget(refusal.message);
  if (refused !== null && !found.some(({ owner }) => owner === refused.owner)) found.push(refused);
  return found.toSorted((one, other) => leftOf(one) - leftOf(other));
}

/** The models that a key names by itself; LiteLLM's words for all of a team's or all of them name none. */
export function namedModels({ models }: KeyInfo): string[] {
  return (Array.isArray(models) ? models : []).filter((name) => typeof name === 'string' && !name.startsWith('all-'));
}

/** The error, if a budget is used up; null for any other. */
export function budgetRefusal(error: unknown): CllmError | null {
  return error instanceof CllmError && error.code === 'budget_exceeded' ? error : null;
}

/** USD; what was spent and nobody told is nothing. */
export function leftOf({ max, spend }: Budget): number {
  return Math.max(0, max - (spend ?? 0));
}

/** `Current cost: 2, Max budget: 1`, `Spend=2, Budget=1`. */
function refusedBudget(message: string): Budget | null {
  const owner = budgetOwner(message);
  const [, spend, max] =
    /(?:Current cost: |Spend=)([\d.e+-]+), (?:Max budget: |Budget=)([\d.e+-]+)/i.exec(message) ?? [];
  const most = usd(max);
  if (owner === null || most === null) return null;
  return { owner: owner.kind, name: owner.name, spend: usd(spend), max: most, resetsAt: null };
}

function budgetIn(owner: 'key' | 'team' | 'user', name: string | null, facts: JsonObject | null): Budget | null {
  const max = usd(facts?.['max_budget']);
  if (facts === null || max === null) return null;
  return { owner, name, spend: usd(facts['spend']), max, resetsAt: textOf(facts['budget_reset_at']) };
}

async function factsOf({ kind }: BudgetOwner, client: LiteLLMClient): Promise<JsonObject | null> {
  const signal = AbortSignal.timeout(patienceMs);
  if (kind === 'key') return client.keyInfo({ signal });
  if (kind === 'user') return member(await json(client, '/user/info', signal), 'user_info');
  if (kind !== 'team') return null;
  return teamOf(await client.keyInfo({ signal }), client, signal);
}

async function teamOf(
  { team_id: team }: KeyInfo,
  client: LiteLLMClient,
  signal: AbortSignal,
): Promise<JsonObject | null> {
  if (typeof team !== 'string' || team === '') return null;
  const path = `/team/info?team_id=${encodeURIComponent(team)}`;
  return member(await json(client, path, signal).catch(() => null), 'team_info');
}

async function userOf(info: KeyInfo, client: LiteLLMClient, signal: AbortSignal): Promise<JsonObject | null> {
  if (textOf(info['user_id']) === null) return null;
  return member(await json(client, '/user/info', signal).catch(() => null), 'user_info');
}

async function json(client: LiteLLMClient, path: string, signal: AbortSignal): Promise<unknown> {
  const { body, error } = await client.probe(path, { signal });
  if (error !== null) throw error;
  return JSON.parse(body) as unknown;
}

function member(value: unknown, name: string): JsonObject | null {
  const found = isJsonObject(value) ? value[name] : null;
  return isJsonObject(found) ? found : null;
}

function textOf(value: unknown): string | null {
  const text = textOrNull(value);
  return text === '' || text === 'None' ? null : text;
}
