import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type FakeSignIn, startFakeSignIn } from '../support/fake-sign-in.ts';
import { CliHome, node } from '../support/run-cli.ts';
import { Terminal } from '../support/terminal.ts';

/** Signing in where somebody else answers, asks or breaks off. */
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

interface Kept {
  key: string;
  session?: { refresh_token: string; expires_at: string };
}
const kept = (): Kept | undefined =>
  (JSON.parse(readFileSync(home.at('cllm', 'credentials.json'), 'utf8')) as { keys: Record<string, Kept> }).keys[
    proxy.baseUrl
  ];

/** A sign-in whose key ends at that time. */
function signedIn(key: string, endsInMs: number): string {
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
  return session.refresh_token;
}

describe('the document of a sign-in', () => {
  test.each<[string, (response: ServerResponse) => void]>([
    ['that is elsewhere', (response) => response.writeHead(302, { location: 'http://127.0.0.1:1/elsewhere' }).end()],
    ['that has no end', (response) => response.writeHead(200).end(' '.repeat(3 * 1024 * 1024))],
    ['that is a page', (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html>')],
    [
      'that breaks off',
      (response) => response.writeHead(200, { 'content-length': '99' }).write('{', () => response.destroy()),
    ],
  ])('%s begins none', async (_what, answer) => {
    proxy.instead.set('/.well-known/litellm-cli-auth', answer);
    const { code, stderr } = await home.run(['login', '--browser'], { env: { BROWSER: 'false' } });
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/^cllm: .+\n {2}.+/);
    expect(new Set(proxy.requests)).toEqual(new Set(['GET /.well-known/litellm-cli-auth']));
  });

  test.each(['authorization_endpoint', 'token_endpoint', 'registration_endpoint', 'revocation_endpoint', 'resource'])(
    'does not name a %s of another port, scheme or name',
    async (name) => {
      const { port } = new URL(proxy.baseUrl);
      for (const elsewhere of ['http://127.0.0.1:1/x', `https://127.0.0.1:${port}/x`, `http://localhost:${port}/x`]) {
        proxy.document = (contract) => ({ ...contract, [name]: elsewhere });
        const { code, stderr } = await home.run(['login', '--browser'], { env: { BROWSER: 'false' } });
        expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining(`${name} leads elsewhere`) });
      }
    },
  );
});

describe('the port that the browser comes back to', () => {
  /** Opens the sign-in, sends that to the port before the browser comes, and gives what came of it. */
  async function poked(poke: (port: number) => Promise<unknown>): Promise<{ code: number | null; stderr: string }> {
    const run = home.start(['login', '--browser'], { env: { BROWSER: 'false' } });
    await run.untilStderr('code_challenge_method');
    const url = new URL(/^http.*$/m.exec(run.output.stderr)?.[0] ?? '');
    await poke(Number(new URL(url.searchParams.get('redirect_uri') ?? '').port));
    await fetch(url);
    return run.result;
  }

  test('takes no request for what is no address, and waits on', async () => {
    const result = await poked(async (port) => {
      for (const line of ['GET // HTTP/1.1', 'GET //[ HTTP/1.1', 'GET * HTTP/1.1', 'OPTIONS * HTTP/1.1', 'rubbish']) {
        const socket = connect(port, '127.0.0.1');
        socket.on('error', () => {});
        socket.write(`${line}\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n`);
        socket.resume();
        await once(socket, 'close');
      }
    });
    expect(result).toMatchObject({ code: 0 });
    expect(kept()?.session).toBeDefined();
  });

  test('does not show what an error says as it is', async () => {
    const denying = program(
      'denying',
      `const asked = new URL(url).searchParams;
       const said = new URLSearchParams({ state: asked.get('state'), error: 'access_denied', error_description: '\\u001b]0;owned\\u0007no\\u202e' });
       fetch(asked.get('redirect_uri') + '?' + said);`,
    );
    const terminal = new Terminal(home, ['login', '--browser', '--base-url', proxy.baseUrl], {
      env: { BROWSER: denying },
      columns: 400,
    });
    expect(await terminal.exitCode).toBe(4);
    expect(terminal.output).toContain('owned');
    for (const written of ['\u001B]0;', '\u0007', '\u202E']) expect(terminal.output).not.toContain(written);
  });

  test('is waited at until Ctrl-C, and nothing is kept', async () => {
    const run = home.start(['login', '--browser'], { env: { BROWSER: home.at('no-such-browser') } });
    await run.untilStderr('code_challenge_method');
    run.process.kill('SIGINT');
    expect(await run.result).toMatchObject({ code: 130 });
    expect(readdirSync(home.directory, { recursive: true }).map(String)).not.toContain(
      join('cllm', 'credentials.json'),
    );
  });
});

