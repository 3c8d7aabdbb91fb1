import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { runningOutcome, unknownOutcome } from '../../src/history/tool-runs.ts';
import { ended, newTurn, openHistory } from '../support/history-samples.ts';
import { DatabaseSync } from '../support/sqlite.ts';
import { useTemporaryDirectory } from '../support/temporary-directory.ts';

const directory = useTemporaryDirectory();
const pathOf = (): string => join(directory(), 'data', 'history.db');

/** A turn of a new conversation, with one call that ended, one that runs, and one that was begun by nobody. */
function begun(path = pathOf()) {
  // A process that is no more: pids end at 4194304.
  const history = openHistory(path, { pid: 2 ** 22 + 1 });
  const { conversationId, turnId } = history.beginTurn(newTurn('question', { name: 'plan', system: null }));
  history.endTurn(turnId, ended('reply'));
  expect(history.beginToolRun(turnId, 0, 'rule')).toBe(true);
  history.endToolRun(turnId, 0, { isError: false, content: 'five\0' });
  expect(history.beginToolRun(turnId, 1, 'person')).toBe(true);
  return { history, conversationId, turnId };
}

describe('what became of calls', () => {
  test('is begun once, whoever asks again', () => {
    const { history, turnId } = begun();
    expect(history.beginToolRun(turnId, 0, 'person')).toBe(false);
    expect(openHistory(pathOf()).beginToolRun(turnId, 1, 'rule')).toBe(false);
    expect(history.toolRuns(turnId)).toMatchObject([
      { place: 0, decidedBy: 'rule', isError: false, content: 'five\u{fffd}' },
      { place: 1, decidedBy: 'person', endedAt: null, content: null },
    ]);
  });

  test('is told to the model also where no end is known', () => {
    const { turnId } = begun();
    expect([...openHistory(pathOf(), { pid: process.pid }).callOutcomes(turnId)]).toEqual([
      [0, { content: 'five\u{fffd}', isError: false, runningIn: null }],
      [1, { content: unknownOutcome, isError: true, runningIn: null }],
    ]);
  });

  test('is told as running while its process runs, to others than itself, until it has ended', () => {
    const parent = openHistory(pathOf(), { pid: process.ppid });
    const { turnId } = parent.beginTurn(newTurn('question'));
    parent.beginToolRun(turnId, 0, 'rule');
    const other = openHistory(pathOf(), { pid: process.pid });
    expect(other.callOutcomes(turnId).get(0)).toEqual({
      content: runningOutcome,
      isError: true,
      runningIn: process.ppid,
    });
    expect(parent.callOutcomes(turnId).get(0)).toMatchObject({ content: unknownOutcome, runningIn: null });
    parent.endToolRun(turnId, 0, { isError: false, content: 'five' });
    expect(other.callOutcomes(turnId).get(0)).toEqual({ content: 'five', isError: false, runningIn: null });
    expect(other.verify().problems).toEqual([]);
  });

  test.each(['{}', 'no JSON', '{"pid":1.5,"startedAt":"1","realm":"x"}', 'null'])(
    'with an owner that nobody can be (%s) was interrupted',
    (owner) => {
      const { history, turnId } = begun();
      history.close();
      const database = new DatabaseSync(pathOf());
      database.prepare('UPDATE tool_runs SET owner = ? WHERE place = 1').run(owner);
      database.close();
      expect(openHistory(pathOf(), { pid: process.pid }).callOutcomes(turnId).get(1)).toMatchObject({
        content: unknownOutcome,
      });
    },
  );

  test('goes with its turn, and a grant with its conversation', () => {
    const { history, conversationId, turnId } = begun();
    history.grantTool(conversationId, 'mcp:math/add');
    expect(history.toolGrants(conversationId)).toEqual(['mcp:math/add']);
    history.delete('plan');
    expect(history.toolRuns(turnId)).toEqual([]);
    expect(history.toolGrants(conversationId)).toEqual([]);
    expect(() => history.beginToolRun(turnId, 2, 'rule')).toThrow('no longer in the history');
    history.endToolRun(turnId, 1, { isError: false, content: 'late' });
    history.grantTool(conversationId, 'mcp:math/add');
    expect([history.toolRuns(turnId), history.toolGrants(conversationId)]).toEqual([[], []]);
  });

  test('stays with a turn that a fork takes over, which has none of the grants', () => {
    const { history, conversationId, turnId } = begun();
    history.grantTool(conversationId, 'mcp:math/add');
    const fork = history.fork('plan', { name: 'other' });
    history.delete('plan');
    expect(history.turns(fork.id).map(({ id }) => id)).toEqual([turnId]);
    expect(history.toolRuns(turnId)).toHaveLength(2);
    expect(history.toolGrants(fork.id)).toEqual([]);
  });

  test('is exported and imported, without grants', () => {
    const { history, conversationId, turnId } = begun();
    history.grantTool(conversationId, 'mcp:math/add');
    const other = openHistory(join(directory(), 'other', 'history.db'));
    other.import(history.export());
    expect(other.toolRuns(turnId)).toEqual(history.toolRuns(turnId));
    expect(other.toolGrants(conversationId)).toEqual([]);
    expect(other.verify().problems).toEqual([]);
  });

  test.each([
    ['two of one place', [run(0), run(0)]],
    ['an unknown decider', [{ ...run(0), decided_by: 'god' }]],
    ['an end without a content', [{ ...run(0), content: null }]],
    ['a place that is none', [{ ...run(0), place: -1 }]],
    ['no list', {}],
  ])('is not imported with %s', (_, runs) => {
    const { history } = begun();
    const [line = ''] = history.export();
    const conversation = JSON.parse(line) as { turns: Record<string, unknown>[] };
    (conversation.turns[0] as Record<string, unknown>)['tool_runs'] = runs;
    const other = openHistory(join(directory(), 'other', 'history.db'));
    expect(() => other.import([JSON.stringify(conversation)])).toThrow('"tool_runs" is not what it should be');
  });

  test('that is not as it was written is noticed', () => {
    const { history, turnId } = begun();
    expect(history.verify().problems).toEqual([]);
    history.close();
    const database = new DatabaseSync(pathOf());
    database.exec("UPDATE tool_runs SET content = 'six' WHERE place = 0");
    database.close();
    expect(openHistory(pathOf()).verify().problems).toEqual([
      { kind: 'turn', message: `what a call of turn ${turnId} came to is not as it was written` },
    ]);
  });
});

function run(place: number): Record<string, unknown> {
  const time = '2026-11-27T10:00:00.000Z';
  return { place, decided_by: 'rule', started_at: time, ended_at: time, is_error: false, content: 'five' };
}
