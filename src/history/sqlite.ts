import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { arch, platform } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What is used of `node:sqlite`'s interface: https://nodejs.org/api/sqlite.html. */
export interface Connection {
  readonly isOpen: boolean;
  readonly isTransaction: boolean;
  exec(sql: string): void;
  prepare(sql: string): Statement;
  close(): void;
}

export interface Statement {
  run(...values: (string | number | null)[]): { changes: number | bigint };
  get(...values: (string | number | null)[]): unknown;
  all(...values: (string | number | null)[]): unknown[];
  iterate(...values: (string | number | null)[]): IterableIterator<unknown>;
}

interface Engine {
  DatabaseSync: new (path: string, options: { timeout: number }) => Connection;
}

const packageName = '@photostructure/sqlite';

let engine: Engine | undefined;

/** @param timeout How long a lock is waited for, in milliseconds. */
export function connect(path: string, timeout: number): Connection {
  engine ??= loadEngine();
  return new engine.DatabaseSync(path, { timeout });
}

/**
 * Through the package it takes 5 to 9 ms to come to the addon, in every start of cllm that keeps a turn; the addon by
 * itself takes one. So it is taken from where the package ships it, and through the package wherever that fails: on a
 * musl system, say, or where node_modules are laid out in another way.
 */
function loadEngine(): Engine {
  const require = createRequire(import.meta.url);
  const addon = existsSync('/etc/alpine-release') ? null : shippedAddon(dirname(fileURLToPath(import.meta.url)));
  if (addon !== null) {
    try {
      return require(addon) as Engine;
    } catch {
      // Built for another C library; the package's own search is next, and its error tells more.
    }
  }
  return require(packageName) as Engine;
}

/** As Node resolves a package, from the folder upwards; `require.resolve` alone takes 2 ms for it. */
function shippedAddon(from: string): string | null {
  const file = join(
    'node_modules',
    packageName,
    'prebuilds',
    `${platform()}-${arch()}`,
    '@photostructure+sqlite.glibc.node',
  );
  for (let folder = from; ; folder = dirname(folder)) {
    const path = join(folder, file);
    if (existsSync(path)) return path;
    if (folder === dirname(folder)) return null;
  }
}
