import { createServer, type AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { LiteLLMClient, type ClientOptions } from '../../src/client/client.ts';
import { proxyFor, proxySettingsOf } from '../../src/client/http/http-proxy.ts';
import { makeCertificates, type Certificates } from '../support/certificates.ts';
import { startFakeUpstream, type FakeUpstream } from '../support/fake-upstream.ts';
import { startFaultServer, type FaultServer } from '../support/fault-server.ts';
import { startHttpProxy, type HttpProxy } from '../support/http-proxy.ts';

/** The way from here to the proxy, through what companies put on it. */
let certificates: Certificates;
let upstream: FakeUpstream;
let secure: FakeUpstream;
const closers: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  certificates = makeCertificates();
  upstream = await startFakeUpstream();
  secure = await startFakeUpstream({ tls: certificates.server });
});

beforeEach(() => {
  upstream.requests.length = 0;
  secure.requests.length = 0;
});

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

afterAll(async () => {
  await upstream.close();
  await secure.close();
});

/** What became of one call: `ok`, or the error. */
async function call(options: ClientOptions): Promise<{ code: string; message: string; hint: string }> {
  const client = new LiteLLMClient({ retries: 0, ...options });
  closers.push(() => client.close());
  const { error } = await client.stream({ model: 'fake', messages: 'hi' }).result();
  return { code: error?.code ?? 'ok', message: error?.message ?? '', hint: error?.hint ?? '' };
}

async function unusedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function proxyServer(options?: Parameters<typeof startHttpProxy>[0]): Promise<HttpProxy> {
  const proxy = await startHttpProxy(options);
  closers.push(() => proxy.close());
  return proxy;
}

async function faultServer(...parameters: Parameters<typeof startFaultServer>): Promise<FaultServer> {
  const server = await startFaultServer(...parameters);
  closers.push(() => server.close());
  return server;
}

describe('a direct connection', () => {
  test('nothing listens', async () => {
    const port = await unusedPort();
    expect(await call({ baseUrl: `http://127.0.0.1:${port}` })).toEqual({
      code: 'connection_refused',
      message: `nothing listens on 127.0.0.1:${port}: POST http://127.0.0.1:${port}/v1/chat/completions`,
      hint: 'start a proxy with `cllm proxy up`, name another with --base-url, or try `cllm --demo`',
    });
    // Several addresses fail as one error.
    expect((await call({ baseUrl: `http://localhost:${port}` })).code).toBe('connection_refused');
  });

  test('no address', async () => {
    const { code, message } = await call({ baseUrl: 'http://no-such-host.invalid:4000' });
    expect(code).toBe('dns_failed');
    expect(message).toContain('no address found for no-such-host.invalid:4000');
  });

  test('a server that takes the connection and says nothing of TLS runs into the connect deadline', async () => {
    const silent = await faultServer([{ stall: true }]);
    const { code, message } = await call({ baseUrl: `https://127.0.0.1:${silent.port}`, connectTimeout: 0.1 });
    expect(code).toBe('connect_timeout');
    expect(message).toBe(`no connection within 0.1 s: POST https://127.0.0.1:${silent.port}/v1/chat/completions`);
    await silent.idle();
  });

  test('a connection that nobody waits for any more is dropped', async () => {
    const silent = await faultServer([{ stall: true }]);
    const { code } = await call({ baseUrl: `https://127.0.0.1:${silent.port}`, connectTimeout: 0, timeout: 0.1 });
    expect(code).toBe('total_timeout');
    await silent.idle();
  });

  test('an IPv6 address', async () => {
    const server = await faultServer(['HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n'], { host: '::1' });
    expect((await call({ baseUrl: server.baseUrl })).code).toBe('no_key');
    expect(server.requests[0]?.head).toMatch(/^host: \[::1\]:\d+$/im);
  });

  test('a path prefix is kept, and /v1 is not doubled', async () => {
    for (const suffix of ['/team/llm', '/team/llm/', '/team/llm/v1', '/team/llm/v1/chat/completions'])
      await call({ baseUrl: upstream.baseUrl + suffix });
    expect(upstream.requests.map(({ path }) => path)).toEqual(Array(4).fill('/team/llm/v1/chat/completions'));
  });

  test('the wrong prefix is named', async () => {
    upstream.reply({ status: 404, body: { detail: 'Not Found' } });
    const { code, hint } = await call({ baseUrl: `${upstream.baseUrl}/wrong` });
    expect(code).toBe('not_found');
    expect(hint).toContain(`${upstream.baseUrl}/wrong`);
  });
});

