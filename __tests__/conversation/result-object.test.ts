import { describe, expect, test } from '@jest/globals';
import {
  parsedOr,
  type ResultFigures,
  resultObject,
  type ResultParts,
  textOf,
} from '../../src/conversation/result-object.ts';
import type { CallRecord, Step } from '../../src/conversation/turn.ts';
import { CllmError } from '../../src/outcome/errors.ts';
import { completionOf } from '../support/history-samples.ts';

const timestamp = '2026-11-27T12:00:00.000Z';
const whole: ResultFigures = {
  inputTokens: 1,
  outputTokens: 2,
  cachedInputTokens: 3,
  reasoningTokens: 4,
  costUsd: 0.5,
  costSource: 'header',
  durationMs: 10.4,
  ttftMs: 5.6,
  callId: 'call',
  sessionId: 'session',
  modelServed: 'served',
  guardrails: [],
  maskedPassages: null,
};
const object = (parts: Partial<ResultParts> = {}): ReturnType<typeof resultObject> =>
  resultObject({ timestamp, error: null, ...parts });

describe('the result object', () => {
  test('of a whole reply', () => {
    const completion = completionOf('Hello');
    const template = { name: 't', digest: 'sha256:0' };
    expect(object({ completion, verdict: 'complete', figures: whole, conversationId: 'c', template })).toEqual({
      type: 'result',
      timestamp,
      schema_version: 1,
      status: 'success',
      is_error: false,
      verdict: 'complete',
      exit_code: 0,
      result: 'Hello',
      result_json: null,
      finish_reason: 'stop',
      usage: { input_tokens: 1, output_tokens: 2, cached_input_tokens: 3, reasoning_tokens: 4 },
      total_cost_usd: 0.5,
      cost_source: 'header',
      duration_ms: 10,
      ttft_ms: 6,
      conversation_id: 'c',
      call_id: 'call',
      session_id: 'session',
      model_served: 'served',
      guardrails: null,
      template,
      steps: null,
      error: null,
      completion,
    });
  });

  test('of nothing knows nothing, and says null', () => {
    expect(object()).toMatchObject({
      verdict: null,
      result: '',
      result_json: null,
      finish_reason: null,
      usage: null,
      total_cost_usd: null,
      cost_source: 'unknown',
      duration_ms: null,
      ttft_ms: null,
      conversation_id: null,
      call_id: null,
      session_id: null,
      model_served: null,
      guardrails: null,
      template: null,
      steps: null,
      completion: null,
    });
    expect(object({ durationMs: 7.5 }).duration_ms).toBe(8);
    expect(object({ durationMs: 7.5, figures: whole }).duration_ms).toBe(10);
  });

  test.each<[Partial<ResultFigures>, unknown]>([
    [{ inputTokens: null, outputTokens: null }, null],
    [{ inputTokens: null }, { input_tokens: null, output_tokens: 2 }],
    [{ outputTokens: null }, { input_tokens: 1, output_tokens: null }],
    [
      { inputTokens: 0, outputTokens: 0 },
      { input_tokens: 0, output_tokens: 0 },
    ],
  ])('has a usage where one of the two is known: %j', (change, usage) => {
    const found = object({ figures: { ...whole, ...change } }).usage;
    expect(found === null ? null : { input_tokens: found.input_tokens, output_tokens: found.output_tokens }).toEqual(
      usage,
    );
  });

  test('of a failure has its code and what to do next, without a secret', () => {
    const error = new CllmError('stream_cut', 'lost the way to sk-abcdefghijklmnopqrstuvwx', { hint: 'try again' });
    expect(object({ error, verdict: 'cut', completion: completionOf('Hel') })).toMatchObject({
      status: 'error',
      is_error: true,
      verdict: 'cut',
      exit_code: 3,
      result: 'Hel',
      error: { type: 'error', timestamp, code: 'stream_cut', hint: 'try again' },
    });
    expect(JSON.stringify(object({ error }))).not.toContain('abcdefghijklmnop');
    expect(object({ error: new CllmError('stream_cut', 'lost') }).error?.hint).not.toBe('');
  });

  test('of a form has what was taken out of the reply', () => {
    const completion = completionOf('```json\n{"a":1}\n```');
    expect(object({ completion, taken: { text: '{"a":1}', json: { a: 1 } } })).toMatchObject({
      result: '{"a":1}',
      result_json: { a: 1 },
    });
    expect(object({ completion, taken: { text: '' } })).toMatchObject({ result: '', result_json: null });
    expect(object({ completion, taken: null }).result).toBe('```json\n{"a":1}\n```');
  });
});

