import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { applicationId } from '../../src/history/database.ts';
import { migrate } from '../../src/history/migrations.ts';
import { DatabaseSync } from './sqlite.ts';

type Instance = InstanceType<typeof DatabaseSync>;

/** A database as the cllm of that schema left it, without rows. */
export function oldHistory(path: string, version: number): Instance {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const database = new DatabaseSync(path);
  migrate(
    { get: (sql) => database.prepare(sql).get(), execute: (sql) => database.exec(sql) },
    version === 0 ? 0 : applicationId,
    version,
  );
  return database;
}

/** Copies the conversations and turns of another file, as far as this one has their columns. */
export function takeRows(database: Instance, from: string): void {
  database.prepare('ATTACH ? AS other').run(from);
  for (const table of ['conversations', 'turns']) {
    const columns = (database.prepare(`SELECT name FROM pragma_table_info('${table}')`).all() as { name: string }[])
      .map(({ name }) => name)
      .join();
    database.exec(`INSERT INTO ${table} (${columns}) SELECT ${columns} FROM other.${table} ORDER BY position`);
  }
  database.exec('DETACH other');
}
