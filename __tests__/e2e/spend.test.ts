import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  errorReply,
  type FakeUpstream,
  type Responder,
  startFakeUpstream,
  textReply,
} from '../support/fake-upstream.ts';
import { CliHome } from '../support/run-cli.ts';
import { Terminal } from '../support/terminal.ts';

/** `cllm spend` against answers of LiteLLM 1.104.2, in parts and odd ones; __tests__/litellm/team-proxy.test.ts has the real. */
let upstream: FakeUpstream;
let home: CliHome;

beforeEach(async () => {
  upstream = await startFakeUpstream();
  home = new CliHome({ LITELLM_PROXY_URL: upstream.baseUrl, TZ: 'UTC' });
});

afterEach(async () => {
  home.close();
  await upstream.close();
});

const metrics = (spend: unknown, requests: unknown = 1): Record<string, unknown> => ({
  spend,
  api_requests: requests,
  failed_requests: 0,
  prompt_tokens: 9,
  completion_tokens: 3,
});

/** One answer for each path; a path with pages has them in order. */
function answers(pages: Record<string, unknown[]>): Responder {
  return ({ path }) => {
    const url = new URL(path, upstream.baseUrl);
    const page = Number(url.searchParams.get('page') ?? '1');
    const found = pages[url.pathname]?.[page - 1];
    return found === undefined ? errorReply(404, 'Not Found') : { body: found };
  };
}

const asked = (): URL[] =>
  upstream.requests.filter(({ path }) => /daily|logs/.test(path)).map(({ path }) => new URL(path, upstream.baseUrl));

