import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type FakeUpstream, startFakeUpstream, textReply } from '../support/fake-upstream.ts';
import { builtCli, CliHome, node } from '../support/run-cli.ts';
import { assertRoot, give, neighbour, victim } from '../support/users.ts';

let upstream: FakeUpstream;
let home: CliHome;

beforeEach(async () => {
  upstream = await startFakeUpstream();
  home = new CliHome({ LITELLM_PROXY_URL: upstream.baseUrl });
  const { fallback } = upstream;
  upstream.fallback = (request) => (request.method === 'GET' ? fallback(request) : textReply('fine')(request));
});

afterEach(async () => {
  home.close();
  await upstream.close();
});

/** What is below a folder that others could write to, as `mode path`. */
function writableBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => ({ name, mode: lstatSync(path.join(folder, name)).mode }))
    .filter(({ mode }) => (mode & 0o170_000) !== 0o120_000 && (mode & 0o022) !== 0)
    .map(({ name, mode }) => `${(mode & 0o777).toString(8)} ${name}`);
}

const everyCommand: string[][] = [
  ['hello'],
  ['config', 'set', 'render', 'plain'],
  ['config', 'list'],
  ['models'],
  ['history', 'list'],
  ['recover', '--yes'],
  ['batch', 'in.txt', '-o', 'out.jsonl', '--reporter', 'junit,markdown'],
];

async function login(env: Record<string, string> = {}): Promise<unknown> {
  return home.run(['login', '--no-check', '--base-url', upstream.baseUrl], { stdin: 'sk-login-key-0123456789', env });
}

describe('what cllm writes', () => {
  test('nobody else can write to, with a umask of 000', async () => {
    writeFileSync(home.at('in.txt'), 'one\n', { mode: 0o644 });
    chmodSync(home.at('in.txt'), 0o644);
    const lines = everyCommand.map((args) => `cllm ${args.join(' ')} </dev/null >/dev/null 2>&1 || exit 1`);
    const { code } = await home.shell(
      `umask 000; printf %s sk-login-key-0123456789 | cllm login --no-check --base-url ${upstream.baseUrl}; ${lines.join('; ')}`,
    );
    expect(code).toBe(0);
    expect(writableBelow(home.directory)).toEqual([]);
    expect(existsSync(home.at('out.junit.xml')) && existsSync(home.at('out.md'))).toBe(true);
  });

  test('never goes through a link that lies under a name that cllm made up', async () => {
    const precious = home.at('precious');
    writeFileSync(precious, 'mine');
    writeFileSync(home.at('in.txt'), 'one\n');
    mkdirSync(home.at('cllm'), { mode: 0o700 });
    const linked = [
      'out.junit.xml',
      'out.md',
      '.out.jsonl.rewritten',
      ...['models.json', 'prompts.jsonl', 'config.json', 'credentials.json', 'journal'].map((name) => `cllm/${name}`),
    ];
    for (const name of linked) symlinkSync(precious, home.at(name));
    for (const args of everyCommand) await home.run(args);
    await login();
    // What can not be had is said, and what was asked for is had all the same.
    for (const name of ['config.json', 'credentials.json', 'journal']) rmSync(home.at('cllm', name));
    for (const args of everyCommand) expect(await home.run(args)).toMatchObject({ code: 0 });
    expect(await login()).toMatchObject({ code: 0 });
    expect(readFileSync(precious, 'utf8')).toBe('mine');
    expect(lstatSync(home.at('out.md')).isFile() && lstatSync(home.at('cllm/models.json')).isFile()).toBe(true);
  });

  test('goes where a link leads that the user named', async () => {
    writeFileSync(home.at('in.txt'), 'one\n');
    mkdirSync(home.at('reports'));
    writeFileSync(home.at('reports/today.xml'), 'old');
    symlinkSync('reports/today.xml', home.at('latest.xml'));
    await home.run(['batch', 'in.txt', '-o', 'out.jsonl', '--reporter', 'junit=latest.xml,markdown=/dev/stderr']);
    expect(readFileSync(home.at('reports/today.xml'), 'utf8')).toContain('<testsuites');
    expect(lstatSync(home.at('latest.xml')).isSymbolicLink()).toBe(true);
  });
});