describe('a sign-in that is renewed', () => {
  /** Runs `command` while the proxy has been asked for the next key and has not answered. */
  async function whileRenewing(command: () => Promise<unknown>): Promise<{ code: number | null; stderr: string }> {
    let go: () => void = () => {};
    let reached: () => void = () => {};
    const asked = new Promise<void>((resolve) => (reached = resolve));
    const key = 'sk-renewed-1234567890';
    const next = proxy.refreshToken();
    proxy.keys.add(key);
    proxy.instead.set('/token', (response) => {
      go = () =>
        response
          .writeHead(200, { 'content-type': 'application/json' })
          .end(JSON.stringify({ access_token: key, token_type: 'Bearer', expires_in: 3600, refresh_token: next }));
      reached();
    });
    const run = home.start(['models']);
    await asked;
    await command();
    go();
    return run.result;
  }

  test('while somebody logs out stays forgotten, and what it was renewed to is taken back', async () => {
    const used = signedIn('sk-old', -1);
    const { code } = await whileRenewing(() => home.run(['logout']));
    expect(code).toBe(4);
    expect(kept()).toBeUndefined();
    expect(proxy.revoked).toHaveLength(2);
    expect(proxy.revoked).toContain(used);
  });

  test('while another key is entered leaves that one', async () => {
    signedIn('sk-old', -1);
    proxy.keys.add('sk-entered-1234567890');
    const { code } = await whileRenewing(() => home.run(['login'], { stdin: 'sk-entered-1234567890' }));
    expect(code).toBe(0);
    expect(kept()).toMatchObject({ key: 'sk-entered-1234567890' });
    expect(proxy.revoked).toHaveLength(1);
  });

  test('and is killed before it is kept says afterwards what to do', async () => {
    signedIn('sk-old', -1);
    let run: ReturnType<CliHome['start']> | null = null;
    const killed = new Promise<void>((resolve) => {
      proxy.instead.set('/token', (response) => {
        // The proxy has used it up; its answer comes to nobody.
        run?.process.kill('SIGKILL');
        response.destroy();
        resolve();
      });
    });
    run = home.start(['models']);
    await killed;
    await run.result;
    proxy.instead.set('/token', (response) =>
      response
        .writeHead(400, { 'content-type': 'application/json' })
        .end('{"error":"invalid_grant","error_description":"the refresh token was already used"}'),
    );
    const { code, stderr } = await home.run(['models']);
    expect({ code, stderr }).toEqual({ code: 4, stderr: expect.stringMatching(/already used[^]*cllm login/) });
  });

  test('for longer than there are dates is renewed in a year', async () => {
    proxy.lifetime = 1e300;
    const browser = program('browser', 'fetch(url);');
    expect(await home.run(['login', '--browser'], { env: { BROWSER: browser } })).toMatchObject({ code: 0 });
    expect(Date.parse(kept()?.session?.expires_at ?? '')).toBeLessThan(Date.now() + 367 * 86_400_000);
  });
});

test('a key of another device has nothing that renews it: once it ends, cllm says how to get the next', async () => {
  const signed = await home.run(['login', '--no-browser']);
  expect(signed).toMatchObject({ code: 0 });
  expect(kept()?.session).toBeUndefined();
  proxy.keys.clear();
  for (const args of [['hi'], ['models'], ['batch', 'in.txt', '-o', 'out.jsonl']]) {
    writeFileSync(home.at('in.txt'), 'hi\n');
    const { code, stderr } = await home.run(args);
    expect({ args, code, stderr }).toEqual({ args, code: 4, stderr: expect.stringContaining('cllm login') });
  }
  expect(proxy.requests.filter((each) => each.startsWith('POST /token'))).toEqual([]);
});

test('a key is in nothing that cllm says or keeps but the file of keys: not with --debug, not in a recording', async () => {
  const browser = program('browser', 'fetch(url);');
  const runs = [await home.run(['login', '--browser', '--debug'], { env: { BROWSER: browser } })];
  const first = kept();
  proxy.keys.delete(first?.key ?? '');
  runs.push(await home.run(['--no-stream', '--debug', '--record', 'reply.rec', 'hi']));
  expect(runs.map(({ code }) => code)).toEqual([0, 0]);
  const second = kept();
  expect(second?.key).not.toBe(first?.key);
  const secrets = [first, second].flatMap((each) => [each?.key ?? '', each?.session?.refresh_token ?? '']);
  const files = readdirSync(home.directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name !== 'credentials.json')
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'));
  const said = [...runs.map(({ stdout, stderr }) => stdout + stderr), ...files];
  expect(files.length).toBeGreaterThan(1);
  for (const secret of secrets) expect(said.filter((text) => text.includes(secret))).toEqual([]);
});
