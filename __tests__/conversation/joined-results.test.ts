import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type Receipt, receiptOf } from '../../src/client/receipt.ts';
import { joined } from '../../src/conversation/joined-results.ts';
import type { Step, TurnResult } from '../../src/conversation/turn.ts';
import { CllmError } from '../../src/outcome/errors.ts';
import { completionOf } from '../support/history-samples.ts';
import { seed } from '../support/seed.ts';

const receipt = (change: Partial<Receipt> = {}): Receipt => ({
  ...receiptOf({
    modelRequested: 'm',
    headers: {},
    completion: null,
    fallbackModel: null,
    retries: 0,
    durationMs: 0,
    ttftMs: null,
  }),
  ...change,
});

const result = (text: string, change: Partial<TurnResult> = {}): TurnResult => ({
  conversationId: 'c',
  turnId: text,
  completion: completionOf(text),
  verdict: 'complete',
  receipt: null,
  error: null,
  unsaved: null,
  ...change,
});

const step = (text: string): Step => ({
  completion: completionOf(text),
  verdict: 'complete',
  receipt: null,
  calls: [],
});

describe('what several replies to one prompt come to', () => {
  test('is the only one, where there is one', () => {
    const only = result('only', { receipt: receipt({ costUsd: 1 }) });
    expect(joined(null, only)).toBe(only);
  });

  test('is the later reply', () => {
    const [one, two] = [result('one', { verdict: 'length' }), result('two')];
    expect(joined(one, two)).toEqual({ ...two, receipt: null });
    expect(joined(one, two)).not.toHaveProperty('steps');
  });

  test('has the requests of both, in their order', () => {
    const [one, two, none] = [
      result('one', { steps: [step('a'), step('b')] }),
      result('two', { steps: [step('c')] }),
      result('none'),
    ];
    const texts = (joinedResult: TurnResult): unknown[] | undefined =>
      joinedResult.steps?.map(({ completion }) => completion?.choices[0]?.message.content);
    expect(texts(joined(one, two))).toEqual(['a', 'b', 'c']);
    expect(texts(joined(one, none))).toEqual(['a', 'b']);
    expect(texts(joined(none, two))).toEqual(['c']);
  });

  test('says what kept either from being saved, the later one first', () => {
    const [earlier, later] = [new CllmError('history_unusable', 'a'), new CllmError('history_unusable', 'b')];
    const unsaved = (one: CllmError | null, two: CllmError | null): CllmError | null =>
      joined(result('one', { unsaved: one }), result('two', { unsaved: two })).unsaved;
    expect([unsaved(earlier, null), unsaved(null, later), unsaved(earlier, later), unsaved(null, null)]).toEqual([
      earlier,
      later,
      later,
      null,
    ]);
  });

  const figures = ['inputTokens', 'outputTokens', 'cachedInputTokens', 'reasoningTokens', 'costUsd'] as const;

  test('costs both together, and what nobody told of one nobody knows of both', () => {
    const figure = fc.oneof(fc.constant(null), fc.nat({ max: 1000 }));
    const facts = fc.record({
      ...Object.fromEntries(figures.map((name) => [name, figure])),
      retries: fc.nat({ max: 3 }),
      durationMs: fc.nat({ max: 10_000 }),
    });
    fc.assert(
      fc.property(facts, facts, (one, two) => {
        const [earlier, later] = [
          receipt({ ...one, costSource: 'header', modelServed: 'a', keySpend: 1 }),
          receipt({ ...two, costSource: 'stream', modelServed: 'b', keySpend: 2 }),
        ];
        const both = joined(result('one', { receipt: earlier }), result('two', { receipt: later })).receipt;
        for (const name of figures) {
          const [left, right] = [earlier[name], later[name]];
          expect([name, both?.[name]]).toEqual([name, left === null || right === null ? null : left + right]);
        }
        expect(both).toMatchObject({
          retries: earlier.retries + later.retries,
          durationMs: earlier.durationMs + later.durationMs,
          costSource: both?.costUsd === null ? 'unknown' : 'stream',
          // What is of one request is of the last.
          modelServed: 'b',
          keySpend: 2,
        });
      }),
      { seed },
    );
  });

  test('has the receipt of the one that has one', () => {
    const paid = receipt({ costUsd: 3, costSource: 'stream', retries: 1, durationMs: 5 });
    expect(joined(result('one', { receipt: paid }), result('two')).receipt).toEqual(paid);
    expect(joined(result('one'), result('two', { receipt: paid })).receipt).toEqual(paid);
    expect(joined(result('one'), result('two')).receipt).toBeNull();
  });
});
