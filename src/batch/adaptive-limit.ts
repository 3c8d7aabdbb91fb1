import { waitForPlace } from '../client/reply/retry.ts';
import type { Throttle } from './ask-item.ts';

/** How long to hold back when the proxy does not say: doubled with each refusal in a row. */
const firstPause = 1_000;
const longestPause = 60_000;

/**
 * How many requests may be in flight, learnt from the proxy's answers: halved when it says 429, raised by one for each
 * round that went well, so that it swings around what the proxy gives (AIMD, as TCP does). A refusal also holds back
 * every new request until the time that the proxy named.
 */
export class AdaptiveLimit {
  #most: number;
  /** What the proxy said it takes at a time. */
  #places = Number.POSITIVE_INFINITY;
  /** Told when it is another one for another reason than an answer of the proxy. */
  onChange: () => void = () => {};
  readonly #clock: () => number;
  readonly #random: () => number;
  #limit: number;
  #successes = 0;
  #refusals = 0;
  #loweredAt = Number.NEGATIVE_INFINITY;
  #pausedUntil = 0;

  /**
   * @param clock milliseconds, monotonic
   * @param random a number from 0 up to 1
   */
  constructor(most: number, clock: () => number, random: () => number) {
    this.#most = most;
    this.#limit = most;
    this.#clock = clock;
    this.#random = random;
  }

  /** How many there may be at most, whatever the proxy says. */
  get most(): number {
    return this.#most;
  }

  get limit(): number {
    return this.#limit;
  }

  /** Milliseconds until the next request may go out. */
  get pauseMs(): number {
    return Math.max(0, this.#pausedUntil - this.#clock());
  }

  /** Sets how many there may be at most; one that was at its most goes along. */
  atMost(most: number): void {
    const before = this.#ceiling;
    this.#most = Math.max(1, most);
    const after = this.#ceiling;
    if (after === before) return;
    this.#limit = this.#limit === before ? after : Math.min(this.#limit, after);
    this.onChange();
  }

  get #ceiling(): number {
    return Math.min(this.#most, this.#places);
  }

  succeeded(): void {
    this.#refusals = 0;
    this.#successes += 1;
    if (this.#successes < this.#limit || this.#limit >= this.#ceiling) return;
    this.#successes = 0;
    this.#limit += 1;
  }

  /**
   * @param startedAt when the refused request went out: those that were on their way when the limit was lowered say
   * nothing about the new one
   * @param retryAfterMs what the proxy asked for; null when it did not
   * @param parallelLimit how many the proxy takes at a time, where that many were under way
   */
  refused(startedAt: number, { retryAfterMs, parallelLimit }: Throttle): void {
    const now = this.#clock();
    if (parallelLimit !== null) {
      this.#full(startedAt, now, parallelLimit);
      return;
    }
    if (startedAt > this.#loweredAt) {
      this.#limit = Math.max(1, Math.floor(this.#limit / 2));
      this.#loweredAt = now;
      this.#successes = 0;
      this.#refusals += 1;
    }
    // Without a word of the proxy: random within the upper half, so that jobs which were refused together part.
    const pause =
      retryAfterMs ?? Math.min(longestPause, firstPause * 2 ** (this.#refusals - 1)) * (0.5 + this.#random() / 2);
    this.#pausedUntil = Math.max(this.#pausedUntil, now + pause);
  }

  /**
   * All places are taken, by others too perhaps: no more than there are of them, and a short while until one is free. That
   * is no word about how fast requests may come.
   */
  #full(startedAt: number, now: number, places: number): void {
    this.#places = Math.max(1, Math.min(this.#places, places));
    this.#limit = Math.min(this.#limit, this.#ceiling);
    // Those that went out together were refused together.
    if (startedAt > this.#loweredAt) {
      this.#refusals += 1;
      this.#loweredAt = now;
    }
    this.#pausedUntil = Math.max(this.#pausedUntil, now + waitForPlace(this.#refusals - 1));
  }
}
