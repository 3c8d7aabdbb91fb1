import { blockKey, findKeys, rotateKey } from '../../../admin/rotate.ts';
import { type ProxyKey, type ProxyTeam, readKeys, readTeams, readUsers } from '../../../admin/proxy-state.ts';
import { UsageError } from '../../../outcome/errors.ts';
import { formatUsd } from '../../../spending/usd.ts';
import { jsonLine } from '../../../terminal/terminal-safe.ts';
import type { Context } from '../../context.ts';
import { moment } from '../../views/moment.ts';
import { type Cell, table } from '../../views/table.ts';
import { adminClient, noOutput, withNewKeys } from './around.ts';
import { limitsText } from './limits-text.ts';

export async function runList(
  { team: wantedTeam, json }: { readonly team: string | undefined; readonly json: boolean },
  context: Context,
): Promise<null> {
  const { io } = context;
  const client = await adminClient(context);
  const teams = await readTeams(client);
  const team = wantedTeam === undefined ? null : teamNamed(wantedTeam, teams);
  const users = new Map((await readUsers(client)).map((user) => [user.id, user]));
  const teamNames = new Map(teams.map(({ id, alias }) => [id, alias]));
  const keys = (await readKeys(client, team === null ? {} : { team_id: team.id })).toSorted((one, other) =>
    (one.alias ?? '').localeCompare(other.alias ?? ''),
  );
  const now = new Date();
  if (json) {
    const list = keys.map((key) => ({
      alias: key.alias,
      key_name: key.shortName,
      hash: key.hash,
      user_id: key.userId,
      user_email: key.userId === null ? null : (users.get(key.userId)?.email ?? null),
      team: key.teamId === null ? null : (teamNames.get(key.teamId) ?? key.teamId),
      state: stateOf(key, now),
      spend: key.spend,
      ...key.limits,
      budget_reset_at: key.resetsAt,
      expires: key.expiresAt,
      last_active: key.lastActiveAt,
      set: key.mark?.set ?? null,
    }));
    await io.stdout.write(jsonLine(list, 2));
    return null;
  }
  const rows = keys.map((key): Cell[] => [
    key.alias ?? key.shortName,
    key.userId === null ? null : (users.get(key.userId)?.email ?? key.userId),
    key.teamId === null ? null : (teamNames.get(key.teamId) ?? key.teamId),
    stateOf(key, now),
    key.spend === null ? null : formatUsd(key.spend),
    limitsText(key.limits),
    key.expiresAt === null ? null : moment(key.expiresAt, now),
  ]);
  await io.stdout.write(table(io.stdout, ['key', 'person', 'team', 'state', 'spend', 'limits', 'expires'], rows));
  return null;
}

function teamNamed(name: string, teams: readonly ProxyTeam[]): ProxyTeam {
  const found = teams.find(({ alias, id }) => alias === name || id === name);
  if (found !== undefined) return found;
  throw new UsageError(`the proxy has no team ${JSON.stringify(name)}`, {
    code: 'input_invalid',
    hint: 'cllm admin teams shows them',
  });
}

function stateOf(key: ProxyKey, now: Date): string {
  if (key.isBlocked) return 'blocked';
  return key.expiresAt !== null && new Date(key.expiresAt) < now ? 'expired' : 'open';
}

export async function runBlock(aliases: readonly string[], context: Context): Promise<null> {
  const client = await adminClient(context);
  const keys = await readKeys(client);
  // All are found before one is blocked.
  const found = new Set(aliases.flatMap((alias) => findKeys(alias, keys)));
  for (const key of found) {
    await blockKey(client, key);
    const isTwin = [...found].some((other) => other !== key && other.alias === key.alias);
    const name = isTwin ? `${key.alias ?? ''} ${key.shortName ?? key.hash}` : (key.alias ?? key.hash);
    context.remark(`the key ${name} is blocked${key.isBlocked ? ', as it was' : ''}`);
  }
  return null;
}

export async function runRotate(
  { alias, output: given }: { readonly alias: string; readonly output: string | undefined },
  context: Context,
): Promise<null> {
  if (given === undefined) throw noOutput('the new key has');
  const client = await adminClient(context);
  const isHere = await withNewKeys(given, context, ({ pending, output }) =>
    rotateKey(alias, { client, pending, output, now: new Date() }),
  );
  if (!isHere) {
    context.remark(`an earlier rotation of the key ${alias} came to its end: the old key is blocked`);
    context.remark('the new one is where that run put it (-o); where nobody has it, run this again for another');
    return null;
  }
  const where = given === '-' ? '' : `: the new one is in ${given}`;
  context.remark(`the key ${alias} was rotated${where}; the old one is blocked`);
  return null;
}
