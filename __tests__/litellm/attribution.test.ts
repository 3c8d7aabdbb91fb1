import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { readFileSync, writeFileSync } from 'node:fs';
import { describeLitellm, litellmProxy, type LitellmProxy } from '../support/litellm.ts';
import { CliHome } from '../support/run-cli.ts';

/** What LiteLLM itself wrote down of each call, through its callback (litellm-overlay.ts), is what counts here. */
describeLitellm('a CI job', () => {
  let proxy: LitellmProxy;
  let home: CliHome;

  beforeEach(() => {
    proxy = litellmProxy();
    home = new CliHome({
      LITELLM_PROXY_URL: proxy.baseUrl,
      LITELLM_PROXY_API_KEY: proxy.masterKey,
      CLLM_MODEL: 'mock',
    });
  });

  afterEach(() => home.close());

  const github = {
    CI: 'true',
    GITHUB_ACTIONS: 'true',
    GITHUB_REPOSITORY: 'octo/cat',
    GITHUB_WORKFLOW: 'Build, test',
    GITHUB_JOB: 'prüfung',
    GITHUB_RUN_ID: '42',
    GITHUB_RUN_ATTEMPT: '2',
    GITHUB_REF: 'refs/pull/7/merge',
    GITHUB_ACTOR: 'mona',
    GITHUB_SERVER_URL: 'https://github.com',
  };

  const services: [string, Record<string, string>, string[], Record<string, string>][] = [
    [
      'GitHub Actions',
      github,
      ['ci:github-actions', 'repo:octo/cat', 'workflow:Build  test', 'job:pr%C3%BCfung'],
      { ci_workflow: 'Build, test', ci_job: 'prüfung', ci_url: 'https://github.com/octo/cat/actions/runs/42' },
    ],
    [
      'GitLab',
      {
        GITLAB_CI: 'true',
        CI: 'true',
        CI_PROJECT_PATH: 'group/project',
        CI_PIPELINE_NAME: 'nightly',
        CI_JOB_NAME: 'ask',
        CI_PIPELINE_ID: '12',
        CI_JOB_ID: '34',
        CI_MERGE_REQUEST_IID: '5',
        GITLAB_USER_LOGIN: 'ada',
        CI_JOB_URL: 'https://gitlab.example/j/34',
      },
      ['ci:gitlab', 'repo:group/project', 'workflow:nightly', 'job:ask'],
      { ci_url: 'https://gitlab.example/j/34' },
    ],
    [
      'Jenkins',
      {
        JENKINS_URL: 'https://ci.example/',
        BUILD_ID: '9',
        BUILD_NUMBER: '9',
        JOB_NAME: 'folder/job',
        STAGE_NAME: 'Ask',
        GIT_URL: 'https://token@git.example/team/app.git',
        CHANGE_ID: '3',
        CHANGE_AUTHOR: 'grace',
        BUILD_URL: 'https://ci.example/job/9/',
      },
      ['ci:jenkins', 'repo:team/app', 'workflow:folder/job', 'job:Ask'],
      { ci_url: 'https://ci.example/job/9/' },
    ],
    [
      'Buildkite',
      {
        BUILDKITE: 'true',
        CI: 'true',
        BUILDKITE_REPO: 'git@github.com:team/app.git',
        BUILDKITE_PIPELINE_SLUG: 'app',
        BUILDKITE_STEP_KEY: 'ask',
        BUILDKITE_BUILD_NUMBER: '77',
        BUILDKITE_RETRY_COUNT: '1',
        BUILDKITE_PULL_REQUEST: 'false',
        BUILDKITE_BUILD_CREATOR: 'Linus',
      },
      ['ci:buildkite', 'repo:team/app', 'workflow:app', 'job:ask'],
      {},
    ],
    [
      'CircleCI',
      {
        CIRCLECI: 'true',
        CI: 'true',
        CIRCLE_PROJECT_USERNAME: 'team',
        CIRCLE_PROJECT_REPONAME: 'app',
        CIRCLE_WORKFLOW_ID: 'w-1',
        CIRCLE_JOB: 'ask',
        CIRCLE_BUILD_NUM: '8',
        CIRCLE_PULL_REQUEST: 'https://github.com/team/app/pull/6',
        CIRCLE_USERNAME: 'bjarne',
      },
      ['ci:circleci', 'repo:team/app', 'job:ask'],
      {},
    ],
    [
      'Azure Pipelines',
      {
        TF_BUILD: 'True',
        BUILD_REPOSITORY_NAME: 'app',
        BUILD_DEFINITIONNAME: 'nightly',
        SYSTEM_JOBDISPLAYNAME: 'Ask',
        BUILD_BUILDID: '55',
        SYSTEM_JOBATTEMPT: '1',
        SYSTEM_PULLREQUEST_PULLREQUESTNUMBER: '4',
        BUILD_REQUESTEDFOR: 'Anders H.',
        SYSTEM_COLLECTIONURI: 'https://dev.azure.com/org/',
        SYSTEM_TEAMPROJECT: 'p',
      },
      ['ci:azure-pipelines', 'repo:app', 'workflow:nightly', 'job:Ask'],
      { ci_url: 'https://dev.azure.com/org/p/_build/results?buildId=55' },
    ],
  ];

  test.each(services)('of %s is what LiteLLM attributes its calls to', async (_name, env, tags, metadata) => {
    const { stdout } = await home.run(['--output-format', 'json', '--tag', 'mine', '--metadata', 'team=search', 'hi'], {
      env,
    });
    const row = await attributed(JSON.parse(stdout).call_id);
    expect(row.request_tags.filter((tag) => !tag.startsWith('User-Agent'))).toEqual(['mine', ...tags]);
    expect(row.spend_metadata).toMatchObject({ team: 'search', ci_service: tags[0]?.slice(3), ...metadata });
    expect(row.request_tags).toContain('User-Agent: cllm');
    expect(row.request_tags.join()).not.toContain('token');
  });

  test('is shown by config explain, and is not sent under --no-attribution', async () => {
    const { stdout } = await home.run(['config', 'explain', '--json'], { env: github });
    const rows = JSON.parse(stdout) as { name: string; value: unknown; origin: string }[];
    expect(rows).toContainEqual({
      name: 'attribution.tags',
      value: ['ci:github-actions', 'repo:octo/cat', 'workflow:Build, test', 'job:prüfung'],
      origin: 'GitHub Actions',
    });
    const off = await home.run(['--output-format', 'json', '--no-attribution', 'hi'], { env: github });
    const row = await attributed(JSON.parse(off.stdout).call_id);
    expect(row.request_tags.filter((tag) => !tag.startsWith('User-Agent'))).toEqual([]);
    expect(row.spend_metadata).toBeNull();
    const explained = await home.run(['config', 'explain', '--no-attribution'], { env: github });
    expect(explained.stdout).not.toContain('attribution');
  });

  test('of 100 calls leaves 100 attributed rows', async () => {
    const run = `run-${process.pid}-${Date.now()}`;
    writeFileSync(home.at('in.txt'), Array.from({ length: 100 }, (_, n) => `prompt ${n}\n`).join(''));
    const { code } = await home.run(['batch', 'in.txt', '-o', 'out.jsonl', '-q'], {
      env: { ...github, GITHUB_RUN_ID: run },
    });
    expect(code).toBe(0);
    const results = readFileSync(home.at('out.jsonl'), 'utf8').trimEnd().split('\n');
    const calls = results.map((line) => (JSON.parse(line) as { call_id: string }).call_id);
    expect(new Set(calls).size).toBe(100);
    const rows = await Promise.all(calls.map(attributed));
    expect(
      rows.every((row) => row.request_tags.includes('ci:github-actions') && row.spend_metadata?.['ci_run'] === run),
    ).toBe(true);
  });

  test('keeps its tags when a body has some of its own', async () => {
    writeFileSync(home.at('in.jsonl'), '{"prompt":"hi","tags":["of-the-item"]}\n');
    await home.run(['batch', 'in.jsonl', '-o', 'out.jsonl', '-q'], { env: github });
    const { call_id: callId } = JSON.parse(readFileSync(home.at('out.jsonl'), 'utf8')) as { call_id: string };
    expect((await attributed(callId)).request_tags).toEqual(
      expect.arrayContaining(['of-the-item', 'ci:github-actions']),
    );
  });

  test('is refused a cap on a model whose price LiteLLM does not know, and not on one that it does', async () => {
    const unpriced = await home.run(['-m', 'unpriced', '--max-cost', '1', 'hi']);
    expect(unpriced.code).toBe(2);
    expect(unpriced.stderr).toContain('does not know what unpriced costs');
    const priced = await home.run(['-m', 'falls-back', '--max-cost', '0', 'hi']);
    expect(priced.code).toBe(7);
  });

  /** The callback runs after the reply: its row comes a little later. */
  async function attributed(callId: string): Promise<NonNullable<ReturnType<LitellmProxy['attribution']>>> {
    for (;;) {
      const row = proxy.attribution(callId);
      if (row !== null) return row;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
});
