import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { Journal, type JournalOptions } from '../../src/journal/journal.ts';
import { identifyProcess, processState } from '../../src/files/process-identity.ts';
import { useChildScript } from '../support/child-script.ts';
import { uid } from '../support/history-samples.ts';
import { useTemporaryDirectory } from '../support/temporary-directory.ts';

const directory = useTemporaryDirectory();
const identity = identifyProcess(process.pid);
const now = (): Date => new Date('2026-11-22T12:00:00.000Z');
const turn = { name: 'plan', system: null, messages: [{ role: 'user', content: 'hi' }], model: 'fake-model' };

function journalOf(options: Partial<JournalOptions> = {}): Journal {
  return new Journal(join(directory(), 'journal'), { uid, identity, now, ...options });
}

describe('a journal', () => {
  test('holds a turn from its prompt to its reply', () => {
    const journal = journalOf({ stateOf: () => 'gone' });
    expect(journal.unfinished()).toEqual([]);
    const writer = journal.begin({ conversationId: '1abc', turnId: '2def', turn });
    expect(journal.unfinished()).toEqual([
      {
        turnId: '2def',
        file: join(directory(), 'journal', '2def.recording'),
        conversationId: '1abc',
        turn,
        startedAt: '2026-11-22T12:00:00.000Z',
        byteLength: lstatSync(writer.file).size,
        problem: null,
      },
    ]);
    writer.discard();
    writer.discard();
    expect(readdirSync(journal.directory)).toEqual([]);
  });

  test('is for its owner alone', () => {
    const writer = journalOf().begin({ conversationId: null, turnId: null, turn });
    expect([lstatSync(writer.file).mode & 0o777, lstatSync(join(directory(), 'journal')).mode & 0o777]).toEqual([
      0o600, 0o700,
    ]);
    writer.close();
  });

  test('makes up an id for a turn that the history never saw', () => {
    const journal = journalOf({ stateOf: () => 'gone' });
    journal.begin({ conversationId: null, turnId: null, turn }).close();
    expect(journal.unfinished()).toMatchObject([
      { turnId: expect.stringMatching(/^[0-9a-z]+$/), conversationId: null, turn },
    ]);
  });

  test('gives the oldest first, and forgets what it is told to', () => {
    let day = 30;
    const journal = journalOf({ stateOf: () => 'gone', now: () => new Date(Date.UTC(2026, 0, (day -= 1))) });
    for (const turnId of ['a', 'b', 'c']) journal.begin({ conversationId: null, turnId }).close();
    const ids = (): string[] => journal.unfinished().map(({ turnId }) => turnId);
    expect(ids()).toEqual(['c', 'b', 'a']);
    journal.remove('b');
    journal.remove('b');
    expect(ids()).toEqual(['c', 'a']);
  });

  test('gives the oldest first in whatever order they stand, and before them those that do not say', () => {
    const days = [3, 1, 5, 2, 4];
    for (const day of days) {
      const journal = journalOf({ now: () => new Date(Date.UTC(2026, 0, day)) });
      journal.begin({ conversationId: null, turnId: `t${(day * 7) % 5}` }).close();
    }
    writeFileSync(join(directory(), 'journal', 'z.recording'), '');
    const later = journalOf({ stateOf: () => 'gone', now: () => new Date(Date.now() + 60_000) });
    expect(later.unfinished().map(({ startedAt }) => startedAt?.slice(8, 10) ?? null)).toEqual([
      null,
      ...days.toSorted((a, b) => a - b).map((day) => `0${day}`),
    ]);
  });

  test.each([{ pid: '7' }, { process_started_at: 7 }, { realm: null }])(
    'asks of no process that it does not know whole: %j',
    (change) => {
      const folder = join(directory(), 'journal');
      mkdirSync(folder);
      const meta = { pid: 7, process_started_at: '1', realm: 'r', ...change };
      const file = join(folder, 'a.recording');
      writeFileSync(file, `cllm-recording 1\nmeta ${JSON.stringify(meta)}\n`);
      const journal = journalOf({ stateOf: () => 'running' });
      utimesSync(file, now(), new Date(now().getTime() - 9000));
      expect(journal.unfinished()).toEqual([]);
      utimesSync(file, now(), new Date(now().getTime() - 11_000));
      expect(journal.unfinished()).toHaveLength(1);
    },
  );

  test('has each turn once, whatever else lies there', () => {
    const journal = journalOf({ stateOf: () => 'gone' });
    journal.begin({ conversationId: null, turnId: 'a' }).close();
    writeFileSync(join(journal.directory, 'a'.padEnd(1 + '.recording'.length, '~')), 'x');
    expect(journal.unfinished()).toHaveLength(1);
  });

  test('looks at nothing but recordings', () => {
    mkdirSync(join(directory(), 'journal'));
    writeFileSync(join(directory(), 'journal', 'notes.txt'), 'x');
    expect(journalOf().unfinished()).toEqual([]);
  });

  test.each([
    ['a pipe', (file: string) => execFileSync('mkfifo', [file]), 'is not a regular file'],
    ['a folder', (file: string) => mkdirSync(file), 'is not a regular file'],
    ['a link', (file: string) => symlinkSync('/dev/zero', file), 'is a symbolic link'],
  ])('names what can not be a journal, and opens nothing of it: %s', (_name, make, problem) => {
    mkdirSync(join(directory(), 'journal'));
    make(join(directory(), 'journal', '0bad.recording'));
    const journal = journalOf({ stateOf: () => 'gone' });
    journal.begin({ conversationId: null, turnId: '1good' }).close();
    expect(journal.unfinished()).toMatchObject([
      { turnId: '0bad', problem },
      { turnId: '1good', problem: null },
    ]);
    const aside = journal.setAside('0bad');
    expect(aside).toBe(join(journal.directory, '0bad.recording.unreadable'));
    expect(journal.setAside('0bad')).toBeNull();
    expect(journal.unfinished()).toMatchObject([{ turnId: '1good' }]);
  });

  test.each([
    5,
    'x',
    [],
    { model: 'm' },
    { model: 5, messages: [] },
    { model: 'm', messages: [null] },
    { model: 'm', messages: 5 },
    { model: 'm', messages: [], name: 5 },
    { model: 'm', messages: [], request: [] },
    { model: 'm', messages: [], system: 5 },
    { model: 'm', messages: [{ role: 'user' }, {}] },
    { model: 'm', messages: [{ role: 5 }] },
    { messages: [] },
  ])('makes no turn of what can not have been one: %j', (meta) => {
    const journal = journalOf({ stateOf: () => 'gone' });
    journal.begin({ conversationId: null, turnId: 'a', turn: meta as unknown as typeof turn }).close();
    expect(journal.unfinished()).toMatchObject([{ turn: null, problem: 'names a turn that can not have been' }]);
  });

  test.each([{}, { name: null, system: null, request: null }, { name: 'n', system: 's', request: { temperature: 1 } }])(
    'takes a turn with as much as it has: %j',
    (rest) => {
      const some = { model: 'm', messages: [{ role: 'user', content: 'x' }], ...rest };
      const journal = journalOf({ stateOf: () => 'gone' });
      journal.begin({ conversationId: null, turnId: 'a', turn: some as unknown as typeof turn }).close();
      expect(journal.unfinished()).toMatchObject([{ turn: some, problem: null }]);
    },
  );

  test('takes nothing of a name that it would not give, and puts nothing over what was put aside before', () => {
    const folder = join(directory(), 'journal');
    mkdirSync(folder);
    const names = ['a b', 'A', '../x', 'a-1', 'x'.repeat(65)].map((name) => name.replace('/', '%'));
    for (const name of names) writeFileSync(join(folder, `${name}.recording`), 'x');
    const journal = journalOf({ stateOf: () => 'gone' });
    const found = journal.unfinished();
    expect(found.map(({ turnId }) => turnId).toSorted()).toEqual(names.toSorted());
    for (const { problem } of found) expect(problem).toBe('has no name that cllm gives');
    for (const number of ['', '-2', '-3']) {
      writeFileSync(join(folder, 'A.recording'), `as put aside${number}`);
      const aside = join(folder, `A.recording.unreadable${number}`);
      expect(journal.setAside('A')).toBe(aside);
      expect(readFileSync(aside, 'utf8')).toBe(`as put aside${number}`);
    }
    expect(readFileSync(join(folder, 'A.recording.unreadable'), 'utf8')).toBe('as put aside');
  });

  test("has none of another user's folder, and says of a file that it is another user's", () => {
    const journal = journalOf({ stateOf: () => 'gone' });
    journal.begin({ conversationId: null, turnId: 'a' }).close();
    const other = journalOf({ stateOf: () => 'gone', uid: (uid ?? 0) + 1 });
    expect(other.unfinished()).toEqual([]);
    // Without users, whose it is says nothing.
    expect(journalOf({ stateOf: () => 'gone', uid: null }).unfinished()).toMatchObject([{ problem: null }]);
  });

  test('is in a place that is no folder an error, and not no turns', () => {
    writeFileSync(join(directory(), 'journal'), 'x');
    expect(() => journalOf().unfinished()).toThrow(expect.objectContaining({ code: 'history_unusable' }));
    expect(() => journalOf().remove('a')).toThrow(expect.objectContaining({ code: 'ENOTDIR' }));
  });

  test('refuses a directory that others may have prepared', () => {
    symlinkSync(directory(), join(directory(), 'journal'));
    expect(() => journalOf().begin({ conversationId: null, turnId: null })).toThrow(
      expect.objectContaining({ code: 'history_unusable' }),
    );
  });

  test('tightens a directory that is open to others', () => {
    mkdirSync(join(directory(), 'journal'));
    chmodSync(join(directory(), 'journal'), 0o777);
    journalOf().begin({ conversationId: null, turnId: null }).close();
    expect(lstatSync(join(directory(), 'journal')).mode & 0o777).toBe(0o700);
  });
});

