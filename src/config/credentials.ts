import { normalizeBaseUrl, unquoted } from '../client/base-url.ts';
import { UsageError } from '../outcome/errors.ts';
import type { OwnProcess } from '../files/own-process.ts';
import { changingOwnFile, moveAside, readOwnFile, tightenFile, writePrivateFile } from './config-file.ts';

/** A kept key as it may be shown. */
export interface CredentialSummary {
  baseUrl: string;
  /** The key's first letters and its last four: enough to recognise it, too little to use it. */
  maskedKey: string;
  /** When it was entered, ISO 8601. */
  createdAt: string;
}

/** What a sign-in left beside its key, so that the key can be renewed. The names of OAuth. */
export interface Session {
  /** Used once: the answer to it has the next one. */
  refresh_token: string;
  /** When the key ends, ISO 8601. */
  expires_at: string;
  client_id: string;
  token_endpoint: string;
  revocation_endpoint: string;
  resource: string;
}

interface Credential {
  key: string;
  created_at: string;
  session?: Session;
}

/**
 * The keys that people entered with `cllm login`, each bound to the base URL it was entered for: there is no way to ask
 * for a key other than by naming the URL it will be sent to. One JSON file, 0600 in a 0700 directory, replaced in one
 * step; the text of the keys is not encrypted, as with every other CLI that must work without a desktop's keyring.
 */
export class Credentials {
  readonly file: string;
  readonly #own: OwnProcess;

  constructor(file: string, own: OwnProcess) {
    this.file = file;
    this.#own = own;
  }

  /**
   * The key for a base URL (any spelling of it), or null.
   *
   * @throws UsageError `config_invalid` when the file can not be read, is broken, or somebody else may have written it
   */
  get(baseUrl: string): string | null {
    return this.#read().get(normalizeBaseUrl(baseUrl))?.key ?? null;
  }

  /** What renews the key for a base URL; null for a key that was entered. */
  session(baseUrl: string): Session | null {
    return this.kept(baseUrl)?.session ?? null;
  }

  /** The key for a base URL with what renews it, of one moment: another process may put the next pair in their place. */
  kept(baseUrl: string): { key: string; session: Session | null } | null {
    const found = this.#read().get(normalizeBaseUrl(baseUrl));
    return found === undefined ? null : { key: found.key, session: found.session ?? null };
  }

