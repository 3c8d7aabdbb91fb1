import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  finishChunk,
  startFakeUpstream,
  textChunk,
  textReply,
  type FakeUpstream,
  type Step,
} from '../support/fake-upstream.ts';
import { goodReply, streamed } from '../support/fault-scenarios.ts';
import { startFaultServer, type FaultServer } from '../support/fault-server.ts';
import { bufferingConfig, repositoryConfig, startNginx, type Server } from '../support/nginx.ts';
import { describeWithPrograms } from '../support/programs.ts';
import { CliHome, type CliResult } from '../support/run-cli.ts';

/** The built command behind a real nginx: as the repository configures it, as nginx is by itself, and as a gatekeeper. */
describeWithPrograms('nginx')('behind nginx', () => {
  const key = 'sk-canary-0123456789abcdef';
  let upstream: FakeUpstream;
  let target: FaultServer;
  let home: CliHome;
  let nginx: Server | undefined;

  beforeEach(async () => {
    upstream = await startFakeUpstream();
    target = await startFaultServer(['HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n']);
    home = new CliHome({ LITELLM_PROXY_API_KEY: key });
  });

  afterEach(async () => {
    home.close();
    await Promise.all([nginx?.close(), upstream.close(), target.close()]);
    nginx = undefined;
  });

  /** One server with these lines. */
  const serverOf =
    (lines: string) =>
    (port: number): string =>
      `server { listen 127.0.0.1:${port}; ${lines} }`;
  const passing = (lines = '', to = upstream.port) =>
    serverOf(`location / { proxy_pass http://127.0.0.1:${to}; ${lines} }`);
  const start = async (configOf: (port: number) => string): Promise<void> => {
    nginx = await startNginx(configOf);
    home.env['LITELLM_PROXY_URL'] = nginx.baseUrl;
  };
  const ask = (...args: string[]): Promise<CliResult> => home.run(['-q', '--retries', '0', ...args, 'hi']);
  const lastTurn = async (): Promise<unknown> => {
    const { stdout } = await home.run(['history', 'show', '--format', 'json']);
    return (JSON.parse(stdout) as { turns: unknown[] }).turns.at(-1);
  };
  const half: Step = { data: textChunk('Half a', { role: 'assistant' }) };

  describe('a stream arrives whole', () => {
    const text = 'Grüße, 世界 👋. '.repeat(8).trim();

    test('and live, with the configuration of the repository', async () => {
      let release = (): void => {};
      const released = new Promise<void>((resolve) => (release = resolve));
      const rest: Step[] = [{ data: textChunk(' reply.') }, { data: finishChunk() }, { data: '[DONE]' }];
      upstream.reply({ steps: [half, { gate: released }, ...rest] });
      await start((port) => repositoryConfig([upstream.port], port));
      const run = home.start(['-q', 'hi']);
      await run.untilStdout('Half a');
      release();
      expect(await run.result).toMatchObject({ code: 0, stdout: 'Half a reply.\n' });
    });

    test('and in fewer pieces, where nginx buffers', async () => {
      const pieces = async (): Promise<number> => {
        const { code, stdout } = await ask('--output-format', 'stream-json');
        const events = stdout
          .trimEnd()
          .split('\n')
          .map((line) => JSON.parse(line) as Record<string, unknown>);
        expect({ code, result: events.at(-1)?.['result'] }).toEqual({ code: 0, result: text });
        return events.filter(({ type }) => type === 'message').length;
      };
      upstream.reply(textReply(text, { pieceLength: 8, pace: 20 }), textReply(text, { pieceLength: 8, pace: 20 }));
      await start((port) => repositoryConfig([upstream.port], port));
      const live = await pieces();
      await nginx?.close();
      await start((port) => bufferingConfig(upstream.port, port));
      expect(await pieces()).toBeLessThan(live);
    });

    test('where nginx compresses what may be compressed', async () => {
      upstream.reply(textReply(text, { pieceLength: 8 }));
      await start(passing('gzip on; gzip_types *; gzip_proxied any; gzip_min_length 1;'));
      expect(await ask()).toMatchObject({ code: 0, stdout: `${text}\n` });
      expect(upstream.chatRequests[0]?.headers['accept-encoding']).toBe('identity');
    });
  });

  describe.each([
    // What nginx still holds when its upstream fails, it drops.
    ['buffers', 'proxy_ignore_headers X-Accel-Buffering;', /^(Half a\n)?$/],
    ['does not buffer', 'proxy_buffering off;', /^Half a\n$/],
  ])('that %s, a reply is cut', (_name, lines, shown) => {
    test.each<[string, Step]>([
      ['resets', { reset: true }],
      ['closes', { fin: true }],
      ['stalls', { stall: true }],
    ])('when the upstream %s', async (_fault, end) => {
      upstream.reply({ steps: [half, end] });
      await start(passing(`${lines} proxy_read_timeout 1s;`));
      expect(await ask()).toMatchObject({ code: 3, stdout: expect.stringMatching(shown) });
      expect(await lastTurn()).toMatchObject({ verdict: 'cut', error: { code: 'stream_cut' } });
    });
  });

  test('502: nothing listens behind it', async () => {
    await target.close();
    await start(passing('', target.port));
    const { code, stdout, stderr } = await ask();
    expect({ code, stdout }).toEqual({ code: 5, stdout: '' });
    expect(stderr).toContain('502 Bad Gateway (HTTP 502)');
    expect(stderr).not.toContain('<');
  });

  test('502 is tried again, and the next answer counts', async () => {
    target.script = () => (target.requests.length === 1 ? [{ reset: true }] : streamed(...goodReply));
    await start(passing('proxy_http_version 1.1;', target.port));
    const { code, stdout, stderr } = await home.run(['-q', 'hi']);
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'Hello world\n' });
    expect(stderr).toContain('try 2 of 3');
  });

  test('504: the upstream does not answer in time', async () => {
    target.script = [{ stall: true }];
    await start(passing('proxy_read_timeout 1s;', target.port));
    const { code, stdout, stderr } = await ask();
    expect({ code, stdout }).toEqual({ code: 5, stdout: '' });
    expect(stderr).toContain('504 Gateway Time-out (HTTP 504)');
    expect(await lastTurn()).toMatchObject({ verdict: null, completion: null, error: { code: 'server_error' } });
  });

  test('413: the prompt is longer than nginx takes', async () => {
    await start(passing('client_max_body_size 1k;'));
    const { code, stderr } = await home.run(['-q', 'x'.repeat(5_000)]);
    expect(code).toBe(1);
    expect(stderr).toContain('413 Request Entity Too Large');
    expect(upstream.requests).toEqual([]);
  });

  test('a redirect to a login page is not followed: no key and no prompt goes there', async () => {
    await start(serverOf(`location / { return 302 ${target.baseUrl}/login?rd=$scheme://$http_host$request_uri; }`));
    const { code, stderr } = await ask('--debug');
    expect(code).toBe(5);
    expect(stderr).toContain(`a redirect to ${target.baseUrl}`);
    expect(stderr).not.toContain(key);
    expect(target.connectionCount).toBe(0);
  });

  test('a login page under status 200 is named by its title', async () => {
    const page = '<!DOCTYPE html><html><head><title>Sign in to Example</title></head><body>Hello</body></html>';
    await start(serverOf(`default_type text/html; location / { return 200 '${page}'; }`));
    const { code, stdout, stderr } = await ask();
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain('Sign in to Example');
    expect(stderr).not.toContain('<');
  });

  test('a 403 of nginx itself is not taken for an answer of LiteLLM', async () => {
    await start(passing('deny all;'));
    const { stdout, stderr } = await ask();
    expect(stdout).toBe('');
    expect(stderr).toContain('403 Forbidden');
    expect(stderr).not.toContain('<');
  });
});
