import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { readCllmJson } from '../../src/history/cllm-json.ts';
import { addTurn, ended, newTurn, openHistory } from '../support/history-samples.ts';
import { useTemporaryDirectory } from '../support/temporary-directory.ts';

function samples() {
  const history = openHistory();
  const id = addTurn(history, 'one', 'I', { name: 'plan', system: 'be brief' });
  addTurn(history, 'two', 'II\n\u2028\u0000', { id });
  const fork = history.fork(id, { name: 'fork', atSeq: 1 });
  addTurn(history, 'zwei', 'B', { id: fork.id });
  addTurn(history, 'alone', 'A');
  history.endTurn(history.beginTurn(newTurn('failed')).turnId, {
    completion: null,
    verdict: null,
    error: { code: 'no_key', message: 'no key' },
    receipt: null,
  });
  const open = history.beginTurn(newTurn('still open'));
  addTurn(history, 'three', 'III', { id });
  return { history, id, fork, open };
}

describe('export and import', () => {
  test('round-trip: what was imported exports the same lines', () => {
    const { history } = samples();
    const lines = [...history.export()];
    expect(lines).toHaveLength(5);
    expect(lines.every((line) => !line.includes('\n'))).toBe(true);
    const other = openHistory();
    expect(other.import(lines)).toEqual({ added: 5, extended: 0, unchanged: 0, renamed: [] });
    expect([...other.export()]).toEqual(lines);
    expect(other.list()).toEqual(history.list());
    expect(other.verify().problems).toEqual([]);
    expect(other.search('zwei')).toHaveLength(1);
  });

  test('a fork that was made before its parent became one comes after it', () => {
    const history = openHistory();
    const id = addTurn(history, 'one', 'I');
    addTurn(history, 'two', 'II', { id });
    const elder = history.fork(id, { name: 'elder', atSeq: 1 });
    const grandchild = history.fork(elder.id, { name: 'grandchild', atSeq: 1 });
    addTurn(history, 'zwei', 'B', { id: elder.id });
    history.fork(elder.id, { name: 'late', atSeq: 2 });
    const heir = history.fork(id, { name: 'heir', atSeq: 2 });
    history.delete(id);
    history.delete(elder.id);
    const lines = [...history.export()];
    const other = openHistory();
    expect(other.import(lines)).toEqual({ added: 3, extended: 0, unchanged: 0, renamed: [] });
    expect([...other.export()]).toEqual(lines);
    for (const conversation of [heir.id, grandchild.id]) {
      expect(other.turns(conversation).map(({ completion }) => completion?.choices[0]?.message.content)).toEqual(
        history.turns(conversation).map(({ completion }) => completion?.choices[0]?.message.content),
      );
    }
  });

  test('importing again adds nothing', () => {
    const { history } = samples();
    const lines = [...history.export()];
    expect(history.import(lines)).toEqual({ added: 0, extended: 0, unchanged: 5, renamed: [] });
    expect([...history.export()]).toEqual(lines);
  });

  test('one conversation is exported with the turns that it shares', () => {
    const { history, fork } = samples();
    const [line, ...rest] = history.export('fork');
    expect(rest).toEqual([]);
    const other = openHistory();
    other.import([String(line)]);
    expect(other.turns(fork.id).map(({ messages }) => messages[0]?.content)).toEqual(['one', 'zwei']);
    expect(other.find('fork').parent).toBeNull();
  });

  test('a conversation that went on elsewhere is extended', () => {
    const { history, id } = samples();
    const before = [...history.export()];
    addTurn(history, 'four', 'IV', { id });
    const after = [...history.export()];
    const other = openHistory();
    other.import(before);
    expect(other.import(after)).toMatchObject({ added: 0, extended: 1, unchanged: 4 });
    expect(other.turns(id)).toEqual(history.turns(id));
    expect(other.import(before)).toMatchObject({ extended: 0, unchanged: 5 });
  });

  test('a conversation that went another way comes in under a new id and name, and its forks with it', () => {
    const { history, id } = samples();
    const lines = [...history.export()];
    const other = openHistory();
    other.import(lines.map((line) => line.replace('"content":"one"', '"content":"uno"')));
    const report = other.import(lines);
    expect(report).toMatchObject({ added: 1, unchanged: 4 });
    expect(report.renamed).toEqual([
      { from: id, to: expect.any(String) },
      { from: 'plan', to: 'plan (2)' },
    ]);
    expect(other.turns(other.find('plan (2)').id).map(({ messages }) => messages[0]?.content)).toEqual([
      'one',
      'two',
      'three',
    ]);
    expect(other.verify().problems).toEqual([]);
  });

  test('what is imported does not become the latest conversation', () => {
    const { history } = samples();
    const other = openHistory();
    const own = addTurn(other, 'mine', 'M');
    other.import(history.export());
    expect(other.latest()?.id).toBe(own);
    expect(other.list().slice(1)).toEqual(history.list());
  });

  test.each([
    ['{', 'it is no JSON'],
    ['[]', 'it is no conversation'],
    ['{"type":"conversation","version":2}', 'a newer cllm'],
    ['{"type":"conversation","version":{"toString":1,"valueOf":1}}', 'it has no version'],
    ['{"type":"conversation","version":1}', '"id" is missing'],
    ['{"type":"conversation","version":1,"id":"../../x"}', '"id" is not what it should be'],
    ['{"type":"conversation","version":1,"id":"0a","turns":{}}', '"turns" is not what it should be'],
    ['{"type":"conversation","version":1,"id":"0a","turns":[1]}', 'a turn is no object'],
    [lineOf({ turns: [turnOf({ seq: 2 })] }), 'turn 2 is out of order'],
    [lineOf({ turns: [turnOf({ verdict: 'great' })] }), '"verdict" is not what it should be'],
    [lineOf({ turns: [turnOf({ messages: [{}] })] }), '"messages" is not what it should be'],
    [lineOf({ turns: [turnOf({ completion: { choices: [{}] } })] }), '"completion" is not what it should be'],
    [lineOf({ created_at: '2026' }), '"created_at" is not what it should be'],
    [lineOf({ parent: { id: '0b', seq: 1 } }), 'its parent 0b is not in the file before it'],
  ])('of a bad line imports nothing, and names it: %s', (bad, reason) => {
    const { history } = samples();
    const other = openHistory();
    expect(() => other.import([...history.export(), '', bad])).toThrow(
      expect.objectContaining({
        code: 'input_invalid',
        message: expect.stringContaining(`line 7 can not be imported: ${reason}`),
      }),
    );
    expect(other.list()).toEqual([]);
  });

  function lineOf(facts: Record<string, unknown>): string {
    const time = '2026-11-22T12:00:00.000Z';
    return JSON.stringify({
      type: 'conversation',
      version: 1,
      id: '0a',
      created_at: time,
      updated_at: time,
      rank: 1,
      turns: [],
      ...facts,
    });
  }
  function turnOf(facts: Record<string, unknown>): Record<string, unknown> {
    return { id: '0t', seq: 1, model: 'm', created_at: '2026-11-22T12:00:00.000Z', messages: [], ...facts };
  }
});

