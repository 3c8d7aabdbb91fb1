import { describe, expect, test } from '@jest/globals';
import path from 'node:path';
import type { ConversationState, TurnRequest } from '../../src/conversation/turn.ts';
import { contextFor, TurnKeeper } from '../../src/conversation/turn-keeper.ts';
import type { History } from '../../src/history/history.ts';
import { Journal } from '../../src/journal/journal.ts';
import type { ChatMessage } from '../../src/protocol/types.ts';
import { identifyProcess } from '../../src/files/process-identity.ts';
import { addTurn, completionOf, ended, newTurn, openHistory, uid } from '../support/history-samples.ts';
import { useTemporaryDirectory } from '../support/temporary-directory.ts';

const directory = useTemporaryDirectory();
const prompt: ChatMessage = { role: 'user', content: 'and now?' };
const answer: ChatMessage = { role: 'tool', tool_call_id: 'call_a', content: '4' };
const turn = (change: Partial<TurnRequest> = {}): TurnRequest => ({
  messages: [prompt],
  body: { model: 'm', temperature: 0 },
  ...change,
});
const kept = (...given: ConstructorParameters<typeof TurnKeeper>): TurnKeeper => new TurnKeeper(...given);
const stateOf = (id: string | null, change: Partial<ConversationState> = {}): ConversationState => ({
  id,
  name: null,
  system: null,
  hasNewSystem: false,
  model: null,
  isReadOnly: false,
  ...change,
});
const journalOf = (): Journal =>
  new Journal(path.join(directory(), 'journal'), {
    uid,
    identity: identifyProcess(process.pid),
    stateOf: () => 'gone',
  });

/** A conversation of prompts and replies. */
function conversationOf(history: History, ...texts: string[]): string {
  const id = addTurn(history, texts[0] ?? '', 'reply');
  for (const text of texts.slice(1)) addTurn(history, text, 'reply', { id });
  return id;
}

const said = ({ messages }: { messages: readonly ChatMessage[] }): unknown[] =>
  messages.filter(({ role }) => role === 'user').map(({ content }) => content);

describe('what goes along with a turn', () => {
  const history = openHistory();
  const turns = history.turns(conversationOf(history, 'one', 'two', 'three'));
  const context = (answers?: string | null): unknown[] =>
    said(contextFor(turns, { system: null }, { ...turn(), ...(answers !== undefined && { answers }) }, history));

  test('is all that came before', () => {
    for (const answers of [undefined, null, 'of another']) expect(context(answers)).toEqual(['one', 'two', 'three']);
  });

  test('is what came up to the turn whose calls it answers, that turn included', () => {
    expect(turns.map(({ id }) => context(id))).toEqual([['one'], ['one', 'two'], ['one', 'two', 'three']]);
  });

  test('is nothing for the first', () => {
    expect(contextFor([], { system: null }, turn(), null).messages).toEqual([]);
  });
});

describe('calls of an earlier turn', () => {
  const calling = completionOf('');
  Object.assign(calling.choices[0]?.message ?? {}, {
    tool_calls: [{ id: 'call_a', type: 'function', function: { name: 'add', arguments: '{}' } }],
  });

  test('go along with what became of them, which the history knows', () => {
    const history = openHistory();
    const { conversationId, turnId } = history.beginTurn(newTurn('what is 2 + 2?'));
    history.endTurn(turnId, { ...ended(''), completion: calling });
    history.beginToolRun(turnId, 0, 'rule');
    history.endToolRun(turnId, 0, { content: 'it is 4', isError: false });
    const answers = (given: History | null): unknown[] =>
      contextFor(history.turns(conversationId), { system: null }, turn(), given)
        .messages.filter(({ role }) => role === 'tool')
        .map(({ content }) => content);
    expect(answers(history)).toEqual([expect.stringContaining('it is 4')]);
    expect(answers(null)).not.toEqual([expect.stringContaining('it is 4')]);
  });
});

describe('a conversation that was deleted meanwhile', () => {
  const deleted = (): { history: History; state: ConversationState } => {
    const history = openHistory();
    const id = conversationOf(history, 'one');
    history.delete(id);
    return { history, state: stateOf(id) };
  };

  test('takes no answers to its calls: nothing is asked', () => {
    const { history, state } = deleted();
    const keep = (): unknown =>
      kept({ history, journal: null, problem: null }, state, turn({ messages: [answer] }), 'http://p');
    expect(keep).toThrow(
      expect.objectContaining({ code: 'history_unsaved', message: expect.stringContaining('while its tools ran') }),
    );
  });

  test('has its prompt answered, and says that it is not kept', () => {
    const { history, state } = deleted();
    const journal = journalOf();
    const keeper = kept({ history, journal, problem: null }, state, turn(), 'http://p');
    const unsaved = keeper.commit({ completion: completionOf('yes'), verdict: 'complete', receipt: null, error: null });
    expect(unsaved).toMatchObject({ code: 'history_unsaved', hint: expect.stringContaining('cllm recover') });
    expect(journal.unfinished()).toHaveLength(1);
  });
});

describe('a turn that has no history', () => {
  test('is in the journal with all that a row would have', () => {
    const journal = journalOf();
    const template = { name: 'review', digest: 'sha256:0', variables: {} };
    kept(
      { history: null, journal, problem: null },
      stateOf(null, { name: 'n', system: 's' }),
      turn({ template }),
      'http://p',
    );
    expect(journal.unfinished()).toMatchObject([
      {
        turn: {
          name: 'n',
          system: 's',
          messages: [prompt],
          model: 'm',
          request: { temperature: 0 },
          baseUrl: 'http://p',
          template,
        },
      },
    ]);
  });

  test('names no template where there was none', () => {
    const journal = journalOf();
    expect(kept({ history: null, journal, problem: null }, stateOf(null), turn(), 'http://p').turnId).toBeNull();
    expect(journal.unfinished()[0]?.turn).not.toHaveProperty('template');
  });

  test('and no journal either is nobody’s loss, unless somebody wanted it', () => {
    const end = { completion: completionOf('yes'), verdict: 'complete', receipt: null, error: null } as const;
    const keeper = kept({ history: null, journal: null, problem: null }, stateOf(null), turn(), 'http://p');
    keeper.head({ status: 200, headers: {} } as never);
    keeper.read(Buffer.from('x'));
    expect(keeper.commit(end)).toBeNull();
  });
});

test('what is only read adds nothing, and has what was said', () => {
  const history = openHistory();
  const id = conversationOf(history, 'one');
  const keeper = kept(
    { history, journal: journalOf(), problem: null },
    stateOf(id, { isReadOnly: true }),
    turn(),
    'http://p',
  );
  expect([said(keeper.context), keeper.turnId, history.turns(id).length]).toEqual([['one'], null, 1]);
});
