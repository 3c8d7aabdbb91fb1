import { describe, expect, test } from '@jest/globals';
import { receiptFromJson, receiptOf, receiptToJson } from '../../src/client/receipt.ts';
import type { ChatCompletion } from '../../src/protocol/types.ts';

const completion: ChatCompletion = {
  id: 'x',
  object: 'chat.completion',
  created: 1,
  model: 'served',
  choices: [],
  usage: {
    prompt_tokens: 10,
    completion_tokens: 20,
    total_tokens: 30,
    prompt_tokens_details: { cached_tokens: 4 },
    completion_tokens_details: { reasoning_tokens: 7 },
    cost: 0.001,
  },
};
const facts = {
  modelRequested: 'asked',
  headers: {},
  completion,
  fallbackModel: null,
  retries: 1,
  durationMs: 12.5,
  ttftMs: 3,
};

test('what nobody told is null, never 0', () => {
  expect(receiptOf({ ...facts, completion: null, ttftMs: null })).toEqual({
    modelRequested: 'asked',
    modelServed: null,
    modelId: null,
    modelGroup: null,
    apiBase: null,
    callId: null,
    sessionId: null,
    proxyVersion: null,
    inputTokens: null,
    outputTokens: null,
    cachedInputTokens: null,
    reasoningTokens: null,
    costUsd: null,
    costSource: 'unknown',
    keySpend: null,
    keyMaxBudget: null,
    attemptedRetries: null,
    attemptedFallbacks: null,
    retries: 1,
    isCacheHit: null,
    guardrails: [],
    maskedPassages: null,
    durationMs: 12.5,
    ttftMs: null,
  });
});

test('usage and cost come from the stream where it tells them', () => {
  expect(receiptOf({ ...facts, headers: { 'x-litellm-response-cost': '9' } })).toMatchObject({
    inputTokens: 10,
    outputTokens: 20,
    cachedInputTokens: 4,
    reasoningTokens: 7,
    costUsd: 0.001,
    costSource: 'stream',
  });
});

describe('headers', () => {
  const headers = {
    'x-litellm-response-cost': '7.2e-06',
    'x-litellm-response-cost-original': '0.0',
    'x-litellm-key-spend': '0.5',
    'x-litellm-key-max-budget': 'None',
    'x-litellm-attempted-fallbacks': '0',
    'x-litellm-model-group': 'group',
    'x-litellm-cache-key': 'abc',
  };

  test('are numbers where they can be', () => {
    expect(receiptOf({ ...facts, headers, completion: { ...completion, usage: null } })).toMatchObject({
      costUsd: 0.000_007_2,
      costSource: 'header',
      keySpend: 0.5,
      keyMaxBudget: null,
      isCacheHit: true,
    });
  });

  test.each([
    { fallbacks: '0', notice: null, served: 'served' },
    { fallbacks: '1', notice: null, served: 'group' },
    { fallbacks: '1', notice: 'rescue', served: 'rescue' },
  ])('say who served after $fallbacks fallbacks: $served', ({ fallbacks, notice, served }) => {
    const receipt = receiptOf({
      ...facts,
      fallbackModel: notice,
      headers: { ...headers, 'x-litellm-attempted-fallbacks': fallbacks },
    });
    expect(receipt.modelServed).toBe(served);
  });

  test('0.0 of a stream’s other cost headers is no price', () => {
    const receipt = receiptOf({
      ...facts,
      headers: { 'x-litellm-response-cost-original': '0.0' },
      completion: { ...completion, usage: null },
    });
    expect([receipt.costUsd, receipt.costSource]).toEqual([null, 'unknown']);
  });
});

test('the JSON form is snake_case and reads back', () => {
  const receipt = receiptOf({ ...facts, headers: { 'x-litellm-call-id': 'a', 'x-litellm-cache-hit': 'False' } });
  const json = JSON.parse(JSON.stringify(receiptToJson(receipt))) as Record<string, unknown>;
  expect(json).toMatchObject({
    model_requested: 'asked',
    cost_usd: 0.001,
    ttft_ms: 3,
    is_cache_hit: false,
    call_id: 'a',
  });
  expect(receiptFromJson(json)).toEqual(receipt);
  expect(receiptFromJson({}).costSource).toBe('unknown');
});

describe('a figure that can not be', () => {
  test.each<[string, unknown]>([
    ['below zero', -1],
    ['no number', Number.NaN],
    ['without an end', Number.POSITIVE_INFINITY],
    ['absurd', 1e300],
    ['a text', 'a lot'],
    ['a list', [1, 2]],
  ])('is unknown: %s', (_name, cost) => {
    const usage = { prompt_tokens: cost, completion_tokens: cost, total_tokens: 0, cost } as never;
    const headers = { 'x-litellm-key-spend': String(cost), 'x-litellm-key-max-budget': String(cost) };
    const unknown = {
      inputTokens: null,
      outputTokens: null,
      costUsd: null,
      costSource: 'unknown',
      keySpend: null,
      keyMaxBudget: null,
    };
    expect(receiptOf({ ...facts, headers, completion: { ...completion, usage } })).toMatchObject(unknown);
    const json = { cost_usd: cost, key_spend: cost, key_max_budget: cost, input_tokens: cost, output_tokens: cost };
    expect(receiptFromJson(json)).toMatchObject(unknown);
  });

  test('of the stream leaves the one of the header', () => {
    const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2, cost: -5 } as never;
    const headers = { 'x-litellm-response-cost': '0.25' };
    expect(receiptOf({ ...facts, headers, completion: { ...completion, usage } })).toMatchObject({
      costUsd: 0.25,
      costSource: 'header',
    });
  });
});
