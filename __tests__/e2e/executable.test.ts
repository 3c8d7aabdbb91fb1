import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type FakeUpstream, lastText, startFakeUpstream, textReply } from '../support/fake-upstream.ts';
import { CliHome, node } from '../support/run-cli.ts';
import { Terminal } from '../support/terminal.ts';

/** The command as one file, as its build makes it, where there is no Node and no other program. */

const root = fileURLToPath(new URL('../..', import.meta.url));
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
let folder: string;
let executable: string;
let upstream: FakeUpstream;
let home: CliHome;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cllm-test-executable-'));
  executable = join(folder, 'cllm');
  await promisify(execFile)(node, [join(root, 'scripts/build-executable.mjs'), executable], { cwd: root });
}, 120_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

beforeEach(async () => {
  upstream = await startFakeUpstream();
  home = new CliHome({ LITELLM_PROXY_URL: upstream.baseUrl, PATH: '', CLLM_HOME: undefined });
  mkdirSync(home.at('work'));
});

afterEach(async () => {
  home.close();
  await upstream.close();
});

interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

function run(
  args: readonly string[],
  { env = {}, stdin = '' }: { env?: NodeJS.ProcessEnv; stdin?: string } = {},
): Promise<Ended> {
  return new Promise((resolve) => {
    const child = execFile(
      executable,
      [...args],
      { cwd: home.at('work'), env: { ...home.env, ...env } },
      (error, stdout, stderr) => resolve({ code: Number(error?.code ?? 0), stdout, stderr }),
    );
    child.stdin?.end(stdin);
  });
}

describe('without a Node on the PATH', () => {
  test('a question is answered and kept, its history listed, and what a shell completes is told', async () => {
    expect(await run(['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
    expect(await run(['-q', 'hi'])).toEqual({ code: 0, stdout: 'Hello.\n', stderr: '' });
    expect((await run(['history', 'list', '--json'])).stdout).toContain('"title":"hi"');
    expect((await run(['-q', '-c', 'and?'])).code).toBe(0);
    expect(upstream.chatRequests.at(-1)?.body.messages).toHaveLength(3);
    expect((await run(['completion', 'bash'])).stdout).toContain('complete ');
    expect((await run(['--help'])).stdout).toContain('cllm ');
  });

  test('its errors, exit codes and pipes are those of the package', async () => {
    expect(await run(['--bogus'])).toMatchObject({ code: 2, stderr: expect.stringContaining('--bogus') });
    expect((await run([], { stdin: 'piped in' })).code).toBe(0);
    expect(lastText(upstream.chatRequests[0] as never)).toBe('piped in');
    upstream.reply(textReply('cut', { finishReason: 'length' }));
    expect((await run(['hi'])).code).toBe(8);
  });

  test('a batch, a comparison and a schema work', async () => {
    writeFileSync(home.at('work', 'prompts.txt'), 'one\ntwo\n');
    expect((await run(['batch', 'prompts.txt', '-o', 'out.jsonl', '-q'])).code).toBe(0);
    expect(readFileSync(home.at('work', 'out.jsonl'), 'utf8').trim().split('\n')).toHaveLength(2);
    expect((await run(['compare', '-m', 'a', '-m', 'b', 'hi'])).stdout).toContain('== a');
    writeFileSync(home.at('work', 'schema.json'), '{"type":"object"}');
    upstream.reply(textReply('{}'));
    expect((await run(['--output-schema', 'schema.json', 'hi'])).code).toBe(0);
    writeFileSync(home.at('work', 'cllm.yaml'), 'model: from-yaml\n');
    expect((await run(['config', 'get', 'model'], { env: { CLLM_MODEL: '' } })).stdout).toBe('from-yaml\n');
  });

  test('a chat at a terminal, with Markdown', async () => {
    upstream.reply(textReply('# Title\n\nsome **bold** text'));
    const terminal = new Terminal(home, ['chat'], { command: [executable], cwd: home.at('work') });
    try {
      await terminal.until(({ screen }) => screen.at(-1) === '>');
      terminal.type('hello\r');
      await terminal.until(({ text }) => text.includes('some bold text'));
      terminal.type('/quit\r');
      expect(await terminal.exitCode).toBe(0);
    } finally {
      terminal.close();
    }
  });
});

test('nothing but what it keeps is written, wherever it runs', async () => {
  mkdirSync(home.at('tmp'));
  expect(await run(['hi'], { env: { TMPDIR: home.at('tmp') } })).toMatchObject({ code: 0, stdout: 'Hello.\n' });
  expect(readdirSync(home.at('tmp'))).toEqual([]);
  expect(readdirSync(home.at('work'))).toEqual([]);
  expect(
    readdirSync(home.at(''), { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.node')),
  ).toEqual([]);
});

test('a home and a temporary folder that can not be written keep no question from being answered', async () => {
  const env = { HOME: '/proc/nowhere', XDG_CACHE_HOME: undefined, TMPDIR: '/proc/nowhere' };
  const { code, stdout } = await run(['--ephemeral', 'hi'], { env });
  expect({ code, stdout }).toEqual({ code: 0, stdout: 'Hello.\n' });
  expect(await run(['--help'], { env })).toMatchObject({ code: 0 });
  const listed = await run(['history', 'list'], { env });
  expect(listed.code).not.toBe(0);
  expect(listed.stderr).not.toMatch(/\n\s+at |Error:/);
});

test('its benchmark runs and prints its figures', async () => {
  const { stdout } = await promisify(execFile)(node, [join(root, 'bench/executable.bench.mjs'), '--smoke'], {
    cwd: root,
  });
  expect(stdout).toMatch(/one executable\D+[1-9]/);
  expect(stdout).not.toMatch(/\b(NaN|undefined|Infinity)\b/);
}, 120_000);
