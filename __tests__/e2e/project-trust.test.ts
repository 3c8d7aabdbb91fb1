import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { startFakeUpstream, type FakeUpstream } from '../support/fake-upstream.ts';
import { type CliOptions, CliHome, type CliResult } from '../support/run-cli.ts';
import { Terminal } from '../support/terminal.ts';
import { useClosing } from '../support/closed-after.ts';

const closing = useClosing();

const key = 'sk-canary-1234567890abcd';

let upstream: FakeUpstream;
let home: CliHome;
let terminal: Terminal | null = null;

beforeEach(async () => {
  upstream = await startFakeUpstream();
  home = new CliHome({ LITELLM_PROXY_API_KEY: key, CLLM_MODEL: 'fake' });
  project(`base_url: ${upstream.baseUrl}\n`);
});

afterEach(async () => {
  terminal?.close();
  terminal = null;
  home.close();
  await upstream.close();
});

/** A clone with that text as its cllm.yaml. */
function project(text: string, folder = 'clone'): void {
  mkdirSync(home.at(folder, 'src'), { recursive: true });
  writeFileSync(home.at(folder, 'cllm.yaml'), text);
}

function inClone(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  return home.run(args, { cwd: home.at('clone', 'src'), ...options });
}

const grants = async (): Promise<unknown[]> =>
  JSON.parse((await home.run(['config', 'trust', '--json'])).stdout) as unknown[];

describe('a base URL that a cllm.yaml alone names', () => {
  /** Somebody else's host, who sees a mere connection as well. */
  let stranger: Server;
  let connections = 0;

  beforeEach(async () => {
    connections = 0;
    stranger = createServer((socket) => {
      connections += 1;
      socket.destroy();
    });
    await new Promise<void>((resolve) => stranger.listen(0, '127.0.0.1', resolve));
    const { port } = stranger.address() as AddressInfo;
    project(`base_url: http://127.0.0.1:${port}\nprofiles: {other: {base_url: "http://127.0.0.1:${port}/x"}}\n`);
    writeFileSync(home.at('clone', 'src', 'prompts.jsonl'), '{"prompt":"secret"}\n');
    writeFileSync(home.at('clone', 'src', 'key'), key);
  });

  afterEach(() => void stranger.close());

  test.each<[string, string[], CliOptions?]>([
    ['ask', ['a secret']],
    ['ask by its name, with a file', ['ask', 'a secret', '-f', 'prompts.jsonl']],
    ['ask with standard input', ['review'], { stdin: 'diff --git a/secret' }],
    ['ask with a typed header', ['--header', 'Authorization: Bearer sk-typed-12345678', '--no-stdin', 'hi']],
    ['ask with a system prompt', ['-s', 'a secret', 'hi']],
    ['ask with a key', ['--api-key-file', 'key', 'hi']],
    ['ask without a model', ['hi'], { env: { CLLM_MODEL: undefined } }],
    ['ask with a cap', ['--max-cost', '1', 'hi']],
    ['ask without a stream', ['--no-stream', 'hi']],
    ['ask that keeps nothing', ['--ephemeral', 'hi']],
    ['ask in json', ['--output-format', 'json', 'hi']],
    ['ask in stream-json', ['--output-format', 'stream-json', 'hi']],
    ['ask in CI', ['hi'], { env: { CI: 'true' } }],
    ['ask under an empty CLLM_TRUST', ['hi'], { env: { CLLM_TRUST: '' } }],
    ['ask under another CLLM_TRUST', ['hi'], { env: { CLLM_TRUST: 'https://llm.example.com' } }],
    ['a profile of the file', ['--profile', 'other', 'hi'], { env: { LITELLM_PROXY_URL: 'http://127.0.0.1:9' } }],
    ['chat', ['chat'], { stdin: 'a secret\n' }],
    ['batch', ['batch', 'prompts.jsonl', '-o', 'out.jsonl']],
    ['compare', ['compare', '-m', 'a', '-m', 'b', '--no-stdin', 'hi']],
    ['models', ['models', '--json']],
    ['whoami', ['whoami']],
    ['doctor', ['doctor']],
    ['doctor in json', ['doctor', '--json', '--no-call']],
  ])('is sent nothing, not even a connection: %s', async (_name, args, options = {}) => {
    const { code, stdout, stderr } = await inClone(args, options);
    expect({ code, connections, stderr }).toMatchObject({ code: 2, connections: 0 });
    expect(stdout + stderr).toContain('cllm.yaml');
    expect(stdout + stderr).toContain('cllm config trust');
    expect(stdout + stderr).not.toMatch(/canary|typed/);
    const isJson = /--output-format|^doctor --json/.test(args.join(' '));
    expect(stdout.includes('"project_untrusted"')).toBe(isJson);
    // A question that was not sent is no turn, and a batch that may not begin changes no file.
    expect(existsSync(home.at('clone', 'src', 'out.jsonl'))).toBe(false);
    expect((await home.run(['history', 'list'])).stdout).toBe('');
  });

  test('gets no piped key', async () => {
    const { stderr } = await inClone(['login', '--no-check'], { stdin: key });
    expect(stderr).toContain('the key is for http://localhost:4000');
    expect(connections).toBe(0);
  });

  test('leaves alone what sends nothing', async () => {
    for (const args of [
      ['config', 'explain'],
      ['config', 'list'],
      ['history', 'list'],
      ['config', 'get', 'base_url'],
    ])
      expect(await inClone(args)).toMatchObject({ code: 0 });
    expect(connections).toBe(0);
  });

  test.each(['1', 'yes', 'true', '*', 'all', '127.0.0.1'])('is not allowed by CLLM_TRUST=%s', async (CLLM_TRUST) => {
    expect(await inClone(['hi'], { env: { CLLM_TRUST } })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('CLLM_TRUST holds something else than base URLs'),
    });
    expect(connections).toBe(0);
  });

  test('is no matter where the user named another one', async () => {
    for (const options of [
      { args: ['--base-url', upstream.baseUrl] },
      { env: { LITELLM_PROXY_URL: upstream.baseUrl } },
    ])
      expect(await inClone(['hi', ...(options.args ?? [])], options)).toMatchObject({ code: 0 });
    expect({ connections, asked: upstream.chatRequests.length }).toEqual({ connections: 0, asked: 2 });
  });
});

