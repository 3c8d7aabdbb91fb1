/**
 * Values of any kind under the names of the wire, from a seed: completions as no proxy should send them, and some do.
 * The same seed gives the same ones (mulberry32).
 */
export class OddValues {
  #state: number;
  #texts = 0;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** In [0, 1). */
  random(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[Math.floor(this.random() * items.length)] as Item;
  }

  value(depth: number): unknown {
    const dice = this.random();
    if (depth <= 0 || dice < 0.45) return this.pick(scalars);
    return dice < 0.7 ? this.#list(() => this.value(depth - 1), 3) : this.object(depth);
  }

  object(depth: number): Record<string, unknown> {
    return Object.fromEntries(this.#list(() => [this.pick(names), this.value(depth - 1)] as const, 5));
  }

  message(): Record<string, unknown> {
    const message: Record<string, unknown> = {};
    for (const name of messageMembers) {
      if (this.random() < 0.35) message[name] = this.random() < 0.5 ? this.value(3) : this.#likely(name);
    }
    return message;
  }

  /** A whole completion, or what passes for one. */
  completion(): Record<string, unknown> {
    const choice = (): unknown =>
      this.random() < 0.05
        ? this.value(1)
        : {
            index: this.pick([0, 0, 0, 1, this.pick(scalars)]),
            message: this.random() < 0.85 ? this.message() : this.value(2),
            finish_reason: this.pick(['stop', 'stop', 'stop', 'tool_calls', 'length', this.pick(scalars)]),
            ...(this.random() < 0.3 && { logprobs: this.value(2) }),
          };
    const completion: Record<string, unknown> = {
      id: this.pick(['c', this.pick(scalars)]),
      object: 'chat.completion',
      created: this.pick([1, this.pick(scalars)]),
      model: this.pick(['m', this.pick(scalars)]),
      choices: this.random() < 0.92 ? this.#list(choice, 2, 1) : this.random() < 0.5 ? choice() : this.value(2),
      usage: this.pick([
        null,
        this.value(3),
        { prompt_tokens: this.pick(scalars), completion_tokens: this.pick(scalars), cost: this.pick(scalars) },
      ]),
    };
    if (this.random() < 0.2) completion[this.pick(names)] = this.value(2);
    return completion;
  }

  #likely(name: string): unknown {
    const call = { id: this.pick(scalars), type: this.pick(['function', 'custom', this.pick(scalars)]) };
    switch (name) {
      case 'content':
        return this.pick([this.#words(), this.#list(() => this.#part(), 4), this.#part()]);
      case 'tool_calls':
        return this.#list(
          () => ({
            ...call,
            function: this.pick([{ name: 'f', arguments: this.value(1) }, this.value(2)]),
            ...(this.random() < 0.3 && { custom: this.value(2) }),
          }),
          3,
        );
      case 'audio':
        return { id: 'a', data: this.pick(['AAAA', this.pick(scalars)]), transcript: this.pick(scalars) };
      case 'thinking_blocks':
      case 'images':
      case 'annotations':
        return this.#list(() => this.object(2), 3);
      default:
        return this.pick(['words', this.object(2)]);
    }
  }

  #part(): unknown {
    return this.pick([
      { type: 'text', text: this.#words() },
      { type: 'text', text: this.value(1) },
      { type: 'thinking', thinking: this.value(2), signature: this.pick(scalars) },
      { type: 'image_url', image_url: this.value(1) },
      { type: 'input_audio', input_audio: this.value(1) },
      { type: 'tool_use', id: this.pick(scalars), name: this.pick(scalars), input: this.value(2) },
      { type: 'refusal', refusal: this.pick(scalars) },
      this.#words(),
      this.value(2),
    ]);
  }

  /** A text of the reply that can be found again wherever it is shown: `words17.`. */
  #words(): string {
    this.#texts += 1;
    return `words${this.#texts}.`;
  }

  #list<Item>(item: () => Item, most: number, least = 0): Item[] {
    return Array.from({ length: least + Math.floor(this.random() * (most + 1 - least)) }, item);
  }
}

/** As the bytes of a body: with what no JavaScript value of JSON can hold, a number beyond all and a prototype. */
export function jsonOf(value: unknown): string {
  return JSON.stringify(value)
    .replaceAll('"INFINITE"', '1e400')
    .replaceAll('"PROTOTYPE"', '{"__proto__":{"polluted":1}}');
}

const scalars: unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1.5,
  2 ** 31,
  2 ** 53,
  -(2 ** 53),
  1e308,
  'INFINITE',
  '',
  'x',
  'None',
  '0',
  '\ud800',
  '\udc00x',
  '\u0000',
  '__proto__',
  'constructor',
  'stop',
  'a'.repeat(300),
  [],
  {},
  [null],
  [[]],
  { toString: 1 },
  { length: 3 },
  { toJSON: 1 },
  { valueOf: null },
  { 0: {} },
  'PROTOTYPE',
];

const messageMembers =
  'role content refusal reasoning reasoning_content tool_calls function_call audio thinking_blocks annotations images provider_specific_fields'.split(
    ' ',
  );

const names = [
  ...messageMembers,
  ...'id object created model choices usage index message finish_reason logprobs type function custom name'.split(' '),
  ...'arguments input text data transcript thinking signature url prompt_tokens completion_tokens cost'.split(' '),
  ...'total_tokens prompt_tokens_details cached_tokens system_fingerprint service_tier citations __proto__'.split(' '),
  ...'constructor prototype toString toJSON hasOwnProperty length 0 valueOf then'.split(' '),
];
