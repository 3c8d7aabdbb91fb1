import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { History } from '../../src/history/history.ts';
import { addTurn, ended, newTurn, openHistory } from '../support/history-samples.ts';
import { DatabaseSync } from '../support/sqlite.ts';
import { useTemporaryDirectory } from '../support/temporary-directory.ts';

describe('a turn', () => {
  test('has its place in the order when its prompt is committed, and its end later', () => {
    const history = openHistory();
    const begun = history.beginTurn(newTurn('first', { system: 'be brief' }));
    expect(begun.seq).toBe(1);
    expect(history.turns(begun.conversationId)).toEqual([
      {
        id: begun.turnId,
        seq: 1,
        createdAt: expect.any(String),
        endedAt: null,
        model: 'fake-model',
        messages: [{ role: 'user', content: 'first' }],
        request: { temperature: 0 },
        completion: null,
        verdict: null,
        error: null,
        receipt: null,
        template: null,
      },
    ]);
    history.endTurn(begun.turnId, ended('reply'));
    expect(history.turns(begun.conversationId)[0]).toMatchObject({ ...ended('reply'), endedAt: expect.any(String) });
  });

  test('keeps every key of messages and completions, whatever it is called', () => {
    const history = openHistory();
    const messages = [JSON.parse('{"role":"user","content":"x","__proto__":{"a":1},"constructor":"c"}')];
    const { conversationId, turnId } = history.beginTurn({ ...newTurn(''), messages });
    const end = ended('\0 a \ud800 lone half, \u2028 and a 𝒳');
    history.endTurn(turnId, end);
    const [turn] = history.turns(conversationId);
    expect(JSON.stringify(turn?.messages)).toBe(JSON.stringify(messages));
    expect(turn?.completion).toEqual(end.completion);
  });

  test('that ends in an error keeps the error and no completion', () => {
    const history = openHistory();
    const { conversationId, turnId } = history.beginTurn(newTurn('hi'));
    const end = { completion: null, verdict: null, error: { code: 'key_rejected', message: '401' }, receipt: null };
    history.endTurn(turnId, end);
    expect(history.turns(conversationId)[0]).toMatchObject(end);
  });

  test('takes a second end: the process that recover took for dead has the last word', () => {
    const history = openHistory();
    const { conversationId, turnId } = history.beginTurn(newTurn('hi'));
    history.endTurn(turnId, { ...ended('ha'), verdict: 'interrupted' });
    history.endTurn(turnId, ended('half and the other half'));
    expect(history.turns(conversationId)).toHaveLength(1);
    expect(history.turns(conversationId)[0]).toMatchObject(ended('half and the other half'));
    expect(history.search('other')).toHaveLength(1);
    expect(history.verify().problems).toEqual([]);
  });

  test('of a conversation that was deleted meanwhile can not be ended', () => {
    const history = openHistory();
    const { conversationId, turnId } = history.beginTurn(newTurn('hi'));
    history.delete(conversationId);
    expect(() => history.endTurn(turnId, ended('late'))).toThrow(expect.objectContaining({ code: 'not_in_history' }));
  });

  test('joins a conversation of that name when another process made it first', () => {
    const history = openHistory();
    const one = history.beginTurn(newTurn('one', { name: 'plan', system: 'first' }));
    const two = history.beginTurn(newTurn('two', { name: 'plan', system: 'second' }));
    expect(two).toMatchObject({ conversationId: one.conversationId, seq: 2 });
    expect(history.find('plan').system).toBe('first');
  });

  test('of an id that is not there is refused', () => {
    expect(() => openHistory().beginTurn(newTurn('hi', { id: '0nothere' }))).toThrow(
      expect.objectContaining({ code: 'not_in_history', hint: expect.stringContaining('cllm history list') }),
    );
  });
});

