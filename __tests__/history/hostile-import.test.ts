import { describe, expect, test } from '@jest/globals';

import { addTurn, openHistory } from '../support/history-samples.ts';

const time = '2026-01-01T00:00:00.000Z';

function turn(facts: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    id: '0t1',
    seq: 1,
    model: 'm',
    created_at: time,
    ended_at: time,
    messages: [{ role: 'user', content: 'q' }],
    completion: { choices: [{ index: 0, message: { role: 'assistant', content: 'a' }, finish_reason: 'stop' }] },
    verdict: 'complete',
    ...facts,
  };
}

function line(facts: Record<string, unknown> = {}, ...turns: Record<string, unknown>[]): string {
  return JSON.stringify({
    type: 'conversation',
    version: 1,
    id: '0aaaaaaa',
    created_at: time,
    updated_at: time,
    rank: 1,
    turns: turns.length === 0 ? [turn()] : turns,
    ...facts,
  });
}

describe('an import can not stand for what is here', () => {
  test.each([8, 6, 4])('a name that is the first %i characters of an id gets a number, and says so', (length) => {
    const history = openHistory();
    const mine = addTurn(history, 'mine', 'M');
    const name = mine.slice(0, length);
    expect(history.import([line({ name })]).renamed).toEqual([{ from: name, to: `${name} (2)` }]);
    expect(history.find(name).id).toBe(mine);
    history.delete(name);
    expect(history.find(`${name} (2)`).title).toBe('q');
  });

  test('so does a name that could be an id to come', () => {
    expect(openHistory().import([line({ name: '0zzzzzzz' })]).renamed).toEqual([
      { from: '0zzzzzzz', to: '0zzzzzzz (2)' },
    ]);
  });

  test.each(['plan', '2plan', '0'])('an id that is the name %j of mine is another one', (name) => {
    const history = openHistory();
    const mine = addTurn(history, 'mine', 'M', { name, system: null });
    const report = history.import([line({ id: name })]);
    expect(report).toMatchObject({ added: 1, renamed: [{ from: name, to: expect.stringMatching(/^\d[0-9a-z]{7}$/) }] });
    expect(history.find(name).id).toBe(mine);
    expect(history.import([line({ id: name })])).toMatchObject({ added: 0, unchanged: 1 });
  });

  test('an id that begins one of mine is another one', () => {
    const history = openHistory();
    const mine = addTurn(history, 'mine', 'M');
    history.import([line({ id: mine.slice(0, 3) })]);
    expect(history.find(mine.slice(0, 3)).id).toBe(mine);
  });

  test('turns that follow on mine by number alone do not extend it', () => {
    const history = openHistory();
    const mine = addTurn(history, 'mine', 'M');
    const parent = line({ id: '0b' });
    const report = history.import([parent, line({ id: mine, parent: { id: '0b', seq: 1 } }, turn({ seq: 2 }))]);
    expect(report).toMatchObject({ added: 2, extended: 0, renamed: [{ from: mine, to: expect.any(String) }] });
    expect(history.turns(mine)).toHaveLength(1);
  });

  test('a fork of a conversation that is only here is refused', () => {
    const history = openHistory();
    const mine = addTurn(history, 'mine', 'M');
    expect(() => history.import([line({ parent: { id: mine, seq: 1 } }, turn({ seq: 2 }))])).toThrow(
      `line 1 can not be imported: its parent ${mine} is not in the file before it`,
    );
  });
});

