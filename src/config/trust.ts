import { createHash } from 'node:crypto';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { errorCode, failureReason } from '../files/file-error.ts';
import { normalizeBaseUrl } from '../client/base-url.ts';
import { UsageError } from '../outcome/errors.ts';
import { readOwnFile, unwritable, writePrivateFile } from './config-file.ts';
import type { Environment } from './paths.ts';

/**
 * One thing that a person allowed a folder:
 *
 * - `base_url`: to name this proxy in its `cllm.yaml` (`value` is the normalised URL)
 * - `owner`: to have a `cllm.yaml` of another user obeyed (`value` is that user's uid)
 * - `template`: to run the commands of a template, and to allow tools (`value` is the digest of the file)
 * - `tool`: to allow what its `cllm.yaml` allows by this rule (`value` is the rule)
 *
 * A grant holds for exactly what it names, so whatever changes in the folder has to be allowed again.
 */
export interface Grant {
  kind: (typeof kinds)[number];
  /** Without links: a path that leads here by another name is the same folder. */
  folder: string;
  value: string;
}

const kinds = ['base_url', 'owner', 'template', 'tool'] as const;

function isKind(word: unknown): word is Grant['kind'] {
  return (kinds as readonly unknown[]).includes(word);
}

export interface KeptGrant extends Grant {
  /** ISO 8601. */
  grantedAt: string;
}

/**
 * What people allowed, a file each: two that allow something at once need no lock, and lose nothing.
 *
 * @throws UsageError Every method: `config_invalid` when the folder can not be read or written.
 */
export class TrustStore {
  readonly #directory: string;
  readonly #uid: number | null;

  /** @param uid The user that the process runs as; what another one wrote there is no grant. */
  constructor(directory: string, uid: number | null) {
    this.#directory = directory;
    this.#uid = uid;
  }

  has(grant: Grant): boolean {
    return this.#read(nameOf(grant)) !== null;
  }

  add(grant: Grant, now: Date = new Date()): void {
    const { kind, folder, value } = grant;
    const text = JSON.stringify({ kind, folder, value, granted_at: now.toISOString() });
    writePrivateFile(join(this.#directory, nameOf(grant)), `${text}\n`, this.#uid);
  }

  /** Takes back all that the folder was allowed, and gives what that was. */
  remove(folder: string): KeptGrant[] {
    const grants = this.list().filter((grant) => grant.folder === folder);
    for (const grant of grants) {
      const file = join(this.#directory, nameOf(grant));
      try {
        rmSync(file, { force: true });
      } catch (error) {
        throw unwritable(file, error);
      }
    }
    return grants;
  }

  list(): KeptGrant[] {
    return this.#names()
      .map((name) => this.#read(name))
      .filter((grant) => grant !== null)
      .toSorted((one, other) => one.folder.localeCompare(other.folder) || one.value.localeCompare(other.value));
  }

  #names(): string[] {
    try {
      return readdirSync(this.#directory).filter((name) => /^[0-9a-f]{64}\.json$/.test(name));
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return [];
      throw new UsageError(`${this.#directory} can not be read (${failureReason(error)})`, {
        code: 'config_invalid',
        cause: error,
        hint: 'check who owns it and its permissions',
      });
    }
  }

  /**
   * Null for what is not there, and for a file that says another thing than its name.
   *
   * @throws UsageError `config_invalid` for what somebody else may have written
   */
  #read(name: string): KeptGrant | null {
    const file = readOwnFile(join(this.#directory, name), this.#uid);
    const text = file?.content.text ?? null;
    const grant = text === null ? null : grantOf(text);
    return grant !== null && nameOf(grant) === name ? grant : null;
  }
}

/**
 * The base URLs of `CLLM_TRUST`, for where nobody can be asked. Each is written out: a bare yes would hold for whatever
 * URL a fork's pull request brings along.
 *
 * @throws UsageError `usage` for anything but base URLs
 */
export function trustedUrls(env: Environment): string[] {
  const words = (env['CLLM_TRUST'] ?? '').split(/[\s,]+/).filter((word) => word !== '');
  return words.map((word) => {
    try {
      return normalizeBaseUrl(word);
    } catch (cause) {
      throw new UsageError('CLLM_TRUST holds something else than base URLs', {
        cause,
        hint: 'write each URL that a cllm.yaml may name, with a space between two: CLLM_TRUST="https://llm.example.com"',
      });
    }
  });
}

function nameOf({ kind, folder, value }: Grant): string {
  return `${createHash('sha256').update([kind, folder, value].join('\0')).digest('hex')}.json`;
}

function grantOf(text: string): KeptGrant | null {
  try {
    const { kind, folder, value, granted_at: grantedAt } = JSON.parse(text) as Record<string, unknown>;
    if (!isKind(kind)) return null;
    if (typeof folder !== 'string' || typeof value !== 'string' || typeof grantedAt !== 'string') return null;
    return { kind, folder, value, grantedAt };
  } catch {
    return null;
  }
}