describe('order', () => {
  test('is that of the prompts, when the clock is set back too', () => {
    let now = Date.UTC(2026, 0, 10);
    const history = openHistory(':memory:', { now: () => new Date((now -= 86_400_000)) });
    const first = addTurn(history, 'a', 'A');
    addTurn(history, 'b', 'B', { id: first });
    const second = addTurn(history, 'c', 'C');
    expect(history.turns(first).map(({ seq, messages }) => [seq, messages[0]?.content])).toEqual([
      [1, 'a'],
      [2, 'b'],
    ]);
    expect(history.list().map(({ id }) => id)).toEqual([second, first]);
    expect(history.latest()?.id).toBe(second);
  });

  test('of the list is the latest use first, and limit cuts it', () => {
    const history = openHistory();
    const ids = ['a', 'b', 'c'].map((prompt) => addTurn(history, prompt, prompt));
    addTurn(history, 'again', 'yes', { id: String(ids[0]) });
    expect(history.list().map(({ id }) => id)).toEqual([ids[0], ids[2], ids[1]]);
    expect(history.list({ limit: 1 }).map(({ id }) => id)).toEqual([ids[0]]);
    expect(history.list()[0]).toMatchObject({ turnCount: 2, title: 'a', model: 'fake-model' });
  });

  test('an empty history has no latest conversation', () => {
    expect(openHistory().latest()).toBeNull();
  });
});

describe('a title', () => {
  test.each([
    ['  \n\n  Explain   SSE\tnow \n and more', 'Explain SSE now'],
    ['', '(no text)'],
    ['x'.repeat(60), 'x'.repeat(60)],
    [`${'x'.repeat(58)} yz`, `${'x'.repeat(58)}…`],
    ['🙂'.repeat(61), `${'🙂'.repeat(59)}…`],
  ])('of %j is %j', (prompt, title) => {
    const history = openHistory();
    expect(history.find(addTurn(history, prompt, 'ok')).title).toBe(title);
  });

  test('of a prompt in parts comes from its text', () => {
    const history = openHistory();
    const content = [
      { type: 'image_url', image_url: { url: 'data:' } },
      { type: 'text', text: 'What is this?' },
    ];
    const { conversationId } = history.beginTurn({ ...newTurn(''), messages: [{ role: 'user', content }] });
    expect(history.find(conversationId).title).toBe('What is this?');
    expect(history.search('this')).toHaveLength(1);
  });
});

describe('a reference', () => {
  test('is a name, an id or the beginning of an id', () => {
    const history = openHistory();
    const id = addTurn(history, 'a', 'A', { name: 'plan', system: null });
    for (const reference of ['plan', id, id.slice(0, 3), id.slice(0, 1)]) expect(history.find(reference).id).toBe(id);
    expect(history.findOrNull('other')).toBeNull();
    expect(history.findOrNull('')).toBeNull();
    expect(() => history.find('other')).toThrow(
      expect.objectContaining({ code: 'not_in_history', message: expect.stringContaining('other') }),
    );
  });

  test('that begins several ids is refused with those ids', () => {
    const numbers = [0.11, 0.13];
    const history = openHistory(':memory:', { random: () => numbers[0] ?? 0 });
    const one = addTurn(history, 'a', 'A');
    numbers.shift();
    const two = addTurn(history, 'b', 'B', { name: 'bee', system: null });
    expect(() => history.find('1')).toThrow(
      expect.objectContaining({ code: 'usage', message: expect.stringContaining(`${two} (bee), ${one}`) }),
    );
    expect(history.find(one).id).toBe(one);
  });

  test('with the wildcards of SQL means just these characters', () => {
    const history = openHistory();
    addTurn(history, 'a', 'A');
    for (const reference of ['%', '_', '*', "'; DROP TABLE turns; --", '\0'])
      expect(history.findOrNull(reference)).toBeNull();
  });

  test('is not taken for an id when it is a word', () => {
    const history = openHistory();
    for (let count = 0; count < 50; count += 1)
      expect(addTurn(history, 'a', 'A')).toMatch(/^[0-9][0-9a-hjkmnp-tv-z]{7}$/);
  });

  test('ids differ even when chance repeats itself', () => {
    let count = 0;
    const history = openHistory(':memory:', { random: () => (Math.floor(count++ / 24) % 3) / 3 });
    const ids = Array.from({ length: 3 }, () => addTurn(history, 'a', 'A'));
    expect(new Set(ids).size).toBe(3);
  });
});

