import { chmodSync, existsSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type FakeManagement, startFakeManagement } from '../support/fake-management.ts';
import { CliHome, type CliResult } from '../support/run-cli.ts';
import { Terminal } from '../support/terminal.ts';

/** `cllm admin` against LiteLLM's rules; __tests__/litellm/team-proxy.test.ts has the real one. */
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
  const lines = Array.from({ length: count }, (_, at) => `  p${at}: { email: p${at}@example.com, team: search }\n`);
  const text = `teams:\n  search: { max_budget: 200 }\npeople:\n${count === 0 ? '  {}\n' : lines.join('')}${more}`;
  writeFileSync(home.at('people.yaml'), text);
}

const apply = (...args: string[]): Promise<CliResult> => home.run(['admin', 'apply', 'people.yaml', ...args]);
const toFile = (...args: string[]): Promise<CliResult> => apply('-o', 'new.jsonl', '--yes', ...args);
const handedOver = (file = 'new.jsonl'): { alias: string; key: string }[] =>
  readFileSync(home.at(file), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
const made = (): string[] => proxy.keys.map((key) => key['key_alias'] as string);

/** Every alias has one key on the proxy, and that one is in the file once. */
async function expectAllThere(count: number): Promise<void> {
  const { createHash } = await import('node:crypto');
  const given = new Map(handedOver().map(({ alias, key }) => [alias, createHash('sha256').update(key).digest('hex')]));
  expect(handedOver()).toHaveLength(count);
  expect(Object.fromEntries(proxy.keys.map((key) => [key['key_alias'], key['token']]))).toEqual(
    Object.fromEntries(given),
  );
  expect(proxy.keys).toHaveLength(count);
}

describe('apply', () => {
  test('makes what the file says, each key once into a file of its owner’s, and the second time nothing', async () => {
    people(5, 'keys:\n  ci: { team: search, max_budget: 5, budget_duration: 1d, duration: 90d }\n');
    const first = await toFile();
    expect(first).toMatchObject({ code: 0 });
    expect(first.stdout).toContain('+ new key         ci of search  max_budget 5 · budget_duration 1d · duration 90d');
    expect(statSync(home.at('new.jsonl')).mode & 0o777).toBe(0o600);
    await expectAllThere(6);
    expect(proxy.users).toHaveLength(5);
    expect(proxy.keys.find((key) => key['key_alias'] === 'ci')).toMatchObject({ user_id: null, max_budget: 5 });
    const calls = proxy.changes.length;
    const file = readFileSync(home.at('new.jsonl'), 'utf8');
    expect(await toFile()).toMatchObject({ code: 0, stdout: 'nothing to do: the proxy has what the file says\n' });
    expect(await apply()).toMatchObject({ code: 0 });
    expect(proxy.changes).toHaveLength(calls);
    expect(readFileSync(home.at('new.jsonl'), 'utf8')).toBe(file);
  });

  test('shows the plan and does nothing under --dry-run, without --yes, and without a place for new keys', async () => {
    people(2);
    const dry = await apply('--dry-run');
    expect(dry).toMatchObject({ code: 0, stderr: '' });
    expect(dry.stdout).toContain('+ new person      p1  user_email p1@example.com');
    const json = JSON.parse((await apply('--dry-run', '--json')).stdout) as {
      steps: { name: string }[];
      is_applied: boolean;
    };
    expect([json.steps.length, json.is_applied]).toEqual([6, false]);
    expect(await apply('-o', 'new.jsonl')).toMatchObject({ code: 2, stderr: expect.stringContaining('--yes') });
    expect(await apply('--yes')).toMatchObject({ code: 2, stderr: expect.stringContaining('-o new-keys.jsonl') });
    expect(proxy.changes).toEqual([]);
    expect(existsSync(home.at('new.jsonl'))).toBe(false);
  });

  test('at a terminal asks, and takes Enter for a no', async () => {
    people(1);
    const terminal = new Terminal(home, ['admin', 'apply', 'people.yaml', '-o', 'new.jsonl']);
    await terminal.until('4 to make? [y/N]');
    terminal.type('\r');
    expect(await terminal.exitCode).toBe(0);
    expect(proxy.changes).toEqual([]);
  });

  test('writes new keys to standard output alone under -o -, and the plan beside it', async () => {
    people(2);
    const { code, stdout, stderr } = await apply('-o', '-', '--yes');
    expect(code).toBe(0);
    expect(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => (JSON.parse(line) as { alias: string }).alias),
    ).toEqual(['p0', 'p1']);
    expect(stderr).toContain('new person');
  });

  test('shows a key nowhere else: not with --debug, not with --json, not in anything that cllm keeps', async () => {
    people(3);
    const { stdout, stderr } = await toFile('--json', '--debug');
    for (const { key } of handedOver()) {
      expect(stdout + stderr).not.toContain(key);
      const kept = readdirSync(home.directory, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && entry.name !== 'new.jsonl')
        .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'));
      expect(kept.filter((text) => text.includes(key))).toEqual([]);
    }
  });

  describe('killed in the middle', () => {
    test.each<[string, string, number]>([
      ['before the first key', '/user/new', 3],
      ['while keys are made', '/key/generate', 5],
      ['with the last', '/key/generate', 11],
    ])('%s, goes on where it was: no key is lost, and none made twice', async (_when, path, count) => {
      people(12);
      let seen = 0;
      let reached: () => void = () => {};
      const stalled = new Promise<void>((resolve) => (reached = resolve));
      proxy.judge = (asked) => {
        if (asked !== path) return null;
        seen += 1;
        if (seen < count) return null;
        reached();
        // Some of them are made, and their answers never come.
        return seen % 2 === 0
          ? new Promise<'drop'>((resolve) => setTimeout(() => resolve('drop'), 50))
          : new Promise(() => {});
      };
      const run = home.start(['admin', 'apply', 'people.yaml', '-o', 'new.jsonl', '--yes']);
      await stalled;
      run.process.kill('SIGKILL');
      await run.result;
      proxy.judge = () => null;
      expect(await toFile()).toMatchObject({ code: 0 });
      await expectAllThere(12);
      expect(proxy.teams[0]?.['members_with_roles']).toHaveLength(12);
      expect(await toFile()).toMatchObject({ stdout: expect.stringContaining('nothing to do') });
      expect(readdirSync(home.at('cllm', 'new-keys'))).toEqual([]);
    });

    test('after a key was made and before it was written: the next run hands it over', async () => {
      people(1);
      const run = home.start(['admin', 'apply', 'people.yaml', '-o', 'new.jsonl', '--yes']);
      const generated = new Promise<void>((resolve) => {
        proxy.judge = (path) => {
          if (path !== '/key/generate') return null;
          // It is killed before it can have the answer.
          run.process.kill('SIGKILL');
          resolve();
          return 'drop';
        };
      });
      await generated;
      await run.result;
      proxy.judge = () => null;
      expect(made()).toEqual(['p0']);
      expect(existsSync(home.at('new.jsonl')) ? readFileSync(home.at('new.jsonl'), 'utf8') : '').toBe('');
      const next = await toFile();
      expect(next).toMatchObject({ code: 0, stdout: expect.stringContaining('nothing to do') });
      expect(next.stderr).toContain('a key of an earlier run');
      await expectAllThere(1);
    });

    test('a line of the file that was torn is taken off, and the key written whole', async () => {
      people(2);
      writeFileSync(home.at('new.jsonl'), '{"alias":"p0","ke', { mode: 0o600 });
      expect(await toFile()).toMatchObject({ code: 0 });
      await expectAllThere(2);
    });
  });

  describe('a proxy that fails in the middle', () => {
    test('once, is asked again, and an answer that was lost makes no second key', async () => {
      people(3);
      let drops = 0;
      proxy.judge = (path) => (path === '/key/generate' && (drops += 1) === 1 ? 'drop' : null);
      expect(await toFile()).toMatchObject({ code: 0 });
      await expectAllThere(3);
    });

    test('for one person, does the others and says whom it did not: exit 11, and the next run does the rest', async () => {
      people(4);
      proxy.judge = (path, body) => (path === '/user/new' && body['user_id'] === 'p1' ? 422 : null);
      const { code, stderr } = await toFile();
      expect(code).toBe(11);
      expect(stderr).toContain('person p1: ');
      expect(stderr).toContain('run it again: cllm admin apply people.yaml');
      expect(made()).toEqual(['p0', 'p2', 'p3']);
      proxy.judge = () => null;
      expect(await toFile()).toMatchObject({ code: 0 });
      await expectAllThere(4);
    });

    test('and stays down, is not asked for each of the rest', async () => {
      people(40);
      proxy.judge = (path) => (path === '/user/new' ? 503 : null);
      await home.run(['config', 'set', 'retries', '0']);
      const { code, stderr } = await toFile();
      expect(code).toBe(11);
      expect(stderr).toContain('steps are not done');
      expect(made()).toEqual([]);
    });
  });

  describe('two admins at once', () => {
    test('each with a machine of their own make every key once; who came second is told, and takes over what is there', async () => {
      people(6);
      const other = newHome();
      try {
        writeFileSync(other.at('people.yaml'), readFileSync(home.at('people.yaml')));
        const [one, two] = await Promise.all([
          toFile(),
          other.run(['admin', 'apply', 'people.yaml', '-o', 'new.jsonl', '--yes']),
        ]);
        expect([0, 11]).toContain(one.code);
        expect([0, 11]).toContain(two.code);
        expect(new Set(made())).toEqual(new Set(['p0', 'p1', 'p2', 'p3', 'p4', 'p5']));
        expect(made()).toHaveLength(6);
        expect(proxy.teams).toHaveLength(1);
        expect(await toFile()).toMatchObject({ code: 0 });
        const lines = [home, other].flatMap((each) =>
          readFileSync(each.at('new.jsonl'), 'utf8').split('\n').slice(0, -1),
        );
        const aliases = lines.map((line) => (JSON.parse(line) as { alias: string }).alias);
        expect(aliases).toHaveLength(6);
        expect(new Set(aliases)).toEqual(new Set(made()));
      } finally {
        other.close();
      }
    });

    test('of one machine: the second waits for nobody and says so', async () => {
      people(2);
      let go: () => void = () => {};
      const held = new Promise<null>((resolve) => (go = () => resolve(null)));
      let reached: () => void = () => {};
      const stalled = new Promise<void>((resolve) => (reached = resolve));
      proxy.judge = (path) => {
        if (path !== '/key/generate') return null;
        reached();
        return held;
      };
      const first = toFile();
      await stalled;
      expect(await apply('-o', 'other.jsonl', '--yes')).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('another cllm of yours'),
      });
      go();
      expect(await first).toMatchObject({ code: 0 });
      await expectAllThere(2);
    });
  });

  describe('who left', () => {
    test('is blocked, and is back with the same key', async () => {
      people(12);
      await toFile();
      people(11);
      expect(await toFile()).toMatchObject({ code: 0, stdout: expect.stringContaining('! block person    p11') });
      expect(proxy.keys.filter((key) => key['blocked'] === true).map((key) => key['key_alias'])).toEqual(['p11']);
      expect(await toFile()).toMatchObject({ code: 0, stdout: expect.stringContaining('nothing to do') });
      people(12);
      expect(await toFile()).toMatchObject({ code: 0, stdout: expect.stringContaining('+ unblock key     p11') });
      expect(proxy.keys.filter((key) => key['blocked'] === true)).toEqual([]);
      expect(proxy.keys).toHaveLength(12);
    });

    test.each([
      ['--yes', ['--yes']],
      ['nothing', []],
    ])('more than a tenth is not blocked by %s alone', async (_what, args) => {
      people(12);
      await toFile();
      people(0);
      const { code, stderr } = await apply(...args);
      expect(code).toBe(2);
      expect(stderr).toContain('12 of 12 people');
      expect(stderr).toContain('--block-many');
      expect(proxy.keys.filter((key) => key['blocked'] === true)).toEqual([]);
      expect(await apply('--yes', '--block-many')).toMatchObject({ code: 0 });
      expect(proxy.keys.filter((key) => key['blocked'] !== true)).toEqual([]);
    });

    test('more than a tenth: a person is asked twice, and has to type how many', async () => {
      people(5);
      await toFile();
      people(2);
      for (const [answer, blocked] of [
        ['yes', 0],
        ['3', 3],
      ] as const) {
        const terminal = new Terminal(home, ['admin', 'apply', 'people.yaml']);
        await terminal.until('3 to block? [y/N]');
        terminal.type('y\r');
        await terminal.until('Type 3 if that is meant:');
        terminal.type(`${answer}\r`);
        expect(await terminal.exitCode).toBe(0);
        expect(proxy.keys.filter((key) => key['blocked'] === true)).toHaveLength(blocked);
      }
    });

    test('a file that was emptied by mistake blocks nobody', async () => {
      people(3);
      await toFile();
      writeFileSync(home.at('people.yaml'), '');
      expect(await toFile('--block-many')).toMatchObject({ code: 2, stderr: expect.stringContaining('is empty') });
      expect(proxy.keys.filter((key) => key['blocked'] === true)).toEqual([]);
    });
  });

  test('a budget that went from the file goes from the proxy, and that is said', async () => {
    people(1);
    await toFile();
    writeFileSync(
      home.at('people.yaml'),
      'teams: { search: }\npeople: { p0: { email: p0@example.com, team: search } }\n',
    );
    const { stdout, stderr } = await toFile();
    expect(stdout).toContain('~ change team     search  max_budget 200 → none');
    expect(stderr).toContain('no budget any more: search');
    expect(proxy.teams[0]).toMatchObject({ max_budget: null });
  });

  test.each<[string, (file: string) => void, RegExp]>([
    ['holds something else', (file) => writeFileSync(file, 'my notes\n', { mode: 0o600 }), /holds something else/],
    ['others can read', (file) => (writeFileSync(file, ''), chmodSync(file, 0o644)), /can be read by others/],
    ['is a link', (file) => symlinkSync('/dev/null', file), /can not be written/],
  ])('new keys do not go into a file that %s', async (_what, prepare, message) => {
    people(1);
    prepare(home.at('new.jsonl'));
    expect(await toFile()).toMatchObject({ code: 2, stderr: expect.stringMatching(message) });
    expect(made()).toEqual([]);
  });
});

