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