describe('whose turn is left alone', () => {
  test('that of a process that runs', () => {
    const journal = journalOf();
    const writer = journal.begin({ conversationId: null, turnId: 'a' });
    expect(journal.unfinished()).toEqual([]);
    writer.discard();
  });

  test('not that of an earlier process with the same pid', () => {
    const earlier = { ...identity, startedAt: '1' };
    journalOf({ identity: earlier }).begin({ conversationId: null, turnId: 'a' }).close();
    expect(journalOf().unfinished()).toHaveLength(1);
  });

  test('that of a process nobody can tell of, until it was quiet for an hour', () => {
    const elsewhere = { pid: 1, startedAt: '1', realm: 'another-host boot pid:[1]' };
    const writer = journalOf({ identity: elsewhere }).begin({ conversationId: null, turnId: 'a' });
    writer.close();
    utimesSync(writer.file, now(), new Date(now().getTime() - 59 * 60_000));
    expect(journalOf().unfinished()).toEqual([]);
    utimesSync(writer.file, now(), new Date(now().getTime() - 61 * 60_000));
    expect(journalOf().unfinished()).toHaveLength(1);
  });

  test('one that has no whole first line yet, for a moment', () => {
    const writer = journalOf().begin({ conversationId: null, turnId: 'a' });
    writer.close();
    for (const length of [40, 10, 0]) {
      truncateSync(writer.file, length);
      utimesSync(writer.file, now(), now());
      expect(journalOf().unfinished()).toEqual([]);
      utimesSync(writer.file, now(), new Date(now().getTime() - 11_000));
      expect(journalOf().unfinished()).toMatchObject([
        { turnId: 'a', conversationId: null, turn: null, startedAt: null },
      ]);
    }
  });
});