describe('keys', () => {
  /** What the proxy has after an `apply`: made once, for that is not what is looked at here. */
  let applied: Pick<FakeManagement, 'teams' | 'users' | 'keys'> | null = null;

  beforeEach(async () => {
    people(3, 'keys:\n  ci: { team: search, max_budget: 5, duration: 90d, models: hello }\n');
    if (applied === null) await toFile();
    const { teams, users, keys } = proxy;
    applied ??= structuredClone({ teams, users, keys });
    Object.assign(proxy, structuredClone(applied));
  });

  test('list has each with its owner, team, state and limits', async () => {
    await home.run(['admin', 'keys', 'block', 'p1']);
    const { stdout } = await home.run(['admin', 'keys', 'list']);
    const rows = stdout
      .split('\n')
      .slice(0, -1)
      .map((line) => line.split('\t'));
    expect(rows.map((row) => row.slice(0, 6))).toEqual([
      ['ci', '', 'search', 'open', '$0.00', '$5.00, hello'],
      ['p0', 'p0@example.com', 'search', 'open', '$0.00', ''],
      ['p1', 'p1@example.com', 'search', 'blocked', '$0.00', ''],
      ['p2', 'p2@example.com', 'search', 'open', '$0.00', ''],
    ]);
    const json = JSON.parse(
      (await home.run(['admin', 'keys', 'list', '--team', 'search', '--json'])).stdout,
    ) as object[];
    expect(json[0]).toMatchObject({
      alias: 'ci',
      user_id: null,
      team: 'search',
      max_budget: 5,
      state: 'open',
      set: 'people',
    });
    expect(await home.run(['admin', 'keys', 'list', '--team', 'nope'])).toMatchObject({ code: 2 });
  });

  test('block finds all before it blocks one', async () => {
    expect(await home.run(['admin', 'keys', 'block', 'p0', 'p'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('did you mean p0, p1, p2?'),
    });
    expect(proxy.keys.filter((key) => key['blocked'] === true)).toEqual([]);
    expect(await home.run(['admin', 'keys', 'block', 'p0', 'ci'])).toMatchObject({ code: 0 });
    expect(proxy.keys.filter((key) => key['blocked'] === true)).toHaveLength(2);
  });

  const rotate = (): Promise<CliResult> => home.run(['admin', 'keys', 'rotate', 'ci', '-o', 'rotated.jsonl']);

  test('rotate makes one with the same limits and spend, and blocks the old one; apply agrees with it', async () => {
    Object.assign(proxy.keys.find((key) => key['key_alias'] === 'ci') ?? {}, {
      spend: 3,
      allowed_routes: ['llm_api_routes'],
    });
    expect(await home.run(['admin', 'keys', 'rotate', 'ci'])).toMatchObject({ code: 2 });
    expect(await rotate()).toMatchObject({ code: 0 });
    const [old, next] = proxy.keys.filter((key) => String(key['key_alias']).startsWith('ci'));
    expect(old).toMatchObject({ blocked: true, key_alias: expect.stringMatching(/^ci \(until 20/) });
    expect(next).toMatchObject({
      key_alias: 'ci',
      max_budget: 5,
      models: ['hello'],
      spend: 3,
      allowed_routes: ['llm_api_routes'],
      team_id: old?.['team_id'],
    });
    expect(handedOver('rotated.jsonl')).toHaveLength(1);
    expect(await toFile()).toMatchObject({ stdout: expect.stringContaining('nothing to do') });
  });

  test.each(['/key/update', '/key/generate', '/key/block'])(
    'rotate, killed in %s, is brought to its end by the next: one new key',
    async (path) => {
      for (const isDone of [false, true]) {
        const run = home.start(['admin', 'keys', 'rotate', 'ci', '-o', 'rotated.jsonl']);
        await new Promise<void>((resolve) => {
          proxy.judge = (asked) => {
            if (asked !== path) return null;
            run.process.kill('SIGKILL');
            resolve();
            return isDone ? 'drop' : new Promise(() => {});
          };
        });
        await run.result;
        proxy.judge = () => null;
        expect(await rotate()).toMatchObject({ code: 0 });
        const open = proxy.keys.filter((key) => String(key['key_alias']).startsWith('ci') && key['blocked'] !== true);
        expect(open.map((key) => key['key_alias'])).toEqual(['ci']);
      }
      expect(handedOver('rotated.jsonl')).toHaveLength(2);
      expect(proxy.keys.filter((key) => String(key['key_alias']).startsWith('ci'))).toHaveLength(3);
    },
  );
});

test('teams has each with its people, open keys and limits', async () => {
  people(3);
  await toFile();
  await home.run(['admin', 'keys', 'block', 'p0']);
  expect((await home.run(['admin', 'teams'])).stdout).toBe('search\t3\t2\t$0.00\t$200.00\t\n');
  expect(JSON.parse((await home.run(['admin', 'teams', '--json'])).stdout)).toEqual([
    expect.objectContaining({ team: 'search', people: 3, open_keys: 2, max_budget: 200, set: 'people' }),
  ]);
});