describe('values of another kind are refused, with their line, and nothing comes in', () => {
  test.each<[string, string]>([
    ['messages', line({}, turn({ messages: [null] }))],
    ['messages', line({}, turn({ messages: [{ role: 'user', content: 5 }] }))],
    ['messages', line({}, turn({ messages: [{ role: 'user', content: { a: 1 } }] }))],
    ['messages', line({}, turn({ messages: [{ role: 'user', content: [null, 'x'] }] }))],
    ['messages', line({}, turn({ messages: [{ role: '\u001b]0;x\u0007\n## 2. Reply', content: 'q' }] }))],
    ['completion', line({}, turn({ completion: 'x' }))],
    ['completion', line({}, turn({ completion: { choices: {} } }))],
    ['receipt', line({}, turn({ receipt: [] }))],
    ['error', line({}, turn({ error: { code: 5, message: 'x' } }))],
    ['template', line({}, turn({ template: { name: 'a\nb', digest: `sha256:${'0'.repeat(64)}`, variables: {} } }))],
    ['template', line({}, turn({ template: { name: 'a', digest: 'x', variables: {} } }))],
    ['id', line({}, turn({ id: '../x' }))],
    ['created_at', line({ created_at: '9999-99-99T99:99:99.999Z' })],
    ['rank', line({}).replace('"rank":1', '"rank":1e400')],
    ['parent', line({ parent: 'x' })],
  ])('"%s" (%#)', (name, bad) => {
    const history = openHistory();
    expect(() => history.import([line(), bad])).toThrow(
      `line 2 can not be imported: "${name}" is not what it should be`,
    );
    expect(history.list()).toEqual([]);
  });

  test.each([
    line().replace('"content":"q"', `"content":"q","x":${'['.repeat(5000)}${']'.repeat(5000)}`),
    line().replace('"content":"a"', `"content":"a","x":${'{"x":'.repeat(600)}1${'}'.repeat(600)}`),
  ])('nested too deeply', (bad) => {
    expect(() => openHistory().import([line({ id: '0b' }), bad])).toThrow(
      'line 2 can not be imported: it is nested too deeply',
    );
  });

  test('a NUL is kept where JSON holds it, and never in a column', () => {
    const history = openHistory();
    const facts = { title: 'a\0b', name: 'a\0b', system: 'a\0b', origin: 'a\0b' };
    const text = line(facts, turn({ messages: [{ role: 'user', content: 'a\0b' }], model: 'm\0n' }));
    history.import([text]);
    expect(history.verify().problems).toEqual([]);
    expect(history.turns('0aaaaaaa')[0]).toMatchObject({ model: 'm\u{fffd}n', messages: [{ content: 'a\0b' }] });
    expect(history.import([text])).toMatchObject({ unchanged: 1 });
  });

  test('a completion is read like one of a proxy, a title is one', () => {
    const history = openHistory();
    const message = { content: ['x'], tool_calls: 'x', refusal: 5, thinking_blocks: 'y' };
    history.import([line({ title: 'x'.repeat(5_000_000) }, turn({ completion: { choices: [{ message }] } }))]);
    expect(history.turns('0aaaaaaa')[0]?.completion?.choices[0]?.message).toEqual({
      role: 'assistant',
      content: 'x',
      thinking_blocks: [{ type: 'thinking', thinking: 'y' }],
    });
    expect(history.find('0aaaaaaa').title).toHaveLength(60);
    expect(history.search('x')).toHaveLength(1);
  });
});

test('a chain of forks is exported, and imported, in the time that its turns take', () => {
  const length = 1_000;
  const lines = Array.from({ length }, (_, at) =>
    line(
      { id: `0f${at}`, parent: at === 0 ? null : { id: `0f${at - 1}`, seq: at } },
      turn({ id: `0g${at}`, seq: at + 1 }),
    ),
  );
  const history = openHistory();
  expect(history.import(lines)).toMatchObject({ added: length });
  const read = new Set<unknown>();
  for (const exported of history.export()) {
    const { id, turns } = JSON.parse(exported) as { id: string; turns: unknown[] };
    read.add(id);
    expect(turns).toHaveLength(1);
  }
  expect(read.size).toBe(length);
  expect(history.import([...history.export()])).toMatchObject({ unchanged: length });
  expect(history.turns(`0f${length - 1}`)).toHaveLength(length);
  expect(history.ownTurns(history.find(`0f${length - 1}`)).map(({ seq }) => seq)).toEqual([length]);
  expect(history.verify().problems).toEqual([]);
});

test('a new id is never the name of another conversation', () => {
  let zeros = 0;
  let other = 0.1;
  const history = openHistory(':memory:', { random: () => (zeros-- > 0 ? 0 : (other = (other * 7.3) % 1)) });
  addTurn(history, 'one', 'I', { name: '00000000', system: null });
  zeros = 8;
  expect(addTurn(history, 'two', 'II')).not.toBe('00000000');
});
