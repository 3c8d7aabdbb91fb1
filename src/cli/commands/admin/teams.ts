import { readKeys, readTeams } from '../../../admin/proxy-state.ts';
import { formatUsd } from '../../../spending/usd.ts';
import { jsonLine } from '../../../terminal/terminal-safe.ts';
import type { Context } from '../../context.ts';
import { moment } from '../../views/moment.ts';
import { type Cell, table } from '../../views/table.ts';
import { adminClient } from './around.ts';
import { limitsText } from './limits-text.ts';

export async function runTeams(isJson: boolean, context: Context): Promise<null> {
  const { io } = context;
  const client = await adminClient(context);
  const teams = (await readTeams(client)).toSorted((one, other) => one.alias.localeCompare(other.alias));
  const keys = await readKeys(client);
  const keysOf = (id: string): number => keys.filter(({ teamId, isBlocked }) => teamId === id && !isBlocked).length;
  const now = new Date();
  if (isJson) {
    const list = teams.map(({ id, alias, memberIds, spend, limits, resetsAt, isBlocked, mark }) => {
      // LiteLLM knows no such limit of a team.
      const { max_parallel_requests: _none, ...known } = limits;
      return {
        team: alias,
        team_id: id,
        people: memberIds.size,
        open_keys: keysOf(id),
        is_blocked: isBlocked,
        spend,
        ...known,
        budget_reset_at: resetsAt,
        set: mark?.set ?? null,
      };
    });
    await io.stdout.write(jsonLine(list, 2));
    return null;
  }
  const rows = teams.map(({ id, alias, memberIds, spend, limits, resetsAt, isBlocked }): Cell[] => [
    isBlocked ? `${alias} (blocked)` : alias,
    memberIds.size,
    keysOf(id),
    spend === null ? null : formatUsd(spend),
    limitsText(limits),
    resetsAt === null ? null : moment(resetsAt, now),
  ]);
  await io.stdout.write(table(io.stdout, ['team', 'people', 'keys', 'spend', 'limits', 'resets'], rows));
  return null;
}
