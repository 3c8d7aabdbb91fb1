import type { LiteLLMClient } from '../../../client/client.ts';
import { CllmError, ProxyError } from '../../../outcome/errors.ts';
import { type ActivityPart, addActivity, readActivityPage } from '../../../spending/daily-activity.ts';
import { type LoggedCall, readLogPage } from '../../../spending/spend-log.ts';
import { SpendTable } from '../../../spending/spend-table.ts';
import type { Division } from './command.ts';

/** Calls of the log are a few kilobytes each: above so many the newest have to do. */
const mostPages = 50;
const pageSize = 1000;
/** Of sums a page is a day of some hundred keys and models; a proxy that always has more has none. */
const mostActivityPages = 200;

/** A part of the time: from `since` on, up to `until`. */
export interface Period {
  since: Date;
  until: Date;
}

/** LiteLLM's table for a division, and the member of its breakdown. */
const tables: Readonly<Record<Exclude<Division, 'conversation'>, [path: string, part: ActivityPart]>> = {
  day: ['/user/daily/activity', 'day'],
  model: ['/user/daily/activity', 'model'],
  key: ['/user/daily/activity', 'key'],
  user: ['/user/daily/activity', 'entity'],
  team: ['/team/daily/activity', 'entity'],
  tag: ['/tag/daily/activity', 'entity'],
};

/**
 * What LiteLLM's daily tables have: of a plain key what is its user's, of an admin's all. Days are of UTC, and whole: a day
 * of the local calendar stands for the one of that name, as on LiteLLM's own page. `isCut` when there was more than is asked for.
 */
export async function dailySpend(
  client: LiteLLMClient,
  {
    by,
    days,
    tags,
  }: { by: Exclude<Division, 'conversation'>; days: { since: string; until: string }; tags: readonly string[] },
  signal: AbortSignal,
): Promise<{ table: SpendTable; isCut: boolean }> {
  const [path, part] = tables[by];
  const table = new SpendTable();
  for (let page = 1; page <= mostActivityPages; page += 1) {
    const query = new URLSearchParams({
      start_date: days.since,
      end_date: days.until,
      page: String(page),
      page_size: String(pageSize),
      ...(tags.length > 0 && { tags: tags.join(',') }),
    });
    const asked = tags.length > 0 ? '/tag/daily/activity' : path;
    const found = readActivityPage(await ask(client, `${asked}?${query.toString()}`, signal));
    if (found === null) throw noReport(asked);
    addActivity(table, found, part);
    if (!found.hasMore || found.days.length === 0) return { table, isCut: false };
  }
  return { table, isCut: true };
}

/** The calls of the proxy's log, the newest first; `isCut` when there are more than were asked for. */
export async function loggedCalls(
  client: LiteLLMClient,
  { period, match }: { period: Period; match: Record<string, string> },
  signal: AbortSignal,
  take: (call: LoggedCall) => void,
): Promise<{ isCut: boolean }> {
  for (let page = 1; page <= mostPages; page += 1) {
    const query = new URLSearchParams({
      start_date: logTime(period.since),
      // The last second belongs to it.
      end_date: logTime(new Date(period.until.getTime() + 1000)),
      page: String(page),
      page_size: String(pageSize),
      ...match,
    });
    const found = readLogPage(await ask(client, `/spend/logs/v2?${query.toString()}`, signal));
    if (found === null) throw noReport('/spend/logs/v2');
    for (const call of found.calls) take(call);
    if (page >= found.pages || found.calls.length === 0) return { isCut: false };
  }
  return { isCut: true };
}

async function ask(client: LiteLLMClient, path: string, signal: AbortSignal): Promise<unknown> {
  try {
    return await client.get(path, { signal });
  } catch (error) {
    throw error instanceof CllmError ? explained(error, path.replace(/\?.*/s, '')) : error;
  }
}

/** LiteLLM's own words for these are of key management, or of an id that is None. */
function explained(error: CllmError, path: string): CllmError {
  const { message } = error;
  if (/(DB|database|prisma client) (is )?not (connected|initialized)|no connected db/i.test(message)) {
    return new CllmError('bad_request', 'this proxy has no database, so it does not know what was spent', {
      cause: error,
      hint: 'cllm spend --local counts what the history of this machine tells',
    });
  }
  if (!(error instanceof ProxyError)) return error;
  if (/service-account keys|User= ?None|proxy admin|User None not found/i.test(message)) {
    return new CllmError(
      'key_rejected',
      'this key belongs to no user, so the proxy tells it nothing of what was spent',
      {
        cause: error,
        hint: "ask with a key of your own, or an admin's; `cllm whoami` shows the key's own sum, `cllm spend --local` what this machine asked",
      },
    );
  }
  if (error.status === 404 || error.status === 405) return noReport(path);
  return error;
}

function noReport(path: string): CllmError {
  return new CllmError('not_found', `this proxy has no report of spend at ${path}`, {
    hint: 'it may be an older LiteLLM, or none; cllm spend --local counts what the history of this machine tells',
  });
}

/** `2026-11-27 00:29:48`, UTC. */
function logTime(time: Date): string {
  return time.toISOString().slice(0, 19).replace('T', ' ');
}
