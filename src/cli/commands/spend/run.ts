import { setTimeout as sleep } from 'node:timers/promises';
import type { LiteLLMClient } from '../../../client/client.ts';
import type { History } from '../../../history/history.ts';
import { CllmError, UsageError } from '../../../outcome/errors.ts';
import { figuresOfCall } from '../../../spending/spend-log.ts';
import { SpendTable } from '../../../spending/spend-table.ts';
import type { Output } from '../../../terminal/output.ts';
import type { OwnText } from '../../../terminal/own-text.ts';
import { explainBudget } from '../../asking/budget.ts';
import type { Context } from '../../context.ts';
import type { Division, SpendValues } from './command.ts';
import { explainCall } from './one-call.ts';
import { type JobCalls, whenLogged } from './job-calls.ts';
import { dailySpend, loggedCalls, type Period } from './proxy-spend.ts';
import { reportCsv, reportJson, reportMarkdown, reportTable, type SpendReport } from './report.ts';

type Given = SpendValues & { readonly why: string | undefined; readonly call: string | undefined };

const cutLog = 'there were more calls than the newest 50,000, and only those are in it';
const week = 7 * 86_400_000;

export async function runSpend(values: Given, context: Context): Promise<CllmError | null> {
  refuseWhatDoesNotFit(values);
  const { io } = context;
  if (values.why !== undefined) {
    return explainCall(values.call ?? '', { client: await context.client(), io, isJson: values.json });
  }
  const report = await reportOf(values, context);
  await io.stdout.write(written(report, values, io.stdout));
  if (report.rows.length === 0) context.remark('nothing was spent in that time, as far as is known');
  if (report.gap !== null) context.remark(report.gap);
  return null;
}

function refuseWhatDoesNotFit({ why, call, json, csv, run, local, tag, by, since, until }: Given): void {
  const refuse = (message: string, hint: string): never => {
    throw new UsageError(message, { hint });
  };
  if (why !== undefined && why !== 'why')
    refuse(`cllm spend takes no "${why}"`, 'cllm spend --by model, or: cllm spend why CALL_ID');
  if (why !== undefined && call === undefined) {
    refuse('which call?', 'cllm spend why CALL_ID: the id stands in receipts and results, and in the proxy’s log');
  }
  if (json && csv) refuse('--json and --csv are two formats', 'choose one');
  if (local && (by === 'key' || by === 'user' || by === 'team' || by === 'tag')) {
    refuse(
      `--local knows nothing of a ${by}`,
      'the history tells days, models and conversations; without --local the proxy is asked',
    );
  }
  if (local && tag.length > 0) refuse('--local knows nothing of tags', 'without --local the proxy is asked');
  if (run && (by === 'key' || by === 'user' || by === 'team' || by === 'tag')) {
    refuse(`--run is one job's, which has no ${by}s to compare`, 'choose day, model or conversation');
  }
  if (run && tag.length > 0) refuse('--run and --tag are two ways to say which calls', 'choose one');
  if (run && (since !== undefined || until !== undefined))
    refuse('--run has the time of the job', 'leave --since and --until out');
  if (tag.length > 0 && (by === 'user' || by === 'team' || by === 'conversation')) {
    refuse(`LiteLLM sums a tag by day, model and key, not by ${by}`, 'cllm spend --tag NAME --by key');
  }
  const comma = tag.find((each) => each.includes(','));
  if (comma !== undefined) refuse(`--tag ${comma}: LiteLLM's tags have no comma`, 'give --tag once for each');
  if (since !== undefined && until !== undefined && since >= until)
    refuse('--since is not before --until', 'for example --since 7d');
}

async function reportOf(values: Given, context: Context): Promise<SpendReport> {
  if (values.run) return jobReport(values, context);
  const now = new Date();
  const period = { since: values.since ?? new Date(now.getTime() - week), until: values.until ?? now };
  const by = values.by ?? 'day';
  const days = daysOf(period, now);
  if (values.local) return historyReport(await context.history(), { by, period, session: null });
  const client = await context.client();
  const { signal } = context.io;
  try {
    if (by === 'conversation') return await conversationReport(client, period, signal);
    const { table, isCut } = await dailySpend(client, { by, days, tags: values.tag }, signal);
    const gap = isCut ? 'the proxy has more of that time than was asked for, and only the newest is in it' : null;
    if (by === 'tag') return { ...reportWith(by, days, tagsOnly(table, values.tag)), total: null, gap };
    return { ...reportWith(by, days, table), gap };
  } catch (error) {
    throw error instanceof CllmError ? await explainBudget(error, client) : error;
  }
}

function reportWith(by: Division, { since, until }: { since: string; until: string }, table: SpendTable): SpendReport {
  const rows = table.rows(by === 'day' ? 'name' : 'spend');
  return { by, source: 'proxy', since, until, rows, total: table.total, missingCalls: 0, gap: null };
}