describe('TLS', () => {
  test('a private authority is refused, with the flag that helps', async () => {
    const { code, message, hint } = await call({ baseUrl: secure.baseUrl });
    expect(code).toBe('tls_failed');
    expect(message).toContain('an authority that is not known here');
    expect(hint).toContain('--cacert FILE');
    expect(secure.requests).toHaveLength(0);
  });

  test('a private authority that is given is trusted, by name and by address', async () => {
    expect((await call({ baseUrl: secure.baseUrl, ca: certificates.ca })).code).toBe('ok');
    expect((await call({ baseUrl: `https://localhost:${secure.port}`, ca: [certificates.ca] })).code).toBe('ok');
  });

  test('a bundle of several certificates is taken', async () => {
    expect((await call({ baseUrl: secure.baseUrl, ca: `${certificates.server.cert}\n${certificates.ca}` })).code).toBe(
      'ok',
    );
  });

  test.each([
    { name: 'expired', identity: () => certificates.expired, words: 'its certificate has expired' },
    { name: 'for another name', identity: () => certificates.otherName, words: 'its certificate is for another name' },
  ])('a certificate that is $name', async ({ identity, words }) => {
    const server = await faultServer([], { tls: identity() });
    const { code, message } = await call({ baseUrl: server.baseUrl, ca: certificates.ca });
    expect(code).toBe('tls_failed');
    expect(message).toContain(words);
  });

  test('a client certificate is presented', async () => {
    const server = await faultServer(['HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n'], {
      tls: { ...certificates.server, ca: certificates.ca, requestCert: true },
    });
    expect(
      (
        await call({
          baseUrl: server.baseUrl,
          ca: certificates.ca,
          cert: certificates.client.cert,
          certKey: certificates.client.key,
        })
      ).code,
    ).toBe('no_key');
    expect((await call({ baseUrl: server.baseUrl, ca: certificates.ca })).code).toMatch(
      /^(tls_failed|connection_failed)$/,
    );
  });

  test('https to a port that speaks plain HTTP says so', async () => {
    const { code, hint } = await call({ baseUrl: upstream.baseUrl.replace('http:', 'https:') });
    expect(code).toBe('tls_failed');
    expect(hint).toContain(`--base-url ${upstream.baseUrl}`);
  });

  test('plain http to a port that speaks TLS says so at once, though such a server closes without a word', async () => {
    const { code, message, hint } = await call({ baseUrl: secure.baseUrl.replace('https:', 'http:'), retries: 2 });
    expect({ code, hint }).toEqual({ code: 'connection_failed', hint: `use --base-url ${secure.baseUrl}` });
    expect(message).toContain('the answer is no HTTP: this port speaks TLS');
    // It was asked once, and only looked at.
    expect(secure.requests).toEqual([]);
  });

  test.each([{ ca: 'not a certificate' }, { cert: 'x', certKey: 'y' }])(
    'a certificate that can not be read is a bad setting',
    (options) => {
      expect(() => new LiteLLMClient({ baseUrl: secure.baseUrl, ...options })).toThrow(
        expect.objectContaining({ code: 'config_invalid' }),
      );
    },
  );
});

describe('what speaks no HTTP is named, in one try', () => {
  const bytes = (hex: string) => Buffer.from(hex, 'hex');
  test.each<{ name: string; says: string | Uint8Array; who: string }>([
    { name: 'ssh', says: 'SSH-2.0-OpenSSH_9.6\r\n', who: 'an SSH server answers there' },
    { name: 'redis', says: "-ERR unknown command 'POST', with args\r\n", who: 'a Redis server answers there' },
    { name: 'smtp', says: '220 mail.test ESMTP\r\n', who: 'a mail or FTP server answers there' },
    { name: 'imap', says: '* OK IMAP4rev1 ready\r\n', who: 'a mail server answers there' },
    { name: 'mysql', says: bytes('4a0000000a382e302e333600'), who: 'a MySQL server answers there' },
    { name: 'HTTP/2', says: bytes('000006040000000000000400ffffff'), who: 'a server that speaks HTTP/2 only' },
    { name: 'HTTP/2 without settings', says: bytes('000000040000000000'), who: 'a server that speaks HTTP/2 only' },
    { name: 'a TLS alert', says: bytes('15030300020246'), who: 'this port speaks TLS' },
    { name: 'a TLS handshake', says: bytes('160303007a02000076'), who: 'this port speaks TLS' },
    { name: 'an echo', says: 'POST /v1/chat/completions HTTP/1.1\r\n', who: 'something that repeats what it is sent' },
    { name: 'zeros', says: bytes('000000'), who: 'the answer is no HTTP' },
    { name: 'words', says: 'who are you?', who: 'the answer is no HTTP' },
    { name: 'HTTP of the last century', says: '<html>Hello</html>', who: 'the answer is no HTTP' },
    { name: 'a broken header', says: 'HTTP/1.1 200 OK\r\nno header\r\n\r\n', who: 'the answer is damaged' },
  ])('$name', async ({ says, who }) => {
    for (const end of [{ fin: true as const }, { stall: true as const }]) {
      const server = await faultServer([says, end]);
      const { code, message } = await call({ baseUrl: server.baseUrl, retries: 2 });
      expect(code).toBe('connection_failed');
      expect(message).toContain(who);
      expect(server.requests).toHaveLength(1);
    }
  });

  test('a server that closes without a word, and speaks no TLS, is tried again', async () => {
    const server = await faultServer([{ fin: true }]);
    const { code, message } = await call({ baseUrl: server.baseUrl, retries: 1 });
    expect(code).toBe('connection_failed');
    expect(message).toContain('connection closed before the answer was complete');
    expect(server.requests).toHaveLength(2);
  });
});