describe('the system prompt and the name', () => {
  test('can be replaced', () => {
    const history = openHistory();
    const id = addTurn(history, 'a', 'A', { system: 'one' });
    history.setSystem(id, 'two');
    expect(history.rename(id, 'plan')).toMatchObject({ id, name: 'plan', system: 'two' });
    expect(history.find('plan').system).toBe('two');
    history.rename('plan', null);
    expect(history.findOrNull('plan')).toBeNull();
    expect(history.verify().problems).toEqual([]);
  });

  test('a name that another conversation has is refused, its own is not', () => {
    const history = openHistory();
    const one = addTurn(history, 'a', 'A', { name: 'plan', system: null });
    const two = addTurn(history, 'b', 'B');
    expect(() => history.rename(two, 'plan')).toThrow(
      expect.objectContaining({ code: 'usage', message: expect.stringContaining(one) }),
    );
    expect(() => history.rename(two, '')).toThrow(expect.objectContaining({ code: 'usage' }));
    // A NUL is kept as U+FFFD, and is the same name to whoever types it again.
    history.rename(one, 'p\0q');
    expect(history.find('p\0q').id).toBe(one);
    expect(() => history.rename(two, 'p\0q')).toThrow(expect.objectContaining({ code: 'usage' }));
    expect(() => history.rename(two, ' \t')).toThrow(expect.objectContaining({ code: 'usage' }));
    // It would hide the conversation of that id.
    expect(() => history.rename(two, one)).toThrow(expect.objectContaining({ code: 'usage' }));
    expect(() => history.fork(two, { name: one })).toThrow(expect.objectContaining({ code: 'usage' }));
    expect(history.rename(one, 'plan').name).toBe('plan');
  });
});

describe('a fork', () => {
  function withThreeTurns() {
    const history = openHistory();
    const id = addTurn(history, 'one', 'I', { system: 'be brief' });
    addTurn(history, 'two', 'II', { id });
    addTurn(history, 'three', 'III', { id });
    return { history, id };
  }
  const promptsOf = (history: ReturnType<typeof openHistory>, id: string) =>
    history.turns(id).map(({ seq, messages }) => `${seq} ${JSON.stringify(messages[0]?.content)}`);

  test('shares the turns up to its point, and goes its own way', () => {
    const { history, id } = withThreeTurns();
    const fork = history.fork(id, { name: 'other', atSeq: 2 });
    expect(fork).toMatchObject({
      name: 'other',
      turnCount: 2,
      title: 'one',
      system: 'be brief',
      parent: { id, seq: 2 },
    });
    expect(history.latest()?.id).toBe(fork.id);
    addTurn(history, 'drei', 'C', { id: fork.id });
    expect(promptsOf(history, fork.id)).toEqual(['1 "one"', '2 "two"', '3 "drei"']);
    expect(promptsOf(history, id)).toEqual(['1 "one"', '2 "two"', '3 "three"']);
    expect(history.verify().problems).toEqual([]);
  });

  test('of a fork before its own turns is a fork of the parent', () => {
    const { history, id } = withThreeTurns();
    const fork = history.fork(id, { atSeq: 2 });
    expect(history.fork(fork.id).parent).toEqual({ id, seq: 2 });
    expect(history.fork(fork.id, { atSeq: 1 }).parent).toEqual({ id, seq: 1 });
  });

  test.each([0, 4, 1.5, Number.NaN])('at turn %p of three is refused', (atSeq) => {
    const { history, id } = withThreeTurns();
    expect(() => history.fork(id, { atSeq })).toThrow(expect.objectContaining({ code: 'usage' }));
  });

  test('keeps what it shares when the parent is deleted, and so do its siblings', () => {
    const { history, id } = withThreeTurns();
    const early = history.fork(id, { atSeq: 1, name: 'early' });
    const late = history.fork(id, { atSeq: 2, name: 'late' });
    const nested = history.fork(late.id, { name: 'nested' });
    addTurn(history, 'more', 'M', { id: nested.id });
    expect(history.delete(id)).toMatchObject({ turnIds: [expect.any(String)] });
    expect(promptsOf(history, early.id)).toEqual(['1 "one"']);
    expect(promptsOf(history, late.id)).toEqual(['1 "one"', '2 "two"']);
    expect(promptsOf(history, nested.id)).toEqual(['1 "one"', '2 "two"', '3 "more"']);
    expect(history.search('three')).toEqual([]);
    expect(history.verify().problems).toEqual([]);
    history.delete('late');
    expect(promptsOf(history, nested.id)).toEqual(['1 "one"', '2 "two"', '3 "more"']);
    expect(promptsOf(history, early.id)).toEqual(['1 "one"']);
    expect(history.verify().problems).toEqual([]);
  });
});

