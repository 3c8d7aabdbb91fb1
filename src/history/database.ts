import type { DatabaseSync } from '@photostructure/sqlite';
import { existsSync } from 'node:fs';
import { createRequire, isBuiltin } from 'node:module';
import { arch, platform } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { CllmError } from '../outcome/errors.ts';
import { databaseError, isBusy, isDamage, isWriteRefusal } from './database-error.ts';
import { isSettled, moveAside, prepareFile } from './database-file.ts';
import { type FileSystemType, networkFileSystem } from './file-system.ts';
import { migrate, schemaVersion } from './migrations.ts';
import { hasWord, isPaired, pairText } from './pairs.ts';

/** The same interface as `node:sqlite`, for a Node that has none, or one that can lose commits. */
const packageName = '@photostructure/sqlite';

/** "cllm" in ASCII, in the header of every history: https://sqlite.org/pragma.html#pragma_application_id. */
export const applicationId = 0x636c6c6d;

/** Before this version two connections that write and checkpoint at once could lose commits: https://sqlite.org/wal.html#walresetbug. */
const oldestSqlite = [3, 51, 3] as const;

export type Value = string | number | Uint8Array | null;

export interface DatabaseOptions {
  /** The user that the process runs as (`process.getuid`); null where the platform has none. */
  uid: number | null;
  /** How long a writer waits for the others, in milliseconds. Default 10,000. */
  busyTimeout?: number;
  /** Told of what works less well than usual. */
  onWarning?: (warning: string) => void;
  /** Default statfs(2). */
  fileSystemType?: FileSystemType;
  now?: () => Date;
}

interface Engine {
  DatabaseSync: typeof DatabaseSync;
}
type Connection = InstanceType<Engine['DatabaseSync']>;
type Statement = ReturnType<Connection['prepare']>;

/**
 * One SQLite file, opened so that nobody else can read it or have prepared it, in the newest schema, and damaged by
 * neither a crash nor a second writer: WAL with `synchronous=FULL`, and every write in a transaction that takes its lock
 * at the start, because one that reads first and then finds another writer fails at once, whatever the timeout.
 *
 * Every failure of SQLite leaves as a CllmError `history_unusable` that names the file and the next step. The errors of
 * the engine hold no values, so no prompt or reply travels in a cause.
 */
export class Database {
  readonly path: string;
  readonly #connection: Connection;
  readonly #statements = new Map<string, Statement>();
  readonly #busyTimeout: number;
  readonly #inode: number | null;
  readonly #now: () => Date;
  /** Why nothing can be written; null when it can. */
  readonly #refusal: CllmError | null;

