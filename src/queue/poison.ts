/**
 * What a worker does with a job that others have begun. A worker that dies takes the jobs beside the one that killed it
 * along: each of them is tried once more with nothing beside it, so that only the one which kills a worker then as well is
 * given up.
 */
export type Handling = 'beside others' | 'alone' | 'given up';

/**
 * @param losses how often a worker had the job and did not come back
 * @param wasAlone whether the last of them had nothing beside it
 */
export function handlingOf(losses: number, wasAlone: boolean): Handling {
  if (losses === 0) return 'beside others';
  return wasAlone ? 'given up' : 'alone';
}

/**
 * One at a time alone, or any number beside each other. Whoever wants to be alone goes first: those that are there are
 * waited for, and nobody else is let in before.
 */
export class Room {
  #inside = 0;
  #isTaken = false;
  readonly #alone: (() => void)[] = [];
  readonly #others: (() => void)[] = [];

  /** Resolves inside; what it gives lets go again. */
  async enter(handling: Exclude<Handling, 'given up'>): Promise<() => void> {
    const isAlone = handling === 'alone';
    const isFree = isAlone ? this.#inside === 0 : this.#alone.length === 0;
    if (this.#isTaken || !isFree) {
      await new Promise<void>((resolve) => (isAlone ? this.#alone : this.#others).push(resolve));
    } else {
      this.#take(isAlone);
    }
    let isInside = true;
    return () => {
      if (!isInside) return;
      isInside = false;
      this.#inside -= 1;
      this.#isTaken = false;
      this.#next();
    };
  }

  #take(isAlone: boolean): void {
    this.#inside += 1;
    this.#isTaken = isAlone;
  }

  #next(): void {
    if (this.#inside > 0) return;
    const alone = this.#alone.shift();
    if (alone !== undefined) {
      this.#take(true);
      alone();
      return;
    }
    for (const enter of this.#others.splice(0)) {
      this.#take(false);
      enter();
    }
  }
}
