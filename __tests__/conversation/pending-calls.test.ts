import { describe, expect, test } from '@jest/globals';
import { isUnfinished, pendingCalls } from '../../src/conversation/pending-calls.ts';
import type { Turn } from '../../src/history/history.ts';
import type { Verdict } from '../../src/outcome/exits.ts';
import type { ChatMessage, CompletionMessage } from '../../src/protocol/types.ts';
import { completionOf } from '../support/history-samples.ts';

interface Said {
  asks?: ChatMessage[];
  /** Null is none. */
  replies?: Partial<CompletionMessage> | null;
  verdict?: Verdict | null;
}

const prompt: ChatMessage = { role: 'user', content: 'hi' };
const answer: ChatMessage = { role: 'tool', tool_call_id: 'call_a', content: '4' };
const calls = {
  content: null,
  tool_calls: [{ id: 'call_a', type: 'function', function: { name: 'add', arguments: '{"n":1}' } }],
} as Partial<CompletionMessage>;

const turns = (...all: Said[]): Turn[] =>
  all.map(({ asks = [prompt], replies = { content: 'ok' }, verdict = 'complete' }, at) => {
    const completion = completionOf('');
    if (replies !== null) Object.assign(completion.choices[0]?.message ?? {}, replies);
    return {
      id: `t${at}`,
      seq: at + 1,
      createdAt: '',
      endedAt: '',
      model: 'm',
      messages: asks,
      request: { tools: [at] },
      template: null,
      completion: replies === null ? null : completion,
      verdict,
      error: null,
      receipt: null,
    };
  });

describe('the calls that a conversation stopped at', () => {
  test.each<[string, Said[]]>([
    ['of the last turn', [{ replies: calls }]],
    ['behind other turns', [{}, { replies: calls }]],
    ['when what was asked since got no reply', [{ replies: calls }, { replies: null, verdict: 'error' }]],
  ])('are there: %s', (_name, said) => {
    const all = turns(...said);
    const at = said.findIndex(({ replies }) => replies === calls);
    expect(pendingCalls(all)).toMatchObject({
      turnId: `t${at}`,
      completion: all[at]?.completion,
      calls: [{ id: 'call_a', name: 'add', input: '{"n":1}' }],
      request: { tools: [at] },
    });
    expect(isUnfinished(all)).toBe(true);
  });

  test.each<[string, Said[]]>([
    ['in no conversation', []],
    ['where nothing came', [{ replies: null, verdict: 'error' }]],
    ['in a reply without calls', [{}]],
    ['that another reply followed', [{ replies: calls }, {}]],
    ['that were answered, whatever came of that', [{ replies: calls }, { asks: [answer], replies: null }]],
    ['of a reply that is not whole', [{ replies: calls, verdict: 'cut' }]],
    ['of one that nobody ended', [{ replies: calls, verdict: null }]],
  ])('are not: %s', (_name, said) => {
    expect(pendingCalls(turns(...said))).toBeNull();
  });

  test('are still, behind an answer to earlier ones', () => {
    expect(pendingCalls(turns({ replies: calls }, { asks: [answer], replies: calls }))?.turnId).toBe('t1');
  });
});

describe('to go on without a prompt', () => {
  const answered = (last: Said): Turn[] => turns({ replies: calls }, { asks: [answer], ...last });

  test.each<[string, Said]>([
    ['no reply', { replies: null, verdict: 'error' }],
    ['a reply that began with nothing', { replies: { content: '' }, verdict: 'cut' }],
    ['one without words', { replies: { content: null }, verdict: 'interrupted' }],
    ['no end', { replies: null, verdict: null }],
  ])('there are answers to which came %s', (_name, last) => {
    expect(isUnfinished(answered(last))).toBe(true);
  });

  test.each<[string, Said]>([
    ['a reply', {}],
    ['an empty reply that is whole', { replies: { content: '' } }],
    ['the first words of one', { replies: { content: 'It i' }, verdict: 'cut' }],
    ['a refusal', { replies: { content: null, refusal: 'no' }, verdict: 'cut' }],
  ])('there is nothing behind answers with %s', (_name, last) => {
    expect(isUnfinished(answered(last))).toBe(false);
  });

  test.each<[string, Said[]]>([
    ['no turn', []],
    ['a prompt that got no reply', [{ replies: null, verdict: 'error' }]],
    ['a prompt behind answers in the middle', [{ asks: [prompt, answer], replies: null, verdict: 'error' }]],
  ])('there is nothing: %s', (_name, said) => {
    expect(isUnfinished(turns(...said))).toBe(false);
  });
});
