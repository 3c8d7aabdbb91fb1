import { describe, expect, test } from '@jest/globals';
import { contextOf, requestOf } from '../../src/conversation/conversation-context.ts';
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

describe('calls that are answered', () => {
  const prompt = { role: 'user', content: 'why?' };
  const call = (id: string | null, rest: object = {}) => ({
    id,
    type: 'function' as const,
    function: { name: 'add', arguments: '{"a":1}' },
    ...rest,
  });
  const called = (...calls: ReturnType<typeof call>[]): Turn[] => turnWith({ content: null, tool_calls: calls });
  const answer = (id: string, content = 'five') => ({ role: 'tool', tool_call_id: id, content });
  const wanted = (turns: Turn[], options: Partial<Parameters<typeof contextOf>[1]> = {}): unknown[] =>
    contextOf(turns, { system: null, model: 'a-model', ...options }).messages;
  const after = (turns: Turn[], ...messages: Turn['messages']): Turn[] => {
    const [last] = turnWith({});
    return [...turns, { ...(last as Turn), messages }];
  };

  test('go along with their answers, of the next turn or of the one that is sent', () => {
    const assistant = { role: 'assistant', content: null, tool_calls: [call('c')] };
    expect(wanted(called(call('c')), { next: [answer('c')] })).toEqual([prompt, assistant]);
    expect(wanted(after(called(call('c')), answer('c'), prompt))).toEqual([
      prompt,
      assistant,
      answer('c'),
      prompt,
      plain,
    ]);
  });

  test('keep what the provider put on them, which Gemini wants back', () => {
    const rest = { provider_specific_fields: { thought_signature: 's' } };
    expect(wanted(called(call('c', { ...rest, index: 0 })), { next: [answer('c')] })).toEqual([
      prompt,
      { role: 'assistant', content: null, tool_calls: [call('c', rest)] },
    ]);
  });

  test('have ids of their own where the provider gave none, or one twice', () => {
    const turns = called(call(null), call('c'), call('c'));
    const next = [answer('call_1'), answer('c'), answer('c_3')];
    expect(wanted(turns, { next })).toEqual([
      prompt,
      { role: 'assistant', content: null, tool_calls: [call('call_1'), call('c'), call('c_3')] },
    ]);
  });

  test('are all answered as soon as one is', () => {
    const turns = called(call('a'), call('b'), call('c'));
    const outcomes = (): Map<number, { content: string }> => new Map([[1, { content: 'kept' }]]);
    expect(wanted(turns, { next: [answer('a')], outcomes })).toEqual([
      prompt,
      { role: 'assistant', content: null, tool_calls: [call('a'), call('b'), call('c')] },
      answer('b', 'kept'),
      answer('c', 'This call was not run.'),
    ]);
  });

  test('go along with what they came to where no later turn holds it', () => {
    const outcomes = (): Map<number, { content: string }> => new Map([[0, { content: 'kept' }]]);
    expect(wanted(called(call('c')), { outcomes, next: [prompt] })).toEqual([
      prompt,
      { role: 'assistant', content: null, tool_calls: [call('c')] },
      answer('c', 'kept'),
    ]);
  });

  test('and their answers stay when the turn that has them got no reply', () => {
    const [failed] = turnWith({});
    const turns = [
      ...called(call('c')),
      { ...(failed as Turn), messages: [answer('c')], completion: null, verdict: null },
    ];
    expect(wanted(turns, { next: [prompt] })).toEqual([
      prompt,
      { role: 'assistant', content: null, tool_calls: [call('c')] },
      answer('c'),
    ]);
  });

  test('are dropped with answers that fit none of them', () => {
    expect(wanted(after(called(call('c')), answer('other'), prompt))).toEqual([prompt, prompt, plain]);
  });

  test('have arguments that are JSON', () => {
    const turns = called({ ...call('c'), function: { name: 'add', arguments: '{"a":' } });
    const empty = called({ ...call('c'), function: { name: 'add', arguments: '' } });
    expect(JSON.stringify(wanted(turns, { next: [answer('c')] }))).toContain(String.raw`{\"not_json\":`);
    expect(JSON.stringify(wanted(empty, { next: [answer('c')] }))).toContain('"arguments":"{}"');
  });

  test('bring definitions along where the request has none', () => {
    const next = [answer('c')];
    const context = contextOf(called(call('c')), { system: null, model: 'a-model', next });
    const tools = [{ type: 'function', function: { name: 'add', parameters: { type: 'object', properties: {} } } }];
    expect(requestOf(context, { messages: next, body: { model: 'a-model' } })).toMatchObject({
      tools,
      tool_choice: 'none',
    });
    expect(requestOf(context, { messages: next, body: { model: 'a-model', tools: [] } })).not.toHaveProperty(
      'tool_choice',
    );
    expect(requestOf(contextOf([], { system: null, model: 'm' }), { messages: next, body: { model: 'm' } })).toEqual({
      model: 'm',
      messages: next,
    });
  });
});
