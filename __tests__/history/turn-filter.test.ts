import { DatabaseSync } from '@photostructure/sqlite';
import path from 'node:path';
import { beforeEach, describe, expect, test } from '@jest/globals';
import type { History, TurnFilter } from '../../src/history/history.ts';
import { completionOf, newTurn, openHistory } from '../support/history-samples.ts';
import { useTemporaryDirectory } from '../support/temporary-directory.ts';

const directory = useTemporaryDirectory();
let history: History;

/** A turn that was had at a time of its own. */
function add(
  name: string,
  at: string,
  facts: { model?: string; verdict?: 'complete' | 'cut'; receipt?: Record<string, unknown> | null },
): void {
  const file = path.join(directory(), 'history.db');
  const dated = openHistory(file, { now: () => new Date(at) });
  const { turnId } = dated.beginTurn({
    ...newTurn(`word ${name}`, { name, system: `of ${name}` }),
    model: facts.model ?? 'asked',
  });
  dated.endTurn(turnId, {
    completion: completionOf('x'),
    verdict: facts.verdict ?? 'complete',
    error: null,
    receipt: facts.receipt ?? null,
  });
  dated.close();
}

beforeEach(() => {
  add('old', '2026-01-01T00:00:00.000Z', { model: 'small', receipt: { cost_usd: 0.5 } });
  add('cut', '2026-02-01T00:00:00.000Z', { verdict: 'cut', receipt: { cost_usd: '2', model_served: 'large' } });
  add('two', '2026-03-01T00:00:00.000Z', { model: 'small', receipt: { cost_usd: 0.75 } });
  add('two', '2026-03-02T00:00:00.000Z', { receipt: { cost_usd: 0.75 } });
  add('odd', '2026-04-01T00:00:00.000Z', { receipt: { cost_usd: true, model_served: { toString: 1 } } });
  add('free', '2026-05-01T00:00:00.000Z', { receipt: { cost_usd: -5 } });
  history = openHistory(path.join(directory(), 'history.db'));
});

describe.each<[TurnFilter, string[], string[]]>([
  [{}, ['free', 'odd', 'two', 'cut', 'old'], ['free', 'odd', 'two', 'two', 'cut', 'old']],
  [{ model: 'small' }, ['two', 'old'], ['two', 'old']],
  [{ model: 'large' }, ['cut'], ['cut']],
  [{ model: "a' OR 1=1 --" }, [], []],
  [{ verdict: 'cut' }, ['cut'], ['cut']],
  [{ since: new Date('2026-03-02') }, ['free', 'odd', 'two'], ['free', 'odd', 'two']],
  [{ until: new Date('2026-02-01') }, ['old'], ['old']],
  [{ since: new Date('2026-02-01'), until: new Date('2026-03-01') }, ['cut'], ['cut']],
  [{ costOver: 0 }, ['two', 'cut', 'old'], ['two', 'two', 'cut', 'old']],
  [{ costOver: 1 }, ['two', 'cut'], ['cut']],
  [{ costOver: 1, model: 'small' }, [], []],
  // One turn has to be all of it.
  [{ model: 'small', since: new Date('2026-03-02') }, [], []],
])('%j', (filter, listed, found) => {
  test('means these conversations, with their system prompts', () => {
    expect(history.list({ filter }).map(({ name, system }) => [name, system])).toEqual(
      listed.map((name) => [name, `of ${name}`]),
    );
    expect(history.list({ filter, limit: 1 }).map(({ name }) => name)).toEqual(listed.slice(0, 1));
  });

  test('means these turns, however many are shown', () => {
    expect(history.search('word', { filter }).map(({ name }) => name)).toEqual(found);
    expect(history.search('word', { filter, limit: 1 }).map(({ name }) => name)).toEqual(found.slice(0, 1));
  });
});

test('a receipt that is damaged is none', () => {
  const raw = new DatabaseSync(path.join(directory(), 'history.db'));
  raw.exec("UPDATE turns SET receipt = '{' WHERE verdict = 'cut'");
  raw.close();
  expect(history.list({ filter: { costOver: 0 } }).map(({ name }) => name)).toEqual(['two', 'old']);
  expect(history.search('word', { filter: { model: 'large' } })).toEqual([]);
});
