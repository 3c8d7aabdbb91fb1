import { DatabaseSync } from '../support/sqlite.ts';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { applicationId, assertSqliteVersion, Database } from '../../src/history/database.ts';
import { addTurn, ended, newTurn, openHistory, uid } from '../support/history-samples.ts';
import { useTemporaryDirectory } from '../support/temporary-directory.ts';

const directory = useTemporaryDirectory();
const pathOf = (): string => join(directory(), 'data', 'history.db');
const modeOf = (path: string): string => (lstatSync(path).mode & 0o777).toString(8);

function refusal(action: () => unknown): { code?: string; message: string; hint?: string } {
  try {
    action();
  } catch (error) {
    return error as { code?: string; message: string; hint?: string };
  }
  throw new Error('nothing was thrown');
}

describe('who may read the files', () => {
  const umask = process.umask();
  afterEach(() => void process.umask(umask));

  test.each([0o000, 0o022, 0o277])('only their owner, under umask %o', (mask) => {
    process.umask(mask);
    const path = join(directory(), 'deep', 'data', 'history.db');
    const history = openHistory(path);
    addTurn(history, 'a', 'A');
    const modes = readdirSync(join(directory(), 'deep', 'data')).map((name) => [
      name,
      modeOf(join(directory(), 'deep', 'data', name)),
    ]);
    expect(modes).toEqual([
      ['history.db', '600'],
      ['history.db-shm', '600'],
      ['history.db-wal', '600'],
    ]);
    expect([modeOf(join(directory(), 'deep')), modeOf(join(directory(), 'deep', 'data'))]).toEqual(['700', '700']);
    history.close();
  });

  test('what was open to others is closed', () => {
    openHistory(pathOf()).close();
    chmodSync(pathOf(), 0o666);
    chmodSync(join(directory(), 'data'), 0o755);
    openHistory(pathOf()).close();
    expect([modeOf(pathOf()), modeOf(join(directory(), 'data'))]).toEqual(['600', '700']);
  });
});

describe('what somebody else may have prepared is refused', () => {
  test.each(['history.db', 'history.db-wal', 'history.db-shm', 'history.db-journal'])(
    'a symbolic link in place of %s',
    (name) => {
      mkdirSync(join(directory(), 'data'), 0o700);
      const victim = join(directory(), 'victim');
      writeFileSync(victim, 'precious');
      symlinkSync(victim, join(directory(), 'data', name));
      expect(refusal(() => openHistory(pathOf()))).toMatchObject({
        code: 'history_unusable',
        message: `${join(directory(), 'data', name)} is a symbolic link`,
        hint: expect.any(String),
      });
      expect(readFileSync(victim, 'utf8')).toBe('precious');
    },
  );

  test('a dangling symbolic link', () => {
    mkdirSync(join(directory(), 'data'), 0o700);
    symlinkSync(join(directory(), 'nowhere'), pathOf());
    expect(refusal(() => openHistory(pathOf())).message).toContain('symbolic link');
    expect(existsSync(join(directory(), 'nowhere'))).toBe(false);
  });

  test('a symbolic link in place of the directory', () => {
    mkdirSync(join(directory(), 'elsewhere'), 0o700);
    symlinkSync(join(directory(), 'elsewhere'), join(directory(), 'data'));
    expect(refusal(() => openHistory(pathOf())).message).toContain('symbolic link');
    expect(readdirSync(join(directory(), 'elsewhere'))).toEqual([]);
  });

  test('files and directories of another user', () => {
    openHistory(pathOf()).close();
    // As that user sees it, so that the test does not have to be root.
    const foreign = refusal(() => openHistory(pathOf(), { uid: (uid ?? 0) + 1 }));
    expect(foreign).toMatchObject({
      code: 'history_unusable',
      message: expect.stringContaining('belongs to another user'),
    });
  });

  test('a file of another user in a directory of ours', () => {
    openHistory(pathOf()).close();
    // Only root may give a file away; another user's is seen from the other side.
    const owner = uid === 0 ? 65_534 : Number(uid);
    chownSync(pathOf(), owner, process.getgid?.() ?? 0);
    const found = refusal(() => openHistory(pathOf(), { uid: uid === 0 ? 0 : owner + 1 }));
    expect(found.message).toContain(`belongs to another user (uid ${owner})`);
  });

  test('a parent that everybody may write to', () => {
    chmodSync(directory(), 0o777);
    expect(refusal(() => openHistory(pathOf()))).toMatchObject({
      code: 'history_unusable',
      message: `${directory()} can be written by everybody`,
    });
    chmodSync(directory(), 0o1777);
    openHistory(pathOf()).close();
  });

  test('something that is no file', () => {
    mkdirSync(pathOf(), { recursive: true, mode: 0o700 });
    expect(refusal(() => openHistory(pathOf())).message).toBe(`${pathOf()} is not a regular file`);
  });

  test('a file in place of the directory', () => {
    writeFileSync(join(directory(), 'data'), '');
    expect(refusal(() => openHistory(pathOf())).message).toBe(`${join(directory(), 'data')} is not a directory`);
  });
});

