import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { mostTokens } from '../../src/preview/input-count.ts';
import { costOf, modelFacts } from '../../src/preview/model-facts.ts';
import { figuresOf } from '../../src/preview/preview.ts';
import { Sample } from '../../src/preview/sample.ts';
import { seed } from '../support/seed.ts';

const deployment = (info: Record<string, unknown>) => ({ model_name: 'm', litellm_params: {}, model_info: info });
const counted = { tokens: 1000, isGuess: false, why: null, error: null };
const request = { model: 'm', messages: 'hi' };

describe('what is known of a model', () => {
  test('is nothing for one that the proxy does not name', () => {
    expect(modelFacts([deployment({})], 'other')).toBeNull();
  });

  test('is the smallest window and the range of prices of all its deployments', () => {
    const facts = modelFacts(
      [
        deployment({
          max_input_tokens: 8000,
          max_output_tokens: 100,
          input_cost_per_token: 1e-6,
          output_cost_per_token: 2e-6,
        }),
        deployment({
          max_input_tokens: 4000,
          max_output_tokens: 200,
          input_cost_per_token: 3e-6,
          output_cost_per_token: 1e-6,
        }),
      ],
      'm',
    );
    expect(figuresOf(request, counted, facts)).toMatchObject({
      max_input_tokens: 4000,
      context_share: 0.25,
      max_output_tokens: 200,
      cost_usd: { low: expect.closeTo(1e-3, 10), high: expect.closeTo(3.2e-3, 10) },
    });
    expect(figuresOf({ ...request, max_tokens: 50, n: 2 }, counted, facts).max_output_tokens).toBe(100);
  });

  test('is the same of more deployments than a stack takes', () => {
    const one = deployment({ max_input_tokens: 5, input_cost_per_token: 1e-6, output_cost_per_token: 1e-6 });
    const facts = modelFacts(
      Array.from({ length: 200_000 }, () => one),
      'm',
    );
    expect(figuresOf(request, counted, facts)).toMatchObject({ max_input_tokens: 5, cost_usd: { high: null } });
  });

  test.each([
    { max_input_tokens: 1e300, max_output_tokens: -1, input_cost_per_token: 1e9, output_cost_per_token: 1e9 },
    { max_input_tokens: 0.5, max_output_tokens: '7', input_cost_per_token: -1, output_cost_per_token: 1e300 },
  ])('is nothing where the figures are none: %j', (info) => {
    expect(figuresOf(request, counted, modelFacts([deployment(info)], 'm'))).toMatchObject({
      max_input_tokens: null,
      max_output_tokens: null,
      cost_usd: null,
    });
  });

  test('a price that one deployment does not tell is unknown, never 0', () => {
    const facts = modelFacts(
      [deployment({ input_cost_per_token: 1e-6, output_cost_per_token: 1e-6 }), deployment({})],
      'm',
    );
    expect(figuresOf(request, counted, facts)).toMatchObject({ cost_usd: null, context_share: null });
    expect(figuresOf(request, { ...counted, tokens: null }, facts).cost_usd).toBeNull();
  });

  test('the dearer price of a long prompt holds for all of its tokens, from its threshold on', () => {
    const prices = modelFacts(
      [
        deployment({
          input_cost_per_token: 1e-6,
          output_cost_per_token: 1e-6,
          input_cost_per_token_above_200k_tokens: 2e-6,
          output_cost_per_token_above_200k_tokens: 3e-6,
        }),
      ],
      'm',
    )?.prices;
    expect(costOf(prices ?? null, 200_000, 10)?.low).toBeCloseTo(0.20001, 10);
    expect(costOf(prices ?? null, 200_001, 10)?.low).toBeCloseTo(0.400032, 10);
  });
});

test('a bound is known of text alone', () => {
  expect(mostTokens({ messages: 'hi' })).toBeGreaterThan(2);
  expect(mostTokens({ messages: [{ role: 'user', content: [{ type: 'image_url' }] }] })).toBeNull();
});

describe('a sample', () => {
  test('holds what fits and always one, and is whole as long as nothing was left out', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 1, maxLength: 400 }), (sizes) => {
        const sample = new Sample<number>(20, 300);
        sizes.forEach((size, at) => sample.add(at, size));
        const { items } = sample;
        expect(items.length).toBeGreaterThanOrEqual(1);
        expect(items.length).toBeLessThanOrEqual(20);
        const held = items.reduce((sum, at) => sum + (sizes[at] ?? 0), 0);
        expect(items.length === 1 || held <= 300).toBe(true);
        expect(sample.isWhole).toBe(items.length === sizes.length);
      }),
      { seed },
    );
  });

  test.each([2, 4, 8, 10])('is in step with no pattern of every %i lines', (period) => {
    const sample = new Sample<number>(20, 1e9);
    for (let at = 0; at < 5000; at += 1) sample.add(at % period, 1);
    expect(new Set(sample.items).size).toBeGreaterThan(1);
  });
});
