import { describe, expect, test } from '@jest/globals';
import { parseShard, shardFromEnvironment } from '../../src/batch/shard.ts';
import { UsageError } from '../../src/outcome/errors.ts';

function refusal(env: Record<string, string>): UsageError {
  try {
    shardFromEnvironment(env);
  } catch (error) {
    if (error instanceof UsageError) return error;
    throw error;
  }
  throw new Error('it was taken');
}

describe('--shard auto', () => {
  test.each([
    ['GitLab', 'CI_NODE_INDEX', 'CI_NODE_TOTAL', 1],
    ['Buildkite', 'BUILDKITE_PARALLEL_JOB', 'BUILDKITE_PARALLEL_JOB_COUNT', 0],
    ['CircleCI', 'CIRCLE_NODE_INDEX', 'CIRCLE_NODE_TOTAL', 0],
    ['Kubernetes', 'JOB_COMPLETION_INDEX', 'CLLM_SHARD_TOTAL', 0],
  ])('in %s the jobs have each part once', (_system, index, total, base) => {
    for (const count of [1, 2, 7]) {
      const shards = Array.from({ length: count }, (_, at) =>
        shardFromEnvironment({ [index]: String(at + base), [total]: String(count) }),
      );
      expect(shards).toEqual(Array.from({ length: count }, (_, at) => ({ index: at + 1, count })));
    }
    // One further on each side is no part, and neither is what is no number.
    for (const bad of [String(base - 1), String(base + 3), '', 'x', '1.0', ' 1', '1e0', '0x1', '9'.repeat(20)]) {
      const error = refusal({ [index]: bad, [total]: '3' });
      expect(error.message).toContain('--shard auto');
      expect(error.message).toContain(total);
    }
    for (const bad of ['0', '-1', 'x', '3.5', '9'.repeat(20)]) {
      expect(refusal({ [index]: String(base), [total]: bad }).message).toContain(`${total}=`);
    }
  });

  test('without anything that says it is refused, and nothing is taken for the whole', () => {
    expect(refusal({}).hint).toMatch(/CI_NODE_INDEX.*BUILDKITE_PARALLEL_JOB.*CIRCLE_NODE_INDEX.*JOB_COMPLETION_INDEX/);
    expect(refusal({ CI: 'true', CI_NODE_INDEX: '', CI_NODE_TOTAL: '' }).code).toBe('usage');
  });

  test('a job of GitLab without others beside it does the whole', () => {
    expect(shardFromEnvironment({ CI_NODE_TOTAL: '1' })).toEqual({ index: 1, count: 1 });
    // With others, the one that does not know its own part would do somebody else's.
    expect(refusal({ CI_NODE_TOTAL: '4' }).message).toContain('CI_NODE_INDEX is not set');
  });

  test('a pod of an Indexed Job is told what it lacks', () => {
    const error = refusal({ JOB_COMPLETION_INDEX: '2' });
    expect(error.message).toContain('CLLM_SHARD_TOTAL is not set');
    expect(error.hint).toContain('completions');
  });

  test('two that say the same are one, two that do not are refused by name', () => {
    const circle = { CIRCLE_NODE_INDEX: '1', CIRCLE_NODE_TOTAL: '4' };
    expect(shardFromEnvironment({ ...circle, CI_NODE_INDEX: '2', CI_NODE_TOTAL: '4' })).toEqual({ index: 2, count: 4 });
    // As Knapsack has it set, from 0.
    const { message } = refusal({ ...circle, CI_NODE_INDEX: '1', CI_NODE_TOTAL: '4' });
    expect(message).toContain('CI_NODE_INDEX=1');
    expect(message).toContain('CIRCLE_NODE_INDEX=1');
    // Nonsense of one is not covered up by another.
    expect(refusal({ ...circle, CI_NODE_INDEX: '9', CI_NODE_TOTAL: '4' }).message).toContain('CI_NODE_INDEX=9');
  });
});

test('--shard takes I/N and auto, and nothing near them', () => {
  expect(parseShard('2/3')).toEqual({ index: 2, count: 3 });
  expect(parseShard('auto')).toBe('auto');
  for (const bad of ['0/3', '4/3', '1', 'AUTO', 'auto/3', '1/0', '1/3 ', '-1/3', '1/3/3', '1.0/3']) {
    expect(() => parseShard(bad)).toThrow(UsageError);
  }
});
