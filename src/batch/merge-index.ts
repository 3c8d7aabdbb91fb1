/** Where the result of an item stands. */
export interface ResultPlace {
  /** Which of the parts. */
  part: number;
  /** The offset of its text. */
  start: number;
  /** Bytes. */
  length: number;
  /** Of the text: tells two results of one item apart. */
  digest: bigint;
}

export interface IndexedResult extends ResultPlace {
  /** Of the input, from 1. */
  line: number;
  isError: boolean;
}

const flags = { isError: 1, isTwofold: 2, isWanted: 4 } as const;

/** What is known of each item of a merge, by the order in which they were met: 33 bytes each, in typed arrays. */
export class MergeIndex {
  size = 0;
  #lines = new Float64Array(1024);
  #starts = new Float64Array(1024);
  #digests = new BigUint64Array(1024);
  #parts = new Uint32Array(1024);
  #lengths = new Uint32Array(1024);
  #flags = new Uint8Array(1024);

  add(result: IndexedResult): void {
    if (this.size === this.#lines.length) this.#grow();
    this.size += 1;
    this.replace(this.size - 1, result);
  }

  replace(at: number, { line, start, digest, part, length, isError }: IndexedResult): void {
    this.#lines[at] = line;
    this.#starts[at] = start;
    this.#digests[at] = digest;
    this.#parts[at] = part;
    this.#lengths[at] = length;
    this.#flags[at] = isError ? flags.isError : 0;
  }

  line(at: number): number {
    return this.#lines[at] ?? 0;
  }

  digest(at: number): bigint {
    return this.#digests[at] ?? 0n;
  }

  place(at: number): ResultPlace {
    return {
      part: this.#parts[at] ?? 0,
      start: this.#starts[at] ?? 0,
      length: this.#lengths[at] ?? 0,
      digest: this.digest(at),
    };
  }

  isError(at: number): boolean {
    return this.#has(at, flags.isError);
  }

  isWanted(at: number): boolean {
    return this.#has(at, flags.isWanted);
  }

  /** The input has the item, on that line. */
  want(at: number, line: number): void {
    this.#lines[at] = line;
    this.#set(at, flags.isWanted);
  }

  /** Gives whether it was not marked so before. */
  markTwofold(at: number): boolean {
    const isNew = !this.#has(at, flags.isTwofold);
    this.#set(at, flags.isTwofold);
    return isNew;
  }

  /** Every item, by its line; those of one line as they were met. */
  order(): Uint32Array {
    const lines = this.#lines;
    return Uint32Array.from({ length: this.size }, (_, at) => at).toSorted(
      (one, other) => (lines[one] ?? 0) - (lines[other] ?? 0) || one - other,
    );
  }

  #has(at: number, flag: number): boolean {
    return ((this.#flags[at] ?? 0) & flag) !== 0;
  }

  #set(at: number, flag: number): void {
    this.#flags[at] = (this.#flags[at] ?? 0) | flag;
  }

  #grow(): void {
    const length = this.size * 2;
    const grown = <Values extends { set(from: Values): void }>(to: Values, from: Values): Values => {
      to.set(from);
      return to;
    };
    this.#lines = grown(new Float64Array(length), this.#lines);
    this.#starts = grown(new Float64Array(length), this.#starts);
    this.#digests = grown(new BigUint64Array(length), this.#digests);
    this.#parts = grown(new Uint32Array(length), this.#parts);
    this.#lengths = grown(new Uint32Array(length), this.#lengths);
    this.#flags = grown(new Uint8Array(length), this.#flags);
  }
}
