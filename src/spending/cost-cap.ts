import { formatUsd } from './usd.ts';

/** What a run has cost so far, and whether it may go on. */
export class CostCap {
  readonly #mostUsd: number | null;
  readonly #isUnknownAllowed: boolean;
  readonly #name: string;
  #spentUsd = 0;
  #known = 0;
  #unknown = 0;
  #brokenOff = 0;
  #dearestUsd = 0;

  /**
   * @param mostUsd null is no cap
   * @param options.name what people call the cap: the flag or the setting that it comes from
   */
  constructor(
    mostUsd: number | null,
    { isUnknownAllowed = false, name = '--max-cost' }: { isUnknownAllowed?: boolean; name?: string } = {},
  ) {
    this.#name = name;
    this.#mostUsd = mostUsd;
    this.#isUnknownAllowed = isUnknownAllowed;
  }

  get mostUsd(): number | null {
    return this.#mostUsd;
  }

  /** The sum of the costs that are known; null when none is. */
  get spentUsd(): number | null {
    return this.#known === 0 ? null : this.#spentUsd;
  }

  /** More was spent than may be, as far as that is known. */
  get isExceeded(): boolean {
    return this.#mostUsd !== null && this.#spentUsd > this.#mostUsd;
  }

  /** A reply, whose cost the proxy told or did not. */
  add(costUsd: number | null): void {
    // A figure below zero would give back what others cost.
    if (costUsd === null || !(costUsd >= 0)) {
      this.#unknown += 1;
      return;
    }
    this.#known += 1;
    this.#spentUsd += costUsd;
    this.#dearestUsd = Math.max(this.#dearestUsd, costUsd);
  }

  /** A reply that broke off before anybody could tell its cost, which says nothing of what the proxy tells. */
  addBrokenOff(): void {
    this.#brokenOff += 1;
  }

  /** Why nothing more may be sent; null while it may. */
  get refusal(): string | null {
    const most = this.#mostUsd;
    if (most === null) return null;
    if (this.#known === 0 && this.#unknown > 0 && !this.#isUnknownAllowed) {
      return `the proxy does not say what a reply costs, so ${this.#name} can not be kept`;
    }
    const counted = this.#countedUsd();
    if (counted < most) return null;
    return `${formatUsd(counted)} of ${this.#name} ${most} is spent`;
  }

  /**
   * Whether one more request may join those in flight. The cost is known only when a reply ends, so each one in flight
   * counts as an average one: near the cap the batch waits for what is under way instead of running past it.
   */
  hasRoomFor(inFlight: number): boolean {
    if (this.#mostUsd === null || inFlight === 0 || this.#known === 0) return true;
    const average = this.#spentUsd / this.#known;
    return this.#countedUsd() + average * (inFlight + 1) <= this.#mostUsd;
  }

  /** What nobody told counts, for the cap alone, as the dearest so far. */
  #countedUsd(): number {
    return this.#spentUsd + (this.#isUnknownAllowed ? 0 : (this.#unknown + this.#brokenOff) * this.#dearestUsd);
  }
}