describe('through an HTTP proxy', () => {
  test('https goes through a tunnel, and the name is left to the proxy', async () => {
    const proxy = await proxyServer();
    const settings = { httpsProxy: proxy.url };
    expect(
      (await call({ baseUrl: `https://litellm.test:${secure.port}`, ca: certificates.ca, httpProxy: settings })).code,
    ).toBe('ok');
    expect(proxy.requests).toEqual([{ line: `CONNECT litellm.test:${secure.port}`, authorization: undefined }]);
  });

  test('plain http is forwarded', async () => {
    const proxy = await proxyServer();
    expect(
      (await call({ baseUrl: `http://litellm.test:${upstream.port}`, httpProxy: { httpProxy: proxy.url } })).code,
    ).toBe('ok');
    expect(proxy.requests.map(({ line }) => line)).toEqual([
      `POST http://litellm.test:${upstream.port}/v1/chat/completions`,
    ]);
    expect(upstream.requests[0]?.headers.host).toBe(`litellm.test:${upstream.port}`);
  });

  test('credentials in the proxy’s URL are sent to the proxy, and nowhere else', async () => {
    const proxy = await proxyServer();
    const url = `http://us%40er:p%25ss@127.0.0.1:${proxy.port}`;
    const authorization = `Basic ${Buffer.from('us@er:p%ss').toString('base64')}`;
    await call({ baseUrl: `https://litellm.test:${secure.port}`, ca: certificates.ca, httpProxy: { httpsProxy: url } });
    await call({ baseUrl: `http://litellm.test:${upstream.port}`, httpProxy: { httpProxy: url } });
    expect(proxy.requests.map((request) => request.authorization)).toEqual([authorization, authorization]);
    expect(secure.requests[0]?.headers).not.toHaveProperty('proxy-authorization');
  });

  test('a proxy that itself speaks TLS', async () => {
    const proxy = await proxyServer({ tls: certificates.server });
    const options = { ca: certificates.ca, httpProxy: { httpsProxy: proxy.url, httpProxy: proxy.url } };
    expect((await call({ baseUrl: `https://litellm.test:${secure.port}`, ...options })).code).toBe('ok');
    expect((await call({ baseUrl: `http://litellm.test:${upstream.port}`, ...options })).code).toBe('ok');
    expect(proxy.requests).toHaveLength(2);
  });

  test.each([
    { status: 403, hint: 'put litellm.test:PORT in NO_PROXY' },
    { status: 407, hint: 'user name and password into HTTPS_PROXY' },
    { status: 502, hint: 'NO_PROXY' },
  ])('a tunnel that is refused with $status', async ({ status, hint: words }) => {
    const proxy = await proxyServer();
    proxy.refusal = status;
    const { code, message, hint } = await call({
      baseUrl: `https://litellm.test:${secure.port}`,
      httpProxy: { httpsProxy: `http://me:hush@127.0.0.1:${proxy.port}` },
    });
    expect(code).toBe('http_proxy_failed');
    expect(message).toContain(
      `the HTTP proxy 127.0.0.1:${proxy.port} refused the way to litellm.test:${secure.port} (HTTP ${status})`,
    );
    expect(hint).toContain(words.replace('PORT', String(secure.port)));
    expect(message + hint).not.toContain('hush');
  });

  test('a proxy that asks for credentials in answer to a forwarded request', async () => {
    const proxy = await proxyServer();
    proxy.refusal = 407;
    expect(
      (await call({ baseUrl: `http://litellm.test:${upstream.port}`, httpProxy: { httpProxy: proxy.url } })).code,
    ).toBe('http_proxy_failed');
  });

  test('a loopback address is never asked for through a proxy', async () => {
    const { code } = await call({ baseUrl: upstream.baseUrl, httpProxy: { httpProxy: 'http://127.0.0.1:1' } });
    expect(code).toBe('ok');
  });

  test('a proxy that says nothing runs into the connect deadline', async () => {
    const proxy = await proxyServer();
    proxy.isSilent = true;
    const options = {
      baseUrl: `https://litellm.test:${secure.port}`,
      httpProxy: { httpsProxy: proxy.url },
      connectTimeout: 0.1,
    };
    expect((await call(options)).code).toBe('connect_timeout');
  });

  test('the host’s certificate is still checked behind a tunnel', async () => {
    const proxy = await proxyServer();
    const { code } = await call({
      baseUrl: `https://litellm.test:${secure.port}`,
      httpProxy: { httpsProxy: proxy.url },
    });
    expect(code).toBe('tls_failed');
    expect(secure.requests).toHaveLength(0);
  });

  test.each([{ value: 'socks5://127.0.0.1:1' }, { value: 'http://[nonsense' }, { value: 'http://' }])(
    '$value is a bad setting',
    async ({ value }) => {
      const { code, message } = await call({ baseUrl: 'http://litellm.test', httpProxy: { httpProxy: value } });
      expect(code).toBe('config_invalid');
      expect(message).toContain('HTTP_PROXY');
    },
  );

  test.each([
    // How the variables are written, and whether the proxy is used for http://host.test:4000.
    { environment: { HTTP_PROXY: 'PROXY' }, isUsed: true },
    { environment: { http_proxy: 'PROXY' }, isUsed: true },
    { environment: { HTTP_PROXY: 'http://127.0.0.1:1', http_proxy: 'PROXY' }, isUsed: true },
    { environment: { HTTP_PROXY: 'PROXY', http_proxy: '' }, isUsed: true },
    { environment: { HTTP_PROXY: 'BARE' }, isUsed: true },
    { environment: { HTTP_PROXY: ' PROXY ' }, isUsed: true },
    { environment: { ALL_PROXY: 'PROXY' }, isUsed: true },
    { environment: { HTTP_PROXY: 'PROXY', REQUEST_METHOD: 'GET' }, isUsed: false },
    { environment: { http_proxy: 'PROXY', REQUEST_METHOD: 'GET' }, isUsed: true },
    { environment: { HTTPS_PROXY: 'PROXY' }, isUsed: false },
    { environment: { HTTP_PROXY: '' }, isUsed: false },
    { environment: {}, isUsed: false },
    { environment: { HTTP_PROXY: 'PROXY', NO_PROXY: '*' }, isUsed: false },
    { environment: { HTTP_PROXY: 'PROXY', NO_PROXY: 'host.test' }, isUsed: false },
    { environment: { HTTP_PROXY: 'PROXY', NO_PROXY: 'HOST.TEST' }, isUsed: false },
    { environment: { HTTP_PROXY: 'PROXY', NO_PROXY: 'host.test', no_proxy: '' }, isUsed: false },
    { environment: { HTTP_PROXY: 'PROXY', NO_PROXY: 'a.test, host.test' }, isUsed: false },
    { environment: { HTTP_PROXY: 'PROXY', NO_PROXY: 'a.test host.test' }, isUsed: false },
    { environment: { HTTP_PROXY: 'PROXY', NO_PROXY: 'host.test:PORT' }, isUsed: false },
    { environment: { HTTP_PROXY: 'PROXY', NO_PROXY: 'host.test:1' }, isUsed: true },
    { environment: { HTTP_PROXY: 'PROXY', NO_PROXY: '.host.test' }, isUsed: false },
    { environment: { HTTP_PROXY: 'PROXY', NO_PROXY: 'ost.test' }, isUsed: true },
    { environment: { HTTP_PROXY: 'PROXY', NO_PROXY: 'a.test' }, isUsed: true },
    { environment: { HTTP_PROXY: 'PROXY', NO_PROXY: 'host.test', no_proxy: 'a.test' }, isUsed: true },
  ])('$environment', ({ environment, isUsed }) => {
    const written = Object.fromEntries(
      Object.entries(environment).map(([name, value]) => [
        name,
        value.replace('PROXY', 'http://proxy.test:3128').replace('BARE', 'proxy.test:3128').replace('PORT', '4000'),
      ]),
    );
    const proxy = proxyFor(new URL('http://host.test:4000'), proxySettingsOf(written));
    expect(proxy?.href ?? null).toBe(isUsed ? 'http://proxy.test:3128/' : null);
  });
});
