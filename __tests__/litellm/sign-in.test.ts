import { randomBytes } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { type Browser, chromium, type Page } from 'playwright-core';
import { describeLitellm } from '../support/litellm.ts';
import { describeWithPrograms, programAt } from '../support/programs.ts';
import { CliHome, type RunningCli } from '../support/run-cli.ts';
import { startTeam, type Team } from '../support/team.ts';

const minutes = 60_000;

/** LiteLLM's own pages, in a real browser; who signs in is told by a small OpenID provider, as with SSO for up to five people. */
describeLitellm('signing in at the real proxy', () => {
  describeWithPrograms(
    'chromium',
    'nginx',
    'redis-server',
    'psql',
  )('with a browser', () => {
    let provider: Server;
    let team: Team;
    let browser: Browser;
    let page: Page;
    let home: CliHome;
    let baseUrl = '';

    beforeAll(async () => {
      provider = await startProvider();
      const at = `http://127.0.0.1:${(provider.address() as AddressInfo).port}`;
      team = await startTeam(`sk-${randomBytes(24).toString('hex')}`, {
        replicas: 1,
        environment: {
          GENERIC_CLIENT_ID: 'litellm',
          GENERIC_CLIENT_SECRET: 'none',
          GENERIC_AUTHORIZATION_ENDPOINT: `${at}/authorize`,
          GENERIC_TOKEN_ENDPOINT: `${at}/token`,
          GENERIC_USERINFO_ENDPOINT: `${at}/userinfo`,
        },
      });
      baseUrl = team.replicas[0]?.baseUrl ?? '';
      // A sandbox of its own needs rights that a container has not; nothing but these pages is opened.
      browser = await chromium.launch({ executablePath: programAt('chromium') ?? '', args: ['--no-sandbox'] });
    }, 10 * minutes);

    afterAll(async () => {
      await browser?.close();
      await team?.close();
      provider?.close();
      provider?.closeAllConnections();
    }, minutes);

    afterEach(async () => {
      await page?.context().close();
      home?.close();
    });

    /** A new user of cllm and of the browser, who begins to sign in; the page is the one that the address leads to. */
    async function begun(how: '--browser' | '--no-browser'): Promise<RunningCli> {
      home = new CliHome({ LITELLM_PROXY_URL: baseUrl, LITELLM_PROXY_API_KEY: undefined, CLLM_MODEL: 'hello' });
      page = await (await browser.newContext()).newPage();
      const run = home.start(['login', how], { env: { BROWSER: 'true' } });
      await run.untilStderr(`\n${baseUrl}/`);
      await run.untilStderr('=');
      const address = /^http\S+(?=\n)/m.exec(run.output.stderr)?.[0] ?? '';
      await page.goto(address);
      return run;
    }

    const credentials = (): string => home.at('cllm', 'credentials.json');
    const kept = (): { key: string; session?: { expires_at: string } } =>
      (JSON.parse(readFileSync(credentials(), 'utf8')) as { keys: Record<string, never> }).keys[baseUrl] as never;

    test(
      'PKCE: approved on LiteLLM’s page, renewed by one of several, taken back by logout',
      async () => {
        const run = await begun('--browser');
        await page.getByRole('button', { name: 'Approve' }).click();
        expect(await run.result).toMatchObject({ code: 0, stderr: expect.stringContaining(`is kept for ${baseUrl}`) });
        expect(await home.run(['-q', 'hi'])).toMatchObject({ code: 0, stdout: 'Hello from the proxy.\n' });
        expect((await home.run(['whoami'])).stdout).toContain('ann@example.com');
        const { key, session } = kept();
        const end = (): void => {
          const text = readFileSync(credentials(), 'utf8');
          writeFileSync(credentials(), text.replace(kept().session?.expires_at ?? '', '2020-01-01T00:00:00.000Z'));
        };
        expect(Date.parse(session?.expires_at ?? '')).toBeGreaterThan(Date.now());
        end();
        const runs = await Promise.all([1, 2, 3, 4].map(() => home.run(['login', '--print-key'])));
        expect(new Set(runs.map(({ stdout }) => stdout))).toEqual(new Set([`${kept().key}\n`]));
        expect(kept().key).not.toBe(key);
        expect(await home.run(['models'])).toMatchObject({ code: 0 });
        copyFileSync(credentials(), home.at('copy.json'));
        expect(await home.run(['logout'])).toMatchObject({ code: 0, stderr: `cllm: forgot the key for ${baseUrl}\n` });
        copyFileSync(home.at('copy.json'), credentials());
        end();
        expect(await home.run(['models'])).toMatchObject({ code: 4, stderr: expect.stringContaining('cllm login') });
      },
      3 * minutes,
    );

    test(
      'PKCE: denied on LiteLLM’s page, nothing is kept',
      async () => {
        const run = await begun('--browser');
        await page.getByRole('button', { name: 'Deny' }).click();
        expect(await run.result).toMatchObject({ code: 4, stderr: expect.stringContaining('was not approved') });
        mkdirSync(home.at('cllm'), { recursive: true });
        expect(await home.run(['logout'])).toMatchObject({ code: 2 });
      },
      2 * minutes,
    );

    test(
      'a code: entered on LiteLLM’s page, it gives a key that nothing renews',
      async () => {
        const run = await begun('--no-browser');
        const [code = ''] = /[A-Z0-9]{4}-[A-Z0-9]{4}/.exec(run.output.stderr) ?? [];
        await page.getByLabel('Verification code').fill(code);
        await page.getByRole('button', { name: 'Continue' }).click();
        expect(await run.result).toMatchObject({ code: 0, stderr: expect.stringContaining(`is kept for ${baseUrl}`) });
        expect(kept().session).toBeUndefined();
        expect(await home.run(['-q', 'hi'])).toMatchObject({ code: 0, stdout: 'Hello from the proxy.\n' });
      },
      2 * minutes,
    );
  });
});

/** Says yes for everybody, who is ann. */
async function startProvider(): Promise<Server> {
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://provider');
    if (url.pathname === '/authorize') {
      const back = new URL(url.searchParams.get('redirect_uri') ?? '');
      back.searchParams.set('code', 'code-of-ann');
      back.searchParams.set('state', url.searchParams.get('state') ?? '');
      return void response.writeHead(302, { location: back.href }).end();
    }
    const answer =
      url.pathname === '/token'
        ? { access_token: 'token-of-ann', token_type: 'Bearer', expires_in: 600 }
        : { sub: 'ann', preferred_username: 'ann', email: 'ann@example.com', name: 'Ann' };
    return void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}
