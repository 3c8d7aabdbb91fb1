import type { KeyInfo, LiteLLMClient } from '../../client/client.ts';
import { CllmError } from '../../outcome/errors.ts';
import { moment } from '../views/moment.ts';

/** Whose budget a refusal is about. */
export interface BudgetOwner {
  kind: 'key' | 'user' | 'team' | 'organization' | 'end user' | 'provider' | 'deployment';
  /** As the proxy names it; null when it does not. */
  name: string | null;
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
  const whose = `it is the budget of the ${owner.kind}${owner.name === null ? '' : ` ${owner.name}`}`;
  const reset = await resetOf(owner, client).catch(() => null);
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
    /(Budget has been exceeded!|ExceededBudget:)\s*(Key|End ?User|User|Team Member|Team|Org(?:anization)?)\s*=\s*([^\s,(]+)/i;
  const [, , word, name] = exceeded.exec(message) ?? [];
  if (word !== undefined) {
    const kinds = { key: 'key', end: 'end user', use: 'user', tea: 'team', org: 'organization' } as const;
    const kind = kinds[word.slice(0, 3).toLowerCase() as keyof typeof kinds];
    return { kind, name: name === undefined || name === 'None' ? null : name };
  }
  const [, what, which] = /Exceeded budget for (provider|deployment)[ :]+([^\s,:]+)/i.exec(message) ?? [];
  if (what === undefined) return null;
  return { kind: what.toLowerCase() as 'provider' | 'deployment', name: which ?? null };
}

async function resetOf({ kind }: BudgetOwner, client: LiteLLMClient): Promise<string | null> {
  const signal = AbortSignal.timeout(patienceMs);
  if (kind === 'key') return resetIn(await client.keyInfo({ signal }));
  if (kind === 'user') return resetIn(member(await json(client, '/user/info', signal), 'user_info'));
  if (kind !== 'team') return null;
  const { team_id: team }: KeyInfo = await client.keyInfo({ signal });
  if (typeof team !== 'string') return null;
  return resetIn(member(await json(client, `/team/info?team_id=${encodeURIComponent(team)}`, signal), 'team_info'));
}

async function json(client: LiteLLMClient, path: string, signal: AbortSignal): Promise<unknown> {
  const { body, error } = await client.probe(path, { signal });
  if (error !== null) throw error;
  return JSON.parse(body) as unknown;
}

function member(value: unknown, name: string): unknown {
  return (value as Record<string, unknown> | null)?.[name];
}

function resetIn(facts: unknown): string | null {
  const reset = member(facts ?? null, 'budget_reset_at');
  return typeof reset === 'string' && reset !== '' ? reset : null;
}
