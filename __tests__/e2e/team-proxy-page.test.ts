import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { startFakeUpstream, type FakeUpstream, type RecordedRequest } from '../support/fake-upstream.ts';
import { CliHome } from '../support/run-cli.ts';

/**
 * The commands of docs/team-proxy.md, as they stand there and in their order, against a proxy that has the admin routes of
 * LiteLLM. Blocks marked `sh docker` need Docker; the keys that they lead to are tried on a real LiteLLM in
 * __tests__/litellm/team-proxy.test.ts.
 */
const page = readFileSync(new URL('../../docs/team-proxy.md', import.meta.url), 'utf8');
const blocks = [...page.matchAll(/^```sh( docker)?\n(.*?)^```$/gms)].map(([, mark, text]) => ({
  needsDocker: mark !== undefined,
  text: text ?? '',
}));

let upstream: FakeUpstream;
let home: CliHome;
let keys: Record<string, Record<string, unknown>>;

beforeEach(async () => {
  keys = {};
  upstream = await startFakeUpstream();
  const plain = upstream.fallback;
  upstream.fallback = (request) => adminRoute(request) ?? plain(request);
  home = new CliHome({ LITELLM_PROXY_API_KEY: undefined, CLLM_MODEL: undefined });
});

afterEach(async () => {
  home.close();
  await upstream.close();
});

function adminRoute({ path, body, headers }: RecordedRequest) {
  const key = headers.authorization?.replace('Bearer ', '') ?? '';
  if (path === '/team/new') return { body: { team_id: 'team-1', ...body } };
  if (path === '/key/generate') {
    const made = `sk-made-for-${String(body['key_alias'])}-1234567890`;
    keys[made] = body;
    return { body: { key: made, token: 'hash' } };
  }
  if (path === '/key/info') return keys[key] === undefined ? null : { body: { info: keys[key] } };
  return null;
}

test('every command that needs no Docker works', async () => {
  const script = blocks
    .filter(({ needsDocker }) => !needsDocker)
    .map(({ text }) => text.replaceAll('http://localhost:4000', upstream.baseUrl))
    .join('\n');
  const { code, stdout, stderr } = await home.shell(`set -euo pipefail\n${script}`);
  expect({ code, stderr }).toMatchObject({ code: 0 });
  expect(stdout).toContain('Hello.');
  expect(stdout).toMatch(/^alias\tci$/m);
  expect(stdout).toMatch(/^budget\t\$5\.00$/m);

  const environment = readFileSync(home.at('.env'), 'utf8');
  const master = /^LITELLM_MASTER_KEY=(sk-[0-9a-f]{48})$/m.exec(environment)?.[1];
  expect(environment).toMatch(/^DATABASE_URL=postgresql:\/\/litellm:[0-9a-f]{48}@postgres:5432\/litellm$/m);
  expect(Object.values(keys)).toMatchObject([
    { team_id: 'team-1', key_alias: 'ann' },
    { team_id: 'team-1', key_alias: 'ci', max_budget: 5, budget_duration: '1d', rpm_limit: 60 },
  ]);
  const admins = upstream.requests.filter(({ path }) => path === '/team/new' || path === '/key/generate');
  expect(new Set(admins.map(({ headers }) => headers.authorization))).toEqual(new Set([`Bearer ${master}`]));
  // CI's own question went out with CI's own key, and asked for no fallback.
  const ci = upstream.chatRequests.find(({ headers }) => headers.authorization?.includes('made-for-ci'));
  expect(ci?.body).toMatchObject({ model: 'hello', disable_fallbacks: true });
});

test('what needs Docker is docker, and nothing else', () => {
  const lines = blocks.filter(({ needsDocker }) => needsDocker).flatMap(({ text }) => text.trim().split('\n'));
  expect(lines.length).toBeGreaterThan(0);
  for (const line of lines) expect(line).toMatch(/^docker compose /);
});