describe('the requests of a loop', () => {
  const call: CallRecord = {
    name: 'add',
    id: 'call_a',
    input: '{"n":1}',
    decision: 'allowed',
    by: 'rule',
    rule: 'mcp:math/*',
    result: { text: '4', isError: false, durationMs: 1.6 },
  };
  const step = (text: string, change: Partial<Step> = {}): Step => ({
    completion: completionOf(text),
    verdict: 'complete',
    receipt: null,
    calls: [],
    ...change,
  });

  test('are each its own, with what became of their calls', () => {
    const figures = { ...whole, modelRequested: 'm' } as unknown as Step['receipt'];
    const open = { ...call, input: 'no json', decision: 'needed', by: null, rule: null, result: null } as const;
    expect(object({ steps: [step('a', { receipt: figures, calls: [call, open] }), step('b')] }).steps).toEqual([
      {
        verdict: 'complete',
        finish_reason: 'stop',
        usage: { input_tokens: 1, output_tokens: 2, cached_input_tokens: 3, reasoning_tokens: 4 },
        total_cost_usd: 0.5,
        duration_ms: 10,
        call_id: 'call',
        model_served: 'served',
        tool_calls: [
          {
            tool_name: 'add',
            tool_id: 'call_a',
            parameters: { n: 1 },
            decision: 'allowed',
            by: 'rule',
            rule: 'mcp:math/*',
            is_error: false,
            duration_ms: 2,
          },
          {
            tool_name: 'add',
            tool_id: 'call_a',
            parameters: 'no json',
            decision: 'needed',
            by: null,
            rule: null,
            is_error: null,
            duration_ms: null,
          },
        ],
      },
      {
        verdict: 'complete',
        finish_reason: 'stop',
        usage: null,
        total_cost_usd: null,
        duration_ms: null,
        call_id: null,
        model_served: null,
        tool_calls: [],
      },
    ]);
    expect(object({ steps: [step('', { completion: null, verdict: null })] }).steps).toMatchObject([
      { verdict: null, finish_reason: null },
    ]);
  });

  test.each<[string, (string | null)[], string]>([
    ['one step: the reply', ['a'], 'last'],
    ['each in lines of its own', ['a', 'b'], 'a\nb'],
    ['no line twice', ['a\n', 'b\n'], 'a\nb\n'],
    ['nothing of what said nothing', ['', 'a', '', 'b'], 'a\nb'],
    ['nor of what was rejected', ['a', null, 'b'], 'a\nb'],
    ['the reply where all others were rejected', [null, 'b'], 'last'],
  ])('say together: %s', (_name, texts, said) => {
    const steps = texts.map((text) => (text === null ? step('rejected', { isRejected: true }) : step(text)));
    expect(object({ steps, completion: completionOf('last') }).result).toBe(said);
  });
});

describe('guardrails', () => {
  const blocked = new CllmError('guardrail_blocked', 'no', { guardrail: { name: 'pii', mode: 'pre_call' } });
  test.each<[string, CllmError | null, string[], number | null, unknown]>([
    ['none', null, [], null, null],
    [
      'that ran',
      null,
      ['pii', 'toxic'],
      null,
      [
        ['pii', 'ran'],
        ['toxic', 'ran'],
      ],
    ],
    ['that masked, when there is one', null, ['pii'], 2, [['pii', 'masked']]],
    [
      'of several nobody knows which masked',
      null,
      ['pii', 'toxic'],
      2,
      [
        ['pii', 'ran'],
        ['toxic', 'ran'],
      ],
    ],
    [
      'that blocked, and another',
      blocked,
      ['pii', 'toxic'],
      null,
      [
        ['pii', 'blocked'],
        ['toxic', 'ran'],
      ],
    ],
    ['that blocked alone', blocked, [], null, [['pii', 'blocked']]],
  ])('%s', (_name, error, guardrails, maskedPassages, all) => {
    const found = object({ error, figures: { ...whole, guardrails, maskedPassages } }).guardrails;
    expect(found?.map(({ name, action }) => [name, action]) ?? null).toEqual(all);
  });

  test('of a refusal without any figures', () => {
    expect(object({ error: blocked }).guardrails).toEqual([{ name: 'pii', mode: 'pre_call', action: 'blocked' }]);
  });
});

test('the text of a reply without one is empty, and arguments that are no JSON stay as they came', () => {
  expect([textOf(null), textOf({ ...completionOf(''), choices: [] })]).toEqual(['', '']);
  expect([parsedOr('{"a":1}'), parsedOr('{"a"')]).toEqual([{ a: 1 }, '{"a"']);
});
