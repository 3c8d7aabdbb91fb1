import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { LiteLLMClient } from '../../../src/client/client.ts';
import { budgetOwner, budgetsOf, explainBudget } from '../../../src/cli/asking/budget.ts';
import { moment } from '../../../src/cli/views/moment.ts';
import { CllmError } from '../../../src/outcome/errors.ts';
import { startFakeUpstream, type FakeUpstream } from '../../support/fake-upstream.ts';

test.each([
  ['Budget has been exceeded! Key=ci (sk-...8kRQ) Current cost: 1.44e-05, Max budget: 1e-05', 'key', 'ci'],
  ['Budget has been exceeded! Team=search Current cost: 2.0, Max budget: 1.0', 'team', 'search'],
  ['Budget has been exceeded! User=ann Current cost: 2.0, Max budget: 1.0', 'user', 'ann'],
  ['ExceededBudget: End User=visitor-7, over budget', 'end user', 'visitor-7'],
  ['ExceededBudget: User=None over budget', 'user', null],
  ['Budget has been exceeded! TeamMember=ann:search Current cost: 2.0, Max budget: 1.0', 'team member', 'ann:search'],
  ['Budget has been exceeded! User=ann in Team=search Current cost: 2, Max budget: 1', 'team member', 'ann'],
  ['Budget has been exceeded! Tag=repo:team/app Current cost: 2.0, Max budget: 1.0', 'tag', 'repo:team/app'],
  ['Budget has been exceeded! Project=p-1 Current cost: 2.0, Max budget: 1.0', 'project', 'p-1'],
  ['Budget has been exceeded! Organization=o Current cost: 2.0, Max budget: 1.0', 'organization', 'o'],
  [
    'Budget has been exceeded! Model access group=beta models Current cost: 2.0, Max budget: 1.0',
    'model access group',
    'beta models',
  ],
  ['ExceededBudget: Key over 1d budget. Spend=2, Budget=1', 'key', null],
  ['ExceededBudget: Team=search over 1d budget. Spend=2, Budget=1', 'team', 'search'],
  ['Exceeded budget for tag=nightly: 2 >= 1', 'tag', 'nightly'],
  [
    'No deployments available - crossed budget: Exceeded budget for provider openai: 2.16e-05 >= 2e-05',
    'provider',
    'openai',
  ],
  ['crossed budget: Exceeded budget for deployment model: poor', 'deployment', 'model'],
])('%s', (message, kind, name) => {
  expect(budgetOwner(message)).toEqual({ kind, name });
});

test('a text that names nobody has no owner', () => {
  expect(budgetOwner('Budget has been exceeded!')).toBeNull();
});

describe('asked of a proxy', () => {
  const now = new Date('2026-11-22T12:00:00Z');
  let upstream: FakeUpstream;
  let client: LiteLLMClient;
  beforeEach(async () => {
    upstream = await startFakeUpstream();
    client = new LiteLLMClient({ baseUrl: upstream.baseUrl, apiKey: 'sk-test' });
  });
  afterEach(async () => {
    await client.close();
    await upstream.close();
  });

  const refusal = (message: string) => new CllmError('budget_exceeded', message);

  test('says when the budget of a key resets', async () => {
    upstream.fallback = () => ({ body: { key: 'x', info: { budget_reset_at: '2026-12-01T00:00:00Z' } } });
    const error = await explainBudget(
      refusal('Budget has been exceeded! Key=ci Current cost: 2, Max budget: 1'),
      client,
      now,
    );
    expect(error).toMatchObject({
      code: 'budget_exceeded',
      message: 'Budget has been exceeded! Key=ci Current cost: 2, Max budget: 1',
    });
    expect(error.hint).toBe(
      'it is the budget of the key ci; it resets 2026-12-01 00:00 UTC (in 9 days); an admin of the proxy can raise it, or give you another key',
    );
  });

  test('looks a team up by the key that belongs to it', async () => {
    upstream.fallback = ({ path }) =>
      path.startsWith('/key/info')
        ? { body: { info: { team_id: 'team 1' } } }
        : {
            body:
              path === '/team/info?team_id=team%201' ? { team_info: { budget_reset_at: '2026-11-22T18:00:00' } } : {},
          };
    const error = await explainBudget(refusal('Budget has been exceeded! Team=search Current cost: 2'), client, now);
    expect(error.hint).toBe(
      'it is the budget of the team search; it resets 2026-11-22 18:00 UTC (in 6 h); an admin of the proxy can raise it',
    );
  });

  test('looks a user up', async () => {
    upstream.fallback = ({ path }) => ({
      body: path === '/user/info' ? { user_info: { budget_reset_at: '2026-11-22T12:30:00Z' } } : {},
    });
    const error = await explainBudget(refusal('Budget has been exceeded! User=ann Current cost: 2'), client, now);
    expect(error.hint).toContain('the user ann; it resets 2026-11-22 12:30 UTC (in 30 min)');
  });

  test('says so where the proxy knows no dates', async () => {
    const error = await explainBudget(refusal('Budget has been exceeded! Key=ci Current cost: 2'), client, now);
    expect(error.hint).toContain('the proxy does not say when it resets');
  });

  test('leaves other errors alone', async () => {
    const other = new CllmError('rate_limited', 'Budget has been exceeded! Key=ci');
    expect(await explainBudget(other, client, now)).toBe(other);
  });

  describe('the budgets that bind a key', () => {
    const info = { key_alias: 'ci', spend: 1, max_budget: 4, team_id: 'team 1', user_id: 'u' };

    test('are its own, its team’s and its user’s, the one with the least left first', async () => {
      upstream.fallback = ({ path }) =>
        path.startsWith('/team/info')
          ? { body: { team_info: { team_alias: 'search', spend: 9, max_budget: 10, budget_reset_at: '2026-12-01' } } }
          : { body: { user_info: { user_email: 'ann@x', spend: null, max_budget: 2 } } };
      expect(await budgetsOf(info, null, client, new AbortController().signal)).toEqual([
        { owner: 'team', name: 'search', spend: 9, max: 10, resetsAt: '2026-12-01' },
        { owner: 'user', name: 'ann@x', spend: null, max: 2, resetsAt: null },
        { owner: 'key', name: 'ci', spend: 1, max: 4, resetsAt: null },
      ]);
    });

    test('and the one that refused, where it is none of these; what may not be asked is left out', async () => {
      upstream.fallback = () => ({ status: 401, body: { error: { message: 'no' } } });
      const refused = refusal('Budget has been exceeded! Tag=nightly Current cost: 3.5, Max budget: 3.0');
      expect(await budgetsOf(info, refused, client, new AbortController().signal)).toEqual([
        { owner: 'tag', name: 'nightly', spend: 3.5, max: 3, resetsAt: null },
        { owner: 'key', name: 'ci', spend: 1, max: 4, resetsAt: null },
      ]);
    });

    test('hold no figure that is none', async () => {
      upstream.fallback = () => ({ body: { team_info: { max_budget: { toString: 1 }, spend: -1 }, user_info: [] } });
      expect(await budgetsOf({ ...info, max_budget: -1 }, null, client, new AbortController().signal)).toEqual([]);
    });
  });
});

test.each([
  ['2026-11-20T12:00:00+02:00', '2026-11-20 10:00 UTC (2 days ago)'],
  ['next week', 'next week'],
])('the moment %s is %s', (text, expected) => {
  expect(moment(text, new Date('2026-11-22T12:00:00Z'))).toBe(expected);
});
