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
      userAgent: 'cllm/1.2.3 (github-actions; a/b)',
    });
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
