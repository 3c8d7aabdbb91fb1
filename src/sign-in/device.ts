import { setTimeout as sleep } from 'node:timers/promises';
import { CllmError } from '../outcome/errors.ts';
import { isJsonObject, type JsonObject, objectOf, textOrNull } from '../protocol/json.ts';
import { redactSecrets } from '../protocol/redact-secrets.ts';
import type { ProxyFetch } from './proxy-fetch.ts';

/** A sign-in that happens in a browser somewhere else. */
export interface DeviceFlow {
  id: string;
  /** Only who has it gets the key. */
  pollSecret: string;
  /** What a person types, or compares, there. */
  userCode: string;
  url: string;
}

export interface TeamChoice {
  id: string;
  name: string;
}

const pauseMs = 2_000;
const patienceMs = 300_000;

/** LiteLLM's own form of it (litellm 1.104.2, `/sso/cli/start`): RFC 8628 in other words. */
export async function startDeviceFlow(http: ProxyFetch, baseUrl: string): Promise<DeviceFlow> {
  const response = await http.send({ method: 'POST', url: `${baseUrl}/sso/cli/start` });
  const answer = await jsonOf(response);
  const [id, pollSecret, userCode] = ['login_id', 'poll_secret', 'user_code'].map((name) => textOrNull(answer[name]));
  if (response.status !== 200 || !id || !pollSecret || !userCode) {
    throw new CllmError('not_found', `the proxy has no sign-in for other devices (HTTP ${response.status})`, {
      hint: 'sign in with a browser here, or enter a key: cllm login',
    });
  }
  const url = new URL(`${baseUrl}/sso/key/generate`);
  url.searchParams.set('source', 'litellm-cli');
  url.searchParams.set('key', id);
  // A proxy that gives such an address puts the code into its page.
  if (textOrNull(answer['verification_uri_complete']) !== null) url.searchParams.set('user_code', userCode);
  return { id, pollSecret, userCode, url: url.href };
}

/** The key, once somebody has signed in; of several teams the one that is chosen. */
export async function awaitDevice(
  http: ProxyFetch,
  baseUrl: string,
  { id, pollSecret }: DeviceFlow,
  { chooseTeam, signal }: { chooseTeam: (teams: TeamChoice[]) => Promise<string>; signal: AbortSignal },
): Promise<string> {
  let team: string | null = null;
  for (const startedAt = performance.now(); performance.now() - startedAt < patienceMs;) {
    const query = team === null ? '' : `?${new URLSearchParams({ team_id: team }).toString()}`;
    const url = `${baseUrl}/sso/cli/poll/${encodeURIComponent(id)}${query}`;
    const response = await http.send({ method: 'GET', url, headers: { 'x-litellm-cli-poll-secret': pollSecret } });
    const answer = await jsonOf(response);
    if (response.status >= 400 && response.status < 500 && response.status !== 429) {
      const words = textOrNull(answer['detail']) ?? 'without a reason';
      throw new CllmError('key_rejected', redactSecrets(`the proxy ended the sign-in: ${words}`), {
        hint: 'run cllm login --no-browser again',
      });
    }
    const key = textOrNull(answer['key']);
    if (answer['status'] === 'ready' && key !== null) return key;
    if (answer['status'] === 'ready' && answer['requires_team_selection'] === true) {
      team = await chooseTeam(teamsOf(answer));
      continue;
    }
    await sleep(pauseMs, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
  throw new CllmError('total_timeout', `nobody signed in within ${patienceMs / 60_000} minutes`, {
    hint: 'run cllm login --no-browser again',
  });
}

function teamsOf(answer: JsonObject): TeamChoice[] {
  const detailed = Array.isArray(answer['team_details']) ? answer['team_details'] : [];
  const plain = Array.isArray(answer['teams']) ? answer['teams'] : [];
  const named = detailed.flatMap((each: unknown) => {
    const id = textOrNull(objectOf(each)['team_id']) ?? textOrNull(objectOf(each)['id']);
    return id === null ? [] : [{ id, name: textOrNull(objectOf(each)['team_alias']) ?? id }];
  });
  if (named.length > 0) return named;
  return plain.flatMap((each) => (typeof each === 'string' ? [{ id: each, name: each }] : []));
}

async function jsonOf(response: Response): Promise<JsonObject> {
  try {
    const value: unknown = JSON.parse(await response.text());
    return isJsonObject(value) ? value : {};
  } catch {
    return {};
  }
}