describe('how the file is used', () => {
  function pragma(path: string, name: string): unknown {
    const database = new DatabaseSync(path);
    const row = database.prepare(`PRAGMA ${name}`).get() as Record<string, unknown>;
    database.close();
    return row[name];
  }

  test('with WAL, and the mark of cllm in its header', () => {
    openHistory(pathOf()).close();
    expect(pragma(pathOf(), 'journal_mode')).toBe('wal');
    expect(pragma(pathOf(), 'application_id')).toBe(applicationId);
    expect(readFileSync(pathOf()).toString('latin1', 68, 72)).toBe('cllm');
  });

  test.each<[string, { fileSystemType?: () => number }]>([
    ['on a disk', {}],
    ['on a network file system', { fileSystemType: () => 0x6969 }],
  ])(
    '%s every commit is on the disk before it is acknowledged, and rows that belong together stay so',
    (_place, options) => {
      for (let run = 0; run < 2; run += 1) {
        const database = Database.open(pathOf(), { uid, ...options });
        expect(database.get('PRAGMA synchronous')).toEqual({ synchronous: 2 });
        expect(database.get('PRAGMA foreign_keys')).toEqual({ foreign_keys: 1 });
        database.close();
      }
    },
  );

  test('closing leaves everything in the one file', () => {
    const history = openHistory(pathOf());
    const id = addTurn(history, 'a', 'A');
    history.close();
    history.close();
    const logs = readdirSync(join(directory(), 'data')).filter((name) => name.endsWith('-wal'));
    expect(logs.map((name) => lstatSync(join(directory(), 'data', name)).size).filter((size) => size > 0)).toEqual([]);
    expect(readFileSync(pathOf(), 'latin1')).toContain(id);
  });

  test('without WAL on a network file system, and with a warning', () => {
    const onWarning = jest.fn();
    const history = openHistory(pathOf(), { fileSystemType: () => 0x6969, onWarning });
    addTurn(history, 'a', 'A');
    expect(readdirSync(join(directory(), 'data'))).toEqual(['history.db']);
    history.close();
    expect(onWarning.mock.calls).toEqual([[expect.stringContaining('network file system (NFS)')]]);
    expect(pragma(pathOf(), 'journal_mode')).toBe('delete');
  });

  test('a history that moved to a network file system leaves WAL', () => {
    const history = openHistory(pathOf(), { fileSystemType: () => 0x6969 });
    addTurn(history, 'a', 'A');
    history.close();
    const local = new DatabaseSync(pathOf());
    local.exec('PRAGMA journal_mode = WAL');
    local.close();
    // statfs gives a signed number on some platforms: CIFS is 0xff534d42.
    openHistory(pathOf(), { fileSystemType: () => 0xff534d42 | 0 }).close();
    expect(pragma(pathOf(), 'journal_mode')).toBe('delete');
    expect(openHistory(pathOf()).list()).toHaveLength(1);
  });

  test.each(['3.51.2', '3.50.7', '2.99.99', '3.7.0'])('never with SQLite %s, which can lose commits', (version) => {
    expect(refusal(() => assertSqliteVersion(version))).toMatchObject({
      code: 'history_unusable',
      message: expect.stringContaining(version),
    });
  });

  test.each(['3.51.3', '3.53.0', '4.0.0'])('with SQLite %s', (version) => {
    expect(() => assertSqliteVersion(version)).not.toThrow();
  });

  test('deleted text is in the file no more', () => {
    const history = openHistory(pathOf());
    const id = addTurn(history, 'the prompt says xylophone', `the reply says ${'quagmire '.repeat(2000)}`);
    addTurn(history, 'b', 'B');
    history.delete(id);
    const bytes = readdirSync(join(directory(), 'data'))
      .map((name) => readFileSync(join(directory(), 'data', name), 'latin1'))
      .join('');
    expect(bytes).not.toContain('xylophone');
    expect(bytes).not.toContain('quagmire');
    history.close();
  });
});