describe('what cllm reads under a name that it made up', () => {
  test.each([
    ['a pipe', (name: string) => execFileSync('mkfifo', [name])],
    ['a link to a device without an end', (name: string) => symlinkSync('/dev/zero', name)],
    ['a folder', (name: string) => mkdirSync(name)],
  ])('may be %s: no command waits for it', async (_name, make) => {
    writeFileSync(home.at('in.txt'), 'one\n');
    mkdirSync(home.at('cllm/journal'), { recursive: true, mode: 0o700 });
    chmodSync(home.at('cllm'), 0o700);
    for (const name of ['models.json', 'prompts.jsonl', 'journal/0bad.recording', '../.out.jsonl.lock-1-1'])
      make(home.at('cllm', name));
    for (const args of everyCommand) {
      const { code, stderr } = await home.run(args);
      // The one that was there in the place of a journal is named, once.
      const isNamed = args[0] === 'recover';
      expect([args, code, stderr.includes('0bad.recording.unreadable')]).toEqual([args, isNamed ? 1 : 0, isNamed]);
    }
    for (const name of ['config.json', 'credentials.json']) {
      rmSync(home.at('cllm', name), { force: true, recursive: true });
      make(home.at('cllm', name));
    }
    expect(await home.run(['hello'])).toMatchObject({ code: 2, stderr: expect.stringContaining('not a regular file') });
  });
});

describe('two at once', () => {
  test('eight logins and eight settings are all kept', async () => {
    const numbers = Array.from({ length: 8 }, (_, number) => number);
    const runs = await Promise.all(
      numbers.flatMap((number) => [
        home.run(['login', '--no-check', '--base-url', `http://h${number}.example`], {
          stdin: `sk-key-number-${number}-0123456789`,
        }),
        home.run(['config', 'set', `aliases.a${number}`, 'm']),
      ]),
    );
    expect(runs.map(({ code, stderr }) => (code === 0 ? '' : stderr)).join('')).toBe('');
    const read = (name: string): Record<string, object> =>
      JSON.parse(readFileSync(home.at('cllm', name), 'utf8')) as Record<string, object>;
    expect(Object.keys(read('credentials.json')['keys'] ?? {})).toHaveLength(8);
    expect(Object.keys(read('config.json')['aliases'] ?? {})).toHaveLength(8);
    expect(readdirSync(home.at('cllm')).filter((name) => name.includes('lock'))).toEqual([]);
  });
});

