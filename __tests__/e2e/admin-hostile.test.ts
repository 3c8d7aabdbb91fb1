import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type FakeManagement, startFakeManagement } from '../support/fake-management.ts';
import { CliHome, type CliResult } from '../support/run-cli.ts';
import { Terminal } from '../support/terminal.ts';

/** `cllm admin` where a disk is full, a proxy has what it should not have, and people write what they should not. */
let proxy: FakeManagement;
let home: CliHome;

beforeEach(async () => {
  proxy = await startFakeManagement();
  home = newHome();
});

afterEach(async () => {
  home.close();
  await proxy.close();
});

function newHome(): CliHome {
  return new CliHome({ LITELLM_PROXY_URL: proxy.baseUrl, LITELLM_PROXY_API_KEY: 'sk-master-1234567890' });
}

function people(count: number, more = ''): void {
  const lines = Array.from({ length: count }, (_, at) => `  p${at}: { team: search }\n`).join('');
  writeFileSync(home.at('people.yaml'), `teams: { search: }\npeople:\n${lines}${more}`);
}

const toFile = (...args: string[]): Promise<CliResult> =>
  home.run(['admin', 'apply', 'people.yaml', '-o', 'new.jsonl', '--yes', ...args]);
const handedOver = (): { alias: string; key: string }[] =>
  readFileSync(home.at('new.jsonl'), 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));
const hashOf = (key: string): string => createHash('sha256').update(key).digest('hex');
const named = (alias: string): Record<string, unknown>[] => proxy.keys.filter((key) => key['key_alias'] === alias);

describe('a disk that is full while keys are made', () => {
  test.each<[string, number]>([
    ['where they are kept until they are handed over', 0],
    ['where they go', 1_900],
  ])('%s, tears no line and loses no key: the next run has them all', async (_where, filled) => {
    people(20);
    const line = (at: number): string => `${JSON.stringify({ alias: `earlier${at}`, key: `sk-earlier-${at}` })}\n`;
    let text = '';
    for (let at = 0; text.length < filled; at += 1) text += line(at);
    writeFileSync(home.at('new.jsonl'), text, { mode: 0o600 });
    const earlier = handedOver().length;
    // bash counts in units of 1024 bytes: beyond them the system writes what still fits, and then refuses.
    const full = await home.shell('ulimit -f 2; cllm admin apply people.yaml -o new.jsonl --yes');
    expect(full.code).toBe(11);
    expect(full.stderr).toContain('a new key could not be written');
    expect(readFileSync(home.at('new.jsonl'), 'utf8')).toMatch(/\n$|^$/);
    expect(await toFile()).toMatchObject({ code: 0 });
    const given = handedOver().slice(earlier);
    expect(given.map(({ alias }) => alias).toSorted()).toEqual(
      Array.from({ length: 20 }, (_, at) => `p${at}`).toSorted(),
    );
    expect(given.map(({ key }) => hashOf(key)).toSorted()).toEqual(
      proxy.keys.map((key) => String(key['token'])).toSorted(),
    );
  });
});

describe('two keys of one alias, which LiteLLM gives to two who ask at the same moment', () => {
  beforeEach(async () => {
    people(3);
    await toFile();
    const [first] = named('p1');
    proxy.keys.push({ ...first, token: hashOf('sk-twin'), key_name: 'sk-...twin' });
  });

  test('are both blocked: one of them is in wrong hands', async () => {
    const { code, stderr } = await home.run(['admin', 'keys', 'block', 'p1']);
    expect(code).toBe(0);
    expect(named('p1').map((key) => key['blocked'])).toEqual([true, true]);
    expect(stderr).toContain('sk-...twin');
  });

  test('are not rotated, for that would leave one of them', async () => {
    const { code, stderr } = await home.run(['admin', 'keys', 'rotate', 'p1', '-o', 'rotated.jsonl']);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('2 keys with the alias "p1"') });
    expect(await home.run(['admin', 'keys', 'block', hashOf('sk-twin')])).toMatchObject({ code: 0 });
    expect(named('p1').map((key) => key['blocked'] === true)).toEqual([false, true]);
  });

  test('are one after the next apply, which says so', async () => {
    const { code, stdout, stderr } = await toFile('--block-many');
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining('2 keys with the alias "p1"') });
    expect(stdout).toContain('another key has this alias; this is sk-...twin');
    expect(named('p1').map((key) => key['blocked'] === true)).toEqual([false, true]);
  });
});

