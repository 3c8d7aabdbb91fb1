import { describe, expect, test } from '@jest/globals';
import { type Limits, readPeopleFile } from '../../src/admin/people-file.ts';
import { isManyBlocked, type Plan, planOf, stepsOf } from '../../src/admin/plan.ts';
import type { Mark, ProxyKey, ProxyState, ProxyTeam, ProxyUser } from '../../src/admin/proxy-state.ts';

const now = new Date('2026-11-27T12:00:00Z');
const none: Limits = {
  max_budget: null,
  budget_duration: null,
  rpm_limit: null,
  tpm_limit: null,
  max_parallel_requests: null,
  models: [],
};
const ours: Mark = { set: 'people', duration: null, leftAt: null, rotatedFrom: null };

const team = (alias: string, memberIds: string[], more: Partial<ProxyTeam> = {}): ProxyTeam => ({
  id: `id-${alias}`,
  alias,
  limits: none,
  memberIds: new Set(memberIds),
  spend: 0,
  resetsAt: null,
  isBlocked: false,
  mark: ours,
  metadata: {},
  ...more,
});
const user = (id: string, more: Partial<ProxyUser> = {}): ProxyUser => ({
  id,
  email: null,
  mark: ours,
  metadata: {},
  ...more,
});
const key = (alias: string, userId: string | null, teamId: string | null, more: Partial<ProxyKey> = {}): ProxyKey => ({
  hash: `hash-${alias}`,
  alias,
  shortName: 'sk-...1234',
  userId,
  teamId,
  limits: none,
  spend: 0,
  resetsAt: null,
  expiresAt: null,
  createdAt: null,
  lastActiveAt: null,
  isBlocked: false,
  mark: ours,
  metadata: {},
  ...more,
});
const settled: ProxyState = {
  teams: [team('a', ['ann', 'bob'])],
  users: [user('ann'), user('bob')],
  keys: [key('ann', 'ann', 'id-a'), key('bob', 'bob', 'id-a'), key('ci', null, 'id-a')],
};
const file = 'teams: { a: , b: }\npeople: { ann: { team: a }, bob: { team: a } }\nkeys: { ci: { team: a } }';

const plan = (text: string, state: ProxyState = settled): Plan =>
  planOf(readPeopleFile(text, 'people.yaml'), state, now);
const said = (made: Plan): string[] =>
  stepsOf(made).map(({ action, kind, name, of }) => `${action} ${kind} ${name}${of === null ? '' : ` of ${of}`}`);
const callsOf = (made: Plan): string[] => stepsOf(made).flatMap(({ calls }) => calls.map(({ path }) => path));

test('a proxy that has what the file says is left alone', () => {
  expect(said(plan(file.replace(', b: ', '')))).toEqual([]);
});

test('who comes gets a user, a membership and a key, in this order', () => {
  const made = plan(file.replace('bob: { team: a }', 'bob: { team: a }, cid: { team: a }').replace(', b: ', ''));
  expect(said(made)).toEqual(['make person cid', 'make member cid of a', 'make key cid of a']);
  expect(callsOf(made)).toEqual(['/user/new', '/team/member_add', '/key/generate']);
});

describe('who left', () => {
  const without = 'teams: { a: }\npeople: { ann: { team: a } }\nkeys: { ci: { team: a } }';

  test('is kept out before anything else, with all keys, their own as well; nothing is deleted', () => {
    const state = { ...settled, keys: [...settled.keys, key('bobs-own', 'bob', null, { mark: null })] };
    const made = plan(`${without}\ndelete_after: 30d`.replace('a: }', 'a: { max_budget: 5 } }'), state);
    expect(said(made)).toEqual(['block person bob', 'change team a']);
    const [step] = stepsOf(made);
    expect(step?.calls.map(({ path, body }) => [path, body['key'] ?? body['user_id']])).toEqual([
      ['/key/block', 'hash-bob'],
      ['/key/update', 'hash-bob'],
      ['/key/block', 'hash-bobs-own'],
      ['/key/update', 'hash-bobs-own'],
      ['/user/update', 'bob'],
    ]);
  });

  const left = (at: string): ProxyState => ({
    ...settled,
    users: [user('ann'), user('bob', { mark: { ...ours, leftAt: at } })],
    keys: [
      key('ann', 'ann', 'id-a'),
      key('bob', 'bob', 'id-a', { isBlocked: true, mark: { ...ours, leftAt: at } }),
      key('ci', null, 'id-a'),
    ],
  });

  test('stays blocked, is deleted after the time that the file names and not before', () => {
    expect(said(plan(without, left('2026-01-01T00:00:00Z')))).toEqual([]);
    expect(said(plan(`${without}\ndelete_after: 30d`, left('2026-11-01T00:00:00Z')))).toEqual([]);
    expect(said(plan(`${without}\ndelete_after: 30d`, left('2026-10-20T00:00:00Z')))).toEqual(['delete person bob']);
  });

  test('and made a key meanwhile, is kept out again', () => {
    const state = left('2026-11-01T00:00:00Z');
    const made = plan(without, { ...state, keys: [...state.keys, key('bobs-own', 'bob', null, { mark: null })] });
    expect(said(made)).toEqual(['block person bob']);
    expect(made.people.blocked).toBe(0);
  });

  test('and is back, has the old key again', () => {
    const made = plan(file.replace(', b: ', ''), left('2026-11-01T00:00:00Z'));
    expect(said(made)).toEqual(['change person bob', 'unblock key bob of a']);
    expect(callsOf(made)).toEqual(['/user/update', '/key/unblock', '/key/update']);
  });

  test('a key that was blocked by hand is not opened by a line of the file', () => {
    const state = { ...settled, keys: settled.keys.map((each) => ({ ...each, isBlocked: each.alias === 'ann' })) };
    const made = plan(file.replace(', b: ', ''), state);
    expect(said(made)).toEqual([]);
    expect(made.remarks).toEqual([expect.stringContaining('blocked by hand')]);
  });

  test.each([
    [1, 5, false],
    [2, 19, true],
    [2, 21, false],
    [60, 500, true],
  ])('%p of %p people are too many: %p', (blocked, all, isMany) => {
    expect(isManyBlocked({ people: { blocked, all }, jobs: { blocked: 0, all: 0 } })).toBe(isMany);
    expect(isManyBlocked({ people: { blocked: 0, all: 0 }, jobs: { blocked, all } })).toBe(isMany);
  });
});

