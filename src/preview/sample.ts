/**
 * Some of many, spread evenly over all of them and in step with no pattern of theirs, in one pass and the same each time.
 * Holds `most` of them, and no more than `mostBytes` altogether, but always one.
 */
export class Sample<Item> {
  readonly #most: number;
  readonly #mostBytes: number;
  #kept: { item: Item; bytes: number; place: number }[] = [];
  #bytes = 0;
  /** What is above it is not taken. */
  #bound = 2 ** 32;
  #seen = 0;

  constructor(most: number, mostBytes: number) {
    this.#most = most;
    this.#mostBytes = mostBytes;
  }

  get items(): Item[] {
    return this.#kept.map(({ item }) => item);
  }

  /** Whether every one that came is in it. */
  get isWhole(): boolean {
    return this.#kept.length === this.#seen;
  }

  add(item: Item, bytes: number): void {
    const place = placeOf(this.#seen);
    this.#seen += 1;
    if (place >= this.#bound) return;
    this.#kept.push({ item, bytes, place });
    this.#bytes += bytes;
    while (this.#kept.length > 1 && (this.#kept.length > this.#most || this.#bytes > this.#mostBytes)) this.#thin();
  }

  #thin(): void {
    this.#bound /= 2;
    this.#kept = this.#kept.filter(({ place }) => place < this.#bound);
    this.#bytes = this.#kept.reduce((sum, { bytes }) => sum + bytes, 0);
  }
}

/** From 0 to 2 ** 32, by multiples of the golden ratio: any run of numbers is spread evenly. The first is 0, and stays. */
function placeOf(number: number): number {
  return Math.imul(number, 2_654_435_769) >>> 0;
}