describe('deleting', () => {
  const directory = useTemporaryDirectory();

  test('prune takes what was last changed before the date', () => {
    const history = openHistory();
    const old = addTurn(history, 'old', 'O', { name: 'old', system: null });
    const fork = history.fork(old, { name: 'fork' });
    const young = addTurn(history, 'young', 'Y');
    const before = new Date(history.find(fork.id).createdAt);
    const pruned = history.prune(new Date(before.getTime() + 1));
    expect(pruned.conversations.map(({ id }) => id)).toEqual([old, fork.id]);
    expect(pruned.turnIds).toHaveLength(1);
    expect(history.list().map(({ id }) => id)).toEqual([young]);
    expect(history.verify().problems).toEqual([]);
  });

  test('leaves nothing of a long text, which the commit of its reply has moved', () => {
    const path = join(directory(), 'data', 'history.db');
    const history = openHistory(path);
    const words = (word: string): string => Array.from({ length: 20_000 }, (_, at) => `${word}${at}`).join(' ');
    const id = addTurn(history, words('secret'), words('hidden'));
    addTurn(history, 'another', 'one');
    history.delete(id);
    history.close();
    expect(
      readFileSync(path)
        .toString('latin1')
        .match(/secret\d|hidden/i),
    ).toBeNull();
  });

  test('what is not there can not be deleted', () => {
    expect(() => openHistory().delete('nothing')).toThrow(expect.objectContaining({ code: 'not_in_history' }));
  });
});

describe('restoring a turn from its journal', () => {
  const turn = { name: 'plan', system: 'be brief', messages: [{ role: 'user', content: 'hi' }], model: 'fake-model' };

  test('ends the turn that has only its prompt', () => {
    const history = openHistory();
    const { conversationId, turnId } = history.beginTurn(newTurn('hi'));
    expect(history.turnState(turnId)).toBe('open');
    expect(history.restoreTurn({ conversationId, turnId, turn: null }, ended('half'))).toEqual({
      conversationId,
      turnId,
      seq: 1,
      wasSaved: false,
    });
    expect(history.turnState(turnId)).toBe('ended');
    expect(history.turns(conversationId)[0]).toMatchObject(ended('half'));
  });

  test('leaves one alone that has its end', () => {
    const history = openHistory();
    const { conversationId, turnId } = history.beginTurn(newTurn('hi'));
    history.endTurn(turnId, ended('whole'));
    expect(history.restoreTurn({ conversationId, turnId, turn: null }, ended('half')).wasSaved).toBe(true);
    expect(history.turns(conversationId)[0]).toMatchObject(ended('whole'));
  });

  test('adds the whole turn to a history that never saw it, once', () => {
    const history = openHistory();
    expect(history.turnState('9unsaved')).toBe('absent');
    const place = history.restoreTurn({ conversationId: null, turnId: '9unsaved', turn }, ended('reply'));
    expect(history.find('plan')).toMatchObject({
      id: place.conversationId,
      system: 'be brief',
      turnCount: 1,
      title: 'hi',
    });
    expect(history.restoreTurn({ conversationId: null, turnId: '9unsaved', turn }, ended('reply'))).toEqual({
      ...place,
      wasSaved: true,
    });
    expect(history.turns(place.conversationId)).toHaveLength(1);
  });

  test('keeps the template of the prompt, and none that can not be one', () => {
    const history = openHistory();
    const template = { name: 'review', digest: `sha256:${'a'.repeat(64)}`, variables: { base: 'main', n: 3 } };
    const restored = (turnId: string, given: typeof template): unknown => {
      const place = history.restoreTurn(
        { conversationId: null, turnId, turn: { ...turn, name: null, template: given } },
        ended('reply'),
      );
      return history.turns(place.conversationId)[0]?.template;
    };
    expect(restored('1', template)).toEqual(template);
    expect(restored('2', { ...template, digest: 'x' })).toBeNull();
    expect(history.verify().problems).toEqual([]);
  });

  test('adds it to its conversation when that is still there', () => {
    const history = openHistory();
    const id = addTurn(history, 'a', 'A');
    expect(history.restoreTurn({ conversationId: id, turnId: '9unsaved', turn }, ended('reply'))).toMatchObject({
      conversationId: id,
      seq: 2,
    });
  });

  test('keeps a reply whose prompt is lost', () => {
    const history = openHistory();
    const place = history.restoreTurn({ conversationId: '0gone', turnId: '9unsaved', turn: null }, ended('reply'));
    expect(history.turns(place.conversationId)[0]).toMatchObject({
      messages: [],
      model: 'fake-model',
      ...ended('reply'),
    });
  });
});

