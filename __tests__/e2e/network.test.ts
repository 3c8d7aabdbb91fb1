import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { makeCertificates, type Certificates } from '../support/certificates.ts';
import {
  errorReply,
  finishChunk,
  startFakeUpstream,
  textChunk,
  textReply,
  type FakeUpstream,
} from '../support/fake-upstream.ts';
import { startFaultServer } from '../support/fault-server.ts';
import { streamed, goodReply } from '../support/fault-scenarios.ts';
import { startHttpProxy, type HttpProxy } from '../support/http-proxy.ts';
import { CliHome, type CliResult } from '../support/run-cli.ts';

/** The built command in the networks of companies, before a reader that is slow, and while it waits to try again. */
let certificates: Certificates;
let upstream: FakeUpstream;
let secure: FakeUpstream;
let httpProxy: HttpProxy;
let home: CliHome;

beforeAll(() => {
  certificates = makeCertificates();
});

beforeEach(async () => {
  upstream = await startFakeUpstream();
  secure = await startFakeUpstream({ tls: certificates.server });
  httpProxy = await startHttpProxy();
  home = new CliHome({ LITELLM_PROXY_URL: upstream.baseUrl });
  writeFileSync(home.at('ca.pem'), certificates.ca);
  writeFileSync(home.at('client.pem'), certificates.client.cert);
  writeFileSync(home.at('client.key'), certificates.client.key);
  writeFileSync(home.at('both.pem'), certificates.client.cert + certificates.client.key);
});

afterEach(async () => {
  home.close();
  await Promise.all([upstream.close(), secure.close(), httpProxy.close()]);
});

const ask = (env: Record<string, string>, ...args: string[]): Promise<CliResult> =>
  home.run(['-q', '--retries', '0', ...args, 'hi'], { env });
const ok = { code: 0, stdout: 'Hello.\n', stderr: '' };

describe('an HTTP proxy of the environment', () => {
  /** A name that leads nowhere, except through the proxy. */
  const behind = (server: FakeUpstream): string => `${new URL(server.baseUrl).protocol}//litellm.test:${server.port}`;

  test('opens a tunnel for https', async () => {
    const env = { LITELLM_PROXY_URL: behind(secure), HTTPS_PROXY: httpProxy.url, SSL_CERT_FILE: home.at('ca.pem') };
    expect(await ask(env)).toMatchObject(ok);
    expect(httpProxy.requests.map(({ line }) => line)).toEqual([`CONNECT litellm.test:${secure.port}`]);
    expect(secure.chatRequests[0]?.headers).toMatchObject({ authorization: 'Bearer sk-test-key' });
  });

  test('forwards plain http, as it is', async () => {
    expect(await ask({ LITELLM_PROXY_URL: behind(upstream), HTTP_PROXY: `127.0.0.1:${httpProxy.port}` })).toMatchObject(
      ok,
    );
    expect(httpProxy.requests.map(({ line }) => line)).toEqual([
      `POST http://litellm.test:${upstream.port}/v1/chat/completions`,
    ]);
  });

  test('is left alone for the hosts of NO_PROXY', async () => {
    const env = {
      LITELLM_PROXY_URL: behind(upstream),
      HTTP_PROXY: httpProxy.url,
      NO_PROXY: '10.0.0.0/8, .test',
      no_proxy: '',
    };
    expect(await ask({ ...env, NO_PROXY: '' })).toMatchObject(ok);
    expect(httpProxy.requests).toHaveLength(1);
    // No such name can be found, so the way is another one than before.
    expect(await ask(env)).toMatchObject({ code: 5 });
    expect(httpProxy.requests).toHaveLength(1);
  });

  test('is left alone for what listens on this machine', async () => {
    expect(await ask({ HTTP_PROXY: httpProxy.url })).toMatchObject(ok);
    expect(httpProxy.requests).toEqual([]);
  });

  test('that refuses is named, without its password', async () => {
    httpProxy.refusal = 407;
    const url = `http://me:hush@127.0.0.1:${httpProxy.port}`;
    const { code, stderr } = await ask({ LITELLM_PROXY_URL: behind(secure), HTTPS_PROXY: url }, '--debug');
    expect(code).toBe(5);
    expect(stderr).toContain(`the HTTP proxy 127.0.0.1:${httpProxy.port} refused the way to litellm.test`);
    expect(stderr).toContain('HTTPS_PROXY');
    expect(stderr).not.toContain('hush');
  });

  test('that speaks TLS itself, under a private authority, by ALL_PROXY', async () => {
    const tlsProxy = await startHttpProxy({ tls: certificates.server });
    try {
      expect(
        await ask({ LITELLM_PROXY_URL: behind(upstream), ALL_PROXY: tlsProxy.url, SSL_CERT_FILE: home.at('ca.pem') }),
      ).toMatchObject(ok);
      expect(tlsProxy.requests).toHaveLength(1);
    } finally {
      await tlsProxy.close();
    }
  });
});

