import { isJsonObject } from '../../../protocol/json.ts';
import type { LiteLLMClient } from '../../../client/client.ts';
import type { ProbeAnswer } from '../../../client/answer/question.ts';
import type { ApiKey } from '../../../config/api-key.ts';
import type { Settings } from '../../../config/settings.ts';
import { CllmError } from '../../../outcome/errors.ts';
import { explainBudget } from '../../asking/budget.ts';
import { explainKey } from '../../asking/explain-key.ts';
import { asCllmError } from '../../thrown.ts';
import { failed, ok, skipped, type Finding } from './finding.ts';
import { shellWord } from '../../../protocol/shell-word.ts';

/** Certificates, key expiry and budget resets all go wrong by more than this, and a network by less. */
const largestSkewSeconds = 60;

/** Who answers at the base URL, whether it is well, and what its clock says. */
export async function examineProxy(
  client: LiteLLMClient,
  httpProxy: URL | null,
  signal: AbortSignal,
): Promise<{ findings: Finding[]; isUsable: boolean }> {
  let answer: ProbeAnswer;
  try {
    answer = await client.probe('/health/readiness', { signal });
  } catch (thrown) {
    const error = asCllmError(thrown);
    return { findings: [failed(error.code === 'http_proxy_failed' ? 'http proxy' : 'proxy', error)], isUsable: false };
  }
  const finding = await judgeReadiness(client, answer, httpProxy, signal);
  return { findings: [finding, clockOf(answer)], isUsable: finding.status === 'ok' };
}

async function judgeReadiness(
  client: LiteLLMClient,
  answer: ProbeAnswer,
  httpProxy: URL | null,
  signal: AbortSignal,
): Promise<Finding> {
  const { status, headers, error } = answer;
  const server = headers['server'] ?? null;
  const readiness = jsonOf(answer.body);
  const health = typeof readiness?.['status'] === 'string' ? readiness['status'] : null;
  const isLiteLLM = health !== null;
  if (error === null && isLiteLLM) {
    const details = jsonOf((await client.probe('/health/readiness/details', { signal }).catch(() => null))?.body ?? '');
    const version = typeof details?.['litellm_version'] === 'string' ? details['litellm_version'] : null;
    const database = typeof readiness?.['db'] === 'string' ? readiness['db'] : null;
    const facts = { version, health, database, server } as Finding['facts'];
    const name = version === null ? 'LiteLLM' : `LiteLLM ${version}`;
    return ok('proxy', `${name}, ${health}, database: ${database ?? 'unknown'}`, facts);
  }
  if (httpProxy !== null && !isLiteLLM && (status === 407 || (readiness === null && status >= 400))) {
    const refusal = new CllmError('http_proxy_failed', `the HTTP proxy ${httpProxy.host} answered ${status} itself`);
    return failed('http proxy', refusal, {
      fix: `ask for ${client.baseUrl} to be let through, or put ${new URL(client.baseUrl).hostname} in NO_PROXY`,
      facts: { http_status: status },
    });
  }
  if (isLiteLLM) {
    const unwell = new CllmError('server_error', `the proxy says that it is not ready: ${health}`);
    return failed('proxy', unwell, {
      fix: "its admin has to look at the proxy's log; the database may be down",
      facts: { http_status: status },
    });
  }
  const elsewhere = status === 404 || status === 405 || error === null ? await findPrefix(client, signal) : null;
  const foreign =
    error ??
    new CllmError('unexpected_response', `what answers at ${client.baseUrl} is no LiteLLM proxy (HTTP ${status})`);
  if (elsewhere !== null) {
    return failed('proxy', foreign, {
      message: `nothing of LiteLLM is at ${client.baseUrl}, but it answers at ${elsewhere}`,
      fix: `cllm config set base_url ${shellWord(elsewhere, 'URL')}`,
      facts: { http_status: status, server, found_at: elsewhere },
    });
  }
  return failed('proxy', foreign, {
    ...(status === 404 && {
      message: `nothing of LiteLLM is at ${client.baseUrl} (HTTP 404)`,
      fix: 'is that its port? A proxy behind a path needs the path in the base URL, without /v1: https://host/path',
    }),
    facts: { http_status: status, server },
  });
}

/** A path too many is the common mistake (`…/ui`, an old prefix): LiteLLM may answer further up. */
async function findPrefix(client: LiteLLMClient, signal: AbortSignal): Promise<string | null> {
  const { origin, pathname } = new URL(client.baseUrl);
  const parts = pathname.split('/').filter(Boolean);
  for (let up = 1; up <= parts.length; up += 1) {
    const path = parts.slice(0, parts.length - up).join('/');
    // From the base URL upwards; nothing but the path changes, so no key can go to another host.
    const probed = `${'/..'.repeat(up)}/health/liveliness`;
    const answer = await client.probe(probed, { signal }).catch(() => null);
    if (answer?.status === 200 && /alive/i.test(answer.body)) return path === '' ? origin : `${origin}/${path}`;
  }
  return null;
}

function clockOf({ headers, tookMs }: ProbeAnswer): Finding {
  const date = Date.parse(headers['date'] ?? '');
  if (Number.isNaN(date)) return skipped('clock', 'the proxy does not say what time it has');
  // The header has whole seconds, and was written some time during the request.
  const skew = Math.round((Date.now() - tookMs / 2 - (date + 500)) / 1000);
  const facts = { skew_seconds: skew };
  if (Math.abs(skew) <= largestSkewSeconds)
    return ok('clock', `agrees with the proxy's (${Math.abs(skew)} s apart)`, facts);
  const direction = skew > 0 ? 'ahead of' : 'behind';
  return failed(
    'clock',
    new CllmError(
      'unexpected_response',
      `this machine's clock is ${duration(Math.abs(skew))} ${direction} the proxy's`,
    ),
    { fix: 'set the one that is wrong; on Linux: timedatectl set-ntp true', facts },
  );
}

function duration(seconds: number): string {
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

/** Whether the proxy takes the key, and which models it may use. */
export async function examineKey(
  client: LiteLLMClient,
  apiKey: ApiKey,
  settings: Pick<Settings, 'baseUrl'>,
  signal: AbortSignal,
): Promise<{ finding: Finding; served: string[] }> {
  const facts = { key: apiKey.maskedKey, key_from: apiKey.origin };
  try {
    const served = (await client.models({ signal })).map(({ id }) => id);
    const many = served.length === 1 ? '1 model' : `${served.length} models`;
    const key = apiKey.maskedKey === null ? 'none sent, and none asked for' : `${apiKey.maskedKey} is taken`;
    return { finding: ok('key', `${key} (${many})`, { ...facts, models: served.length }), served };
  } catch (thrown) {
    const error = explainKey(await explainBudget(asCllmError(thrown), client), apiKey, settings);
    const fix = apiKey.withheld ?? error.hint;
    return { finding: failed('key', error, { ...(fix !== undefined && { fix }), facts }), served: [] };
  }
}

function jsonOf(body: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(body);
    return isJsonObject(value) ? value : null;
  } catch {
    return null;
  }
}