describe('is allowed', () => {
  test('by `config trust`, for that folder and that URL', async () => {
    const said = await inClone(['config', 'trust']);
    expect(said).toMatchObject({ code: 0, stderr: expect.stringContaining(upstream.baseUrl) });
    expect(await inClone(['hi'])).toMatchObject({ code: 0, stdout: 'Hello.\n' });
    expect(await home.run(['hi'], { cwd: home.at('clone') })).toMatchObject({ code: 0 });
    // A link to the folder is the folder, a copy of it is not.
    symlinkSync('clone', home.at('by-link'));
    expect(await home.run(['hi'], { cwd: home.at('by-link', 'src') })).toMatchObject({ code: 0 });
    cpSync(home.at('clone'), home.at('copy'), { recursive: true });
    expect(await home.run(['hi'], { cwd: home.at('copy') })).toMatchObject({ code: 2 });
    expect(upstream.chatRequests).toHaveLength(3);
    // What the environment has for another proxy is not sent to this one.
    expect(JSON.stringify(upstream.requests.map(({ headers }) => headers))).not.toContain('canary');
  });

  test('not any more when a pull changes the URL, and again when it is put back', async () => {
    const other = closing(await startFakeUpstream());
    await inClone(['config', 'trust']);
    project(`base_url: ${other.baseUrl}\n`);
    expect(await inClone(['hi'])).toMatchObject({ code: 2, stderr: expect.stringContaining(other.baseUrl) });
    expect(other.requests).toEqual([]);
    project(`base_url: ${upstream.baseUrl}/v1/ # the same\n`);
    expect(await inClone(['hi'])).toMatchObject({ code: 0 });
  });

  test('for each rule for tools, until a pull changes it', async () => {
    const inForce = async (): Promise<unknown> =>
      JSON.parse((await inClone(['config', 'get', 'tools'])).stdout) as unknown;
    project('tools: { allow: ["git log *"], deny: ["git push"] }\nprofiles: { ci: { tools: { allow: [ls] } } }\n');
    expect(await inForce()).toEqual({ allow: [], deny: ['git push'] });
    const said = await inClone(['config', 'trust']);
    expect(said.stderr).toContain(`a model may call git log * in ${home.at('clone')} without a question`);
    expect(await inForce()).toEqual({ allow: ['git log *'], deny: ['git push'] });
    expect((await home.run(['config', 'trust', '--list'])).stdout).toMatch(/the tool git log \*.*\n.*the tool ls/);
    project('tools: { allow: ["git log *", "git push *"] }\n');
    expect(await inForce()).toEqual({ allow: ['git log *'], deny: [] });
    expect(await inClone(['config', 'untrust'])).toMatchObject({ code: 0 });
    expect(await inForce()).toEqual({ allow: [], deny: [] });
  });

  test('for no rule that is none', async () => {
    expect(await home.run(['config', 'set', 'tools.allow', 'git log; rm -rf .'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('there is no shell'),
    });
    expect(await home.run(['config', 'set', 'profiles.ci.tools.deny', '["a | b"]'])).toMatchObject({ code: 2 });
    expect(await home.run(['config', 'set', 'tools.allow', '["git log *", "mcp:github/*"]'])).toMatchObject({
      code: 0,
    });
    expect((await home.run(['config', 'list'])).stdout).toContain('tools.allow\t["git log *","mcp:github/*"]');
  });

  test('with a folder named, also from elsewhere, and taken back', async () => {
    expect(await home.run(['config', 'trust', 'clone'])).toMatchObject({ code: 0 });
    expect(await grants()).toEqual([
      { kind: 'base_url', folder: home.at('clone'), value: upstream.baseUrl, granted_at: expect.any(String) },
    ]);
    expect(await home.run(['config', 'untrust', 'clone'])).toMatchObject({ code: 0 });
    expect(await grants()).toEqual([]);
    expect(await inClone(['hi'])).toMatchObject({ code: 2 });
    expect(await home.run(['config', 'untrust', 'clone'])).toMatchObject({ code: 2 });
    expect(await home.run(['config', 'trust'], { cwd: '/' })).toMatchObject({ code: 2 });
  });

  test.each(['', 'https://llm.example.com ', 'https://llm.example.com,'])(
    'by CLLM_TRUST=%s and the URL, which leaves nothing behind',
    async (before) => {
      const env = { CI: 'true', CLLM_TRUST: `${before}${upstream.baseUrl}/v1` };
      expect(await inClone(['hi'], { env })).toMatchObject({ code: 0 });
      expect(await grants()).toEqual([]);
      expect(upstream.chatRequests[0]?.headers.authorization).toBeUndefined();
    },
  );

  test('by --trust-project, for that run', async () => {
    for (const args of [['hi'], ['models'], ['whoami'], ['chat']]) {
      expect(await inClone([...args, '--trust-project'], { stdin: 'hi' })).toMatchObject({ code: 0 });
    }
    expect(await inClone(['hi'])).toMatchObject({ code: 2 });
  });

  test('by a key that was entered for it', async () => {
    await home.run(['login', '--base-url', upstream.baseUrl], { stdin: key });
    await home.run(['config', 'unset', 'base_url']);
    expect(await inClone(['hi'])).toMatchObject({ code: 0 });
    expect(upstream.chatRequests[0]?.headers.authorization).toBe(`Bearer ${key}`);
    await home.run(['logout', '--base-url', upstream.baseUrl]);
    expect(await inClone(['hi'])).toMatchObject({ code: 2 });
  });

  test('not by a grant that names another thing than its file does', async () => {
    await inClone(['config', 'trust']);
    const [name = ''] = (await home.shell('ls cllm/trust')).stdout.trim().split('\n');
    const file = home.at('cllm', 'trust', name);
    writeFileSync(file, readFileSync(file, 'utf8').replace(upstream.baseUrl, 'http://elsewhere.example'));
    expect(await inClone(['hi'])).toMatchObject({ code: 2 });
    writeFileSync(file, 'no json');
    expect(await inClone(['hi'])).toMatchObject({ code: 2 });
  });
});

describe('at a terminal', () => {
  beforeEach(() => {
    writeFileSync(home.at('cllm.yaml'), `base_url: ${upstream.baseUrl}\n`);
  });

  const open = (args: readonly string[], env: Record<string, string> = {}): Terminal =>
    (terminal = new Terminal(home, args, { env, columns: 200 }));

  test('it is asked for once, with folder, file and URL', async () => {
    open(['hi']);
    await terminal?.until('[y/N]');
    expect(terminal?.text).toContain(`${home.at('cllm.yaml')} names a proxy that you have not used so far`);
    expect(terminal?.text).toContain(`Send what is asked in ${home.directory} to ${upstream.baseUrl}?`);
    expect(upstream.requests).toEqual([]);
    terminal?.type('y\r');
    expect(await terminal?.exitCode).toBe(0);
    expect(terminal?.text).toContain('Hello.');
    expect(await open(['-q', 'again']).exitCode).toBe(0);
    expect(terminal?.text).not.toContain('[y/N]');
    expect(await home.run(['from a script'])).toMatchObject({ code: 0 });
  });

  test.each([
    ['no', 'n\r', 2],
    ['Enter', '\r', 2],
    ['Ctrl-D', '\u0004', 2],
    ['Ctrl-C', '\u0003', 130],
  ])('%s is no yes', async (_name, keys, code) => {
    open(['hi']);
    await terminal?.until('[y/N]');
    terminal?.type(keys);
    expect(await terminal?.exitCode).toBe(code);
    expect(upstream.requests).toEqual([]);
    expect(await grants()).toEqual([]);
  });

  test.each<[string, string[], Record<string, string>]>([
    ['under --no-stdin', ['--no-stdin', 'hi'], {}],
    ['in CI', ['hi'], { CI: 'true' }],
  ])('nobody is asked %s', async (_name, args, env) => {
    expect(await open(args, env).exitCode).toBe(2);
    expect(terminal?.text).not.toContain('[y/N]');
    expect(upstream.requests).toEqual([]);
  });

  test('a chat asks before it begins', async () => {
    open(['chat']);
    await terminal?.until('[y/N]');
    terminal?.type('y\r');
    await terminal?.until('fake');
    terminal?.type('hi\r');
    await terminal?.until('Hello.');
    terminal?.type('\u0004');
    expect(await terminal?.exitCode).toBe(0);
  });

  test('a login offers the proxy of the file only after a yes', async () => {
    open(['login', '--no-check']);
    await terminal?.until('[y/N]');
    terminal?.type('n\r');
    await terminal?.until('Base URL of the proxy [http://localhost:4000]:');
    terminal?.type('\u0004');
    await terminal?.exitCode;
    expect(upstream.requests).toEqual([]);
  });
});

describe('a conversation that was had with another proxy', () => {
  let own: FakeUpstream;

  beforeEach(async () => {
    own = await startFakeUpstream();
    await inClone(['config', 'trust']);
    const options = { env: { LITELLM_PROXY_URL: own.baseUrl } };
    await home.run(['-C', 'board', 'we sell to Initech'], options);
    await home.run(['and then a system prompt of mine', '-s', 'mine alone'], options);
  });

  afterEach(() => own.close());

  test.each([
    ['-c', ['-c', 'and when?']],
    ['-C NAME', ['-C', 'board', 'and when?']],
    ['-c, adding nothing', ['-c', '--read-only', 'and when?']],
    ['-C with another system prompt', ['-C', 'board', '-s', 'another', 'and when?']],
    ['a chat', ['chat', '-c']],
    ['-c under --trust-project', ['-c', '--trust-project', 'and when?']],
    ['-c in json', ['-c', '--output-format', 'json', 'and when?']],
  ])('is not sent to that of a project file: %s', async (_name, args) => {
    const before = (await home.run(['history', 'export'])).stdout;
    const { code, stdout, stderr } = await inClone(args, { stdin: 'and when?' });
    expect({ code, sent: upstream.requests.map(({ text }) => text) }).toEqual({ code: 2, sent: [] });
    expect(stdout + stderr).toContain(`was had with ${own.baseUrl}`);
    expect(stdout + stderr).toContain(`--base-url ${upstream.baseUrl}`);
    // No turn, and no other system prompt.
    expect((await home.run(['history', 'export'])).stdout).toBe(before);
  });

  test('nor under a key that was entered for it, nor as a fork, nor imported', async () => {
    await home.run(['login', '--no-check', '--base-url', upstream.baseUrl], { stdin: key });
    // The first login makes a default, which would be the user's own word.
    await home.run(['config', 'unset', 'base_url']);
    const fork = (await home.run(['history', 'fork', 'board'])).stdout.trim();
    const exported = (await home.run(['history', 'export', 'board'])).stdout;
    expect(exported).not.toContain(own.baseUrl);
    await home.run(['history', 'delete', 'board', '--yes']);
    writeFileSync(home.at('exported.jsonl'), exported);
    expect(await home.run(['history', 'import', 'exported.jsonl'])).toMatchObject({ code: 0 });
    for (const name of [fork, 'board']) expect(await inClone(['-C', name, 'hi'])).toMatchObject({ code: 2 });
    expect(upstream.chatRequests).toEqual([]);
  });

  test('goes where the user names the proxy, and then belongs there', async () => {
    expect(await inClone(['-C', 'board', 'hi', '--base-url', upstream.baseUrl])).toMatchObject({ code: 0 });
    expect(await inClone(['-C', 'board', 'again'])).toMatchObject({ code: 0 });
    // Had with the user's own proxy again, it is theirs again.
    expect(await home.run(['-C', 'board', 'secret'], { env: { LITELLM_PROXY_URL: own.baseUrl } })).toMatchObject({
      code: 0,
    });
    expect(await inClone(['-C', 'board', 'and?'])).toMatchObject({ code: 2 });
    expect(upstream.chatRequests).toHaveLength(2);
  });

  test('goes on without a question where it was begun, and where the proxy is the user own', async () => {
    expect(await inClone(['-C', 'here', 'one'])).toMatchObject({ code: 0 });
    expect(await inClone(['-C', 'here', 'two'])).toMatchObject({ code: 0 });
    const fork = (await home.run(['history', 'fork', 'here', '--at', '1'])).stdout.trim();
    expect(await inClone(['-C', fork, 'three'])).toMatchObject({ code: 0 });
    expect(await home.run(['-C', 'here', 'at home'], { env: { LITELLM_PROXY_URL: own.baseUrl } })).toMatchObject({
      code: 0,
    });
    await home.run(['config', 'set', 'base_url', own.baseUrl]);
    expect(await home.run(['-C', 'here', 'at home'])).toMatchObject({ code: 0 });
  });

  test('is asked for at a terminal', async () => {
    writeFileSync(home.at('cllm.yaml'), `base_url: ${upstream.baseUrl}\n`);
    await home.run(['config', 'trust']);
    for (const [answer, code, requests] of [
      ['n\r', 2, 0],
      ['y\r', 0, 1],
    ] as const) {
      terminal = new Terminal(home, ['-C', 'board', 'and when?'], { columns: 300 });
      await terminal.until(`was had with ${own.baseUrl}. Send all of it to ${upstream.baseUrl}`);
      terminal.type(answer);
      expect(await terminal.exitCode).toBe(code);
      expect(upstream.chatRequests).toHaveLength(requests);
      terminal.close();
    }
    expect(await home.run(['-C', 'board', 'again'])).toMatchObject({ code: 0 });
  });
});
