import { KeyMask, passwordsIn, redactSecrets } from '../../protocol/redact-secrets.ts';

/** Variables that hold keys, of this proxy, of providers and of CI systems. */
const secretVariable = /(?:KEY|TOKEN|SECRET|PASSWORD)$/i;

/** Of the proxy, by their names. */
const proxyVariable = /^LITELLM_(?:\w+_)?KEY$/;

/** The URL of a queue, with its password. */
const queueVariable = 'CLLM_QUEUE_URL';

/** A short value, or a plain word, stands in many texts and is no secret: `dummy`, `none`, `litellm`. */
function isSecret(value: string): boolean {
  return value.length >= (/^[a-z]+$/i.test(value) ? 20 : 7);
}

/**
 * The keys that this run knows of. Everything that the command says itself goes through `masked`: a key is easily typed in
 * the wrong place (`cllm logout sk-…`, `--header 'Authorization=Bearer sk-…'`), and what is echoed stands in the log of a
 * CI job for good.
 */
export class KnownSecrets {
  readonly #environment: Readonly<Record<string, string | undefined>>;
  readonly #keys = new Set<string>();
  #sources: (() => Iterable<string>)[] = [];
  #mask: KeyMask | null = null;

  constructor(environment: Readonly<Record<string, string | undefined>>) {
    this.#environment = environment;
  }

  add(key: string): void {
    this.#keys.add(key);
    this.#mask = null;
  }

  /** Keys that are read when a text is first masked; a source that throws has none. */
  addSource(read: () => Iterable<string>): void {
    this.#sources.push(read);
    this.#mask = null;
  }

  /** Without the keys that are known, and whatever else looks like one. */
  readonly masked = (text: string): string => redactSecrets(this.withoutKnown(text));

  /** Without the keys that are known, whatever they look like. */
  readonly withoutKnown = (text: string): string => this.#keyMask().mask(text);

  /** Whether a word is a key, and so can not be meant as a name. */
  isKey(word: string): boolean {
    const looksLikeOne = /^(?:sk|pk|rk)-(?=[\w-]*\d)[\w-]{16,}$/.test(word);
    return looksLikeOne || (isSecret(word) && this.#keyMask().mask(word) === '****');
  }

  /**
   * The environment for programs of others: without the keys of proxies, under whatever names they stand there
   * (`OPENAI_API_KEY` often is one). What a program needs itself, `GH_TOKEN` say, stays.
   */
  environmentForOthers(): Record<string, string | undefined> {
    const mask = this.#ownMask();
    const isKeys = (name: string): boolean => proxyVariable.test(name) || name === queueVariable;
    return Object.fromEntries(
      Object.entries(this.#environment).filter(([name, value = '']) => !isKeys(name) && mask.mask(value) === value),
    );
  }

  /** What a program of others gave, without those keys: it can read this one's own memory and files. */
  readonly withoutOwn = (text: string): string => this.#ownMask().mask(text);

  #ownMask(): KeyMask {
    this.#readSources();
    const named = Object.entries(this.#environment)
      .filter(([name]) => proxyVariable.test(name))
      .map(([, value]) => value?.trim() ?? '');
    return new KeyMask([...this.#keys, ...named, ...this.#queuePasswords()].filter(isSecret));
  }

  #readSources(): void {
    for (const read of this.#sources.splice(0)) for (const key of keysOf(read)) this.#keys.add(key);
  }

  #keyMask(): KeyMask {
    if (this.#mask !== null) return this.#mask;
    this.#readSources();
    const set = Object.entries(this.#environment)
      .filter(([name]) => secretVariable.test(name))
      .map(([, value]) => value?.trim() ?? '');
    return (this.#mask = new KeyMask([...this.#keys, ...set, ...this.#queuePasswords()].filter(isSecret)));
  }

  #queuePasswords(): string[] {
    const url = this.#environment[queueVariable];
    return url === undefined ? [] : passwordsIn(url);
  }
}

function keysOf(read: () => Iterable<string>): string[] {
  try {
    return [...read()];
  } catch {
    return [];
  }
}
