import { describe, expect, test } from '@jest/globals';
import { contextOf } from '../../src/conversation/conversation-context.ts';
import type { Turn } from '../../src/history/history.ts';
import type { CompletionMessage } from '../../src/protocol/types.ts';
import { openHistory } from '../support/history-samples.ts';
import type { Verdict } from '../../src/outcome/exits.ts';

/** A turn as the history gives it back. */
function turnWith(message: Partial<CompletionMessage>, verdict: Verdict = 'complete'): Turn[] {
  const history = openHistory();
  const { conversationId, turnId } = history.beginTurn({
    conversation: { name: null, system: null },
    messages: [{ role: 'user', content: 'why?' }],
    model: 'a-model',
  });
  history.endTurn(turnId, {
    completion: {
      id: 'c',
      object: 'chat.completion',
      created: 1,
      model: 'a-model',
      choices: [{ index: 0, message: { role: 'assistant', content: 'because', ...message }, finish_reason: 'stop' }],
      usage: null,
    },
    verdict,
    error: null,
    receipt: null,
  });
  return history.turns(conversationId);
}

const sentBack = (turns: Turn[], model = 'a-model'): unknown =>
  contextOf(turns, { system: null, model }).messages.at(-1);
const plain = { role: 'assistant', content: 'because' };

describe('what a model thought', () => {
  const details = [{ type: 'reasoning.encrypted', data: 'abc' }];
  const signed = [{ type: 'thinking', thinking: 'hm', signature: 's' }];
  test.each<[string, Partial<CompletionMessage>, object]>([
    ['signed blocks', { thinking_blocks: signed }, { thinking_blocks: signed }],
    ['reasoning details', { reasoning_details: details }, { reasoning_details: details }],
    [
      'reasoning details where LiteLLM leaves them',
      { provider_specific_fields: { reasoning_details: details, other: 1 } },
      { reasoning_details: details },
    ],
    [
      'thought signatures',
      { provider_specific_fields: { thought_signatures: ['s'], other: 1 } },
      { provider_specific_fields: { thought_signatures: ['s'] } },
    ],
  ])('goes back to it, and to no other: %s', (_name, message, carried) => {
    expect(sentBack(turnWith(message))).toEqual({ ...plain, ...carried });
    expect(sentBack(turnWith(message), 'another')).toEqual(plain);
    expect(sentBack(turnWith(message, 'interrupted'))).toEqual(plain);
  });

  test.each<[string, Partial<CompletionMessage>]>([
    ['unsigned blocks', { thinking_blocks: [...signed, { type: 'thinking', thinking: 'hm' }] }],
    ['the text of it', { reasoning_content: 'hm' }],
    ['empty lists', { reasoning_details: [], provider_specific_fields: { thought_signatures: [] } }],
    ['what is no list', { reasoning_details: 'x', provider_specific_fields: { thought_signatures: 's' } }],
    ['members that nobody knows', { provider_specific_fields: { citations: ['c'] } }],
  ])('stays here: %s', (_name, message) => {
    expect(sentBack(turnWith(message))).toEqual(plain);
  });
});

test('a refusal goes back as text, and a partial reply is counted', () => {
  expect(sentBack(turnWith({ content: null, refusal: 'I will not' }))).toEqual({
    role: 'assistant',
    content: 'I will not',
  });
  expect(contextOf(turnWith({}, 'cut'), { system: null, model: 'a-model' }).partialReplies).toBe(1);
});

describe('which turns go along', () => {
  const context = (turns: Turn[], system: string | null = null) => contextOf(turns, { system, model: 'a-model' });
  const prompt = { role: 'user', content: 'why?' };
  const call = { id: 'c', type: 'function' as const, function: { name: 'f', arguments: '{}' } };

  test('the system prompt comes first, and none where there is none', () => {
    expect(context([], 'be brief').messages).toEqual([{ role: 'system', content: 'be brief' }]);
    expect(context([]).messages).toEqual([]);
  });

  test.each<[string, Turn[], unknown[], number]>([
    ['a whole one', turnWith({}), [prompt, plain], 0],
    ['one that was cut', turnWith({}, 'cut'), [prompt, plain], 1],
    ['one of calls alone, without its calls', turnWith({ content: null, tool_calls: [call] }), [prompt], 0],
    ['one without a reply', turnWith({}).map((turn) => ({ ...turn, completion: null })), [], 0],
    ['one of nothing', turnWith({ content: '' }), [], 0],
    ['one of an empty list of calls', turnWith({ content: null, tool_calls: [] }), [], 0],
    [
      'one without a choice',
      turnWith({}).map((turn) => ({ ...turn, completion: { ...turn.completion!, choices: [] } })),
      [],
      0,
    ],
    ['one whose prompt is lost', turnWith({}).map((turn) => ({ ...turn, damage: ['messages'] })), [], 0],
    ['one whose receipt is lost', turnWith({}).map((turn) => ({ ...turn, damage: ['receipt'] })), [prompt, plain], 0],
  ])('%s', (_name, turns, messages, partialReplies) => {
    expect(context(turns)).toEqual({ messages, partialReplies });
  });

  test('redacted thinking counts as signed', () => {
    const blocks = [{ type: 'redacted_thinking', data: 'x' }];
    expect(sentBack(turnWith({ thinking_blocks: blocks }))).toEqual({ ...plain, thinking_blocks: blocks });
  });
});
