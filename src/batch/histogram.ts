/** Counts values above 0 in buckets that grow by 2%, so a quantile is right to 1% and the size never grows. */
export class Histogram {
  #counts = new Float64Array(1_200);
  #count = 0;
  #most = 0;

  get count(): number {
    return this.#count;
  }

  /** The largest value; null when there is none. */
  get most(): number | null {
    return this.#count === 0 ? null : this.#most;
  }

  add(value: number): void {
    const bucket = value <= 1 ? 0 : Math.min(this.#counts.length - 1, Math.round(Math.log(value) / Math.log(1.02)));
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#count += 1;
    this.#most = Math.max(this.#most, value);
  }

  /** @param share 0.5 is the median; null when there is no value */
  quantile(share: number): number | null {
    if (this.#count === 0) return null;
    const rank = Math.ceil(share * this.#count);
    let seen = 0;
    for (const [bucket, count] of this.#counts.entries()) {
      seen += count;
      if (seen >= rank && seen > 0) return Math.min(1.02 ** bucket, this.#most);
    }
    return this.#most;
  }
}
