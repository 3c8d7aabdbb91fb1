import { isJsonObject } from '../json.ts';

/** What a reply may have too much of, beside bytes on the wire. */
export type ReplyLimit = 'calls' | 'choices' | 'members' | 'memory';

export interface ExceededLimit {
  limit: ReplyLimit;
  /** How many there may be; of `memory`, bytes. */
  most: number;
}

const mostCalls = 1_000;
const mostChoices = 128;
/** Of one object that is gathered by name. */
const mostMembers = 1_000;
const defaultMemory = 256 * 1024 * 1024;

/**
 * What a fold may hold. A byte on the wire can cost seventeen in memory (`{},` is an object), so what is kept as objects
 * and lists is weighed by what V8 takes for it, and may weigh as much as a reply may be long; there are 1,000 calls and 128
 * choices at most, and 1,000 members of one name each in an object that is put together from chunks. The texts themselves
 * cost what they are long, which is bounded on the wire.
 *
 * Whoever is told no drops what it was about to keep; the reader then ends the reply as `cut`, by `exceeded`.
 */
export class ReplyBudget {
  readonly #mostMemory: number;
  #calls = 0;
  #choices = 0;
  #memory = 0;
  #exceeded: ExceededLimit | null = null;

  /** @param mostMemory bytes */
  constructor(mostMemory = defaultMemory) {
    this.#mostMemory = mostMemory;
  }

  /** The first limit that was passed; null as long as none was. */
  get exceeded(): ExceededLimit | null {
    return this.#exceeded;
  }

  allowsCall(): boolean {
    this.#calls += 1;
    return this.#calls <= mostCalls || this.#refuse('calls', mostCalls);
  }

  allowsChoice(): boolean {
    this.#choices += 1;
    return this.#choices <= mostChoices || this.#refuse('choices', mostChoices);
  }

  /** @param count how many the object has already */
  allowsMember(count: number): boolean {
    return count < mostMembers || this.#refuse('members', mostMembers);
  }

  /** Whether there is room for a value that is kept as it came. */
  allowsValue(value: unknown): boolean {
    return this.allowsMemory(weightOf(value));
  }

  allowsMemory(bytes: number): boolean {
    this.#memory += bytes;
    return this.#memory <= this.#mostMemory || this.#refuse('memory', this.#mostMemory);
  }

  /** A value is kept no more. */
  release(value: unknown): void {
    this.#memory -= weightOf(value);
  }

  #refuse(limit: ReplyLimit, most: number): false {
    this.#exceeded ??= { limit, most };
    return false;
  }
}

const objectWeight = 56;
const listWeight = 32;
const textWeight = 24;
const slotWeight = 8;

/** About what a parsed value takes in the memory of V8, in bytes. Its slot in whatever holds it is in it. */
function weightOf(value: unknown): number {
  if (typeof value === 'string') return slotWeight + textWeight + value.length;
  if (Array.isArray(value)) {
    let weight = slotWeight + listWeight;
    for (const item of value) weight += weightOf(item);
    return weight;
  }
  if (!isJsonObject(value)) return slotWeight;
  let weight = slotWeight + objectWeight;
  for (const key in value) weight += slotWeight + weightOf(value[key]);
  return weight;
}
