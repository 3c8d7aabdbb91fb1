import { readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  errorReply,
  type FakeUpstream,
  type Responder,
  startFakeUpstream,
  textReply,
} from '../support/fake-upstream.ts';
import { CliHome } from '../support/run-cli.ts';

/** What a LiteLLM 1.104.2 with its database says to a key that is at one of its limits, in its own words. */
let upstream: FakeUpstream;
let home: CliHome;

beforeEach(async () => {
  upstream = await startFakeUpstream();
  home = new CliHome({ LITELLM_PROXY_URL: upstream.baseUrl, LITELLM_PROXY_API_KEY: 'sk-team-key', CLLM_MODEL: 'gpt' });
});

afterEach(async () => {
  home.close();
  await upstream.close();
});

describe('on a used-up budget', () => {
  const words = 'Budget has been exceeded! Key=ci (sk-...-key) Current cost: 0.30, Max budget: 0.25';
  const info = { key_alias: 'ci', spend: 0.3, max_budget: 0.25, budget_reset_at: '2099-12-01T00:00:00Z', team_id: 't' };
  const overBudget =
    (models: string[]): Responder =>
    ({ path }) => {
      if (path.startsWith('/key/info')) return { body: { key: 'h', info: { ...info, models } } };
      if (path.startsWith('/team/info'))
        return { body: { team_info: { team_alias: 'search', spend: 1, max_budget: 10, budget_reset_at: null } } };
      if (path.startsWith('/health')) return { body: { status: 'healthy', db: 'connected' } };
      return errorReply(422, words, { type: 'budget_exceeded' });
    };

  test('whoami answers, and shows every budget that binds', async () => {
    upstream.fallback = overBudget([]);
    const shown = await home.run(['whoami']);
    expect(shown).toMatchObject({ code: 0, stderr: expect.stringContaining('the budget of the key ci is used up') });
    expect(shown.stdout).toMatch(/^team budget\t\$10\.00, \$9\.00 left of search$/m);
    expect(shown.stdout).not.toMatch(/^models\t/m);
    expect(JSON.parse((await home.run(['whoami', '--json'])).stdout)).toMatchObject({
      spend: 0.3,
      budgets: [
        { owner: 'key', name: 'ci', spend: 0.3, max: 0.25, resets_at: '2099-12-01T00:00:00Z' },
        { owner: 'team', name: 'search', spend: 1, max: 10, resets_at: null },
      ],
    });
  });

  test('login keeps the key, and says so', async () => {
    upstream.fallback = overBudget([]);
    const { code, stderr } = await home.run(['login', '--base-url', upstream.baseUrl], {
      stdin: 'sk-good-key-of-a-team',
      env: { LITELLM_PROXY_API_KEY: undefined },
    });
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: expect.stringContaining('its budget is used up: cllm whoami'),
    });
    await home.run(['hi'], { env: { LITELLM_PROXY_API_KEY: undefined } });
    expect(upstream.chatRequests.at(-1)?.headers.authorization).toBe('Bearer sk-good-key-of-a-team');
  });

  test('models lists those that the key names, and says whose budget it is where it names none', async () => {
    upstream.fallback = overBudget(['gpt', 'claude']);
    expect(await home.run(['models'])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^gpt\t[^]*^claude\t/m),
    });
    upstream.fallback = overBudget(['all-team-models']);
    expect(await home.run(['models'])).toMatchObject({
      code: 7,
      stderr: expect.stringContaining('it is the budget of the key ci; it resets 2099-12-01'),
    });
  });

  test('doctor says whose it is, and names no command that fails in the same way', async () => {
    upstream.fallback = overBudget([]);
    const { code, stdout } = await home.run(['doctor']);
    expect(code).toBe(7);
    expect(stdout).toContain('→ it is the budget of the key ci; it resets 2099-12-01');
  });
});

test('a key that an admin has blocked is told as such, wherever it came from', async () => {
  upstream.fallback = () =>
    errorReply(401, "Authentication Error, Key is blocked. Update via `/key/unblock` if you're an admin.");
  const { code, stderr } = await home.run(['hi']);
  expect(code).toBe(4);
  expect(stderr).toContain('an admin of the proxy has blocked it, and can unblock it');
  expect(stderr).not.toContain('put a valid one there');
});

