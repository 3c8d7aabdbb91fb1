/**
 * A push as a pull: what is given is what an iteration gets, and the giver waits until more is asked for. It is told to
 * begin by the first `next()`.
 */
export class Handoff<Item> implements AsyncIterableIterator<Item> {
  readonly #begin: (give: (item: Item) => Promise<void> | undefined) => Promise<void>;
  readonly #leave: () => void;
  readonly #takers: ((result: IteratorResult<Item>) => void)[] = [];
  #release: (() => void) | null = null;
  #state: 'new' | 'running' | 'over' = 'new';

  /**
   * @param begin gives until nothing is left; never rejects, and gives nothing before it returns. What it throws, the
   * first `next()` rejects with
   * @param leave nobody will take any more
   */
  constructor(begin: (give: (item: Item) => Promise<void> | undefined) => Promise<void>, leave: () => void) {
    this.#begin = begin;
    this.#leave = leave;
  }

  next(): Promise<IteratorResult<Item>> {
    if (this.#state === 'over') return Promise.resolve({ value: undefined, done: true });
    const isFirst = this.#state === 'new';
    if (isFirst) {
      this.#state = 'running';
      try {
        void this.#begin((item) => this.#give(item)).then(() => this.#finish());
      } catch (thrown) {
        this.#finish();
        return Promise.reject(thrown);
      }
    }
    const taken = new Promise<IteratorResult<Item>>((resolve) => this.#takers.push(resolve));
    if (!isFirst) this.#goOn();
    return taken;
  }

  return(): Promise<IteratorResult<Item>> {
    this.#finish();
    this.#leave();
    this.#goOn();
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #give(item: Item): Promise<void> | undefined {
    if (this.#state === 'over') return undefined;
    this.#takers.shift()?.({ value: item, done: false });
    return this.#takers.length > 0 ? undefined : new Promise((resolve) => (this.#release = resolve));
  }

  #goOn(): void {
    this.#release?.();
    this.#release = null;
  }

  #finish(): void {
    this.#state = 'over';
    for (const take of this.#takers.splice(0)) take({ value: undefined, done: true });
  }
}