describe('from the proxy', () => {
  const day = (date: string, spend: number, models: Record<string, number>): unknown => ({
    date,
    metrics: metrics(spend, Object.keys(models).length + 1),
    breakdown: {
      model_groups: Object.fromEntries(
        Object.entries(models).map(([name, each]) => [name, { metrics: metrics(each) }]),
      ),
    },
  });

  test('a proxy that always has more is left, and that is said', async () => {
    const body = { results: [day('2026-11-02', 2, {})], metadata: { has_more: true } };
    upstream.fallback = () => ({ body });
    const { code, stderr } = await home.run(['spend']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining('has more of that time') });
    const { results: _, ...empty } = body;
    upstream.fallback = () => ({ body: { ...empty, results: [] } });
    const before = upstream.requests.length;
    expect(await home.run(['spend'])).toMatchObject({ code: 0 });
    expect(upstream.requests.length).toBe(before + 1);
  });

  test('a day that goes on on the next page is one row, and what no model has is a row of its own', async () => {
    const pages = [
      { results: [day('2026-11-02', 2, { gpt: 1.5 }), day('2026-11-01', 1, { gpt: 1 })], metadata: { has_more: true } },
      { results: [day('2026-11-01', 4, { claude: 4 })], metadata: { has_more: false } },
    ];
    upstream.fallback = answers({ '/user/daily/activity': pages });
    const days = await home.run(['spend', '--since', '2026-11-01', '--until', '2026-11-02']);
    expect(days).toMatchObject({
      code: 0,
      stderr: '',
      stdout: '2026-11-01\t5\t4\t0\t18\t6\n2026-11-02\t2\t2\t0\t9\t3\n',
    });
    const [first] = asked();
    expect([first?.searchParams.get('start_date'), first?.searchParams.get('end_date')]).toEqual([
      '2026-11-01',
      '2026-11-02',
    ]);
    const models = await home.run(['spend', '--since', '2026-11-01', '--by', 'model', '--json']);
    const report = JSON.parse(models.stdout) as {
      rows: { name: string | null; spend_usd: number }[];
      total: { spend_usd: number };
    };
    expect(report.rows.map(({ name, spend_usd: spend }) => [name, spend])).toEqual([
      ['claude', 4],
      ['gpt', 2.5],
      [null, 0.5],
    ]);
    expect(report.total.spend_usd).toBe(7);
  });

  test('a call counts for each of its tags, so tags have no total; those of LiteLLM itself are left out', async () => {
    const entities = Object.fromEntries(
      ['repo:a', 'ci:x', 'User-Agent: cllm'].map((tag) => [tag, { metrics: metrics(1) }]),
    );
    const results = [{ date: '2026-11-01', metrics: metrics(3), breakdown: { entities } }];
    upstream.fallback = answers({ '/tag/daily/activity': [{ results }] });
    const { stdout } = await home.run(['spend', '--by', 'tag', '--json']);
    const report = JSON.parse(stdout) as { rows: { name: string }[]; total: unknown };
    expect(report.rows.map(({ name }) => name)).toEqual(['ci:x', 'repo:a']);
    expect(report.total).toBeNull();
  });

  test('--tag asks for the tags together', async () => {
    upstream.fallback = answers({ '/tag/daily/activity': [{ results: [] }] });
    const { code, stderr } = await home.run(['spend', '--tag', 'repo:team/app', '--tag', 'ci:x', '--by', 'key']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining('nothing was spent') });
    expect(asked()[0]?.searchParams.get('tags')).toBe('repo:team/app,ci:x');
    expect(upstream.requests.some(({ headers }) => headers['x-litellm-tags'] !== undefined)).toBe(false);
  });

  test('at a terminal a day has a bar, and all of it a sum', async () => {
    const results = [day('2026-11-02', 4, {}), day('2026-11-01', 1, {})];
    upstream.fallback = answers({ '/user/daily/activity': [{ results }] });
    const terminal = new Terminal(home, ['spend', '--since', '2026-11-01']);
    expect(await terminal.exitCode).toBe(0);
    expect(terminal.output).toMatch(/2026-11-01 +\$1\.00 .* █{6}\r?\n/);
    expect(terminal.output).toMatch(/2026-11-02 +\$4\.00 .* █{24}\r?\n/);
    expect(terminal.output).toMatch(/total +\$5\.00/);
    terminal.close();
  });

  test('names can not be a formula, a column or a link where they are put', async () => {
    const models = { '=HYPERLINK("http://x")': 2, 'a,b\t"c"': 1 };
    upstream.fallback = answers({ '/user/daily/activity': [{ results: [day('2026-11-01', 3, models)] }] });
    const { stdout } = await home.run(['spend', '--by', 'model', '--csv']);
    expect(stdout.split('\r\n').slice(0, 3)).toEqual([
      'model,spend_usd,requests,failed_requests,input_tokens,output_tokens',
      '"\'=HYPERLINK(""http://x"")",2,1,0,9,3',
      '"a,b\t""c""",1,1,0,9,3',
    ]);
  });

  test.each<[string, unknown]>([
    ['a list', []],
    ['null', null],
    [
      'rows that are none',
      { results: [1, null, 'x', [], { date: {}, metrics: [], breakdown: { model_groups: 'x' } }] },
    ],
    [
      'figures that are none',
      { results: [{ date: 5, metrics: metrics({ valueOf: 1 }, { toString: 1 }), breakdown: null }] },
    ],
    ['negative and endless ones', { results: [{ date: '2026-11-01', metrics: metrics(-5, '1e999') }] }],
  ])('an answer that is %s ends in a sentence or in nothing, and never in a figure', async (_name, answer) => {
    upstream.fallback = answers({ '/user/daily/activity': [answer], '/spend/logs/v2': [answer] });
    for (const by of ['day', 'model', 'key', 'user', 'conversation']) {
      const { code, stdout, stderr } = await home.run(['spend', '--by', by]);
      expect([0, 1]).toContain(code);
      expect(stderr).not.toMatch(/internal|at .*\.js:\d+/);
      expect(stdout).not.toMatch(/NaN|object|Infinity|-5|undefined/);
    }
  });

  test.each<[string, number, string, number, string]>([
    [
      'a key without a user',
      403,
      'Service-account keys cannot query user analytics. Use a user-bound key.',
      4,
      'belongs to no user',
    ],
    [
      'a proxy without a database',
      500,
      'Database not connected. Connect a database to your proxy',
      1,
      'has no database',
    ],
    ['a proxy that has no such report', 404, 'Not Found', 1, 'has no report of spend at /user/daily/activity'],
    ['a key that is refused', 401, 'Authentication Error, Invalid proxy server token passed', 4, 'rejected the key'],
  ])('%s is told so', async (_name, status, message, code, words) => {
    upstream.fallback = () => errorReply(status, message);
    const answer = await home.run(['spend', '--connect-timeout', '2'], { env: { CLLM_RETRIES: '0' } });
    expect(answer).toMatchObject({ code, stdout: '', stderr: expect.stringContaining(words) });
  });

  test('a log that gives the same page for ever ends', async () => {
    const call = { litellm_call_id: 'c', session_id: 's', spend: 1, prompt_tokens: 1, completion_tokens: 1 };
    upstream.fallback = ({ path }) =>
      path.startsWith('/spend/logs/v2') ? { body: { data: [call], total_pages: 1e9 } } : errorReply(404, 'no');
    const { code, stdout, stderr } = await home.run(['spend', '--by', 'conversation']);
    expect({ code, stdout }).toEqual({ code: 0, stdout: 's\t50\t50\t0\t50\t50\n' });
    expect(stderr).toContain('only those are in it');
  });
});