describe('max_parallel_requests', () => {
  /** As LiteLLM counts: a place is taken until the reply has ended, and one more is refused for a minute. */
  const places = (most: number): (() => { refused: number; most: number }) => {
    let [underWay, refused, peak] = [0, 0, 0];
    upstream.fallback = (request) => {
      if (!request.path.endsWith('/chat/completions')) return { body: { data: [] } };
      if (underWay >= most) {
        refused += 1;
        const told = `Rate limit exceeded for api_key: x. Limit type: max_parallel_requests. Current limit: ${most}, Remaining: 0.`;
        return errorReply(429, told, { headers: { 'retry-after': '60' } });
      }
      underWay += 1;
      peak = Math.max(peak, underWay);
      void request.hungUp.then(() => (underWay -= 1));
      return { ...textReply('fine')(request), delay: 50 };
    };
    return () => ({ refused, most: peak });
  };

  test('a batch keeps to it, waits no minute for a place, and says it once', async () => {
    const counted = places(2);
    const input = home.at('in.jsonl');
    writeFileSync(input, Array.from({ length: 12 }, (_, at) => `{"prompt":"${at}"}\n`).join(''));
    const { code, stderr } = await home.run(['batch', input, '-o', home.at('out.jsonl'), '--concurrency', '6']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining('has no more room, 2 at a time') });
    expect(stderr.match(/no more room/g)).toHaveLength(1);
    expect(counted()).toMatchObject({ most: 2 });
    expect(counted().refused).toBeGreaterThan(0);
    const results = readFileSync(home.at('out.jsonl'), 'utf8').trimEnd().split('\n');
    const ended = results.map((line) => JSON.parse(line) as { is_error: boolean; session_id: string });
    expect(ended.map(({ is_error: isError }) => isError)).toEqual(Array(12).fill(false));
    const sessions = new Set(upstream.chatRequests.map(({ headers }) => headers['x-litellm-session-id']));
    expect([...sessions]).toEqual([expect.stringMatching(/^cllm-/)]);
    // Each result says where the proxy's log has it.
    expect(new Set(ended.map(({ session_id: session }) => session))).toEqual(sessions);
  });

  test('a question does not wait for a place with --retries 0', async () => {
    const told = 'Limit type: max_parallel_requests. Current limit: 1, Remaining: 0.';
    upstream.fallback = () => errorReply(429, told, { headers: { 'retry-after': '60' } });
    const { code, stderr } = await home.run(['--retries', '0', 'hi']);
    expect({ code, stderr }).toEqual({ code: 6, stderr: expect.stringContaining('too many requests at a time') });
    expect(upstream.chatRequests).toHaveLength(1);
  });
});

test('the models of a comparison are one session', async () => {
  await home.run(['compare', '-m', 'a', '-m', 'b', '--no-stdin', 'hi']);
  expect(upstream.chatRequests).toHaveLength(2);
  expect(new Set(upstream.chatRequests.map(({ headers }) => headers['x-litellm-session-id'])).size).toBe(1);
});

test('the session is the conversation, in a CI job the job, and what a header names before both', async () => {
  const sent = () => upstream.chatRequests.at(-1)?.headers['x-litellm-session-id'];
  const ask = async (words: string[], env = {}) =>
    JSON.parse((await home.run(['--output-format', 'json', ...words, 'hi'], { env })).stdout) as Record<string, string>;
  const plain = await ask([]);
  expect(plain['session_id']).toBe(plain['conversation_id']);
  expect(sent()).toBe(plain['session_id']);

  const job = {
    CI: 'true',
    GITHUB_ACTIONS: 'true',
    GITHUB_REPOSITORY: 'octo/cat',
    GITHUB_RUN_ID: '42',
    GITHUB_JOB: 'a b',
  };
  expect((await ask([], job))['session_id']).toBe('github-actions:octo/cat:42:a_b');
  expect(sent()).toBe('github-actions:octo/cat:42:a_b');
  expect((await ask(['--no-attribution'], job))['session_id']).not.toContain('github');
  expect((await ask(['--header', 'X-LiteLLM-Session-Id: mine'], job))['session_id']).toBe('mine');
  expect(sent()).toBe('mine');
});

test('a trace that the caller is a part of goes along, and nothing that is none', async () => {
  const parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const odd = [
    '',
    'x',
    `${parent}\r\nx-evil: 1`,
    '00-00000000000000000000000000000000-b7ad6b7169203331-01',
    `ff${parent.slice(2)}`,
  ];
  for (const TRACEPARENT of [parent, ...odd]) {
    expect((await home.run(['hi'], { env: { TRACEPARENT } })).code).toBe(0);
    expect(upstream.chatRequests.at(-1)?.headers['traceparent']).toBe(TRACEPARENT === parent ? parent : undefined);
  }
});

test('a proxy that takes no tags from its clients gets a CI job’s call without them, and that is said', async () => {
  upstream.reply(
    errorReply(400, "Client-side 'metadata.tags' not allowed in request. 'reject_clientside_metadata_tags'=True."),
    textReply('fine'),
  );
  const env = { CI: 'true', GITHUB_ACTIONS: 'true', GITHUB_REPOSITORY: 'octo/cat', GITHUB_RUN_ID: '42' };
  const { code, stdout, stderr } = await home.run(['hi'], { env });
  expect({ code, stdout }).toEqual({ code: 0, stdout: 'fine\n' });
  expect(stderr).toContain('this proxy takes no tags from its clients');
  const [first, second] = upstream.chatRequests.map(({ headers }) => headers);
  expect(first?.['x-litellm-tags']).toContain('repo:octo/cat');
  expect(second?.['x-litellm-tags']).toBeUndefined();
  expect(second?.['x-litellm-spend-logs-metadata']).toContain('octo/cat');
});

test('--debug says why a schema goes out without strict', async () => {
  const { stderr } = await home.run(['--debug', '--ephemeral', '--output-schema', '{"type":"object"}', 'hi']);
  expect(stderr).toContain(
    'the schema goes out without "strict": at the root, the object does not say "additionalProperties": false',
  );
});
