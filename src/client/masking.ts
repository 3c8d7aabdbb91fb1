import type { CllmError } from '../outcome/errors.ts';
import { type KeyMask, maskError, redactSecrets } from '../protocol/redact-secrets.ts';
import type { ChatCompletion } from '../protocol/types.ts';
import type { Receipt } from './receipt.ts';
import { keyMask } from './safe-text.ts';

/** What a reply says, and its numbers: the user's own, and left as they came. */
const ofTheReply = new Set(['message', 'delta', 'logprobs', 'text']);

/** A reply has some twenty texts beside its message; what has more is not walked through for ever. */
const mostMembers = 100_000;

/**
 * The last step of the client: whatever leaves it beside the reply's own text (errors, receipts, model names, finish words,
 * small answers, `--debug` lines) goes through here, so that no place which makes such a text has to think of the key. A
 * proxy, or what stands in front of it, may repeat the key in any header or member.
 */
export class Masking {
  #mask: KeyMask;

  constructor(keys: readonly string[]) {
    this.#mask = keyMask(keys);
  }

  /** The keys that there are by now. */
  learn(keys: readonly string[]): void {
    this.#mask = keyMask(keys);
  }

  /** Without our keys, and whatever else looks like one. */
  readonly text = (text: string): string => redactSecrets(this.#mask.mask(text));

  error<Thrown>(thrown: Thrown): Thrown {
    return maskError(thrown, this.text);
  }

  receipt(receipt: Receipt): Receipt {
    const members = Object.entries(receipt).map(([name, value]: [string, unknown]) => [
      name,
      // A deployment's id is a hash that looks like that of a key.
      typeof value !== 'string' ? value : name === 'modelId' ? this.#mask.mask(value) : this.text(value),
    ]);
    return Object.fromEntries(members) as Receipt;
  }

  /** Model, finish words and the like; changed in place. Only our own keys: the rest is kept as the proxy sent it. */
  completion(completion: ChatCompletion): ChatCompletion {
    this.#maskMembers(completion, ofTheReply);
    return completion;
  }

  /** A small answer, the list of models say; changed in place. */
  answer(answer: unknown): unknown {
    this.#maskMembers(answer, new Set());
    return answer;
  }

  /**
   * The JSON of a request, read for people to look at: without our keys, and without whatever else looks like one. What a file
   * holds stays as it is: in base64 the look of a key means nothing.
   */
  copy(json: string): unknown {
    return JSON.parse(json, (name: string, value: unknown) => {
      if (typeof value !== 'string') return value;
      return isFileData(name, value) ? this.#mask.mask(value) : this.text(value);
    });
  }

  /** Without recursion: a body may be nested deeper than the stack. */
  #maskMembers(root: unknown, leftOut: ReadonlySet<string>): void {
    const open: unknown[] = [root];
    for (let count = 0; open.length > 0 && count < mostMembers;) {
      const value = open.pop();
      if (typeof value !== 'object' || value === null) continue;
      const members = value as Record<string, unknown>;
      for (const [name, member] of Object.entries(members)) {
        count += 1;
        if (leftOut.has(name)) continue;
        if (typeof member !== 'string') open.push(member);
        else if (this.#mask.mask(member) !== member) members[name] = this.#mask.mask(member);
      }
    }
  }
}

/** Whether a member of a request is a file's content as base64, and that alone; a short one may be a key under that name. */
export function isFileData(name: string, value: string): boolean {
  const isNamed = name === 'data' && value.length >= 256;
  return isNamed ? /^[A-Za-z\d+/]+={0,2}$/.test(value) : /^data:[\w/.+-]+;base64,[A-Za-z\d+/]*={0,2}$/.test(value);
}

/** What a promise rejects with, masked. */
export async function withMaskedErrors<Value>(masking: Masking, promise: Promise<Value>): Promise<Value> {
  try {
    return await promise;
  } catch (thrown) {
    throw masking.error(thrown) as CllmError;
  }
}