test('a NUL is kept in the messages and the completion, and damages nothing', () => {
  const history = openHistory();
  const id = addTurn(history, 'a\0b needle', 'c\0d', { system: 's\0t' });
  history.setSystem(id, 'u\0v');
  expect(history.verify().problems).toEqual([]);
  expect(history.find(id)).toMatchObject({ title: 'a\u{fffd}b needle', system: 'u\u{fffd}v' });
  expect(history.search('needle')).toHaveLength(1);
  const [turn] = history.turns(id);
  expect([turn?.messages[0]?.content, turn?.completion?.choices[0]?.message.content]).toEqual(['a\0b needle', 'c\0d']);
  const other = openHistory();
  other.import(history.export());
  expect(other.verify().problems).toEqual([]);
});

test('an id names its own conversation, whatever another one is called', () => {
  const history = openHistory();
  const mine = history.beginTurn(newTurn('mine'));
  const strangers = history.beginTurn({
    ...newTurn('not mine'),
    conversation: { name: mine.conversationId, system: null },
  }).conversationId;
  expect(strangers).not.toBe(mine.conversationId);
  expect(history.find(mine.conversationId).id).toBe(mine.conversationId);
  history.setSystem(mine.conversationId, 'be brief');
  expect(history.find(strangers).system).toBeNull();
  expect(history.fork(mine.conversationId).title).toBe('mine');
  expect(history.delete(mine.conversationId).conversation.id).toBe(mine.conversationId);
  expect(history.find(strangers)).toMatchObject({ id: strangers, title: 'not mine' });
});

describe('a history that a hand has changed', () => {
  const directory = useTemporaryDirectory();

  /** Two conversations and a fork of the first, changed by the SQL. */
  function changed(
    sql: string,
    bytes?: [from: string, to: string],
  ): { history: History; warnings: string[]; ids: string[] } {
    const path = join(directory(), 'history.db');
    const before = openHistory(path);
    const first = addTurn(before, 'one', 'A', { name: 'first', system: null });
    addTurn(before, 'two', 'B', { id: first });
    const second = addTurn(before, 'three', 'C', { name: 'second', system: null });
    const fork = before.fork('first', { name: 'fork' }).id;
    before.close();

    const database = new DatabaseSync(path);
    database.exec(`PRAGMA foreign_keys = OFF; ${sql}`);
    database.close();
    if (bytes !== undefined) {
      const file = readFileSync(path);
      file.write(bytes[1], file.indexOf(bytes[0]));
      writeFileSync(path, file);
    }
    const warnings: string[] = [];
    const history = openHistory(path, { onWarning: (warning) => warnings.push(warning) });
    return { history, warnings, ids: [first, second, fork] };
  }

  test.each(['messages', 'request', 'receipt', 'error'])(
    'gives every turn, though one has a damaged %s, and says so without quoting it',
    (column) => {
      const { history, warnings, ids } = changed(
        `UPDATE turns SET ${column} = '"secret words {' WHERE seq = 1 AND conversation_id = (SELECT id FROM conversations WHERE name = 'first')`,
      );
      const [first = '', second = ''] = ids;
      const turns = history.turns(first);
      expect(turns.map(({ damage }) => damage)).toEqual([[column], undefined]);
      expect(turns[1]).toMatchObject({ messages: [{ content: 'two' }], ...ended('B') });
      const lines = [...history.export()];
      expect(lines).toHaveLength(3);
      expect(history.damagedTurns).toBe(1);
      expect(warnings).toEqual([`turn 1 of conversation ${first} is damaged and comes without its ${column}`]);
      expect(history.turns(second)).toHaveLength(1);
      // What could be saved is a history that can be had again.
      expect(openHistory().import(lines)).toMatchObject({ added: 3 });
      history.close();
    },
  );

  test('gives a turn without its reply whose bytes are not those that were written', () => {
    const { history, ids } = changed('', ['"content":"A"', '"content":"A{']);
    const turns = history.turns(ids[0] ?? '');
    expect(turns.map(({ damage }) => damage)).toEqual([['completion'], undefined]);
    expect(turns[0]).toMatchObject({ messages: [{ content: 'one' }], completion: null, verdict: 'complete' });
    expect([...history.export()]).toHaveLength(3);
    expect(history.verify()).toMatchObject({
      turns: 3,
      problems: expect.arrayContaining([expect.objectContaining({ kind: 'turn' })]),
    });
    history.close();
  });

  test.each([
    ['is its own parent', 'UPDATE conversations SET parent_id = id, parent_seq = 1'],
    [
      'is the child of its child',
      "UPDATE conversations SET parent_id = (SELECT id FROM conversations WHERE name = 'fork'), parent_seq = 2 WHERE name = 'first'",
    ],
    [
      'is its own parent at a turn that never was',
      'UPDATE conversations SET parent_id = id, parent_seq = 9007199254740991',
    ],
  ])('comes to an end where a conversation %s', (_name, sql) => {
    const { history, ids } = changed(sql);
    for (const id of ids)
      expect(history.turns(id).map(({ id: turnId }) => turnId)).toEqual([
        ...new Set(history.turns(id).map(({ id: turnId }) => turnId)),
      ]);
    expect(history.turns(ids[0] ?? '').map(({ seq }) => seq)).toEqual([1, 2]);
    expect([...history.export()]).toHaveLength(3);
    history.fork('first', { atSeq: 1 });
    expect(history.delete('first').conversation.id).toBe(ids[0]);
    history.close();
  });

  test('is refused with a view in the place of a table, which may have no end', () => {
    expect(() =>
      changed(`ALTER TABLE conversations RENAME TO c2;
        CREATE VIEW conversations AS WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT c2.* FROM c2, r`),
    ).toThrow(expect.objectContaining({ code: 'history_unusable', message: expect.stringContaining('is no history') }));
  });

  test('says what is wrong with a number that cllm never wrote', () => {
    const { history } = changed('UPDATE conversations SET activity = 9223372036854775807');
    for (const read of [() => history.latest(), () => history.list(), () => [...history.export()]])
      expect(read).toThrow(
        expect.objectContaining({
          code: 'history_unusable',
          message: expect.stringContaining('a number that cllm never'),
        }),
      );
    expect(history.verify().problems.length).toBeGreaterThan(0);
    history.close();
  });
});