describe('a person who moves', () => {
  test('keeps the key: it changes its team, and the old membership goes once nothing is in it', () => {
    const made = plan(file.replace('bob: { team: a }', 'bob: { team: b }'), {
      ...settled,
      teams: [...settled.teams, team('b', [])],
    });
    expect(said(made)).toEqual(['make member bob of b', 'change key bob of b', 'remove member bob of a']);
    expect(stepsOf(made).at(-1)?.needs).toEqual(['key:bob']);
  });

  test('and has a key of their own in the old team stays its member: LiteLLM would delete that key', () => {
    const state = {
      ...settled,
      teams: [...settled.teams, team('b', [])],
      keys: [...settled.keys, key('bobs-own', 'bob', 'id-a', { mark: null })],
    };
    expect(said(plan(file.replace('bob: { team: a }', 'bob: { team: b }'), state))).not.toContain(
      'remove member bob of a',
    );
  });

  test('into a second team keeps the key of the first under its longer name, and back', () => {
    const state = { ...settled, teams: [...settled.teams, team('b', ['bob'])] };
    const two = plan(file.replace('bob: { team: a }', 'bob: { team: [b, a] }'), state);
    expect(said(two)).toEqual(['make key bob/b of b', 'change key bob/a of a']);
    expect(stepsOf(two).at(-1)?.changes).toEqual({ key_alias: ['bob', 'bob/a'] });
    const keys = [
      ...state.keys.filter(({ alias }) => alias !== 'bob'),
      key('bob/a', 'bob', 'id-a'),
      key('bob/b', 'bob', 'id-b'),
    ];
    const one = plan(file, { ...state, keys });
    expect(said(one)).toEqual(['block key bob/b', 'change key bob of a']);
  });
});

describe('what is there already', () => {
  test('is taken over by its alias, with what others wrote to it', () => {
    const state: ProxyState = {
      teams: [team('a', ['ann', 'bob'], { mark: null })],
      users: [user('ann', { mark: null, metadata: { from: 'us' } }), user('bob')],
      keys: [
        key('ann', null, 'id-a', { mark: null, metadata: { tags: ['x'] } }),
        key('bob', 'bob', 'id-a'),
        key('ci', null, 'id-a'),
      ],
    };
    const made = plan(file.replace(', b: ', ''), state);
    expect(said(made)).toEqual(['change team a', 'change person ann', 'change key ann of a']);
    expect(stepsOf(made).map(({ calls }) => calls[0]?.body['metadata'])).toEqual([
      { cllm: { set: 'people' } },
      { from: 'us', cllm: { set: 'people' } },
      { tags: ['x'], cllm: { set: 'people' } },
    ]);
  });

  test('a person is found by the email, whatever id the proxy made of a sign-in', () => {
    const state = {
      ...settled,
      users: [user('uuid-1', { email: 'Ann@Example.com', mark: null }), user('bob')],
      keys: [],
    };
    const made = plan(
      file.replace('ann: { team: a }', 'ann: { team: a, email: ann@example.com }').replace(', b: ', ''),
      state,
    );
    expect(said(made).slice(0, 2)).toEqual(['change person ann', 'make member ann of a']);
    expect(stepsOf(made).find(({ isNewKey }) => isNewKey)?.calls[0]?.body).toMatchObject({ user_id: 'uuid-1' });
  });

  test.each<[string, Partial<ProxyState>, RegExp]>([
    ['two teams of one alias', { teams: [team('a', []), team('a', [], { id: 'x' })] }, /has 2 teams "a"/],
    ['a key that is another person’s', { keys: [key('ann', 'bob', 'id-a')] }, /is of the user "bob", not of "ann"/],
    ['a job’s key that is a person’s', { keys: [key('ci', 'bob', 'id-a')] }, /is of the user "bob", not of a job/],
    ['what another file looks after', { users: [user('ann', { mark: { ...ours, set: 'ads' } })] }, /by the set "ads"/],
  ])('%s is refused', (_what, state, message) => {
    expect(() => plan(file, { ...settled, ...state })).toThrow(
      expect.objectContaining({ code: 'input_invalid', message: expect.stringMatching(message) }),
    );
  });

  test('an email that is another user’s is refused', () => {
    const state = { ...settled, users: [...settled.users, user('uuid', { email: 'ann@example.com', mark: null })] };
    expect(() => plan(file.replace('ann: { team: a }', 'ann: { email: ann@example.com }'), state)).toThrow(
      /email of another user/,
    );
  });

  test('of other files, and made by hand, is nobody’s business', () => {
    const others: ProxyState = {
      teams: [...settled.teams, team('z', ['zoe'], { mark: null })],
      users: [...settled.users, user('zoe', { mark: null }), user('yan', { mark: { ...ours, set: 'ads' } })],
      keys: [
        ...settled.keys,
        key('zoe', 'zoe', 'id-z', { mark: null }),
        key('yan', 'yan', null, { mark: { ...ours, set: 'ads' } }),
      ],
    };
    expect(said(plan(file.replace(', b: ', ''), others))).toEqual([]);
  });
});