describe('a private authority', () => {
  test('is refused until it is named', async () => {
    const { code, stderr } = await ask({ LITELLM_PROXY_URL: secure.baseUrl });
    expect(code).toBe(5);
    expect(stderr).toMatch(/authority that is not known here[^]*--cacert FILE/);
    expect(secure.requests).toEqual([]);
  });

  test.each([
    ['--cacert', {}, ['--cacert', 'ca.pem']],
    ['SSL_CERT_FILE', { SSL_CERT_FILE: 'ca.pem' }, []],
    ['NODE_EXTRA_CA_CERTS', { NODE_EXTRA_CA_CERTS: 'ca.pem' }, []],
    ['--cacert, stronger than SSL_CERT_FILE', { SSL_CERT_FILE: 'client.pem' }, ['--cacert', 'ca.pem']],
    [
      'NODE_EXTRA_CA_CERTS, beside another one of --cacert',
      { NODE_EXTRA_CA_CERTS: 'ca.pem' },
      ['--cacert', 'client.pem'],
    ],
  ])('is trusted by %s', async (_name, env, args) => {
    expect(await ask({ LITELLM_PROXY_URL: secure.baseUrl, ...env }, ...args)).toMatchObject(ok);
  });

  test('whose file is not there, or is none, is a mistake with its name', async () => {
    const missing = await ask({ LITELLM_PROXY_URL: secure.baseUrl }, '--cacert', 'nowhere.pem');
    expect(missing).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--cacert nowhere.pem: cannot be read (ENOENT)'),
    });
    const wrong = await ask({ LITELLM_PROXY_URL: secure.baseUrl }, '--cacert', 'client.key');
    expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining('--cacert') });
  });
});

