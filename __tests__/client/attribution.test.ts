import { describe, expect, test } from '@jest/globals';
import { attributionHeaders, attributionOf, ciJob, withHeaderTags } from '../../src/client/attribution.ts';
import { pricedModels } from '../../src/spending/prices.ts';

describe('attribution', () => {
  const env = { GITHUB_REPOSITORY: 'a/b', GITHUB_JOB: 'täst, "x"', GITHUB_REF: 'refs/heads/main', GITHUB_ACTOR: '' };

  test('says what the job says, and nothing of what it does not', () => {
    expect(ciJob('GITHUB_ACTIONS', env)).toMatchObject({
      repository: 'a/b',
      pullRequest: null,
      actor: null,
      run: null,
      url: null,
    });
    expect(attributionOf('GITHUB_ACTIONS', env, '1.2.3')).toEqual({
      name: 'GitHub Actions',
      tags: ['ci:github-actions', 'repo:a/b', 'job:täst, "x"'],
      metadata: { ci_service: 'github-actions', ci_repository: 'a/b', ci_job: 'täst, "x"' },
      // A job that does not say which run it is of can not be told from the next.
      session: null,
      userAgent: 'cllm/1.2.3 (github-actions; a/b)',
    });
  });

  const ofOneRun = {
    GITHUB_ACTIONS: {
      GITHUB_REPOSITORY: 'a/b',
      GITHUB_WORKFLOW: 'ci',
      GITHUB_JOB: 'test',
      GITHUB_RUN_ID: '#1',
      GITHUB_RUN_ATTEMPT: '#2',
      GITHUB_REF: 'refs/pull/9999/merge',
      GITHUB_ACTOR: '#4',
    },
    GITLAB: {
      CI_PROJECT_PATH: 'a/b',
      CI_PIPELINE_NAME: 'ci',
      CI_JOB_NAME: 'test',
      CI_PIPELINE_ID: '#1',
      CI_JOB_ID: '#2',
      CI_MERGE_REQUEST_IID: '9999',
      GITLAB_USER_LOGIN: '#4',
    },
    JENKINS: {
      GIT_URL: 'https://git.example/a/b',
      JOB_NAME: 'b/PR-9999',
      JOB_BASE_NAME: 'PR-9999',
      BRANCH_NAME: 'PR-9999',
      BUILD_NUMBER: '#1',
      CHANGE_ID: '9999',
      CHANGE_AUTHOR: '#4',
    },
    BUILDKITE: {
      BUILDKITE_REPO: 'https://git.example/a/b',
      BUILDKITE_PIPELINE_SLUG: 'ci',
      BUILDKITE_STEP_KEY: 'test',
      BUILDKITE_BUILD_NUMBER: '#1',
      BUILDKITE_RETRY_COUNT: '9998',
      BUILDKITE_PULL_REQUEST: '9999',
      BUILDKITE_BUILD_CREATOR: '#4',
    },
    CIRCLE: {
      CIRCLE_PROJECT_USERNAME: 'a',
      CIRCLE_PROJECT_REPONAME: 'b',
      CIRCLE_WORKFLOW_ID: '#2',
      CIRCLE_JOB: 'test',
      CIRCLE_BUILD_NUM: '#1',
      CIRCLE_PR_NUMBER: '9999',
      CIRCLE_USERNAME: '#4',
    },
    AZURE_PIPELINES: {
      BUILD_REPOSITORY_NAME: 'a/b',
      BUILD_DEFINITIONNAME: 'ci',
      SYSTEM_JOBDISPLAYNAME: 'test',
      BUILD_BUILDID: '#1',
      SYSTEM_JOBATTEMPT: '#2',
      SYSTEM_PULLREQUEST_PULLREQUESTNUMBER: '9999',
      BUILD_REQUESTEDFOR: '#4',
    },
  };

  test.each(Object.entries(ofOneRun))(
    'of %s has tags that are the same in each run, and a session that is not',
    (service, variables) => {
      const { tags, session, userAgent } = attributionOf(service, variables, '1') ?? { tags: [] };
      expect(tags.join()).toMatch(/^ci:[a-z-]+,repo:a\/b/);
      for (const shared of [tags.join(), userAgent]) expect(shared).not.toMatch(/#|9999/);
      expect(session).toMatch(/^[a-z-]+:a\/b:#1/);
      expect(session).not.toMatch(/9999.*9999|#4/);
    },
  );

  test('has a session that the client takes, whatever the job is called', () => {
    const long = { GITHUB_REPOSITORY: `ö${'r'.repeat(300)}`, GITHUB_RUN_ID: '1'.repeat(99), GITHUB_JOB: 'ein job\r\n' };
    const { session } = attributionOf('GITHUB_ACTIONS', long, '1') ?? {};
    expect(session).toMatch(/^[\x21-\x7e]{1,200}$/);
    expect(session).toContain(':ein_job');
  });

  test('fits into headers that every server takes, whatever a job says of itself', () => {
    for (const letter of ['x', 'é', '日', '\u{1F600}']) {
      const text = letter.repeat(20_000);
      const names = ['REPOSITORY', 'WORKFLOW', 'JOB', 'RUN_ID', 'RUN_ATTEMPT', 'ACTOR', 'SERVER_URL'];
      const named = Object.fromEntries(names.map((name) => [`GITHUB_${name}`, text]));
      const attribution = attributionOf('GITHUB_ACTIONS', named, '1');
      const headers = attributionHeaders({ tags: [], metadata: {} }, attribution);
      expect(JSON.stringify({ ...headers, agent: attribution?.userAgent }).length).toBeLessThan(14_000);
      expect(JSON.stringify(attribution)).not.toMatch(/[\ud800-\udbff](?![\udc00-\udfff])/);
      expect(attribution?.tags[2]).toMatch(new RegExp(`^workflow:${letter}+$`, 'u'));
    }
  });

  test.each([
    ['https://tok:x-oauth@h.example/o/r.git', 'o/r'],
    ['git@h.example:o/r.git', 'o/r'],
    ['joe:tok3n@h.example:o/r.git?access_token=zz#x', 'o/r'],
  ])('holds no name and no password of an address: %s', (git, repository) => {
    const jenkins = { GIT_URL: git, BUILD_URL: 'https://joe:secret@jenkins.example/job/1/' };
    expect(ciJob('JENKINS', jenkins)).toMatchObject({ repository, url: 'https://jenkins.example/job/1/' });
  });

  test.each([null, 'TRAVIS', 'toString'])('is none in %p', (service) => {
    expect(attributionOf(service, env, '1')).toBeNull();
  });

  test('goes into headers that can carry it, after what the caller says', () => {
    const headers = attributionHeaders(
      { tags: ['mine', 'mine'], metadata: { ci_job: 'my own' } },
      attributionOf('GITHUB_ACTIONS', env, '1'),
    );
    expect(headers['x-litellm-tags']).toBe('mine,ci:github-actions,repo:a/b,job:t%C3%A4st  "x"');
    expect(JSON.parse(headers['x-litellm-spend-logs-metadata'] ?? '')).toMatchObject({
      ci_job: 'my own',
      ci_repository: 'a/b',
    });
    expect(attributionHeaders({ tags: [], metadata: {} }, null)).toEqual({});
    expect(attributionHeaders({ tags: [], metadata: { a: 'é日👩‍💻' } }, null)['x-litellm-spend-logs-metadata']).toMatch(
      /^[\x20-\x7e]+$/,
    );
  });

  test('makes one tag of each that was named, whatever is in it', () => {
    const tags = ['a,b', 'x\r\nx-evil: 1', 'ä€', 'a\0b', 'half \ud800'];
    const header = attributionHeaders({ tags, metadata: {} }, null)['x-litellm-tags'];
    expect(header?.split(',')).toEqual(['a b', 'x%0D%0Ax-evil: 1', '%C3%A4%E2%82%AC', 'a%00b', 'half %EF%BF%BD']);
  });

  test.each([
    ['https://user:token@git.example/team/app.git', 'team/app'],
    ['git@github.com:team/app.git', 'team/app'],
    ['ssh://git@host:22/team/app', 'team/app'],
  ])('names the repository of %s without host or token', (GIT_URL, repository) => {
    expect(ciJob('JENKINS', { GIT_URL })?.repository).toBe(repository);
  });

  test('is added to tags that a body has of its own', () => {
    expect(withHeaderTags({ tags: ['own', 'a'] }, 'a,b')).toEqual({ tags: ['own', 'a', 'b'] });
    expect(withHeaderTags({ metadata: { tags: ['own'] } }, 'a')).toEqual({ metadata: { tags: ['own'] } });
    expect(withHeaderTags({ tags: ['own'] }, undefined)).toEqual({ tags: ['own'] });
  });
});

test('a model has a price when every deployment behind it has one; 0 is a price, null is none', () => {
  const deployment = (model_name: string, model_info: unknown): never =>
    ({ model_name, litellm_params: {}, model_info }) as never;
  const priced = pricedModels([
    deployment('a', { input_cost_per_token: 1e-6 }),
    deployment('b', { input_cost_per_token: 1e-6 }),
    deployment('b', { input_cost_per_token: null }),
    deployment('free', { input_cost_per_token: 0, output_cost_per_token: 0 }),
    deployment('local', {}),
    deployment('odd', null),
  ]);
  expect([...priced]).toEqual(['a', 'free']);
});
