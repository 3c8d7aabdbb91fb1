import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { freePort } from '../../src/local-proxy/free-port.ts';
import { makeCertificates, type Certificates } from '../support/certificates.ts';
import {
  errorReply,
  startFakeUpstream,
  textReply,
  type FakeUpstream,
  type ScriptedReply,
} from '../support/fake-upstream.ts';
import { startHttpProxy, type HttpProxy } from '../support/http-proxy.ts';
import { bufferingConfig, repositoryConfig, startNginx, type Server } from '../support/nginx.ts';
import { describeWithPrograms } from '../support/programs.ts';
import { CliHome, builtCli, type CliOptions } from '../support/run-cli.ts';

interface Report {
  is_ok: boolean;
  steps: { step: string; status: string; message: string; fix: string | null; [fact: string]: unknown }[];
}

const key = 'sk-canary-1234567890abcd';

let upstream: FakeUpstream;
let home: CliHome;

beforeEach(async () => {
  upstream = await startFakeUpstream();
  home = new CliHome({ LITELLM_PROXY_API_KEY: key, CLLM_MODEL: 'fake' });
});

afterEach(async () => {
  home.close();
  await upstream.close();
});

async function doctor(baseUrl: string, args: string[] = [], options: CliOptions = {}) {
  const { code, stdout, stderr } = await home.run(['doctor', '--json', '--base-url', baseUrl, ...args], options);
  expect(stdout + stderr).not.toContain('canary');
  const report = JSON.parse(stdout) as Report;
  expect(report.is_ok).toBe(code === 0);
  return { code, report, failed: report.steps.filter(({ status }) => status === 'failed') };
}

/** The upstream as it is, but for the answers to some requests. */
function instead(answer: (path: string) => ScriptedReply | null): void {
  const plain = upstream.fallback;
  upstream.fallback = (request) => answer(request.path) ?? plain(request);
}

describe('a sound set-up', () => {
  test('has no cross, says how the reply came, and ends with 0', async () => {
    upstream.reply(textReply('1 2 3 4 5 6 7 8 9 10 11 12', { pace: 30 }));
    const { code, stdout, stderr } = await home.run(['doctor', '--base-url', upstream.baseUrl]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^✓ configuration .*key sk-…abcd \(LITELLM_PROXY_API_KEY\), model fake \(CLLM_MODEL\)$/m);
    expect(stdout).toMatch(/^✓ stream +live: 9 chunks/m);
    expect(stdout).not.toContain('✗');
    expect(stdout).not.toContain('canary');
  });

  test('--no-call asks no model', async () => {
    const { code, report } = await doctor(upstream.baseUrl, ['--no-call']);
    expect(code).toBe(0);
    expect(upstream.chatRequests).toEqual([]);
    expect(report.steps.find(({ step }) => step === 'stream')).toMatchObject({ status: 'skipped' });
  });

  test('a proxy that is slow once, at its first call, is not taken for one that buffers', async () => {
    const whole = textReply('1 2 3 4 5 6 7 8 9 10 11 12');
    upstream.reply((request) => ({ ...whole(request), delay: 800 }), whole);
    const { code, report } = await doctor(upstream.baseUrl);
    expect(code).toBe(0);
    expect(report.steps.find(({ step }) => step === 'stream')?.message).toContain('nothing held them back');
  });
});