describe('the identity of a process', () => {
  const keepWriting = useChildScript('journal/keep-writing.ts');

  test('tells a process that runs from one that has ended', async () => {
    const { child, exit, stdout } = await keepWriting([directory(), '1']);
    await new Promise<void>((fulfil) => child.stdout?.once('data', () => fulfil()));
    expect(stdout()).toBe('0 ');
    const other = identifyProcess(Number(child.pid));
    expect(processState(other, identity)).toBe('running');
    child.kill('SIGKILL');
    await exit;
    expect(processState(other, identity)).toBe('gone');
  });

  test.each([
    ['of this process', {}, 'running'],
    ['of an earlier process with this pid', { startedAt: '12' }, 'gone'],
    ['of a process before the last boot', { realm: identity.realm.replace(/ \S+ /, ' earlier-boot ') }, 'gone'],
    ['of a process in another container', { realm: identity.realm.replace(/ \S+$/, ' pid:[1]') }, 'unknown'],
    ['of a process on another host', { realm: 'host b c' }, 'unknown'],
  ])('%s', (_name, change, state) => {
    expect(processState({ ...identity, ...change }, identity)).toBe(state);
  });

  test('where there is no /proc is the wall clock against ps', () => {
    const started = { pid: process.pid, startedAt: new Date(performance.timeOrigin).toISOString(), realm: 'host' };
    expect(processState(started, { ...started })).toBe('running');
    expect(processState({ ...started, startedAt: '2001-01-01T00:00:00.000Z' }, started)).toBe('gone');
    expect(processState({ ...started, pid: 2 ** 22 + 1 }, started)).toBe('gone');
  });
});