describe('a proxy that asks for a client certificate', () => {
  let strict: FakeUpstream;
  beforeEach(async () => {
    strict = await startFakeUpstream({ tls: { ...certificates.server, ca: certificates.ca, requestCert: true } });
  });
  afterEach(() => strict.close());

  test.each([
    ['its key beside it', ['--cert', 'client.pem', '--cert-key', 'client.key']],
    ['its key in the same file', ['--cert', 'both.pem']],
  ])('gets it, with %s', async (_name, args) => {
    expect(await ask({ LITELLM_PROXY_URL: strict.baseUrl }, '--cacert', 'ca.pem', ...args)).toMatchObject(ok);
  });

  test('refuses who has none', async () => {
    expect((await ask({ LITELLM_PROXY_URL: strict.baseUrl }, '--cacert', 'ca.pem')).code).toBe(5);
    expect(strict.requests).toEqual([]);
  });

  test('and says so in an alert after the handshake: the flag is named', async () => {
    writeFileSync(home.at('server.pem'), certificates.server.cert + certificates.server.key);
    // Node's own servers hang up without a word; this is what others do.
    const options = ['-accept', '127.0.0.1:0', '-cert', 'server.pem', '-Verify', '1', '-verify_return_error', '-www'];
    const server = spawn('openssl', ['s_server', ...options], {
      cwd: home.directory,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    try {
      let said = '';
      for await (const text of server.stdout) {
        said += String(text);
        if (/ACCEPT [\d.]+:\d+\s/.test(said)) break;
      }
      const port = /ACCEPT [\d.]+:(\d+)/.exec(said)?.[1];
      const { code, stderr } = await ask({ LITELLM_PROXY_URL: `https://127.0.0.1:${port}` }, '--cacert', 'ca.pem');
      expect(code).toBe(5);
      expect(stderr).toMatch(/asks for a client certificate[^]*--cert FILE/);
    } finally {
      const exited = once(server, 'exit');
      server.kill('SIGKILL');
      await exited;
    }
  });

  test.each([
    ['a key without its certificate', ['--cert-key', 'client.key'], '--cert-key without --cert'],
    ['a certificate without its key', ['--cert', 'client.pem'], 'can not be read'],
    ['a key that is none', ['--cert', 'client.pem', '--cert-key', 'ca.pem'], 'can not be read'],
  ])('%s is a mistake', async (_name, args, words) => {
    const { code, stderr } = await ask({ LITELLM_PROXY_URL: strict.baseUrl }, '--cacert', 'ca.pem', ...args);
    expect(code).toBe(2);
    expect(stderr).toContain(words);
    expect(stderr).not.toContain('PRIVATE');
  });
});

describe('a base URL', () => {
  test('of an IPv6 address', async () => {
    const server = await startFaultServer(streamed(...goodReply), { host: '::1' });
    try {
      expect(await ask({ LITELLM_PROXY_URL: server.baseUrl })).toMatchObject({ code: 0, stdout: 'Hello world\n' });
      expect(server.requests[0]?.head).toMatch(/^host: \[::1\]:\d+$/im);
    } finally {
      await server.close();
    }
  });

  test.each(['/team/llm', '/team/llm/', '/team/llm/v1', '/team/llm/v1/chat/completions'])(
    'with the path %s',
    async (path) => {
      expect(await ask({ LITELLM_PROXY_URL: upstream.baseUrl + path })).toMatchObject(ok);
      expect(upstream.requests.map((request) => request.path)).toEqual(['/team/llm/v1/chat/completions']);
    },
  );

  test('with credentials is refused, without repeating them', async () => {
    const { code, stderr } = await ask({ LITELLM_PROXY_URL: 'http://me:hush@127.0.0.1:4000' });
    expect(code).toBe(2);
    expect(stderr).not.toContain('hush');
  });
});

test('a reader that pauses for three times the deadlines fires none of them', async () => {
  const text = 'word '.repeat(400_000);
  upstream.reply(textReply(text, { pieceLength: 20_000 }));
  const run = home.start(['-q', '--idle-timeout', '1', '--first-token-timeout', '20', '--output-format', 'text', 'hi']);
  await run.untilStdout('word');
  run.process.stdout?.pause();
  // The pause is what is tested, not a wait for something.
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  expect(run.process.exitCode).toBeNull();
  run.process.stdout?.resume();
  const { code, stdout, stderr } = await run.result;
  expect({ code, stderr, isWhole: stdout.trimEnd() === text.trimEnd() }).toEqual({
    code: 0,
    stderr: '',
    isWhole: true,
  });
});

describe('another try', () => {
  test('comes when the proxy said, and is announced on standard error', async () => {
    upstream.reply(errorReply(429, 'slow down', { headers: { 'retry-after': '1' } }), textReply('Hello.'));
    const run = home.start(['-q', 'hi']);
    await run.untilStderr('try 2 of 3');
    expect(upstream.chatRequests).toHaveLength(1);
    expect(await run.result).toMatchObject({
      code: 0,
      stdout: 'Hello.\n',
      stderr: expect.stringContaining('in 1.0 s'),
    });
    expect(upstream.chatRequests).toHaveLength(2);
  });

  test('is an event, with the wait that retry-after and retry-after-ms asked for', async () => {
    upstream.reply(
      errorReply(429, 'slow down', { headers: { 'retry-after': '1' } }),
      errorReply(503, 'busy', { headers: { 'retry-after-ms': '40', 'retry-after': '30' } }),
      textReply('Hello.'),
    );
    const { code, stdout } = await home.run(['--output-format', 'stream-json', 'hi']);
    expect(code).toBe(0);
    const events = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(events.filter(({ type }) => type === 'retry')).toMatchObject([
      { attempt: 1, max_retries: 2, retry_delay_ms: 1000, error: { code: 'rate_limited' } },
      { attempt: 2, max_retries: 2, retry_delay_ms: 40, error: { code: 'server_error' } },
    ]);
    expect(events.at(-1)).toMatchObject({ type: 'result', verdict: 'complete' });
  });

  test('is not made when the proxy asks for more than a minute', async () => {
    upstream.reply(errorReply(429, 'slow down', { headers: { 'retry-after': '61' } }));
    expect(await home.run(['hi'])).toMatchObject({ code: 6, stdout: '' });
    expect(upstream.chatRequests).toHaveLength(1);
  });

  test.each([
    ['a budget', errorReply(422, 'Budget has been exceeded!', { type: 'budget_exceeded' }), 7],
    ['a key', errorReply(401, 'Authentication Error', { type: 'auth_error' }), 4],
    ['a request', errorReply(400, 'temperature is too high', { type: 'invalid_request_error' }), 1],
  ])('is not made when %s was refused', async (_name, refusal, code) => {
    upstream.reply(refusal);
    expect((await home.run(['hi'])).code).toBe(code);
    expect(upstream.chatRequests).toHaveLength(1);
  });

  test('is not made after the first content', async () => {
    upstream.reply({ steps: [{ data: textChunk('Half a', { role: 'assistant' }) }, { reset: true }] });
    expect(await home.run(['-q', 'hi'])).toMatchObject({ code: 3, stdout: 'Half a\n' });
    expect(upstream.chatRequests).toHaveLength(1);
  });

  test('shows nothing of the try before it', async () => {
    upstream.reply(
      { steps: [{ data: textChunk('', { role: 'assistant' }) }, { reset: true }] },
      {
        steps: [{ data: textChunk('Hello.', { role: 'assistant' }) }, { data: finishChunk() }, { data: '[DONE]' }],
      },
    );
    expect(await home.run(['-q', 'hi'])).toMatchObject({ code: 0, stdout: 'Hello.\n' });
    expect(upstream.chatRequests).toHaveLength(2);
  });

  test('is given up at once on Ctrl-C', async () => {
    upstream.reply(errorReply(503, 'busy', { headers: { 'retry-after': '60' } }));
    const run = home.start(['--output-format', 'stream-json', 'hi']);
    await run.untilStdout('"retry"');
    run.process.kill('SIGINT');
    // The wait that is given up is longer than what a test may take.
    const { code, stdout } = await run.result;
    expect(code).toBe(130);
    expect(JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '')).toMatchObject({ verdict: 'interrupted' });
    expect(upstream.chatRequests).toHaveLength(1);
  });
});
