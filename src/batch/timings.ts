import { createHistogram } from 'node:perf_hooks';

/** Durations in milliseconds, to a thousandth of each, in memory that does not grow with their number. */
export class Timings {
  readonly #histogram = createHistogram();

  get count(): number {
    return this.#histogram.count;
  }

  /** The longest; null when there is none. */
  get most(): number | null {
    return this.count === 0 ? null : this.#histogram.max;
  }

  add(milliseconds: number): void {
    // It takes whole numbers from 1.
    this.#histogram.record(Math.max(1, Math.round(milliseconds)));
  }

  /** @param share 0.5 is the median; null when there is no value */
  quantile(share: number): number | null {
    return this.count === 0 ? null : this.#histogram.percentile(share * 100);
  }
}
