import { UsageError } from '../outcome/errors.ts';
import { isJsonObject, type JsonObject, objectOf } from '../protocol/json.ts';
import { type Making, makeKey } from './carry-out.ts';
import { hashOf, type KeyOutput, type PendingKeys } from './new-keys.ts';
import { markedMetadata, newMark, type ProxyKey, readKeys } from './proxy-state.ts';

/** What else a key may have, and its successor shall have. */
const carriedNames = [
  'aliases',
  'config',
  'permissions',
  'allowed_routes',
  'allowed_cache_controls',
  'budget_limits',
  'budget_fallbacks',
  'budget_id',
  'tpd_limit',
  'access_group_ids',
  'router_settings',
  'model_max_budget',
  'object_permission',
  'agent_id',
  'project_id',
] as const;

/**
 * A new key in the place of the one with that alias: the same owner, team, limits and spend, and the old one blocked last, so
 * that one of the two works at every moment. The old one gets another alias first, for LiteLLM takes each only once. What a
 * run left in the middle the next one brings to its end, without a third key.
 *
 * @returns whether the new key is in `output`; false where an earlier run had made it, and had it elsewhere
 * @throws UsageError `input_invalid` when there is no such key, or several
 */
export async function rotateKey(
  alias: string,
  { client, pending, output, now }: { client: Making; pending: PendingKeys; output: KeyOutput; now: Date },
): Promise<boolean> {
  const keys = await readKeys(client);
  const current = onlyKey(alias, keys);
  const unfinished = keys.find((key) => isSetAside(key, alias, current)) ?? null;
  if (current !== null && unfinished !== null) {
    const chosen = pending.left.find((key) => key.alias === alias && hashOf(key.key) === current.hash);
    if (chosen !== undefined) {
      await output.add(chosen);
      pending.forget(alias);
    }
    await blockOld(client, unfinished, now);
    return output.has(current.hash) || chosen !== undefined;
  }
  const old = unfinished ?? current;
  if (old === null) throw noKey(alias, keys);
  const info = objectOf(
    objectOf(await client.get(`/key/info?${new URLSearchParams({ key: old.hash }).toString()}`))['info'],
  );
  const chosen = pending.choose(alias, { userId: old.userId, team: null, now });
  if (old === current) await setAside(client, old, alias, now);
  await makeKey(client, successor(old, alias, info), chosen);
  await output.add(chosen);
  pending.forget(alias);
  await blockOld(client, { ...old, mark: rotatedMark(old, alias) }, now);
  return true;
}

function onlyKey(alias: string, keys: readonly ProxyKey[]): ProxyKey | null {
  const [found = null, ...others] = keys.filter((key) => key.alias === alias);
  if (others.length === 0) return found;
  throw new UsageError(`the proxy has ${others.length + 1} keys with the alias ${JSON.stringify(alias)}`, {
    code: 'input_invalid',
    hint: 'block all but one by their hashes, which cllm admin keys list --json shows, and give those another alias',
  });
}

/**
 * Whether it is the old key of a rotation that did not come to its end. Whoever has a key can write to it that it is: only
 * one that is older than what is there now, of the same owner and team, is taken at its word.
 */
function isSetAside(key: ProxyKey, alias: string, current: ProxyKey | null): boolean {
  if (key.mark?.rotatedFrom !== alias || key.mark.leftAt !== null) return false;
  if (current === null) return true;
  const isYounger = Date.parse(key.createdAt ?? '') > Date.parse(current.createdAt ?? '');
  return key.hash !== current.hash && key.userId === current.userId && key.teamId === current.teamId && !isYounger;
}

async function setAside(client: Making, old: ProxyKey, alias: string, now: Date): Promise<void> {
  await client.post('/key/update', {
    key: old.hash,
    key_alias: `${alias} (until ${now.toISOString()})`,
    metadata: markedMetadata(old.metadata, rotatedMark(old, alias)),
  });
}

async function blockOld(client: Making, old: ProxyKey, now: Date): Promise<void> {
  await client.post('/key/block', { key: old.hash });
  const mark = { ...(old.mark ?? newMark('')), leftAt: now.toISOString() };
  await client.post('/key/update', { key: old.hash, metadata: markedMetadata(old.metadata, mark) });
}

function rotatedMark(old: ProxyKey, alias: string): NonNullable<ProxyKey['mark']> {
  return { ...(old.mark ?? newMark('')), rotatedFrom: alias };
}

function successor(old: ProxyKey, alias: string, info: JsonObject): JsonObject {
  const { limits, mark } = old;
  // One that no file looks after is not looked after by its rotation.
  const isLookedAfter = mark !== null && mark.set !== '';
  const { cllm: _mark, ...others } = old.metadata;
  const carried = carriedNames.map((name) => [name, info[name]] as const).filter(([, value]) => !isNothing(value));
  return {
    ...Object.fromEntries(carried),
    ...limits,
    key_alias: alias,
    user_id: old.userId,
    team_id: old.teamId,
    // Else a rotation were a new budget.
    ...(old.spend !== null && { spend: old.spend }),
    ...durationOf(old),
    metadata: isLookedAfter ? markedMetadata(others, newMark(mark.set, mark.duration)) : others,
  };
}

function durationOf({ mark, createdAt, expiresAt }: ProxyKey): { duration?: string } {
  if (mark !== null && mark.duration !== null) return { duration: mark.duration };
  if (createdAt === null || expiresAt === null) return {};
  const seconds = Math.round((Date.parse(expiresAt) - Date.parse(createdAt)) / 1000);
  return seconds > 0 ? { duration: `${seconds}s` } : {};
}

function isNothing(value: unknown): boolean {
  if (value === null || value === undefined) return true;
  if (Array.isArray(value)) return value.length === 0;
  return isJsonObject(value) && Object.values(value).every((each) => isNothing(each));
}

/** At once, on every replica. */
export async function blockKey(client: Making, key: ProxyKey): Promise<void> {
  await client.post('/key/block', { key: key.hash });
}

/** The keys with that alias, of which there is one as a rule, or the one with that hash. */
export function findKeys(named: string, keys: readonly ProxyKey[]): ProxyKey[] {
  const found = keys.filter((key) => key.alias === named || key.hash === named);
  if (found.length === 0) throw noKey(named, keys);
  return found;
}

function noKey(named: string, keys: readonly ProxyKey[]): UsageError {
  const near = keys.flatMap(({ alias }) => (alias?.toLowerCase().includes(named.toLowerCase()) ? [alias] : []));
  return new UsageError(`the proxy has no key with the alias ${JSON.stringify(named)}`, {
    code: 'input_invalid',
    hint: near.length > 0 ? `did you mean ${near.slice(0, 5).join(', ')}?` : 'cllm admin keys list shows them',
  });
}
