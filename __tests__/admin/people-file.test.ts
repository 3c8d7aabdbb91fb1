import { describe, expect, test } from '@jest/globals';
import { readPeopleFile } from '../../src/admin/people-file.ts';

const read = (text: string): ReturnType<typeof readPeopleFile> => readPeopleFile(text, 'people.yaml');
const none = {
  max_budget: null,
  budget_duration: null,
  rpm_limit: null,
  tpm_limit: null,
  max_parallel_requests: null,
  models: [],
};

test('what stands nearer to a person counts: their own line, their team’s, everybody’s', () => {
  const { keys, people, teams, set } = read(`
    each: { max_budget: 10, budget_duration: 30d, models: [b, a] }
    teams:
      search: { max_budget: 200, each: { max_budget: 20, rpm_limit: 60 } }
      ads:
    people:
      ann: { email: ann@example.com, team: search }
      bob: { team: search, max_budget: 30, models: gpt }
      cid: { max_budget: null }
    keys:
      ci: { team: ads, duration: 90d }
  `);
  expect(set).toBe('people');
  expect(teams).toEqual([
    { alias: 'search', limits: { ...none, max_budget: 200 } },
    { alias: 'ads', limits: none },
  ]);
  expect(people).toEqual([
    { id: 'ann', email: 'ann@example.com', teams: ['search'] },
    { id: 'bob', email: null, teams: ['search'] },
    { id: 'cid', email: null, teams: [] },
  ]);
  const common = { ...none, budget_duration: '30d', models: ['a', 'b'] };
  expect(keys.map(({ alias, team, person, limits, duration }) => [alias, team, person, limits, duration])).toEqual([
    ['ann', 'search', 'ann', { ...common, max_budget: 20, rpm_limit: 60 }, null],
    ['bob', 'search', 'bob', { ...common, max_budget: 30, rpm_limit: 60, models: ['gpt'] }, null],
    ['cid', null, 'cid', common, null],
    ['ci', 'ads', null, none, '90d'],
  ]);
});

test('a person of two teams has a key in each, whatever their order', () => {
  const aliases = (teams: string): string[] =>
    read(`{ teams: { a: , b: }, people: { ann: { team: ${teams} } } }`).keys.map(({ alias }) => alias);
  expect(aliases('[a, b]')).toEqual(['ann/a', 'ann/b']);
  expect(aliases('[b, a]')).toEqual(['ann/b', 'ann/a']);
  expect(aliases('[b]')).toEqual(['ann']);
});

describe('refused, with the place and what to do:', () => {
  test.each([
    ['an empty file', '', /is empty/],
    ['a comment alone', '# nothing\n', /is empty/],
    ['a list', '- ann\n', /no list of names and values/],
    ['no YAML', 'people: [', /no valid YAML/],
    ['a name twice', 'people:\n  ann:\n  ann:\n', /people.yaml:3:3: no valid YAML \(duplicate key\)/],
    ['a misspelt group', 'poeple: {}', /poeple is not known/],
    ['a misspelt limit', 'people: { ann: { max_budgt: 5 } }', /people.ann.max_budgt is not known/],
    ['a limit that teams do not have', 'teams: { a: { max_parallel_requests: 5 } }', /is not known/],
    [
      'a team that is not there',
      'teams: { search: }\npeople: { ann: { team: serach } }',
      /names a team that does not stand/,
    ],
    ['a team twice', 'teams: { a: }\npeople: { ann: { team: [a, a] } }', /names a team twice/],
    ['a job of two teams', 'teams: { a: , b: }\nkeys: { ci: { team: [a, b] } }', /is of one team/],
    ['a budget that is none', 'people: { ann: { max_budget: "5" } }', /people.ann.max_budget is no number/],
    ['less than nothing', 'people: { ann: { max_budget: -5 } }', /is no number, 0 or more/],
    ['no number at all', 'people: { ann: { max_budget: .nan } }', /is no number, 0 or more/],
    ['half a request', 'people: { ann: { rpm_limit: 1.5 } }', /is no whole number/],
    ['a duration that is none', 'people: { ann: { duration: forever } }', /people.ann.duration is no duration/],
    [
      'a broken default, where it stands',
      'each: { budget_duration: 5 }\npeople: {}',
      /each.budget_duration is no duration/,
    ],
    ['models that are none', 'people: { ann: { models: [1] } }', /is no list of models/],
    ['a Cyrillic а', 'people: { аnn: }', /is no name of plain letters/],
    ['a blank that is none', 'people: { "ann\u00a0b": }', /is no name of plain letters/],
    ['text that runs backwards', 'teams: { "a\u202eb": }', /teams.*is no name of letters/],
    ['a team of parts', 'teams: { "re\u0301sum": }', /is no name of letters/],
    ['names that differ in capitals', 'people: { ann: , Ann: }', /people have "ann" and "Ann"/],
    ['a person and a job of one name', 'people: { ann: }\nkeys: { ann: }', /people and keys have/],
    ['an email twice', 'people: { ann: { email: a@b.c }, bob: { email: A@b.c } }', /the emails of people have/],
    ['an email that is none', 'people: { ann: { email: "a b@c.d" } }', /is no email address/],
    ['a group where a name is', 'people: { ann: [1] }', /people.ann is no group/],
    ['a deletion within the hour', 'delete_after: 5m', /delete_after is no duration of hours/],
    ['a name of JavaScript', 'people: { __proto__: { max_budget: 1 } }', /is no name of plain letters/],
  ])('%s', (_what, text, message) => {
    expect(() => read(text)).toThrow(
      expect.objectContaining({ code: 'input_invalid', message: expect.stringMatching(message) }),
    );
    expect(() => read(text)).toThrow(expect.objectContaining({ hint: expect.stringMatching(/./) }));
  });

  test('a bomb of aliases', () => {
    const lines = Array.from(
      { length: 12 },
      (_, at) => `  t${at}: &a${at} [${at === 0 ? 'x' : `*a${at - 1},`.repeat(9)}]`,
    );
    expect(() => read(`teams:\n${lines.join('\n')}\n`)).toThrow(/no valid YAML/);
  });

  test('a key that somebody put there, without quoting it', () => {
    expect(() => read('people: { ann: { max_budget: sk-secret-1234567890 } }')).not.toThrow(/secret/);
    expect(() => read('people:\n  ann: sk-secret-1234567890\n   x: 1')).not.toThrow(/secret/);
  });
});

test('five thousand people are read in a moment', () => {
  const lines = Array.from(
    { length: 5000 },
    (_, at) => `  p${at}: { email: p${at}@example.com, team: a, max_budget: ${at} }`,
  );
  expect(read(`teams: { a: }\npeople:\n${lines.join('\n')}\n`).keys).toHaveLength(5000);
});

test('a name is as it was written, not the number that it looks like', () => {
  const { people, teams } = read(`{ teams: { 2024: , 0x1F: }, people: { 007: { team: "2024" }, 1e3: , true: } }`);
  expect(teams.map(({ alias }) => alias).toSorted()).toEqual(['0x1F', '2024']);
  expect(people.map(({ id }) => id).toSorted()).toEqual(['007', '1e3', 'true']);
  expect(() => read('{ teams: { 2024: }, people: { ann: { team: 2024 } } }')).toThrow(
    expect.objectContaining({ hint: 'write a name of digits in quotes' }),
  );
});
