import { DatabaseSync } from '../support/sqlite.ts';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';

import { conversationJson, conversationText } from '../../src/cli/views/conversation.ts';
import { contextOf } from '../../src/conversation/conversation-context.ts';
import { conversationMarkdown } from '../../src/history/markdown.ts';
import { addTurn, openHistory } from '../support/history-samples.ts';
import { jsonOf, OddValues } from '../support/odd-completions.ts';
import { seed } from '../support/seed.ts';
import { useTemporaryDirectory } from '../support/temporary-directory.ts';

const directory = useTemporaryDirectory();

/** What String() throws at. */
const unprintable = [{ role: 'user', content: [{ type: { toString: 1, valueOf: 1 } }] }];

/** Rows that a hand or another program wrote: every column of JSON holds some JSON. */
test(`show, export, verify and the next turn survive any JSON in a row (seed ${seed})`, () => {
  const odd = new OddValues(seed);
  const file = join(directory(), 'history.db');
  const made = openHistory(file);
  const id = addTurn(made, 'one', 'I');
  addTurn(made, 'two', 'II', { id });
  made.close();
  for (let round = 0; round < 300; round += 1) {
    const columns = {
      messages: jsonOf(
        round === 0
          ? unprintable
          : odd.pick([odd.value(4), [{ role: 'user', content: odd.value(3) }], [odd.value(2), odd.object(3)]]),
      ),
      completion: jsonOf(odd.pick([odd.value(4), odd.completion()])),
      receipt: jsonOf(odd.value(3)),
      error: jsonOf(odd.value(3)),
      request: jsonOf(odd.value(3)),
      verdict: odd.pick(['complete', 'great', '', 'cut']),
    };
    const database = new DatabaseSync(file);
    database
      .prepare(
        `UPDATE turns SET ${Object.keys(columns)
          .map((name) => `${name} = ?`)
          .join(', ')} WHERE seq = 1`,
      )
      .run(...Object.values(columns));
    database.close();
    const history = openHistory(file);
    try {
      const summary = history.find(id);
      const turns = history.turns(id);
      expect(turns).toHaveLength(2);
      for (const shown of [conversationText(summary, turns), conversationMarkdown(summary, turns)]) {
        expect(shown).toContain('II');
      }
      JSON.parse(JSON.stringify(conversationJson(summary, turns)));
      expect(contextOf(turns, { system: null, model: 'm' }).messages.at(-1)).toEqual({
        role: 'assistant',
        content: 'II',
      });
      const [line] = [...history.export()];
      expect(JSON.parse(String(line))).toMatchObject({ id, turns: [{ seq: 1 }, { seq: 2 }] });
      expect(history.verify().problems).toContainEqual({
        kind: 'turn',
        message: `the prompt of turn 1 of conversation ${id} is not as it was written`,
      });
      history.search('II');
    } catch (error) {
      throw new Error(`of ${JSON.stringify(columns)}`, { cause: error });
    } finally {
      history.close();
    }
  }
});
