import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type FakeSignIn, startFakeSignIn } from '../support/fake-sign-in.ts';
import { CliHome, node } from '../support/run-cli.ts';
import { Terminal } from '../support/terminal.ts';

/** Signing in against a proxy that keeps LiteLLM's contract, and keys that come of a program of the user's. */
let proxy: FakeSignIn;
let home: CliHome;

beforeEach(async () => {
  proxy = await startFakeSignIn();
  home = new CliHome({ LITELLM_PROXY_URL: proxy.baseUrl, LITELLM_PROXY_API_KEY: undefined, CLLM_MODEL: 'hello' });
});

afterEach(async () => {
  home.close();
  await proxy.close();
});

/** A program in the home; `url` is the first argument of a browser. */
function program(name: string, code: string): string {
  const file = home.at(name);
  writeFileSync(file, `#!${node}\nconst url = process.argv[2];\n${code}\n`);
  chmodSync(file, 0o755);
  return file;
}

const kept = (): { key: string; session?: { refresh_token: string; expires_at: string } } =>
  (JSON.parse(readFileSync(home.at('cllm', 'credentials.json'), 'utf8')) as { keys: Record<string, never> }).keys[
    proxy.baseUrl
  ] as never;

/** A sign-in whose key ends at that time. */
function signedIn(key: string, endsInMs: number): void {
  const session = {
    refresh_token: proxy.refreshToken(),
    expires_at: new Date(Date.now() + endsInMs).toISOString(),
    client_id: 'c',
    token_endpoint: `${proxy.baseUrl}/token`,
    revocation_endpoint: `${proxy.baseUrl}/revoke`,
    resource: proxy.baseUrl,
  };
  mkdirSync(home.at('cllm'), { recursive: true, mode: 0o700 });
  const keys = { [proxy.baseUrl]: { key, created_at: new Date().toISOString(), session } };
  writeFileSync(home.at('cllm', 'credentials.json'), JSON.stringify({ version: 1, keys }), { mode: 0o600 });
}

const renewals = (): number => proxy.requests.filter((each) => each === 'POST /token refresh_token').length;

describe('login with the browser', () => {
  test('keeps a key that renews itself, and takes nothing that somebody else brings to the loopback', async () => {
    const browser = program(
      'browser',
      `const back = new URL(new URL(url).searchParams.get('redirect_uri'));
       const stray = [back.href + '?code=evil&state=evil', back.href + '?code=evil', back.origin + '/'];
       Promise.all(stray.map((each) => fetch(each))).then(() => fetch(url));`,
    );
    const { code, stdout, stderr } = await home.run(['login', '--browser'], { env: { BROWSER: browser } });
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
    expect(stderr).toContain(`is kept for ${proxy.baseUrl} (1 model)`);
    const { key, session } = kept();
    expect([...proxy.keys]).toEqual([key]);
    expect(session).toMatchObject({ refresh_token: expect.stringMatching(/^llm_srefresh_/) });
    expect(stderr).not.toContain(key);
    expect(await home.run(['models'])).toMatchObject({ code: 0, stdout: expect.stringContaining('hello') });
  });

  test('at a terminal is Enter alone in place of a key', async () => {
    const env = { BROWSER: program('browser', 'fetch(url);') };
    const terminal = new Terminal(home, ['login', '--base-url', proxy.baseUrl], { env, columns: 200 });
    await terminal.until('Enter alone: sign in with the browser');
    terminal.type('\r');
    expect(await terminal.exitCode).toBe(0);
    expect(kept().session).toBeDefined();
  });

  test.each<[string, (contract: Record<string, unknown>) => unknown, string]>([
    ['of another version', (contract) => ({ ...contract, contract_version: 2 }), 'newer than this cllm'],
    ['issued for another address', (contract) => ({ ...contract, issuer: 'https://evil.example' }), 'another address'],
    [
      'that leads elsewhere',
      (contract) => ({ ...contract, token_endpoint: 'https://evil.example/token' }),
      'leads elsewhere',
    ],
    ['without PKCE', (contract) => ({ ...contract, code_challenge_methods_supported: ['plain'] }), 'PKCE'],
    ['that is none', () => [], 'knows no sign-in'],
  ])('is not begun by a document %s', async (_what, document, words) => {
    proxy.document = document;
    const { code, stderr } = await home.run(['login', '--browser'], { env: { BROWSER: 'false' } });
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining(words) });
    expect(proxy.requests).toEqual(['GET /.well-known/litellm-cli-auth']);
  });

  test('follows no redirect with a code, and says what a refusal says', async () => {
    const env = { BROWSER: program('browser', 'fetch(url);') };
    const elsewhere = await startFakeSignIn();
    try {
      proxy.instead.set('/token', (response) =>
        response.writeHead(307, { location: `${elsewhere.baseUrl}/token` }).end(),
      );
      expect(await home.run(['login', '--browser'], { env })).toMatchObject({ code: 1 });
      expect(elsewhere.requests).toEqual([]);
    } finally {
      await elsewhere.close();
    }
    proxy.instead.delete('/token');
    const denying = program(
      'denying',
      `const asked = new URL(url).searchParams;
       fetch(asked.get('redirect_uri') + '?error=access_denied&state=' + asked.get('state'));`,
    );
    const { code, stderr } = await home.run(['login', '--browser'], { env: { BROWSER: denying } });
    expect({ code, stderr }).toEqual({ code: 4, stderr: expect.stringContaining('access_denied') });
  });
});

