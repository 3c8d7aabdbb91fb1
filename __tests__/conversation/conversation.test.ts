import { UsageError } from '../../src/outcome/errors.ts';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { LiteLLMClient } from '../../src/client/client.ts';
import { Conversation } from '../../src/conversation/conversation.ts';
import type { TurnObserver } from '../../src/conversation/turn.ts';
import { textOf } from '../../src/conversation/result-object.ts';
import { type FakeUpstream, errorReply, startFakeUpstream, textReply } from '../support/fake-upstream.ts';
import { openHistory } from '../support/history-samples.ts';
import { useClosing } from '../support/closed-after.ts';

const closing = useClosing();

let upstream: FakeUpstream;
beforeAll(async () => {
  upstream = await startFakeUpstream();
});
afterAll(() => upstream.close());

const fail = (): never => {
  throw new RangeError('the view is broken');
};
const failLater = (): Promise<never> => Promise.reject(new RangeError('the view is broken'));

describe('an observer that throws', () => {
  test.each<[string, TurnObserver]>([
    ['at the beginning', { begin: fail }],
    ['at the beginning, later', { begin: failLater }],
    ['at a retry', { retry: fail }],
    ['at an arrival', { arrival: fail }],
    ['at an arrival, later', { arrival: failLater }],
  ])('%s: the reply is taken to its end and committed, and then it is said', async (_when, observer) => {
    upstream.reply(errorReply(500, 'once', { headers: { 'retry-after': '0' } }), textReply('a whole reply, in pieces'));
    const history = openHistory();
    const client = closing(new LiteLLMClient({ baseUrl: upstream.baseUrl }));
    const conversation = new Conversation(client, { history, journal: null, problem: null });
    const sent = conversation.send({
      messages: [{ role: 'user', content: 'hi' }],
      body: { model: 'fake' },
      observer,
    });
    await expect(sent).rejects.toThrow('the view is broken');
    const [turn] = history.turns(conversation.state.id ?? '');
    expect(turn).toMatchObject({ verdict: 'complete', error: null });
    expect(textOf(turn?.completion ?? null)).toBe('a whole reply, in pieces');
    history.close();
  });
});

test('the proxy gets a session with each turn: the conversation, or one of its own where none is kept', async () => {
  const history = openHistory();
  const client = closing(new LiteLLMClient({ baseUrl: upstream.baseUrl }));
  const before = upstream.chatRequests.length;
  const sessions = (): unknown[] =>
    upstream.chatRequests.slice(before).map(({ headers }) => headers['x-litellm-session-id']);
  const ask = { messages: [{ role: 'user' as const, content: 'hi' }], body: { model: 'fake' } };
  const kept = new Conversation(client, { history, journal: null, problem: null });
  await kept.send(ask);
  await kept.send(ask);
  const free = new Conversation(client, { history: null, journal: null, problem: null });
  await free.send(ask);
  await free.send(ask);
  await new Conversation(client, { history: null, journal: null, problem: null }).send({ ...ask, sessionId: 'a-run' });
  const [first, second, third, fourth, fifth] = sessions();
  expect([first, second]).toEqual([kept.state.id, kept.state.id]);
  expect(third).toMatch(/^cllm-\w+-\w+$/);
  expect(fourth).toBe(third);
  expect(fifth).toBe('a-run');
  const named = closing(new LiteLLMClient({ baseUrl: upstream.baseUrl, headers: { 'x-litellm-session-id': 'mine' } }));
  await named.stream({ model: 'fake', messages: 'hi' }, { sessionId: 'ours' }).result();
  expect(sessions().at(-1)).toBe('mine');
  for (const sessionId of ['', 'a b', 'a\r\nx: y', 'x'.repeat(201)])
    expect(() => client.stream({ model: 'fake', messages: 'hi' }, { sessionId })).toThrow(UsageError);
  history.close();
});