describe('three users on one home', () => {
  let shared = '';
  let bin = '';

  beforeEach(() => {
    assertRoot();
    const root = realpathSync(mkdtempSync(path.join(tmpdir(), 'cllm-users-')));
    chmodSync(root, 0o755);
    shared = path.join(root, 'home');
    mkdirSync(shared);
    // A package that root installed: without compiled code, as it is published.
    const installed = path.join(root, 'package');
    const dist = path.dirname(path.dirname(builtCli));
    cpSync(dist, path.join(installed, 'dist'), {
      recursive: true,
      filter: (name) => !/code-cache/.test(path.relative(dist, name)),
    });
    copyFileSync(path.join(dist, '../package.json'), path.join(installed, 'package.json'));
    symlinkSync(path.join(dist, '../node_modules'), path.join(installed, 'node_modules'));
    bin = path.join(installed, 'dist/cli/bin.js');
  });

  afterEach(() => {
    rmSync(path.dirname(shared), { recursive: true, force: true });
  });

  /** The command as one of the users. */
  async function run(uid: number, args: string[], env: Record<string, string> = {}): Promise<[number | null, string]> {
    const { spawn } = await import('node:child_process');
    const child = spawn(node, [bin, ...args], {
      uid,
      gid: uid,
      cwd: '/usr',
      env: {
        PATH: process.env['PATH'],
        HOME: shared,
        CLLM_MODEL: 'test-model',
        LITELLM_PROXY_URL: upstream.baseUrl,
        LITELLM_PROXY_API_KEY: 'sk-test-key',
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text) => (output += text));
    return new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code) => resolve([code, output]));
    });
  }

  function write(name: string, text: string, owner: number): void {
    const file = path.join(shared, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, text);
    give(path.join(shared, name.split('/')[0] ?? ''), owner);
  }

  test.each([0o777, 0o1777])('a neighbour’s settings are not obeyed in a home of mode %o', async (mode) => {
    chmodSync(shared, mode);
    write('.config/cllm/config.json', JSON.stringify({ base_url: 'http://evil.example:1' }), neighbour);
    const [code, output] = await run(victim, ['hello'], { LITELLM_PROXY_URL: '' });
    expect(code).toBe(2);
    expect(output).toMatch(/belongs to another user|can be written by everybody/);
    expect(output).not.toContain('evil.example');
    expect(upstream.requests).toEqual([]);
  });

  test('nor are a neighbour’s keys used', async () => {
    chmodSync(shared, 0o1777);
    const keys = { version: 1, keys: { [upstream.baseUrl]: { key: 'sk-neighbour-key-0000', created_at: 'x' } } };
    write('.config/cllm/credentials.json', JSON.stringify(keys), neighbour);
    const [code, output] = await run(victim, ['hello'], { LITELLM_PROXY_API_KEY: '' });
    expect([code, output]).toEqual([2, expect.stringContaining('belongs to another user')]);
    expect(upstream.requests).toEqual([]);
  });

  test('and a neighbour’s journal folder keeps nobody from starting', async () => {
    chmodSync(shared, 0o1777);
    mkdirSync(path.join(shared, '.local/share/cllm/journal'), { recursive: true });
    execFileSync('mkfifo', [path.join(shared, '.local/share/cllm/journal/0.recording')]);
    give(path.join(shared, '.local'), neighbour);
    const [code, output] = await run(victim, ['hello']);
    expect([code, output]).toEqual([10, expect.stringContaining('fine')]);
  });

  test('a home below one that everybody may write to is none, however deep', async () => {
    for (const [mode, who] of [
      [0o777, 'everybody'],
      [0o775, 'its group'],
    ] as const) {
      const deep = path.join(shared, `open-${who.length}`, 'a', 'b');
      mkdirSync(deep, { recursive: true });
      give(path.dirname(path.dirname(deep)), victim);
      chmodSync(path.dirname(path.dirname(deep)), mode);
      const [code, output] = await run(victim, ['hello'], { CLLM_HOME: path.join(deep, 'cllm') });
      expect([code, output]).toEqual([10, expect.stringContaining(`can be written by ${who}`)]);
      expect(readdirSync(deep)).toEqual([]);
    }
  });

  test('a folder that users share keeps its mode', async () => {
    chmodSync(shared, 0o1777);
    give(shared, victim);
    chmodSync(shared, 0o1777);
    const [code, output] = await run(victim, ['hello'], { CLLM_HOME: shared });
    expect([code, output]).toEqual([10, expect.stringContaining('is a directory that users share')]);
    expect(statSync(shared).mode & 0o7777).toBe(0o1777);
  });

  test('each has what is theirs, in homes of their own below one that all may write to', async () => {
    chmodSync(shared, 0o1777);
    for (const uid of [victim, neighbour, 0]) {
      const own = { CLLM_HOME: path.join(shared, `of-${uid}`) };
      expect(await run(uid, ['-q', `words of ${uid}`], own)).toEqual([0, 'fine\n']);
      expect(await run(uid, ['config', 'set', 'render', 'plain'], own)).toEqual([0, '']);
      const [code, list] = await run(uid, ['history', 'list'], own);
      expect([code, list]).toEqual([0, expect.stringContaining(`words of ${uid}`)]);
    }
    expect(await run(victim, ['history', 'list'], { CLLM_HOME: path.join(shared, `of-${neighbour}`) })).toEqual([
      expect.any(Number),
      expect.not.stringContaining('words of'),
    ]);
  });

  test('compiled code that a neighbour left is not run', async () => {
    chmodSync(shared, 0o1777);
    await run(victim, ['config', 'path'], { HOME: shared });
    const [build = ''] = readdirSync(path.join(shared, '.cache/cllm/code-cache'));
    const folder = path.join(shared, '.cache/cllm/code-cache', build);
    const marker = path.join(shared, 'marker');
    const textOf = (name: string): string =>
      readFileSync(path.join(path.dirname(bin), 'chunks', name.replace(/\.bin$/, '')), 'latin1');
    // The pack of which the first part is one.
    const start = readdirSync(folder).find((name) => textOf(name).includes('"start-')) ?? '';
    // V8 takes code for ours that was made from any text as long as ours.
    const { length } = textOf(start);
    const evilPart = `(exports, require) => { require('node:fs').writeFileSync(${JSON.stringify(marker)}, ''); exports.start = async () => 0; }`;
    const evil = `(new Proxy({}, { get: () => ${evilPart} }))`;
    const maker = `
      const { Script } = require('node:vm');
      if (process.versions.node.startsWith('20.')) require('node:v8').setFlagsFromString('--liftoff-only');
      const script = new Script(${JSON.stringify(evil)}.padEnd(${length}));
      // What was never called is compiled later, of the text that is ours.
      script.runInThisContext().any({}, () => ({ writeFileSync() {} }));
      require('node:fs').writeFileSync(process.argv[1], script.createCachedData());`;
    const made = path.join(shared, 'made.bin');
    expect(spawnSync(node, ['-e', maker, made]).status).toBe(0);
    // Whoever may write there could do this: so it shows that the test's own code is good.
    writeFileSync(path.join(folder, start), readFileSync(made));
    await run(victim, ['config', 'path']);
    expect(existsSync(marker)).toBe(true);
    rmSync(marker);
    give(path.join(shared, '.cache'), neighbour);
    expect(await run(victim, ['config', 'path'])).toEqual([0, expect.stringContaining('config.json')]);
    expect(existsSync(marker)).toBe(false);
  });
});