describe('the JSON conversations of the original cllm', () => {
  const directory = useTemporaryDirectory();
  function write(name: string, value: unknown): void {
    mkdirSync(directory(), { recursive: true });
    writeFileSync(join(directory(), name), typeof value === 'string' ? value : JSON.stringify(value));
  }
  const old = {
    id: '5f3c9a52-0000-4000-8000-000000000000',
    model: 'gpt-4o',
    created_at: '2025-03-01T10:00:00.123456',
    updated_at: '2025-03-02T10:00:00+01:00',
    messages: [
      { role: 'system', content: 'be brief' },
      { role: 'user', content: 'Hello' },
      { role: 'assistant', content: 'Hi!' },
      { role: 'user', content: 'And?' },
    ],
  };

  test('become conversations, and only once', () => {
    write('a.json', old);
    write('b.json', { ...old, id: 'second', created_at: 1_740_000_000, updated_at: 1_740_000_000.5, messages: [] });
    write('notes.txt', 'no conversation');
    const history = openHistory();
    expect(history.import(readCllmJson(directory()))).toMatchObject({ added: 2 });
    const [conversation, empty] = history.list();
    expect(conversation).toMatchObject({
      title: 'Hello',
      system: 'be brief',
      model: 'gpt-4o',
      turnCount: 2,
      createdAt: '2025-03-01T10:00:00.123Z',
      updatedAt: '2025-03-02T09:00:00.000Z',
    });
    expect(empty).toMatchObject({ title: '(no text)', turnCount: 0, createdAt: '2025-02-19T21:20:00.000Z' });
    const turns = history.turns(String(conversation?.id));
    expect(
      turns.map(({ messages, completion, verdict, endedAt }) => [
        messages[0]?.content,
        completion?.choices[0]?.message.content,
        verdict,
        endedAt === null,
      ]),
    ).toEqual([
      ['Hello', 'Hi!', null, false],
      ['And?', undefined, null, true],
    ]);
    expect(history.import(readCllmJson(directory()))).toMatchObject({ added: 0, unchanged: 2 });
    expect(history.verify().problems).toEqual([]);
    write('a.json', {
      ...old,
      messages: [...old.messages, { role: 'assistant', content: 'So.' }, { role: 'user', content: 'Bye' }],
    });
    expect(history.import(readCllmJson(directory()))).toMatchObject({ extended: 1, unchanged: 1 });
    expect(history.turns(String(conversation?.id)).map(({ messages }) => messages[0]?.content)).toEqual([
      'Hello',
      'And?',
      'Bye',
    ]);
  });

  test.each(['{', '[]', '{"id":1,"messages":[]}', '{"id":"x","messages":[{"role":"user"}]}', '{"id":"x"}'])(
    'are refused when they are not that: %s',
    (text) => {
      write('bad.json', text);
      expect(() => openHistory().import(readCllmJson(directory()))).toThrow(
        expect.objectContaining({ code: 'input_invalid', message: expect.stringContaining('bad.json') }),
      );
    },
  );

  test('are looked for in a directory', () => {
    expect(() => [...readCllmJson(join(directory(), 'missing'))]).toThrow(
      expect.objectContaining({ code: 'input_invalid' }),
    );
  });

  test('are converted with a null verdict: nobody kept how they ended', () => {
    const history = openHistory();
    write('a.json', old);
    history.import(readCllmJson(directory()));
    expect(history.turns(String(history.latest()?.id))[0]).toMatchObject({
      verdict: null,
      error: null,
      completion: { usage: null, model: 'gpt-4o' },
    });
    expect(ended('').verdict).toBe('complete');
  });
});