describe('one thing broken, one diagnosis:', () => {
  test('the wrong port', async () => {
    const port = await freePort();
    const { code, failed } = await doctor(`http://127.0.0.1:${port}`);
    expect(code).toBe(5);
    expect(failed).toMatchObject([
      { step: 'tcp', message: `nothing listens on 127.0.0.1:${port}`, fix: expect.stringContaining('cllm proxy up') },
    ]);
  });

  test('the wrong key', async () => {
    instead((path) =>
      path.startsWith('/health')
        ? null
        : errorReply(401, 'Authentication Error, Invalid proxy server token passed.', {
            type: 'token_not_found_in_db',
          }),
    );
    const { code, failed } = await doctor(upstream.baseUrl);
    expect(code).toBe(4);
    expect(failed).toMatchObject([
      {
        step: 'key',
        message: expect.stringContaining('rejected the key'),
        fix: expect.stringContaining('LITELLM_PROXY_API_KEY'),
      },
    ]);
  });

  test('a path prefix too many: where the proxy is', async () => {
    instead((path) => {
      if (path.startsWith('/old/')) return { status: 404, body: { detail: 'Not Found' } };
      return path === '/health/liveliness' ? { body: '"I\'m alive!"' } : null;
    });
    const { code, failed } = await doctor(`${upstream.baseUrl}/old/v1`);
    expect(code).toBe(1);
    expect(failed).toMatchObject([
      {
        step: 'proxy',
        message: `nothing of LiteLLM is at ${upstream.baseUrl}/old, but it answers at ${upstream.baseUrl}`,
        fix: `cllm config set base_url ${upstream.baseUrl}`,
      },
    ]);
  });

  test('a path prefix too few', async () => {
    instead((path) =>
      path.startsWith('/llm/') ? null : { status: 404, body: '<html><title>404 Not Found</title></html>' },
    );
    const { failed } = await doctor(upstream.baseUrl);
    expect(failed).toMatchObject([
      { step: 'proxy', fix: expect.stringContaining('a path needs the path in the base URL') },
    ]);
    expect((await doctor(`${upstream.baseUrl}/llm`)).failed).toEqual([]);
  });

  test('a proxy that is down behind its web server', async () => {
    upstream.fallback = () => ({
      status: 502,
      headers: { server: 'nginx', 'content-type': 'text/html' },
      body: '<html><title>502 Bad Gateway</title></html>',
    });
    const { code, failed } = await doctor(upstream.baseUrl);
    expect(code).toBe(5);
    expect(failed).toMatchObject([
      {
        step: 'proxy',
        message: expect.stringContaining('something in front of the proxy could not reach it'),
        server: 'nginx',
      },
    ]);
  });

  test('a provider that is down behind the proxy', async () => {
    instead((path) =>
      path.endsWith('/chat/completions')
        ? errorReply(500, 'litellm.InternalServerError: InternalServerError: OpenAIException - Connection error.', {
            type: 'internal_server_error',
          })
        : null,
    );
    const { code, failed } = await doctor(upstream.baseUrl);
    expect(code).toBe(5);
    expect(failed).toMatchObject([
      { step: 'stream', message: expect.stringContaining('Connection error'), fix: expect.stringContaining('other') },
    ]);
  });

  test('no model', async () => {
    const { code, failed } = await doctor(upstream.baseUrl, [], { env: { CLLM_MODEL: undefined } });
    expect(code).toBe(2);
    expect(failed).toMatchObject([
      { step: 'model', message: 'none is chosen; the proxy serves fake, other', fix: 'cllm config set model fake' },
    ]);
  });

  test('a model that is not served', async () => {
    instead((path) =>
      path.endsWith('/chat/completions')
        ? errorReply(
            400,
            '/chat/completions: Invalid model name passed in model=fakr. Call `/v1/models` to view available models for your key.',
          )
        : null,
    );
    const { code, failed } = await doctor(upstream.baseUrl, ['-m', 'fakr']);
    expect(code).toBe(1);
    expect(failed).toMatchObject([{ step: 'model', fix: 'cllm config set model fake' }]);
  });

  test('a clock that is off', async () => {
    const date = new Date(Date.now() - 2 * 3_600_000).toUTCString();
    instead((path) =>
      path === '/health/readiness' ? { headers: { date }, body: { status: 'healthy', db: 'connected' } } : null,
    );
    const { code, failed, report } = await doctor(upstream.baseUrl);
    expect(code).toBe(1);
    expect(failed).toMatchObject([
      {
        step: 'clock',
        message: "this machine's clock is 2 h ahead of the proxy's",
        fix: expect.stringContaining('timedatectl'),
      },
    ]);
    expect(report.steps.find(({ step }) => step === 'stream')?.status).toBe('ok');
  });

  test('a history that can not be written', async () => {
    const directory = home.at('kept');
    mkdirSync(directory, { mode: 0o700 });
    const env = { CLLM_HOME: directory };
    expect((await doctor(upstream.baseUrl, [], { env })).code).toBe(0);
    for (const name of readdirSync(directory).filter((each) => each.startsWith('history')))
      chmodSync(`${directory}/${name}`, 0o400);
    const { code, stdout } = await bound(upstream.baseUrl, env);
    const failed = (JSON.parse(stdout) as Report).steps.filter(({ status }) => status === 'failed');
    expect(code).toBe(1);
    expect(failed).toMatchObject([
      { step: 'history', code: 'history_unusable', file: `${directory}/history.db`, fix: expect.anything() },
    ]);
  });

  test('a host that has no address', async () => {
    const { code, failed } = await doctor('http://no-such-host.invalid:4000');
    expect(code).toBe(5);
    expect(failed).toMatchObject([
      { step: 'dns', message: expect.stringContaining('no address found for no-such-host.invalid') },
    ]);
  });

  test('a settings file that makes no sense; the history is looked at all the same', async () => {
    mkdirSync(home.at('cllm'), { recursive: true });
    writeFileSync(home.at('cllm', 'config.json'), '{');
    const { code, report, failed } = await doctor(upstream.baseUrl);
    expect(code).toBe(2);
    expect(failed).toMatchObject([{ step: 'configuration' }]);
    expect(report.steps.map(({ step }) => step)).toContain('history');
  });
});

