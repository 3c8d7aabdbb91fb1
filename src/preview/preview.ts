import type { RequestInput } from '../client/client.ts';
import type { InputCount } from './input-count.ts';
import { costOf, type ModelFacts } from './model-facts.ts';

/** What a request would take, in the words of the JSON that says it (docs/events.md). USD; null is what nobody knows. */
export interface Figures {
  input_tokens: number | null;
  input_tokens_estimated: boolean;
  /** Why the figure is a guess, or why there is none. */
  input_tokens_note: string | null;
  max_input_tokens: number | null;
  /** Of `max_input_tokens`, from 0; above 1 it does not fit. */
  context_share: number | null;
  /** The longest reply that is paid for: what the request asks for, else what the model gives. */
  max_output_tokens: number | null;
  /** Between no output and `max_output_tokens` of it. */
  cost_usd: { low: number; high: number | null } | null;
}

export function figuresOf(request: RequestInput, count: InputCount, facts: ModelFacts | null): Figures {
  const most = facts?.maxInputTokens ?? null;
  const { tokens } = count;
  const output = outputTokensOf(request, facts);
  return {
    input_tokens: tokens,
    input_tokens_estimated: count.isGuess,
    input_tokens_note: count.why,
    max_input_tokens: most,
    context_share: tokens === null || most === null ? null : tokens / most,
    max_output_tokens: output,
    cost_usd: tokens === null ? null : costBetween(facts, tokens, output),
  };
}

function costBetween(facts: ModelFacts | null, tokens: number, output: number | null): Figures['cost_usd'] {
  const none = costOf(facts?.prices ?? null, tokens, 0);
  if (none === null) return null;
  return {
    low: none.low,
    high: output === null ? null : (costOf(facts?.prices ?? null, tokens, output)?.high ?? null),
  };
}

/** Of all choices together, where several are asked for. */
export function outputTokensOf(request: Readonly<Record<string, unknown>>, facts: ModelFacts | null): number | null {
  const asked = [request['max_completion_tokens'], request['max_tokens']].find((value) => typeof value === 'number');
  const each = asked ?? facts?.maxOutputTokens ?? null;
  const { n } = request;
  return each === null ? null : each * (typeof n === 'number' && n > 1 ? n : 1);
}
