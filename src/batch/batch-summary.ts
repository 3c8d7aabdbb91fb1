import type { BatchResult } from './batch-result.ts';
import { Timings } from './timings.ts';

/** Results that ended alike. */
export interface VerdictGroup {
  /** A verdict, or `no reply`. */
  verdict: string;
  count: number;
  /** The sum of the costs that are known; null when none is. */
  costUsd: number | null;
  /** Milliseconds to the first token. */
  ttft: Timings;
}

/** Failures with one code. */
export interface FailureGroup {
  code: string;
  exitCode: number;
  count: number;
  /** The first that ended. */
  examples: FailureExample[];
  /** What the first one says to do. */
  hint: string;
}

export interface FailureExample {
  line: number;
  customId: string | null;
  code: string;
  message: string;
}

const mostExamples = 20;

/** What can be said of any number of results in a memory that does not grow with them. */
export class BatchSummary {
  readonly #verdicts = new Map<string, VerdictGroup>();
  readonly #failures = new Map<string, FailureGroup>();
  total = 0;
  failed = 0;
  /** Results of earlier runs among them. */
  earlier = 0;
  /** The sum of the costs that are known; null when none is. */
  costUsd: number | null = null;
  /** Replies whose cost nobody told. */
  unknownCosts = 0;
  inputTokens = 0;
  outputTokens = 0;
  /** Milliseconds to the first token. */
  readonly ttft = new Timings();
  /** Milliseconds a reply took. */
  readonly duration = new Timings();

  get succeeded(): number {
    return this.total - this.failed;
  }

  /** The largest group first. */
  get verdicts(): VerdictGroup[] {
    return [...this.#verdicts.values()].toSorted((a, b) => b.count - a.count);
  }

  /** The largest group first, the examples of each by their lines. */
  get failures(): FailureGroup[] {
    return [...this.#failures.values()]
      .map((group) => ({ ...group, examples: group.examples.toSorted((a, b) => a.line - b.line) }))
      .toSorted((a, b) => b.count - a.count);
  }

  add(result: BatchResult, { isEarlier = false }: { isEarlier?: boolean } = {}): void {
    this.total += 1;
    if (isEarlier) this.earlier += 1;
    this.#addFigures(result);
    if (!result.is_error) return;
    this.failed += 1;
    const { code = 'internal', message = '', hint = '' } = result.error ?? {};
    const group = entry(this.#failures, code, () => ({
      code,
      exitCode: result.exit_code,
      count: 0,
      examples: [],
      hint,
    }));
    group.count += 1;
    if (group.examples.length < mostExamples) {
      group.examples.push({ line: result.line, customId: result.custom_id, code, message });
    }
  }

  #addFigures(result: BatchResult): void {
    const { verdict, total_cost_usd: cost, ttft_ms: ttft, duration_ms: duration, usage } = result;
    const name = verdict ?? 'no reply';
    const group = entry(this.#verdicts, name, () => ({
      verdict: name,
      count: 0,
      costUsd: null,
      ttft: new Timings(),
    }));
    group.count += 1;
    if (typeof cost === 'number') {
      group.costUsd = (group.costUsd ?? 0) + cost;
      this.costUsd = (this.costUsd ?? 0) + cost;
    } else if (result.completion !== null) {
      this.unknownCosts += 1;
    }
    this.inputTokens += usage?.input_tokens ?? 0;
    this.outputTokens += usage?.output_tokens ?? 0;
    if (typeof ttft === 'number') {
      group.ttft.add(ttft);
      this.ttft.add(ttft);
    }
    if (typeof duration === 'number' && result.completion !== null) this.duration.add(duration);
  }
}

function entry<Value>(map: Map<string, Value>, key: string, make: () => Value): Value {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = make()));
  return value;
}