describe('another writer', () => {
  test('that holds the lock longer than the timeout is named in the error', () => {
    const history = openHistory(pathOf(), { busyTimeout: 50 });
    const { turnId, conversationId } = history.beginTurn(newTurn('a'));
    const other = new DatabaseSync(pathOf());
    other.exec('BEGIN IMMEDIATE');
    expect(refusal(() => history.endTurn(turnId, ended('A')))).toMatchObject({
      code: 'history_unusable',
      message: `${pathOf()} is locked by another process (waited 0.05 s)`,
    });
    // Reading goes on meanwhile.
    expect(history.turns(conversationId)).toHaveLength(1);
    other.exec('COMMIT');
    history.endTurn(turnId, ended('A'));
    expect(history.turns(conversationId)[0]).toMatchObject(ended('A'));
    other.close();
    history.close();
  });

  test('that holds the lock at the first start', () => {
    openHistory(pathOf()).close();
    const other = new DatabaseSync(pathOf());
    other.exec('PRAGMA user_version = 0; BEGIN IMMEDIATE');
    expect(refusal(() => openHistory(pathOf(), { busyTimeout: 50 })).message).toContain('is locked by another process');
    other.exec('ROLLBACK');
    other.close();
  });
});

describe('a file that can not be used', () => {
  const now = (): Date => new Date('2026-11-22T12:34:56.789Z');

  test('of a newer cllm stays as it is', () => {
    openHistory(pathOf()).close();
    const newer = new DatabaseSync(pathOf());
    newer.exec('PRAGMA user_version = 99');
    newer.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    newer.close();
    const before = readFileSync(pathOf());
    expect(refusal(() => openHistory(pathOf()))).toMatchObject({
      code: 'history_newer',
      message: expect.stringContaining('schema 99'),
      hint: expect.stringContaining('install a newer cllm'),
    });
    expect(readFileSync(pathOf()).equals(before)).toBe(true);
  });

  test('of another program stays as it is', () => {
    mkdirSync(join(directory(), 'data'), 0o700);
    const foreign = new DatabaseSync(pathOf());
    foreign.exec('CREATE TABLE notes (text TEXT)');
    foreign.close();
    const before = readFileSync(pathOf());
    expect(refusal(() => openHistory(pathOf()))).toMatchObject({
      code: 'history_unusable',
      message: `${pathOf()} is a database of another program`,
    });
    expect(readFileSync(pathOf()).equals(before)).toBe(true);
  });

  test('because it is no database is moved aside, and the next start begins anew', () => {
    mkdirSync(join(directory(), 'data'), 0o700);
    const text = 'this is not a database\n'.repeat(100);
    writeFileSync(pathOf(), text);
    const aside = `${pathOf()}.damaged-20261122T123456Z`;
    expect(refusal(() => openHistory(pathOf(), { now }))).toMatchObject({
      code: 'history_unusable',
      message: `${pathOf()} is damaged; it was moved to ${aside}`,
      hint: expect.stringContaining('sqlite3'),
    });
    expect(readFileSync(aside, 'utf8')).toBe(text);
    const history = openHistory(pathOf(), { now });
    addTurn(history, 'a', 'A');
    history.close();
    writeFileSync(pathOf(), text);
    expect(refusal(() => openHistory(pathOf(), { now })).message).toContain(`${aside}-2`);
    expect(readFileSync(aside, 'utf8')).toBe(text);
  });

  test('because a page is corrupt is moved aside by the write that meets it, with what belongs to it', () => {
    const full = openHistory(pathOf());
    for (let index = 0; index < 50; index += 1)
      addTurn(full, `prompt ${index}`, 'x'.repeat(3000), { name: 'c', system: null });
    full.close();
    const bytes = readFileSync(pathOf());
    // The pages of the schema stay: without them the file can not be opened at all.
    for (let page = 4096; page < bytes.length; page += 4096)
      if (!bytes.subarray(page, page + 4096).includes('CREATE ')) bytes.fill(0xff, page, page + 64);
    writeFileSync(pathOf(), bytes);
    const history = openHistory(pathOf(), { now });
    // Reading says so, and leaves the file where it is.
    for (const read of [() => history.list(), () => history.find('c'), () => [...history.export()]]) {
      expect(refusal(read)).toMatchObject({
        code: 'history_unusable',
        message: `${pathOf()} is damaged`,
        hint: expect.stringContaining('verify'),
      });
    }
    expect(history.verify().problems).toContainEqual({ kind: 'page', message: expect.any(String) });
    expect(refusal(() => history.beginTurn(newTurn('a'))).message).toContain(`.damaged-20261122T123456Z`);
    expect(readFileSync(`${pathOf()}.damaged-20261122T123456Z`).equals(bytes)).toBe(true);
    expect(existsSync(pathOf())).toBe(false);
    // The history that met the damage is closed: nothing is written to the moved file.
    expect(refusal(() => history.beginTurn(newTurn('a')))).toMatchObject({
      code: 'history_unusable',
      message: `${pathOf()} is closed`,
    });
    expect(refusal(() => history.turns('0a')).code).toBe('history_unusable');
    const fresh = openHistory(pathOf());
    expect(fresh.list()).toEqual([]);
    fresh.close();
  });

  test('a truncated file is told from an empty one', () => {
    const history = openHistory(pathOf());
    addTurn(history, 'a', 'A');
    history.close();
    truncateSync(pathOf(), 5000);
    expect(() => {
      const cut = openHistory(pathOf(), { now });
      cut.beginTurn(newTurn('b'));
    }).toThrow(expect.objectContaining({ code: 'history_unusable', message: expect.stringContaining('moved to') }));
  });

  test('a damaged search index keeps no turn from being saved', () => {
    const history = openHistory(pathOf());
    const id = addTurn(history, 'needle', 'A');
    history.close();
    const other = new DatabaseSync(pathOf(), { defensive: false });
    other.exec("UPDATE turns_search_data SET block = x'00ff00ff00ff'");
    other.close();
    const again = openHistory(pathOf());
    addTurn(again, 'haystack', 'B', { id });
    expect(again.search('needle')).toHaveLength(1);
    expect(again.verify().problems).toEqual([]);
    again.close();
  });
});