describe('why', () => {
  const row = {
    request_id: 'chatcmpl-1',
    litellm_call_id: 'call-1',
    spend: 0.24,
    startTime: '2026-11-01T10:00:00Z',
    model: 'openai/gpt-4o',
    model_group: 'gpt',
    request_tags: ['repo:a', 'User-Agent: cllm'],
    metadata: {
      cost_breakdown: { input_cost: 0.09, output_cost: 0.15 },
      user_api_key_alias: 'ci',
      attempted_retries: 2,
    },
  };

  test('shows what a call cost, of what, and on whose account', async () => {
    upstream.fallback = answers({ '/spend/logs/v2': [{ data: [row], total_pages: 1 }] });
    const { code, stdout } = await home.run(['spend', 'why', 'call-1']);
    expect(code).toBe(0);
    expect(stdout).toContain('spend\t$0.24: input $0.09, output $0.15\n');
    expect(stdout).toContain('key\tci\n');
    expect(stdout).toContain('tags\trepo:a\n');
    expect(stdout).toContain('model\tgpt (openai/gpt-4o)\n');
    expect(JSON.parse((await home.run(['spend', 'why', 'chatcmpl-1', '--json'])).stdout)).toMatchObject({
      spend: 0.24,
      key: 'ci',
    });
  });

  test('a call that is not there is exit 1, another one than was asked for too', async () => {
    upstream.fallback = answers({ '/spend/logs/v2': [{ data: [row], total_pages: 1 }] });
    expect(await home.run(['spend', 'why', 'call-2'])).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('has no call call-2'),
    });
  });
});

describe('of this machine', () => {
  test('--local counts receipts; what no reply told is unknown, and not 0', async () => {
    upstream.reply(textReply('a', { usage: { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12, cost: 0.25 } }));
    expect(await home.run(['-m', 'gpt', 'one'])).toMatchObject({ code: 0 });
    upstream.reply(textReply('b'));
    expect(await home.run(['-m', 'gpt', 'two'])).toMatchObject({ code: 0 });
    const before = upstream.requests.length;
    const { code, stdout } = await home.run(['spend', '--local', '--json']);
    expect(code).toBe(0);
    const report = JSON.parse(stdout) as { rows: unknown[]; source: string };
    expect(report.source).toBe('history');
    expect(report.rows).toEqual([
      {
        name: new Date().toISOString().slice(0, 10),
        spend_usd: 0.25,
        requests: 2,
        failed_requests: null,
        unpriced_requests: 1,
        input_tokens: 18,
        output_tokens: 6,
      },
    ]);
    expect(upstream.requests).toHaveLength(before);
    expect((await home.run(['spend', '--local', '--by', 'conversation'])).stdout.trimEnd().split('\n')).toHaveLength(2);
    expect((await home.run(['spend', '--local', '--until', '2020-01-01'])).stdout).toBe('');
  });
});