  /**
   * Keeps a key for a base URL, in place of an earlier one. A broken file is moved aside, not overwritten.
   *
   * @returns where a broken file was moved to, or null
   * @throws UsageError `input_invalid` when the key could not stand in a header
   */
  async set(
    baseUrl: string,
    key: string,
    { now = new Date(), session = null }: { now?: Date; session?: Session | null } = {},
  ): Promise<{ movedTo: string | null }> {
    const credential = {
      key: readKey(key, 'the key'),
      created_at: now.toISOString(),
      ...(session !== null && { session }),
    };
    const url = normalizeBaseUrl(baseUrl);
    return changingOwnFile(this.file, this.#own, () => {
      const kept = this.#readOrNull();
      const movedTo = kept === null ? moveAside(this.file, now) : null;
      this.#write(new Map([...(kept ?? []), [url, credential]]));
      return { movedTo };
    });
  }

  /**
   * Keeps what a sign-in was renewed to, where it is still the one that is kept: another key may have been entered, or the
   * sign-in forgotten, while the proxy was asked.
   *
   * @param used the refresh token that is no more
   */
  async renew(
    baseUrl: string,
    used: string,
    { key, session }: { key: string; session: Session },
    now = new Date(),
  ): Promise<boolean> {
    const url = normalizeBaseUrl(baseUrl);
    const credential = { key: readKey(key, 'the key'), created_at: now.toISOString(), session };
    return changingOwnFile(this.file, this.#own, () => {
      const credentials = this.#read();
      if (credentials.get(url)?.session?.refresh_token !== used) return false;
      this.#write(credentials.set(url, credential));
      return true;
    });
  }

  /** Forgets the key for a base URL; false when there was none. */
  async delete(baseUrl: string): Promise<boolean> {
    const url = normalizeBaseUrl(baseUrl);
    // Where nothing was ever kept there is nothing to lock.
    if (!this.#read().has(url)) return false;
    return changingOwnFile(this.file, this.#own, () => {
      const credentials = this.#read();
      const wasKept = credentials.delete(url);
      if (wasKept) this.#write(credentials);
      return wasKept;
    });
  }

  /** What is kept, by base URL, masked. */
  list(): CredentialSummary[] {
    return [...this.#read()]
      .map(([baseUrl, { key, created_at: createdAt }]) => ({ baseUrl, maskedKey: maskKey(key), createdAt }))
      .toSorted((left, right) => (left.baseUrl < right.baseUrl ? -1 : 1));
  }

  /** The keys themselves, to know what must not be shown; none of a broken file. */
  keys(): string[] {
    return [...(this.#readOrNull()?.values() ?? [])].flatMap(({ key, session }) =>
      session === undefined ? [key] : [key, session.refresh_token],
    );
  }

  #read(): Map<string, Credential> {
    const credentials = this.#readOrNull();
    if (credentials !== null) return credentials;
    throw new UsageError(`${this.file} is no file of keys that cllm wrote`, {
      code: 'config_invalid',
      hint: 'run `cllm login` again: it moves the broken file aside',
    });
  }

  /** Null when the file is there but makes no sense. */
  #readOrNull(): Map<string, Credential> | null {
    const file = readOwnFile(this.file, this.#own.uid);
    if (file === null) return new Map();
    if ((file.mode & 0o077) !== 0) tightenFile(this.file);
    if (file.content.text === null) return null;
    try {
      const parsed = JSON.parse(file.content.text) as { keys?: unknown } | null;
      if (typeof parsed?.keys !== 'object' || parsed.keys === null) return null;
      const keys = Object.entries(parsed.keys);
      return keys.every((entry): entry is [string, Credential] => isCredential(entry[1])) ? new Map(keys) : null;
    } catch {
      // JSON's own message quotes the text around the mistake: a key, here.
      return null;
    }
  }

  #write(credentials: ReadonlyMap<string, Credential>): void {
    const text = `${JSON.stringify({ version: 1, keys: Object.fromEntries(credentials) }, null, 2)}\n`;
    writePrivateFile(this.file, text, this.#own.uid);
  }
}

/**
 * A key as it was typed, piped or kept in a file: white space around it goes.
 *
 * @param source how a message names it; the key itself is never in one
 * @throws UsageError `input_invalid` when nothing is left, or something that no HTTP header can carry
 */
export function readKey(text: string, source: string): string {
  const key = unquoted(text.trim());
  if (key === '')
    throw new UsageError(`${source} is empty`, {
      code: 'input_invalid',
      hint: 'give it as you got it from the proxy',
    });
  if (!/^[\x21\x23-\x26\x28-\x5f\x61-\x7e]+$/.test(key)) {
    throw new UsageError(`${source} holds a space, a quote, a line break or another character that no key has`, {
      code: 'input_invalid',
      hint: 'copy the key alone, without quotes or a variable name',
    });
  }
  return key;
}

/** `sk-…1234`; of a short key nothing but its existence. */
export function maskKey(key: string): string {
  if (key.length < 16) return '…';
  return `${key.startsWith('sk-') ? 'sk-' : ''}…${key.slice(-4)}`;
}

function isCredential(value: unknown): value is Credential {
  const { key, created_at: createdAt, session } = (value ?? {}) as Record<string, unknown>;
  const isSession = (each: object): boolean =>
    ['refresh_token', 'expires_at', 'client_id', 'token_endpoint', 'revocation_endpoint', 'resource'].every(
      (name) => typeof (each as Record<string, unknown>)[name] === 'string',
    );
  const hasSession = session === undefined || (typeof session === 'object' && session !== null && isSession(session));
  return typeof key === 'string' && typeof createdAt === 'string' && hasSession;
}
