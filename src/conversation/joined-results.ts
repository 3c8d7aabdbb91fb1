import type { Receipt } from '../client/receipt.ts';
import type { TurnResult } from './turn.ts';

/** The later result with what the earlier ones cost, the requests that they took, and what kept one from being saved. */
export function joined(earlier: TurnResult | null, later: TurnResult): TurnResult {
  if (earlier === null) return later;
  const steps = [...(earlier.steps ?? []), ...(later.steps ?? [])];
  return {
    ...later,
    unsaved: later.unsaved ?? earlier.unsaved,
    receipt: sumOf(earlier.receipt, later.receipt),
    ...(steps.length > 0 && { steps }),
  };
}

function sumOf(earlier: Receipt | null, later: Receipt | null): Receipt | null {
  if (earlier === null || later === null) return later ?? earlier;
  const both = (
    name: 'inputTokens' | 'outputTokens' | 'cachedInputTokens' | 'reasoningTokens' | 'costUsd',
  ): number | null => {
    const [one, other] = [earlier[name], later[name]];
    return one === null || other === null ? null : one + other;
  };
  return {
    ...later,
    inputTokens: both('inputTokens'),
    outputTokens: both('outputTokens'),
    cachedInputTokens: both('cachedInputTokens'),
    reasoningTokens: both('reasoningTokens'),
    // What nobody told of one try nobody knows of both.
    costUsd: both('costUsd'),
    costSource: both('costUsd') === null ? 'unknown' : later.costSource,
    retries: earlier.retries + later.retries,
    durationMs: earlier.durationMs + later.durationMs,
  };
}