describe('of a CI job', () => {
  const job = { CI: 'true', GITHUB_ACTIONS: 'true', GITHUB_REPOSITORY: 'a/b', GITHUB_RUN_ID: '7', GITHUB_JOB: 'ask' };
  const session = 'github-actions:a/b:7:ask';
  const call = (id: string, spend: number, of = session): Record<string, unknown> => ({
    litellm_call_id: id,
    session_id: of,
    model_group: 'gpt',
    spend,
    prompt_tokens: 9,
    completion_tokens: 3,
    status: 'success',
  });

  test('waits until the calls that are known to have been made are in the log, and leaves out what only holds the name', async () => {
    upstream.reply(textReply('a'));
    expect(await home.run(['-m', 'gpt', 'one'], { env: job })).toMatchObject({ code: 0 });
    const id = '00000000-0000-4000-8000-000000000001';
    const pages = [[], [call('other', 5, `${session}-2`)], [call(id, 0.25), call('other', 5, `${session}-2`)]];
    upstream.fallback = ({ path }) =>
      path.startsWith('/spend/logs/v2')
        ? { body: { data: pages.shift() ?? [], total_pages: 1 } }
        : errorReply(404, 'no');
    const { code, stdout, stderr } = await home.run(['spend', '--run'], { env: job });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toBe(
      '| model | spend | calls | failed | tokens in | tokens out |\n|---|---:|---:|---:|---:|---:|\n| gpt | $0.25 | 1 | 0 | 9 | 3 |\n',
    );
    expect(asked()[0]?.searchParams.get('session_id')).toBe(session);
  });

  test('says what the history tells where the key may not read the log', async () => {
    upstream.reply(textReply('a', { usage: { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12, cost: 0.25 } }));
    expect(await home.run(['-m', 'gpt', 'one'], { env: job })).toMatchObject({ code: 0 });
    upstream.reply(textReply('b', { usage: { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12, cost: 7 } }));
    expect(await home.run(['-m', 'gpt', 'not of the job'])).toMatchObject({ code: 0 });
    upstream.fallback = () => errorReply(401, 'Authentication Error, Only proxy admin can be used to generate keys.');
    const { code, stdout, stderr } = await home.run(['spend', '--run', '--json'], { env: job });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ source: 'history', total: { spend_usd: 0.25, requests: 1 } });
    expect(stderr).toContain('this is what the history of this machine tells');
  });

  test('needs no history, and without one has nothing to fall back on', async () => {
    expect(await home.run(['config', 'set', 'history', 'off'])).toMatchObject({ code: 0 });
    upstream.fallback = ({ path }) =>
      path.startsWith('/spend/logs/v2') ? { body: { data: [call('a', 0.25)], total_pages: 1 } } : errorReply(404, 'no');
    const answer = await home.run(['spend', '--run', '--json'], { env: job });
    expect(answer).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(answer.stdout)).toMatchObject({ source: 'proxy', total: { spend_usd: 0.25 }, missing_calls: 0 });
    upstream.fallback = () => errorReply(401, 'Authentication Error, Only proxy admin can be used to generate keys.');
    expect(await home.run(['spend', '--run'], { env: job })).toMatchObject({ code: 4, stdout: '' });
  });

  test('is refused where there is none', async () => {
    for (const env of [{}, { ...job, GITHUB_RUN_ID: undefined }] as Record<string, string>[]) {
      expect(await home.run(['spend', '--run'], { env })).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('--run'),
      });
    }
  });
});

test.each([
  [['--json', '--csv']],
  [['--local', '--by', 'team']],
  [['--local', '--tag', 'x']],
  [['--run', '--since', '1d']],
  [['--run', '--by', 'user']],
  [['--run', '--tag', 'x']],
  [['--tag', 'a,b']],
  [['--tag', 'a', '--by', 'user']],
  [['--since', '1d', '--until', '2d']],
  [['--since', 'yesterday']],
  [['--by', 'colour']],
  [['why']],
  [['models']],
])('%p is exit 2, and nothing is asked', async (args) => {
  const { code, stdout, stderr } = await home.run(['spend', ...args]);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr.split('\n').length).toBeGreaterThanOrEqual(2);
  expect(upstream.requests).toEqual([]);
});