test('login --no-browser shows a code and waits for a browser elsewhere', async () => {
  proxy.teams = ['search', 'ads'];
  const { code, stderr } = await home.run(['login', '--no-browser']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining('T5DK-RMQD') });
  expect(stderr).toContain('/sso/key/generate?source=litellm-cli&key=cli-1');
  expect(stderr).toContain('for the team search, the first of 2');
  expect(proxy.requests).toContain('GET /sso/cli/poll/cli-1');
  expect([...proxy.keys]).toEqual([kept().key]);
});

describe('a sign-in', () => {
  test('whose key ends soon is renewed by one of many processes, and the others take what that one kept', async () => {
    signedIn('sk-old', 60_000);
    const count = Number(process.env['CLLM_TEST_PROCESSES'] ?? 16);
    const runs = await Promise.all(Array.from({ length: count }, () => home.run(['login', '--print-key'])));
    expect(new Set(runs.map(({ code, stderr }) => `${code} ${stderr}`))).toEqual(new Set(['0 ']));
    expect(new Set(runs.map(({ stdout }) => stdout.trim()))).toEqual(new Set([kept().key]));
    expect(renewals()).toBe(1);
  });

  test('outlives its key in the middle of a batch: each question is asked, and the key renewed once', async () => {
    signedIn('sk-first', 3_600_000);
    proxy.keys.add('sk-first');
    writeFileSync(home.at('in.txt'), Array.from({ length: 30 }, (_, at) => `${at}\n`).join(''));
    const run = home.start(['batch', 'in.txt', '-o', 'out.jsonl', '--no-stream', '-q', '--concurrency', '2']);
    while (proxy.requests.length < 10 && run.process.exitCode === null)
      await new Promise((resolve) => setTimeout(resolve, 5));
    proxy.keys.delete('sk-first');
    expect(await run.result).toMatchObject({ code: 0 });
    expect(readFileSync(home.at('out.jsonl'), 'utf8').trimEnd().split('\n')).toHaveLength(30);
    expect(renewals()).toBe(1);
  });

  test('that can not be renewed while its key is good goes on with it; after that it says what to do', async () => {
    signedIn('sk-old', 60_000);
    proxy.keys.add('sk-old');
    proxy.instead.set('/token', (response) => response.writeHead(503).end());
    expect(await home.run(['login', '--print-key'])).toMatchObject({ code: 0, stdout: 'sk-old\n' });
    signedIn('sk-old', -1);
    proxy.instead.set('/token', (response) =>
      response.writeHead(400, { 'content-type': 'application/json' }).end('{"error":"invalid_grant"}'),
    );
    const { code, stderr } = await home.run(['hi']);
    expect({ code, stderr }).toEqual({ code: 4, stderr: expect.stringContaining('cllm login') });
  });

  test('is taken back by logout, and forgotten even where that fails', async () => {
    signedIn('sk-old', 3_600_000);
    const { session } = kept();
    expect(await home.run(['logout'])).toMatchObject({ code: 0 });
    expect(proxy.revoked).toEqual([session?.refresh_token]);
    signedIn('sk-old', 3_600_000);
    proxy.instead.set('/revoke', (response) => response.writeHead(503).end());
    const { code, stderr } = await home.run(['logout', '--all']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining('could not be taken back') });
    expect(kept()).toBeUndefined();
  });

  test('tells whose it is, and the budget of that person', async () => {
    signedIn('sk-old', 3_600_000);
    proxy.keys.add('sk-old');
    const { code, stdout, stderr } = await home.run(['whoami']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining('a key of a sign-in') });
    expect(stdout).toContain('user\tann@example.com');
    expect(stdout).toMatch(/^user budget\t\$10\.00, \$6\.00 left/m);
  });

  test('shows its key on a terminal only to who says yes', async () => {
    signedIn('sk-old-1234567890abcdef', 3_600_000);
    const terminal = new Terminal(home, ['login', '--print-key'], { columns: 200 });
    await terminal.until('on this terminal? [y/N]');
    terminal.type('\r');
    expect(await terminal.exitCode).toBe(0);
    expect(terminal.output).not.toContain('sk-old-1234567890abcdef');
  });
});