  private constructor(path: string, inode: number | null, options: DatabaseOptions, refusal: CllmError | null = null) {
    this.path = path;
    this.#inode = inode;
    this.#now = options.now ?? (() => new Date());
    this.#busyTimeout = options.busyTimeout ?? 10_000;
    this.#refusal = refusal;
    const engine = sqliteEngine();
    try {
      this.#connection =
        refusal === null
          ? new engine.DatabaseSync(path, { timeout: this.#busyTimeout })
          : new engine.DatabaseSync(`${pathToFileURL(path).href}?immutable=1`, { readOnly: true });
      defineFunctions(this.#connection);
    } catch (error) {
      throw databaseError(error, path, this.#busyTimeout);
    }
  }

  /**
   * Opens the file, or makes it. `:memory:` gives a history that ends with the process. On a full disk or a read-only file
   * system it can be read all the same, and every write throws why not.
   *
   * @throws CllmError `history_newer` when a newer cllm wrote it (it stays as it is), else `history_unusable`. A file
   * that is no database was moved aside then, and the message says where.
   */
  static open(path: string, options: DatabaseOptions): Database {
    const inode = path === ':memory:' ? null : prepareFile(path, options.uid);
    try {
      return Database.#opened(new Database(path, inode, options), options);
    } catch (error) {
      if (!(error instanceof CllmError) || !isWriteRefusal(error.cause) || !isSettled(path)) throw error;
      try {
        return Database.#opened(new Database(path, inode, options, error), options);
      } catch {
        throw error;
      }
    }
  }

  static #opened(database: Database, options: DatabaseOptions): Database {
    try {
      database.#prepare(options);
      return database;
    } catch (error) {
      const failure = database.#failed(error);
      database.close();
      throw failure;
    }
  }

  /** The first row, or undefined. */
  get(sql: string, ...values: Value[]): unknown {
    return this.#translated(() => this.#statement(sql).get(...values));
  }

  all<Row>(sql: string, ...values: Value[]): Row[] {
    return this.#translated(() => this.#statement(sql).all(...values) as Row[]);
  }

  /**
   * The columns of a long list; its rows are in no particular order. A value at a time across the border to C++ is most
   * of what `all` takes for 10,000 rows, so SQLite makes one JSON text of each column instead.
   *
   * @param names None may hold long texts: SQLite's longest has 1 GB.
   * @param rows The query that gives them.
   */
  columns<Row extends { [Name in keyof Row]: Value }>(
    names: readonly (keyof Row & string)[],
    rows: string,
    ...values: Value[]
  ): { [Name in keyof Row]: Row[Name][] } {
    const arrays = names.map((name) => `json_group_array(${name}) AS ${name}`);
    const texts = this.get(`SELECT ${arrays.join()} FROM (${rows})`, ...values) as Record<string, string>;
    // JSON.parse rounds an integer that a number can not hold, and the engine refuses it.
    if (names.some((name) => mayBeInexact(texts[name] as string))) this.all(rows, ...values);
    return Object.fromEntries(names.map((name) => [name, JSON.parse(texts[name] as string)])) as {
      [Name in keyof Row]: Row[Name][];
    };
  }

  /** Row by row: for what may not fit in memory. The statement is not shared, so others may run in between. */
  *iterate<Row>(sql: string, ...values: Value[]): Generator<Row> {
    try {
      yield* this.#connection.prepare(sql).iterate(...values) as IterableIterator<Row>;
    } catch (error) {
      throw databaseError(error, this.path, this.#busyTimeout);
    }
  }

  /** @returns The number of rows changed. */
  run(sql: string, ...values: Value[]): number {
    return this.#translated(() => this.#statement(sql).run(...values).changes);
  }

  execute(sql: string): void {
    this.#translated(() => this.#connection.exec(sql));
  }

  /**
   * Runs the action in one transaction: all of it is stored, or nothing. Damage that it meets moves the file aside.
   *
   * @throws What the action throws, after everything was undone.
   */
  write<Result>(action: () => Result): Result {
    if (this.#refusal !== null) throw this.#refusal;
    try {
      return this.#transaction('BEGIN IMMEDIATE', action);
    } catch (error) {
      throw this.#failed(error);
    }
  }

  /** Runs the action on one unchanging view of the data, whatever others write meanwhile. */
  read<Result>(action: () => Result): Result {
    return this.#transaction('BEGIN', action);
  }

  /**
   * Brings the log's pages into the file and empties it, unless somebody else is using it. The engine does not do that by
   * itself: it has no way to end a statement, and a connection that still has some stays open until they are collected.
   */
  close(): void {
    if (!this.#connection.isOpen) return;
    try {
      if (this.#refusal === null) this.#connection.exec('PRAGMA busy_timeout = 0; PRAGMA wal_checkpoint(TRUNCATE)');
    } catch {
      // What is committed is safe in the log.
    }
    this.#statements.clear();
    this.#connection.close();
  }

  #transaction<Result>(begin: string, action: () => Result): Result {
    this.execute(begin);
    try {
      const result = action();
      this.execute('COMMIT');
      return result;
    } catch (error) {
      // SQLite has already rolled back after a full disk and the like.
      if (this.#connection.isOpen && this.#connection.isTransaction) this.#connection.exec('ROLLBACK');
      throw error;
    }
  }

  #prepare(options: DatabaseOptions): void {
    const facts = this.get(
      `SELECT sqlite_version() AS version, application_id AS application, user_version AS schema,
        (SELECT count(*) FROM sqlite_schema) AS objects,
        (SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN ('conversations', 'turns')) AS tables FROM pragma_application_id, pragma_user_version`,
    ) as { version: string; application: number; schema: number; objects: number; tables: number };
    assertSqliteVersion(facts.version);
    if (facts.application !== applicationId && (facts.application !== 0 || facts.schema !== 0 || facts.objects !== 0)) {
      throw new CllmError('history_unusable', `${this.path} is a database of another program`, {
        hint: `move it away: mv ${this.path} ${this.path}.old`,
      });
    }
    if (facts.schema > schemaVersion) {
      throw new CllmError(
        'history_newer',
        `${this.path} was written by a newer cllm (schema ${facts.schema}, this one knows ${schemaVersion})`,
        { hint: 'install a newer cllm, the way this one came' },
      );
    }
    // A view in the place of a table may have no end.
    if (facts.schema > 0 && facts.tables !== 2) {
      throw new CllmError('history_unusable', `${this.path} is no history any more: somebody changed its tables`, {
        hint: `move it away: mv ${this.path} ${this.path}.old`,
      });
    }
    if (this.#refusal !== null) {
      if (facts.schema < schemaVersion) throw this.#refusal;
      return;
    }
    const network = this.#inode === null ? null : networkFileSystem(dirname(this.path), options.fileSystemType);
    if (network !== null) {
      options.onWarning?.(
        `${this.path} is on a network file system (${network}): writing is slower and relies on its locks`,
      );
    }
    if (this.#inode !== null) this.#setJournalMode(network === null ? 'wal' : 'delete');
    // SQLite as compiled here falls back to NORMAL under WAL, which may lose the last commits with the power. A longer row
    // moves: what was freed by an earlier commit would outlive a deletion, so that each overwrites what it frees.
    this.execute('PRAGMA synchronous = FULL; PRAGMA secure_delete = ON');
    if (facts.schema < schemaVersion) this.write(() => migrate(this, applicationId));
  }

  /** Changing to WAL takes an exclusive lock for which SQLite does not wait; two first starts at once would fail. */
  #setJournalMode(mode: 'wal' | 'delete'): void {
    const deadline = performance.now() + this.#busyTimeout;
    for (;;) {
      try {
        this.#connection.exec(`PRAGMA journal_mode = ${mode}`);
        return;
      } catch (error) {
        if (!isBusy(error) || performance.now() > deadline) throw error;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
      }
    }
  }

  /** Statements are compiled when they are first needed: a start-up that appends one turn needs five of them. */
  #statement(sql: string): Statement {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#connection.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #translated<Result>(action: () => Result): Result {
    if (!this.#connection.isOpen) {
      // By damage, most likely: who met it was told so.
      throw new CllmError('history_unusable', `${this.path} is closed`, { hint: 'run the same command again' });
    }
    try {
      return action();
    } catch (error) {
      throw databaseError(error, this.path, this.#busyTimeout);
    }
  }

  /** The error to throw. After damage the connection is closed and the file moved, for the next command to start afresh. */
  #failed(error: unknown): unknown {
    const original = error instanceof CllmError ? error.cause : error;
    if (!isDamage(original) || this.#inode === null) return databaseError(error, this.path, this.#busyTimeout);
    // Without a checkpoint: nothing more is written to what is damaged.
    this.#connection.close();
    const moved = moveAside(this.path, this.#inode, this.#now());
    return new CllmError(
      'history_unusable',
      `${this.path} is damaged${moved === null ? '' : `; it was moved to ${moved}`}`,
      {
        cause: original,
        hint:
          moved === null
            ? 'run the same command again'
            : `a new history starts with the next command; \`sqlite3 ${moved} .recover\` reads what can be read of the old one`,
      },
    );
  }
}

/** What the triggers of the schema call: without them no turn can be written. */
export function defineFunctions(connection: Pick<Connection, 'function'>): void {
  connection.function('cllm_pairs', { deterministic: true }, pairText);
  // How many values they take is the length of these functions.
  connection.function('cllm_is_paired', { deterministic: true }, (text: unknown) => Number(isPaired(textOf(text))));
  connection.function('cllm_has_word', { deterministic: true }, (text: unknown, word: unknown) =>
    Number(hasWord(textOf(text), textOf(word))),
  );
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function mayBeInexact(column: string): boolean {
  return !column.includes('"') && /\d{16}/.test(column);
}

/** @throws CllmError `history_unusable` for an engine that can lose commits. */
export function assertSqliteVersion(version: string): void {
  if (isSound(version)) return;
  throw new CllmError(
    'history_unusable',
    `SQLite ${version} can lose commits; ${oldestSqlite.join('.')} or newer is needed`,
    { hint: 'install the dependencies that the lock file names: npm ci' },
  );
}

function isSound(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number);
  const [oldestMajor, oldestMinor, oldestPatch] = oldestSqlite;
  if (major !== oldestMajor) return major > oldestMajor;
  return minor !== oldestMinor ? minor > oldestMinor : patch >= oldestPatch;
}

let engine: Engine | undefined;

/**
 * The one SQLite of this process: Node's own where it is sound (22.23.3 and 24.21 have such a one, 22.20 and 24.11 not),
 * else the addon. A second one in the process would not see the locks of the first.
 */
export function sqliteEngine(): Engine {
  return (engine ??= ownEngine() ?? addonEngine());
}

function ownEngine(): Engine | null {
  if (!isBuiltin('node:sqlite')) return null;
  const own = createRequire(import.meta.url)('node:sqlite') as Engine;
  const memory = new own.DatabaseSync(':memory:');
  const { version } = memory.prepare('SELECT sqlite_version() AS version').get() as { version: string };
  memory.close();
  return isSound(version) ? own : null;
}

/**
 * The addon lies in the installation, a file a platform, and in a checkout in its own package. Loaded by itself it takes
 * one millisecond, through the package's search 5 to 9.
 *
 * @throws CllmError `history_unusable` where there is none for this platform
 */
function addonEngine(): Engine {
  const require = createRequire(import.meta.url);
  const folder = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'sqlite');
  const target = `${platform()}-${arch()}`;
  // Which C library there is shows when an addon is loaded; on Alpine the likely one is tried first.
  const libraries = existsSync('/etc/alpine-release') ? ['musl', 'glibc'] : ['glibc', 'musl'];
  for (const library of libraries) {
    const addon = join(folder, `${target}-${library}.node`);
    if (!existsSync(addon)) continue;
    try {
      return require(addon) as Engine;
    } catch {
      // Built for the other C library.
    }
  }
  try {
    return require(packageName) as Engine;
  } catch (error) {
    throw new CllmError('history_unusable', `cllm has no SQLite for this platform, ${target}`, {
      hint: '--ephemeral asks without a history',
      cause: error,
    });
  }
}
