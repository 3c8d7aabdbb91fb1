import { count, usd } from '../protocol/figures.ts';

/** What calls cost together. A figure that no call tells is null, never 0; one that some do not tell is what the others tell. */
export interface SpendFigures {
  /** USD; null when no call's cost is known. */
  spend: number | null;
  requests: number;
  /** Those of the requests that got no reply; null where nobody counts them. */
  failed: number | null;
  inputTokens: number | null;
  outputTokens: number | null;
  /** Requests whose cost nobody knows: it is not 0, and not in `spend`. */
  unpriced: number;
}

export interface SpendRow extends SpendFigures {
  /** Null is what belongs to none: calls without a key, or that no row of a part of the whole tells of. */
  name: string | null;
}

export const nothingSpent: SpendFigures = {
  spend: null,
  requests: 0,
  failed: null,
  inputTokens: null,
  outputTokens: null,
  unpriced: 0,
};

export function sumOf(one: SpendFigures, other: SpendFigures): SpendFigures {
  return {
    spend: both(one.spend, other.spend),
    requests: one.requests + other.requests,
    failed: both(one.failed, other.failed),
    inputTokens: both(one.inputTokens, other.inputTokens),
    outputTokens: both(one.outputTokens, other.outputTokens),
    unpriced: one.unpriced + other.unpriced,
  };
}

/** Rows under construction, by their names. */
export class SpendTable {
  readonly #rows = new Map<string | null, SpendFigures>();

  add(name: string | null, figures: SpendFigures): void {
    this.#rows.set(name, sumOf(this.#rows.get(name) ?? nothingSpent, figures));
  }

  get total(): SpendFigures {
    return [...this.#rows.values()].reduce(sumOf, nothingSpent);
  }

  /** Days in their order, all else the dearest first. */
  rows(order: 'name' | 'spend'): SpendRow[] {
    const rows = [...this.#rows].map(([name, figures]) => ({ name, ...figures }));
    const byName = (one: SpendRow, other: SpendRow): number => ((one.name ?? '') < (other.name ?? '') ? -1 : 1);
    if (order === 'name') return rows.toSorted(byName);
    return rows.toSorted((one, other) => (other.spend ?? -1) - (one.spend ?? -1) || byName(one, other));
  }
}

/** The `metrics` of LiteLLM's daily tables, which anybody may have answered: a figure that is none is nothing. */
export function figuresOfMetrics(metrics: Readonly<Record<string, unknown>>): SpendFigures {
  return {
    spend: usd(metrics['spend']),
    requests: count(metrics['api_requests']) ?? 0,
    failed: count(metrics['failed_requests']),
    inputTokens: count(metrics['prompt_tokens']),
    outputTokens: count(metrics['completion_tokens']),
    unpriced: 0,
  };
}

function both(one: number | null, other: number | null): number | null {
  return one === null ? other : other === null ? one : one + other;
}