describe('a list', () => {
  test('has what find gives of each conversation, in the order of their use, forks and system prompts included', () => {
    const history = openHistory();
    addTurn(history, 'say "hi"\t\\ \u{1F600} ü', 'a');
    addTurn(history, 'b', 'b', { name: 'named ü', system: 'be\nbrief' });
    const { id } = history.fork('named ü', { name: 'fork' });
    history.fork(id);
    const list = history.list();
    expect(list).toHaveLength(4);
    expect(list).toEqual(list.map((each) => history.find(each.id)));
    expect(history.list({ limit: 2 })).toEqual(list.slice(0, 2));
    expect(history.latest()).toEqual(list[0]);
  });

  test('reads bytes that are no text as they are read one conversation at a time', () => {
    const path = pathOf();
    const id = addTurn(openHistory(path), 'a', 'a', { name: 'n', system: 's' });
    const other = new DatabaseSync(path);
    other.exec("UPDATE conversations SET title = CAST(x'61ff22c3' AS TEXT), system = CAST(x'e282' AS TEXT)");
    other.close();
    const history = openHistory(path);
    expect(history.list()).toEqual([history.find(id)]);
    expect(history.list()[0]).toMatchObject({ title: 'a\u{FFFD}"\u{FFFD}', system: '\u{FFFD}' });
  });

  test('gives an error rather than another number', () => {
    const path = pathOf();
    addTurn(openHistory(path), 'a', 'a');
    const other = new DatabaseSync(path);
    other.exec('UPDATE conversations SET turn_count = 9007199254740993');
    other.close();
    expect(() => openHistory(path).list()).toThrow(expect.objectContaining({ code: 'history_unusable' }));
  });
});
