import { DatabaseSync } from '../support/sqlite.ts';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { schemaVersion } from '../../src/history/migrations.ts';
import { addTurn, ended, newTurn, openHistory } from '../support/history-samples.ts';
import { oldHistory } from '../support/old-history.ts';
import { useTemporaryDirectory } from '../support/temporary-directory.ts';

const directory = useTemporaryDirectory();
const pathOf = (): string => join(directory(), 'data', 'history.db');
const earlier = Array.from({ length: schemaVersion }, (_, index) => index);

const databaseOf = (version: number): ReturnType<typeof oldHistory> => oldHistory(pathOf(), version);

function schemaOf(path: string): string[] {
  const database = new DatabaseSync(path);
  const rows = database
    .prepare("SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY name")
    .all() as {
    type: string;
    name: string;
    sql: string;
  }[];
  database.close();
  return rows.map(({ type, name, sql }) => `${type} ${name}: ${sql.replaceAll(/\s+/g, ' ')}`);
}

const dense = (sql: string): string => sql.replaceAll(/\s+/g, ' ').replaceAll(/ ?([(),]) ?/g, '$1');

describe('the schema', () => {
  test('of a blank history is exactly this', () => {
    openHistory(pathOf()).close();
    expect(schemaOf(pathOf())).toMatchSnapshot();
  });

  test('in docs/history.md is the schema', () => {
    openHistory(pathOf()).close();
    const documented = readFileSync(join(import.meta.dirname, '../../docs/history.md'), 'utf8');
    const tables = schemaOf(pathOf()).filter((line) =>
      /^table (?!turns_(?:search|pairs)_(?:config|data|docsize|idx))/.test(line),
    );
    expect(tables).toHaveLength(12);
    for (const line of tables) expect(dense(documented)).toContain(dense(line.replace(/^table \w+: /, '')));
  });

  test.each(earlier)('of version %i, without rows, becomes the newest', (version) => {
    databaseOf(version).close();
    openHistory(pathOf()).close();
    const migrated = schemaOf(pathOf());
    openHistory(join(directory(), 'blank', 'history.db')).close();
    expect(migrated).toEqual(schemaOf(join(directory(), 'blank', 'history.db')));
  });

  test.each(earlier.filter((version) => version > 0))('of version %i keeps its rows', (version) => {
    const blank = openHistory(':memory:');
    const { conversationId, turnId } = blank.beginTurn(
      newTurn('a needle in the stack', { name: 'plan', system: 'be brief' }),
    );
    blank.endTurn(turnId, ended('found it'));
    const [line] = blank.export();
    const [conversation, turn] = rowsOf(String(line));
    const database = databaseOf(version);
    insert(database, 'conversations', conversation);
    insert(database, 'turns', turn);
    // The trigger has set what the reply's commit sets again.
    database.prepare('UPDATE conversations SET updated_at = ?').run(turn['ended_at']);
    database.close();

    const history = openHistory(pathOf());
    expect([...history.export()]).toEqual([line]);
    expect(history.search('needle').map((hit) => hit.conversationId)).toEqual([conversationId]);
    expect(history.verify().problems).toEqual([]);
    addTurn(history, 'more', 'of it', { id: conversationId });
    expect(history.find('plan').turnCount).toBe(2);
    history.close();
  });

  /** The rows that version 1 had, as a history of today writes them. */
  function rowsOf(line: string): [Record<string, unknown>, Record<string, unknown>] {
    const path = join(directory(), 'today', 'history.db');
    const today = openHistory(path);
    today.import([line]);
    today.close();
    const database = new DatabaseSync(path);
    const { origin: _origin, ...conversation } = database.prepare('SELECT * FROM conversations').get() as Record<
      string,
      unknown
    >;
    const {
      reply: _reply,
      base_url: _baseUrl,
      template: _template,
      ...turn
    } = database.prepare('SELECT * FROM turns').get() as Record<string, unknown>;
    database.close();
    return [conversation, turn];
  }

  function insert(database: ReturnType<typeof oldHistory>, table: string, row: Record<string, unknown>): void {
    const names = Object.keys(row);
    database
      .prepare(`INSERT INTO ${table} (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})`)
      .run(...Object.values(row));
  }
});
