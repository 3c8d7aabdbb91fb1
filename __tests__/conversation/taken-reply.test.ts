import { describe, expect, test } from '@jest/globals';
import { sendForTaking, type Taking, type TakingOptions } from '../../src/conversation/taken-reply.ts';
import type { CallRecord, Step, TurnRequest, TurnResult } from '../../src/conversation/turn.ts';
import { CllmError } from '../../src/outcome/errors.ts';
import type { ChatMessage } from '../../src/protocol/types.ts';
import { completionOf } from '../support/history-samples.ts';

const prompt: ChatMessage = { role: 'user', content: 'a number' };
const turn: TurnRequest = { messages: [prompt], body: { model: 'm' } };
const mismatch = new CllmError('schema_mismatch', 'no number', { hint: 'shorten it' });

const reply = (text: string, change: Partial<TurnResult> = {}): TurnResult => ({
  conversationId: null,
  completion: completionOf(text),
  verdict: 'complete',
  receipt: null,
  error: null,
  unsaved: null,
  ...change,
});

/** Wants a number; what is none is complained about, and `never` for good. */
const number = {
  take({ completion, verdict }: Pick<TurnResult, 'completion' | 'verdict'>): Taking {
    const text = completion?.choices[0]?.message.content ?? '';
    if (verdict !== 'complete') return { taken: null, error: null, complaint: null };
    if (/^\d+$/.test(text)) return { taken: { text, note: null }, error: null, complaint: null };
    return { taken: null, error: mismatch, complaint: text === 'never' ? null : `${text} is no number` };
  },
};

/** Sends a turn to a conversation that replies so; gives what came of it, and what was sent. */
async function taking(replies: TurnResult[], options: Partial<TakingOptions> = {}, request = turn) {
  const sent: TurnRequest[] = [];
  const told: unknown[] = [];
  const { result, taking: found } = await sendForTaking(
    {
      send: async (each) => {
        sent.push(each);
        const next = replies[sent.length - 1];
        if (next === undefined) throw new Error('it was asked once more than there are replies');
        return next;
      },
    },
    request,
    {
      form: number,
      retries: 3,
      isKept: () => false,
      onReply: (each) => told.push(each.completion?.choices[0]?.message.content),
      mayGoOn: () => true,
      refuse: null,
      ...options,
    },
  );
  return { result, ...found, sent: sent.map(({ messages }) => messages), requests: sent, told };
}

const call: CallRecord = { name: 'f', id: 'a', input: '{}', decision: 'allowed', by: 'rule', rule: 'f', result: null };
const answered = { text: '1', isError: false, durationMs: 1 };
const step = (calls: CallRecord[] = []): Step => ({
  completion: completionOf('s'),
  verdict: 'complete',
  receipt: null,
  calls,
});

describe('a reply of the form', () => {
  test('is taken at once', async () => {
    const { result, taken, error, sent, told } = await taking([reply('42')]);
    expect([result.completion, taken, error, sent, told]).toEqual([
      completionOf('42'),
      { text: '42', note: null },
      null,
      [[prompt]],
      ['42'],
    ]);
  });

  test('is asked for again with what was wrong, until it comes', async () => {
    const { taken, sent, told } = await taking([reply('one'), reply('two'), reply('3')]);
    expect([taken?.text, told]).toEqual(['3', ['one', 'two', '3']]);
    const first = [
      { role: 'assistant', content: 'one' },
      { role: 'user', content: 'one is no number' },
    ];
    const second = [
      { role: 'assistant', content: 'two' },
      { role: 'user', content: 'two is no number' },
    ];
    expect(sent).toEqual([[prompt], [prompt, ...first], [prompt, ...first, ...second]]);
  });

  test('of a conversation that is kept is asked for with the complaint alone', async () => {
    const { sent } = await taking([reply('one'), reply('3')], { isKept: () => true });
    expect(sent).toEqual([[prompt], [{ role: 'user', content: 'one is no number' }]]);
  });

  test('behind a loop of tools is asked for with what the loop said', async () => {
    const asked: ChatMessage[] = [prompt, { role: 'tool', tool_call_id: 'a', content: '1' }];
    const { sent } = await taking([reply('one', { asked }), reply('3')]);
    expect(sent[1]?.slice(0, 2)).toEqual(asked);
  });

  test('costs what all tries cost, and what was rejected is marked so', async () => {
    const { result } = await taking([reply('one', { steps: [step()] }), reply('3', { steps: [step()] })]);
    expect(result.steps?.map(({ isRejected }) => isRejected ?? false)).toEqual([true, false]);
    expect((await taking([reply('one'), reply('3')])).result).not.toHaveProperty('steps');
  });
});