describe('key_command', () => {
  function command(code: string, ...args: string[]): void {
    mkdirSync(home.at('cllm'), { recursive: true, mode: 0o700 });
    const words = [program('vault', code), ...args];
    writeFileSync(home.at('cllm', 'config.json'), JSON.stringify({ key_command: words, base_url: proxy.baseUrl }));
  }

  test('tells the key, a newline at its end or not, and is asked again once the key is refused', async () => {
    proxy.keys.add('sk-second');
    // The first time it tells what has expired.
    command(
      `const fs = require('node:fs'); const count = __filename + '.count';
       const seen = fs.existsSync(count) ? fs.readFileSync(count, 'utf8').length : 0;
       fs.writeFileSync(count, 'x'.repeat(seen + 1));
       process.stdout.write(seen === 0 ? 'sk-first\\n' : 'sk-second');`,
    );
    expect(await home.run(['--no-stream', '-q', 'hi'])).toMatchObject({ code: 0, stdout: 'Hello.\n' });
    expect(readFileSync(home.at('vault.count'), 'utf8')).toBe('xx');
    expect(await home.run(['models'])).toMatchObject({ code: 0 });
  });

  test('that tells the same refused key is asked once more, not for ever', async () => {
    command(`require('node:fs').appendFileSync(__filename + '.count', 'x'); console.log('sk-dead');`);
    expect(await home.run(['--no-stream', 'hi'])).toMatchObject({ code: 4 });
    expect(readFileSync(home.at('vault.count'), 'utf8')).toBe('xx');
  });

  test.each<[string, string, RegExp]>([
    [
      'fails',
      `console.error('permission denied for sk-secret-1234567890'); process.exit(2);`,
      /ended with 2: permission denied for sk-\*\*\*\*/,
    ],
    ['tells nothing', '', /told no key: its output is empty/],
    [
      'tells more than a key',
      `console.log('Your key:\\nsk-secret-1234567890');`,
      /told no key: its output holds a space/,
    ],
    ['tells a page', `console.log('<html>'.repeat(50000));`, /told (more than a|no) key/],
  ])('that %s is said with its words, and no key in them', async (_what, code, words) => {
    command(code);
    const { code: exit, stderr } = await home.run(['hi']);
    expect({ exit, stderr }).toEqual({ exit: 4, stderr: expect.stringMatching(words) });
    expect(stderr).not.toContain('secret');
    expect(proxy.requests).toEqual([]);
  });

  test('is nothing that a project file may say, nor a path from the working directory', async () => {
    writeFileSync(home.at('cllm.yaml'), 'key_command: [touch, owned]\n');
    expect(await home.run(['hi'])).toMatchObject({ code: 2, stderr: expect.stringContaining('project file') });
    writeFileSync(home.at('cllm.yaml'), '');
    mkdirSync(home.at('cllm'), { recursive: true, mode: 0o700 });
    writeFileSync(home.at('cllm', 'config.json'), JSON.stringify({ key_command: ['./vault'] }));
    expect(await home.run(['hi'])).toMatchObject({ code: 2, stderr: expect.stringContaining('whole path') });
  });

  test('comes after a key that was named for this run, and its key goes to no other proxy', async () => {
    command(`require('node:fs').writeFileSync(__filename + '.ran', ''); console.log('sk-mine');`);
    proxy.keys.add('sk-named');
    expect(await home.run(['models'], { env: { LITELLM_PROXY_API_KEY: 'sk-named' } })).toMatchObject({ code: 0 });
    expect(() => readFileSync(home.at('vault.ran'))).toThrow(/ENOENT/);
  });
});