/**
 * Runs doctor without the right to pass over permissions, which root has: tests in containers run as root.
 */
async function bound(baseUrl: string, env: Record<string, string>): Promise<{ code: number | null; stdout: string }> {
  const command = [process.execPath, builtCli, 'doctor', '--json', '--base-url', baseUrl];
  const rights = '-dac_override,-dac_read_search';
  const drop = process.getuid?.() === 0 ? ['setpriv', `--bounding-set=${rights}`, `--inh-caps=${rights}`] : [];
  const [program = '', ...words] = [...drop, ...command];
  const child = spawn(program, words, {
    env: { ...home.env, ...env },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let stdout = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout };
}

describe('TLS', () => {
  let certificates: Certificates;
  beforeAll(() => {
    certificates = makeCertificates();
  });

  async function withTls<T>(
    identity: { cert: string; key: string },
    work: (server: FakeUpstream) => Promise<T>,
  ): Promise<T> {
    const server = await startFakeUpstream({ tls: identity });
    try {
      return await work(server);
    } finally {
      await server.close();
    }
  }

  test('a private authority: what its certificate says, and that --cacert is missing', () =>
    withTls(certificates.server, async ({ baseUrl }) => {
      const { code, failed } = await doctor(baseUrl);
      expect(code).toBe(5);
      expect(failed).toMatchObject([
        {
          step: 'tls',
          message: expect.stringContaining('by Example Corp Root'),
          fix: expect.stringContaining('--cacert'),
          issuer: 'Example Corp Root',
        },
      ]);
    }));

  test('with --cacert all is well, and it is told who vouches', () =>
    withTls(certificates.server, async ({ baseUrl }) => {
      writeFileSync(home.at('ca.pem'), certificates.ca);
      const { code, report } = await doctor(baseUrl, ['--cacert', home.at('ca.pem')]);
      expect(code).toBe(0);
      expect(report.steps.find(({ step }) => step === 'tls')).toMatchObject({
        root: 'Example Corp Root',
        authority: `--cacert ${home.at('ca.pem')}`,
      });
    }));

  test('an expired certificate: since when', () =>
    withTls(certificates.expired, async ({ baseUrl }) => {
      writeFileSync(home.at('ca.pem'), certificates.ca);
      const { code, failed } = await doctor(baseUrl, ['--cacert', home.at('ca.pem')]);
      expect(code).toBe(5);
      expect(failed).toMatchObject([
        {
          step: 'tls',
          message: expect.stringMatching(/has expired.*valid 2020-01-01 to 2020-02-01/),
          fix: expect.stringContaining('clock'),
        },
      ]);
    }));

  test('a certificate for another name', () =>
    withTls(certificates.otherName, async ({ baseUrl }) => {
      writeFileSync(home.at('ca.pem'), certificates.ca);
      const { failed } = await doctor(baseUrl, ['--cacert', home.at('ca.pem')]);
      expect(failed).toMatchObject([{ step: 'tls', message: expect.stringContaining('is for another name') }]);
    }));
});

describe('an HTTP proxy on the way', () => {
  let httpProxy: HttpProxy;
  beforeEach(async () => {
    httpProxy = await startHttpProxy();
  });
  afterEach(() => httpProxy.close());

  test('that lets everything through is named', async () => {
    const { code, report } = await doctor(`http://litellm.test:${upstream.port}`, [], {
      env: { HTTP_PROXY: httpProxy.url },
    });
    expect(code).toBe(0);
    expect(report.steps.find(({ step }) => step === 'http proxy')).toMatchObject({
      status: 'ok',
      http_proxy: `127.0.0.1:${httpProxy.port}`,
    });
  });

  test.each([403, 407])('that refuses with %i is named, without its password', async (status) => {
    httpProxy.refusal = status;
    const url = httpProxy.url.replace('//', '//me:hunter2@');
    for (const [scheme, variable] of [
      ['http', 'HTTP_PROXY'],
      ['https', 'HTTPS_PROXY'],
    ] as const) {
      const { failed, report } = await doctor(`${scheme}://litellm.test:${upstream.port}`, [], {
        env: { [variable]: url },
      });
      expect(failed).toMatchObject([
        { step: 'http proxy', message: expect.stringContaining(`127.0.0.1:${httpProxy.port}`), fix: expect.anything() },
      ]);
      expect(JSON.stringify(report)).not.toContain('hunter2');
    }
  });

  test('that is not there', async () => {
    await httpProxy.close();
    const { code, failed } = await doctor(`http://litellm.test:${upstream.port}`, [], {
      env: { HTTP_PROXY: httpProxy.url },
    });
    expect(code).toBe(5);
    expect(failed).toMatchObject([
      { step: 'tcp', message: expect.stringContaining('the HTTP proxy'), fix: expect.stringContaining('HTTP_PROXY') },
    ]);
  });
});

describeWithPrograms('nginx')('a real nginx on the way', () => {
  let nginx: Server;
  afterEach(() => nginx.close());

  /** Chunks for more than a second, as a model makes them. */
  const slowly = textReply('1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16', { pace: 90 });

  test('that buffers: chunks in one piece, and the line that its configuration lacks', async () => {
    upstream.reply(slowly, slowly);
    nginx = await startNginx((port) => bufferingConfig(upstream.port, port));
    const { code, failed } = await doctor(nginx.baseUrl);
    expect(code).toBe(1);
    expect(failed).toMatchObject([
      {
        step: 'stream',
        message: expect.stringContaining('buffers the stream'),
        fix: expect.stringContaining('proxy_buffering off;'),
        pieces: 1,
      },
    ]);
    expect(upstream.chatRequests).toHaveLength(2);
  });

  test("with the repository's configuration the chunks come as they are made", async () => {
    upstream.reply(slowly);
    nginx = await startNginx((port) => repositoryConfig([upstream.port], port));
    const { code, report } = await doctor(nginx.baseUrl);
    expect(code).toBe(0);
    expect(report.steps.find(({ step }) => step === 'stream')).toMatchObject({
      message: expect.stringContaining('live: '),
    });
  });
});