/** Each client's name and version is a tag of LiteLLM's own making, of every call there is. */
function tagsOnly(table: SpendTable, wanted: readonly string[]): SpendTable {
  const kept = new SpendTable();
  for (const { name, ...figures } of table.rows('name')) {
    if (wanted.length > 0 || !name?.startsWith('User-Agent: ')) kept.add(name, figures);
  }
  return kept;
}

async function conversationReport(client: LiteLLMClient, period: Period, signal: AbortSignal): Promise<SpendReport> {
  const table = new SpendTable();
  const { isCut } = await loggedCalls(client, { period, match: {} }, signal, (call) =>
    table.add(call.sessionId, figuresOfCall(call)),
  );
  const gap = isCut ? cutLog : null;
  return { ...reportWith('conversation', isoOf(period), table), gap };
}

/**
 * What this CI job asked. The proxy's log has it under the job's session; the history of this machine tells which calls
 * have to be in it, and stands in for the log where the key may not read that.
 */
async function jobReport(values: Given, context: Context): Promise<SpendReport> {
  const { io } = context;
  const session = (await context.attribution())?.session ?? null;
  if (session === null) {
    throw new UsageError('--run: this is no job of a CI system that is known, or it does not say which run it is of', {
      hint: 'in GitHub Actions, GitLab, Jenkins, Buildkite, CircleCI and Azure Pipelines it works; elsewhere: cllm spend --by conversation',
    });
  }
  const by = values.by ?? 'model';
  const now = new Date();
  // A job may run for days; of its session there is nothing else.
  const period = { since: new Date(now.getTime() - 5 * week), until: new Date(now.getTime() + 60_000) };
  const ofHistory = (history: History): SpendReport => historyReport(history, { by, period, session });
  if (values.local) return ofHistory(await context.history());
  // A job may well run where none can be kept.
  const { history } = await context.store();
  const client = await context.client();
  const look = async (): Promise<JobCalls> => {
    const table = new SpendTable();
    const ids = new Set<string>();
    const { isCut } = await loggedCalls(client, { period, match: { session_id: session } }, io.signal, (call) => {
      // The proxy finds what holds the text.
      if (call.sessionId !== session) return;
      if (call.callId !== null) ids.add(call.callId);
      table.add(nameOfCall(call, by), figuresOfCall(call));
    });
    return { table, ids, isCut };
  };
  try {
    const { calls, missingCalls } = await whenLogged(look, new Set(history?.callIds(session) ?? []), {
      now: io.now,
      pause: (ms) => sleep(ms, undefined, { signal: io.signal }).catch(() => io.signal.throwIfAborted()),
    });
    const late = `${missingCalls} of the job's calls are not in the proxy's log yet, and not in these sums`;
    const gap = missingCalls > 0 ? late : calls.isCut ? cutLog : null;
    return { ...reportWith(by, isoOf(period), calls.table), missingCalls, gap };
  } catch (error) {
    if (!(error instanceof CllmError) || io.signal.aborted || history === null) throw error;
    const gap = `${error.message}: this is what the history of this machine tells, which knows nothing of batches`;
    return { ...ofHistory(history), gap };
  }
}

function nameOfCall(
  { model, sessionId, startedAt }: { model: string | null; sessionId: string | null; startedAt: string | null },
  by: Division,
): string | null {
  if (by === 'model') return model;
  return by === 'day' ? (startedAt?.slice(0, 10) ?? null) : sessionId;
}

function historyReport(
  history: History,
  { by, period, session }: { by: Division; period: Period; session: string | null },
): SpendReport {
  const division = by === 'model' || by === 'conversation' ? by : 'day';
  const table = new SpendTable();
  for (const { name, ...figures } of history.spending(division, period, session))
    table.add(name, { ...figures, failed: null });
  return { ...reportWith(division, isoOf(period), table), source: 'history' };
}

/**
 * The days that LiteLLM is asked for: those of the local calendar by their names, since it has whole days of UTC alone, and
 * today's of UTC where the time reaches to now.
 */
function daysOf({ since, until }: Period, now: Date): { since: string; until: string } {
  const last = localDay(new Date(until.getTime() - 1));
  const today = now.toISOString().slice(0, 10);
  return { since: localDay(since), until: until >= now && today > last ? today : last };
}

function localDay(time: Date): string {
  const pad = (value: number, length = 2): string => String(value).padStart(length, '0');
  return `${pad(time.getFullYear(), 4)}-${pad(time.getMonth() + 1)}-${pad(time.getDate())}`;
}

function isoOf({ since, until }: Period): { since: string; until: string } {
  return { since: since.toISOString(), until: until.toISOString() };
}

function written(report: SpendReport, { json, csv, run }: Given, stdout: Output): string | OwnText {
  if (json) return reportJson(report);
  if (csv) return reportCsv(report);
  // A job's summary is Markdown.
  return run && !stdout.isTTY ? reportMarkdown(report) : reportTable(report, stdout);
}