test('a limit that goes from the file goes from the key, and only what differs is sent', () => {
  const state = {
    ...settled,
    keys: settled.keys.map((each) => ({ ...each, limits: { ...none, max_budget: 5, rpm_limit: 60 } })),
  };
  const made = plan(file.replace(', b: ', '').replace('ci: { team: a }', 'ci: { team: a, rpm_limit: 60 }'), state);
  const ci = stepsOf(made).find(({ name }) => name === 'ci');
  expect(ci?.changes).toEqual({ max_budget: [5, null] });
  expect(ci?.calls[0]?.body).toEqual({ key: 'hash-ci', max_budget: null, metadata: { cllm: { set: 'people' } } });
});

test('an expiry is set when the file changes it, and not again with each run', () => {
  const with90 = file.replace(', b: ', '').replace('ci: { team: a }', 'ci: { team: a, duration: 90d }');
  const made = plan(with90);
  expect(stepsOf(made)[0]?.calls[0]?.body).toMatchObject({ duration: '90d', metadata: { cllm: { duration: '90d' } } });
  const state = {
    ...settled,
    keys: settled.keys.map((each) => (each.alias === 'ci' ? { ...each, mark: { ...ours, duration: '90d' } } : each)),
  };
  expect(said(plan(with90, state))).toEqual([]);
});

test('the members of a large team come in calls of fifty, one after another', () => {
  const people = Array.from({ length: 120 }, (_, at) => `p${at}: { team: a }`).join(', ');
  const made = plan(`teams: { a: }\npeople: { ${people} }`, { teams: [], users: [], keys: [] });
  const members = stepsOf(made).filter(({ kind }) => kind === 'member');
  const called = members.flatMap(({ calls }) => calls.map(({ body }) => body['member'] as unknown[]));
  expect(called.map(({ length }) => length)).toEqual([50, 50, 20]);
});

test('who wrote to their user that no file looks after it is kept out all the same, by the key that the file made', () => {
  const state = { ...settled, users: [user('ann'), user('bob', { mark: null })] };
  const made = plan('teams: { a: }\npeople: { ann: { team: a } }\nkeys: { ci: { team: a } }', state);
  expect(said(made)).toEqual(['block key bob']);
  expect(made.people).toEqual({ blocked: 1, all: 1 });
});

test('other names for the same people would block all their keys: that is many', () => {
  const mail = (id: string): string => `${id}@example.com`;
  const state = { ...settled, users: [user('ann', { email: mail('ann') }), user('bob', { email: mail('bob') })] };
  const made = plan(
    `teams: { a: }\npeople: { a1: { email: ${mail('ann')}, team: a }, b1: { email: ${mail('bob')}, team: a } }\nkeys: { ci: { team: a } }`,
    state,
  );
  expect(said(made)).toEqual(expect.arrayContaining(['block key ann', 'make key a1 of a']));
  expect(made.people).toEqual({ blocked: 2, all: 2 });
  expect(isManyBlocked(made)).toBe(true);
});

test('of two keys with one alias one stays, the one that works', () => {
  const twin = (hash: string, isBlocked: boolean): ProxyKey => key('ann', 'ann', 'id-a', { hash, isBlocked });
  const state = { ...settled, keys: [twin('one', true), twin('two', false), ...settled.keys.slice(1)] };
  const made = plan(file.replace(', b: ', ''), state);
  expect(said(made)).toEqual([]);
  expect(made.remarks).toEqual([expect.stringContaining('2 keys with the alias "ann"')]);
});
