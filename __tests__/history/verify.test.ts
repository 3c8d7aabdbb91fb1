import { DatabaseSync } from '../support/sqlite.ts';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { addTurn, newTurn, openHistory } from '../support/history-samples.ts';
import { useTemporaryDirectory } from '../support/temporary-directory.ts';

const directory = useTemporaryDirectory();
const pathOf = (): string => join(directory(), 'data', 'history.db');

function damaged(sql: string): ReturnType<typeof openHistory> {
  const history = openHistory(pathOf());
  const id = addTurn(history, 'one', 'the reply', { name: 'plan', system: 'be brief' });
  addTurn(history, 'two', 'II', { id });
  history.beginTurn(newTurn('open', { id }));
  const fork = history.fork(id, { atSeq: 1, name: 'fork' });
  addTurn(history, 'zwei', 'B', { id: fork.id });
  history.close();
  const database = new DatabaseSync(pathOf(), { enableForeignKeyConstraints: false, defensive: false });
  database.exec(sql);
  database.close();
  return openHistory(pathOf());
}

describe('verify', () => {
  test('finds nothing in a sound history, and counts what it looked at', () => {
    expect(damaged('').verify()).toEqual({ conversations: 2, turns: 4, problems: [] });
  });

  test.each([
    [
      "UPDATE turns SET messages = replace(messages, 'one', 'One') WHERE seq = 1",
      'turn',
      /^the prompt of turn 1 of conversation \w+ is not as it was written$/,
    ],
    ["UPDATE turns SET model = 'other' WHERE seq = 1", 'turn', /the prompt of turn 1/],
    [
      "UPDATE turns SET completion = replace(completion, 'reply', 'Reply') WHERE seq = 1",
      'turn',
      /^the reply of turn 1/,
    ],
    ["UPDATE turns SET verdict = 'complete' WHERE ended_at IS NULL", 'turn', /^the reply of turn 3/],
    ['UPDATE turns SET receipt = NULL WHERE seq = 1', 'turn', /^the reply of turn 1/],
    [
      "UPDATE conversations SET system = 'be verbose' WHERE name = 'plan'",
      'conversation',
      /^conversation \w+ is not as it was written$/,
    ],
    ["UPDATE conversations SET parent_seq = 2 WHERE name = 'fork'", 'order', /has a gap/],
    ["DELETE FROM turns WHERE messages LIKE '%two%'", 'order', /has a gap in its turns$/],
    ["UPDATE conversations SET turn_count = 7 WHERE name = 'plan'", 'order', /has a gap/],
    [
      "UPDATE turns SET conversation_id = 'gone' WHERE messages LIKE '%zwei%'",
      'order',
      /belongs to a conversation that is not there/,
    ],
    ["INSERT INTO turns_search (turns_search) VALUES ('delete-all')", 'search', /the search index/],
    ["UPDATE turns_search_data SET block = x'00ff00ff00ff'", 'search', /./],
  ])('after %s', (sql, kind, message) => {
    const { problems } = damaged(sql).verify();
    expect(problems).toContainEqual({ kind, message: expect.stringMatching(message) });
  });

  test('names places and never shows the text', () => {
    const { problems } = damaged("UPDATE turns SET messages = replace(messages, 'one', 'secret')").verify();
    expect(JSON.stringify(problems)).not.toContain('secret');
  });

  test('the search index can be built again', () => {
    const history = damaged("INSERT INTO turns_search (turns_search) VALUES ('delete-all')");
    expect(history.search('reply')).toEqual([]);
    history.rebuildSearch();
    expect(history.search('reply')).toHaveLength(1);
    expect(history.verify().problems).toEqual([]);
  });
});