describe('no further try', () => {
  test.each<[string, TurnResult[], Partial<TakingOptions>]>([
    ['when there are none', [reply('one')], { retries: 0 }],
    ['when they are used up', [reply('one'), reply('two'), reply('three')], { retries: 2 }],
    ['without money', [reply('one')], { mayGoOn: () => false }],
    ['when asking again is no use', [reply('never')], {}],
  ])('is made %s: the mismatch decides', async (_name, replies, options) => {
    const { taken, error, sent } = await taking(replies, options);
    expect([taken, error, sent.length]).toEqual([null, mismatch, replies.length]);
  });

  test('is made after a signal', async () => {
    const stopping = new AbortController();
    const request = { ...turn, signal: stopping.signal };
    const { error, sent } = await taking([reply('one')], { onReply: () => stopping.abort() }, request);
    expect([error, sent.length]).toEqual([mismatch, 1]);
  });

  test.each<[string, Partial<TurnResult>]>([
    ['broke off', { verdict: 'cut', error: new CllmError('stream_cut', 'lost') }],
    ['was whole, and could not be saved', { error: new CllmError('history_unusable', 'full') }],
  ])('is made for one that %s', async (_name, change) => {
    const { result, sent } = await taking([reply('one', change)]);
    expect([result.error, sent.length]).toEqual([change.error, 1]);
  });

  test('is made that would be too long, and the first mismatch still decides', async () => {
    const looked: (readonly ChatMessage[])[] = [];
    const { error, sent } = await taking([reply('one')], {
      refuse: async (messages) => {
        looked.push(messages);
        return new CllmError('input_too_large', 'too long');
      },
    });
    expect(error).toMatchObject({
      code: 'schema_mismatch',
      message: 'no number; it was not asked for again: too long',
      hint: 'shorten it',
    });
    expect([sent.length, looked.map((messages) => messages.length)]).toEqual([1, [3]]);
    expect((await taking([reply('one'), reply('2')], { refuse: async () => null })).taken?.text).toBe('2');
  });

  test('is made without a form', async () => {
    expect(await taking([reply('anything')], { form: null })).toMatchObject({ taken: null, error: null });
  });
});

describe('a loop of tools that ended before the model answered', () => {
  test.each<[string, Partial<TurnResult>]>([
    ['at a caller’s call', { steps: [step([{ ...call, decision: 'caller', by: 'caller', rule: null }])] }],
    ['with an error', { steps: [step([call])], error: new CllmError('too_many_steps', 'ten') }],
  ])('has no reply that could have a form: %s', async (_name, change) => {
    expect(await taking([reply('one', change)])).toMatchObject({ taken: null, error: null, complaint: null });
  });

  test.each<[string, CallRecord[]]>([
    ['a call was answered', [{ ...call, decision: 'caller', by: 'caller', rule: null, result: answered }]],
    ['a call was allowed', [{ ...call, result: answered }]],
    ['nothing was called', []],
  ])('it did not, where %s', async (_name, calls) => {
    expect((await taking([reply('3', { steps: [step(calls)] })])).taken?.text).toBe('3');
  });

  test('it did not, where an earlier step was open and the last one is not', async () => {
    const open = step([{ ...call, decision: 'caller', by: 'caller', rule: null }]);
    expect((await taking([reply('3', { steps: [open, step()] })])).taken?.text).toBe('3');
  });
});

test('an observer is told of the first begin, of each further try, and of all that arrives', async () => {
  const told: unknown[] = [];
  const observer = {
    begin: () => void told.push('begin'),
    arrival: () => void told.push('arrival'),
    retry: (notice: object) => void told.push(notice),
  };
  const { requests } = await taking([reply('one'), reply('3')], {}, { ...turn, observer });
  expect(requests[0]?.observer).toBe(observer);
  expect(told).toEqual([{ attempt: 1, maxRetries: 3, delayMs: 0, error: mismatch }]);
  const [, again] = requests;
  expect(again?.observer).not.toHaveProperty('begin');
  await again?.observer?.arrival?.(undefined as never);
  again?.observer?.retry?.({ attempt: 9 } as never);
  expect(told.slice(1)).toEqual(['arrival', { attempt: 9 }]);
  expect((await taking([reply('one'), reply('3')])).requests[1]).not.toHaveProperty('observer');
});