describe('a rotation', () => {
  test('that another machine began is brought to its end, and nobody is told that its key is here', async () => {
    people(1);
    await toFile();
    const [old] = named('p0');
    proxy.judge = (path) => (path === '/key/block' ? 403 : null);
    await home.run(['admin', 'keys', 'rotate', 'p0', '-o', 'rotated.jsonl']);
    proxy.judge = () => null;
    const other = newHome();
    try {
      const finished = await other.run(['admin', 'keys', 'rotate', 'p0', '-o', 'rotated.jsonl']);
      expect(finished.code).toBe(0);
      expect(finished.stderr).toContain('an earlier rotation of the key p0 came to its end');
      expect(finished.stderr).toContain('run this again for another');
      expect(readFileSync(other.at('rotated.jsonl'), 'utf8')).toBe('');
      expect(old).toMatchObject({ blocked: true });
      expect(await other.run(['admin', 'keys', 'rotate', 'p0', '-o', 'rotated.jsonl'])).toMatchObject({ code: 0 });
      const [given] = readFileSync(other.at('rotated.jsonl'), 'utf8').split('\n');
      expect(hashOf((JSON.parse(given ?? '') as { key: string }).key)).toBe(named('p0')[0]?.['token']);
    } finally {
      other.close();
    }
  });

  test('takes the place of a key whatever the people write to their own keys', async () => {
    people(2);
    await toFile();
    const [old] = named('p0');
    // p1 may change what is noted at a key of theirs.
    Object.assign(named('p1')[0] ?? {}, { metadata: { cllm: { set: 'people', rotated_from: 'p0' } } });
    expect(await home.run(['admin', 'keys', 'rotate', 'p0', '-o', 'rotated.jsonl'])).toMatchObject({ code: 0 });
    expect(old).toMatchObject({ blocked: true });
    expect(named('p0')[0]?.['token']).not.toBe(old?.['token']);
    expect(named('p1')[0]?.['blocked']).not.toBe(true);
  });
});

test('names that somebody gave a key or a team write nothing to the terminal but themselves', async () => {
  people(1);
  await toFile();
  const evil = '\u001B]0;owned\u0007\u202Etxt.exe\u001B[2J';
  proxy.keys.push({ ...named('p0')[0], token: hashOf('sk-evil'), key_alias: evil });
  proxy.teams.push({ ...proxy.teams[0], team_id: 'evil', team_alias: evil, metadata: {} });
  proxy.users.push({ user_id: evil, user_email: null, metadata: { cllm: { set: 'people' } } });
  for (const args of [['keys', 'list'], ['teams'], ['apply', 'people.yaml', '--dry-run'], ['keys', 'block', evil]]) {
    const terminal = new Terminal(home, ['admin', ...args], { columns: 300 });
    expect(await terminal.exitCode).toBe(0);
    for (const written of ['\u001B]0;', '\u0007', '\u202E', '\u001B[2J'])
      expect(terminal.output).not.toContain(written);
    expect(terminal.output).toContain('owned');
  }
});

test('an output that another program makes of the plan is one of JSON, and a run without -o never takes keys with it', async () => {
  people(1);
  const { code, stdout } = await home.run(['admin', 'apply', 'people.yaml', '--json', '--yes']);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(existsSync(home.at('new.jsonl'))).toBe(false);
  expect(proxy.changes).toEqual([]);
});

test.each<[string, string, RegExp]>([
  ['a million letters', `people: { ${'a'.repeat(1_000_000)}: }`, /is no name of plain letters/],
  ['a million letters of an unknown limit', `people: { ann: { ${'a'.repeat(1_000_000)}: 1 } }`, /is not known/],
  ['a bell', 'people: { "ann\\u0007": }', /is no name of plain letters/],
])('a name of %s is refused in a few words', async (_what, text, words) => {
  writeFileSync(home.at('people.yaml'), text);
  const { code, stderr } = await toFile();
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(words) });
  expect(stderr.length).toBeLessThan(1_000);
  // oxlint-disable-next-line no-control-regex -- it is what is looked for
  expect(stderr).not.toMatch(/\u0007/);
});

test('the file of new keys stays for its owner alone under any umask', async () => {
  people(1);
  expect(await home.shell('umask 000; cllm admin apply people.yaml -o new.jsonl --yes')).toMatchObject({ code: 0 });
  expect(statSync(home.at('new.jsonl')).mode & 0o777).toBe(0o600);
});