describe('the totals of conversations', () => {
  const folder = useTemporaryDirectory();
  const withReceipt = (history: History, name: string, receipt: Record<string, unknown> | null): void => {
    const { turnId } = history.beginTurn(newTurn('x', { name, system: null }));
    history.endTurn(turnId, { ...ended('y'), receipt });
  };

  test('count what the receipts tell, each conversation for itself, a fork its own turns', () => {
    const history = openHistory();
    withReceipt(history, 'a', { cost_usd: 0.5, input_tokens: 10, output_tokens: null });
    withReceipt(history, 'a', { cost_usd: 0.25, input_tokens: 1 });
    withReceipt(history, 'b', null);
    history.fork('a', { name: 'c' });
    withReceipt(history, 'c', { cost_usd: 1 });
    const totals = history.totals();
    const of = (name: string) => totals.get(history.find(name).id);
    expect(of('a')).toEqual({ costUsd: 0.75, inputTokens: 11, outputTokens: null });
    expect(of('b')).toEqual({ costUsd: null, inputTokens: null, outputTokens: null });
    expect(of('c')).toEqual({ costUsd: 1, inputTokens: null, outputTokens: null });
    expect([...history.totals({ limit: 1 }).keys()]).toEqual([history.find('c').id]);
  });

  test('take nothing for a figure that is none', () => {
    const path = join(folder(), 'history.db');
    const history = openHistory(path);
    for (const receipt of [
      { cost_usd: 1, input_tokens: 2 ** 53 - 1 },
      { cost_usd: 2 },
      { cost_usd: 3 },
      { cost_usd: 4 },
    ])
      withReceipt(history, 'a', receipt);

    const rows = new DatabaseSync(path);
    const write = rows.prepare('UPDATE turns SET receipt = ? WHERE seq = ?');
    write.run('{"cost_usd": 1e400, "input_tokens": 9007199254740991, "output_tokens": -1}', 2);
    write.run('{"cost_usd": {"toString": 1}, "input_tokens": "seven", "output_tokens": [1]}', 3);
    write.run('{no JSON', 4);
    rows.close();
    expect([...history.totals().values()]).toEqual([
      { costUsd: 1, inputTokens: 2 * (2 ** 53 - 1), outputTokens: null },
    ]);
  });
});
