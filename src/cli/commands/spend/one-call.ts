import type { LiteLLMClient } from '../../../client/client.ts';
import { CllmError } from '../../../outcome/errors.ts';
import { snakeCased } from '../../../protocol/json.ts';
import type { LoggedCall } from '../../../spending/spend-log.ts';
import { formatUsd } from '../../../spending/usd.ts';
import { jsonLine } from '../../../terminal/terminal-safe.ts';
import type { Io } from '../../io.ts';
import { moment } from '../../views/moment.ts';
import { type Cell, table } from '../../views/table.ts';
import { loggedCalls } from './proxy-spend.ts';

/** The log wants a time; nobody keeps one longer. */
const longAgo = 10 * 365 * 86_400_000;

/**
 * One call, as the proxy's log has it: what its price is made of, and whom it was booked on.
 *
 * @throws CllmError `not_found`
 */
export async function explainCall(
  id: string,
  { client, io, isJson }: { client: LiteLLMClient; io: Io; isJson: boolean },
): Promise<null> {
  const now = new Date();
  const period = { since: new Date(now.getTime() - longAgo), until: new Date(now.getTime() + 86_400_000) };
  const found: LoggedCall[] = [];
  await loggedCalls(client, { period, match: { request_id: id } }, io.signal, (call) => {
    if (call.callId === id || call.requestId === id) found.push(call);
  });
  const [call] = found;
  if (call === undefined) {
    throw new CllmError('not_found', `the proxy's log has no call ${id} that this key may see`, {
      hint: 'it is written some seconds after the reply; a plain key sees the calls of its user, an admin all',
    });
  }
  if (isJson) {
    await io.stdout.write(jsonLine(snakeCased(call), 2));
    return null;
  }
  const rows = rowsOf(call, now).filter(([, value]) => value !== null && value !== '');
  await io.stdout.write(table(io.stdout, ['what', 'value'], rows, { isTextLast: true }));
  return null;
}

function rowsOf(call: LoggedCall, now: Date): [string, Cell][] {
  const isOther = call.providerModel !== null && call.providerModel !== call.model;
  const parts = call.parts.map(({ name, usd }) => `${name} ${formatUsd(usd)}`).join(', ');
  const sum = call.spend === null ? 'unknown' : formatUsd(call.spend);
  return [
    ['call', call.callId],
    ['when', call.startedAt === null ? null : moment(call.startedAt, now)],
    ['status', call.status],
    ['error', call.error],
    ['model', `${call.model ?? 'unknown'}${isOther ? ` (${call.providerModel ?? ''})` : ''}`],
    ['provider', call.provider],
    ['spend', parts === '' ? sum : `${sum}: ${parts}`],
    ['tokens in', call.inputTokens],
    ['tokens out', call.outputTokens],
    ['took', call.durationMs === null ? null : `${(call.durationMs / 1000).toFixed(2)} s`],
    ['from a cache', call.isCacheHit ? 'yes' : null],
    ['retries', call.retries === 0 ? null : call.retries],
    ['fallbacks', call.fallbacks === 0 ? null : call.fallbacks],
    ['guardrails', call.guardrails.join(', ')],
    ['key', call.key],
    ['team', call.team],
    ['user', call.user],
    ['end user', call.endUser],
    ['session', call.sessionId],
    ['tags', call.tags.filter((tag) => !tag.startsWith('User-Agent: ')).join(', ')],
    ...Object.entries(call.metadata).map(([name, value]): [string, Cell] => [
      name,
      typeof value === 'string' ? value : JSON.stringify(value),
    ]),
  ];
}
