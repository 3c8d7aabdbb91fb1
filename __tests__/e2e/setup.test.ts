import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { errorReply, liteLLMHeaders, startFakeUpstream, type FakeUpstream } from '../support/fake-upstream.ts';
import { CliHome } from '../support/run-cli.ts';
import { Terminal } from '../support/terminal.ts';

const key = 'sk-canary-1234567890abcd';

let upstream: FakeUpstream;
let home: CliHome;

beforeEach(async () => {
  upstream = await startFakeUpstream();
  home = new CliHome({ LITELLM_PROXY_API_KEY: undefined, CLLM_MODEL: undefined });
});

afterEach(async () => {
  home.close();
  await upstream.close();
});

/** The proxy takes this key and no other. */
function guard(): void {
  const plain = upstream.fallback;
  upstream.fallback = (request) =>
    request.headers.authorization === `Bearer ${key}` || request.path.startsWith('/health')
      ? plain(request)
      : errorReply(401, 'Authentication Error, Invalid proxy server token passed.', { type: 'token_not_found_in_db' });
}

function login(args: string[] = [], stdin = `${key}\n`) {
  return home.run(['login', '--base-url', upstream.baseUrl, ...args], { stdin });
}

/** The keys that are kept, by base URL. */
function kept(): Record<string, string> {
  try {
    const { keys } = JSON.parse(readFileSync(home.at('cllm', 'credentials.json'), 'utf8')) as {
      keys: Record<string, { key: string }>;
    };
    return Object.fromEntries(Object.entries(keys).map(([url, entry]) => [url, entry.key]));
  } catch {
    return {};
  }
}

const authorizations = () => upstream.chatRequests.map(({ headers }) => headers.authorization);

describe('login', () => {
  test('a key from a pipe is shown to the proxy, kept for that URL alone, and used from then on', async () => {
    guard();
    const { code, stdout, stderr } = await login();
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
    expect(stderr).toContain(`the key sk-…abcd is kept for ${upstream.baseUrl} (2 models)`);
    expect(stderr).toContain('next: cllm config set model fake');
    expect(stderr).not.toContain('canary');
    expect(kept()).toEqual({ [upstream.baseUrl]: key });
    expect(statSync(home.at('cllm', 'credentials.json')).mode & 0o777).toBe(0o600);

    expect(await home.run(['-m', 'fake', 'hi'])).toMatchObject({ code: 0, stdout: 'Hello.\n' });
    expect(authorizations()).toEqual([`Bearer ${key}`]);
  });

  test('the first proxy becomes the default, a second one does not', async () => {
    await login();
    const second = await home.run(['login', '--no-check', '--base-url', 'https://llm.example.com/v1'], {
      stdin: 'sk-second-1234567890',
    });
    expect(second.stderr).toContain(`the default stays ${upstream.baseUrl}`);
    expect(kept()).toEqual({ [upstream.baseUrl]: key, 'https://llm.example.com': 'sk-second-1234567890' });
    expect((await home.run(['config', 'get', 'base_url'])).stdout).toBe(`${upstream.baseUrl}\n`);
  });

  test('a key that the proxy refuses is not kept, and the error does not repeat it', async () => {
    guard();
    const { code, stderr } = await login([], 'sk-canary-wrong-0987654321');
    expect(code).toBe(4);
    expect(stderr).toContain('the key was not kept: the proxy rejected the key');
    expect(stderr).not.toContain('canary');
    expect(kept()).toEqual({});
  });

  test('a proxy that is not there keeps nothing either, unless --no-check says so', async () => {
    await upstream.close();
    const refused = await login();
    expect(refused.code).toBe(5);
    expect(refused.stderr).toContain('cllm login --no-check');
    expect(kept()).toEqual({});
    expect((await login(['--no-check'])).code).toBe(0);
    expect(kept()).toEqual({ [upstream.baseUrl]: key });
  });

  test.each([
    { name: 'nothing', stdin: '' },
    { name: 'a blank line', stdin: ' \n' },
    { name: 'two words', stdin: 'LITELLM_KEY sk-canary' },
    { name: 'more than a key', stdin: 'x'.repeat(70_000) },
  ])('$name on standard input is no key', async ({ stdin }) => {
    const { code, stderr } = await login([], stdin);
    expect(code).toBe(2);
    expect(stderr).not.toContain('canary');
    expect(kept()).toEqual({});
  });

  test('without a terminal and without a pipe it says how to give the key', async () => {
    const { code, stderr } = await home.run(['login', '--base-url', upstream.baseUrl]);
    expect(code).toBe(2);
    expect(stderr).toContain('printf %s "$KEY" | cllm login');
  });

  test('at a terminal the key is read unseen', async () => {
    guard();
    const terminal = new Terminal(home, ['login']);
    await terminal.until('Base URL of the proxy [http://localhost:4000]:');
    terminal.type(`${upstream.baseUrl}\r`);
    await terminal.until('(not shown)');
    terminal.type(`${key}\r`);
    expect(await terminal.exitCode).toBe(0);
    expect(terminal.output).not.toContain('canary');
    expect(terminal.output).toContain('is kept for');
    expect(kept()).toEqual({ [upstream.baseUrl]: key });
  });

  test('Ctrl-C at the question keeps nothing', async () => {
    const terminal = new Terminal(home, ['login', '--base-url', upstream.baseUrl]);
    await terminal.until('(not shown)');
    terminal.type('\u0003');
    expect(await terminal.exitCode).toBe(130);
    expect(kept()).toEqual({});
  });

  test('a broken file of keys is moved aside, not overwritten', async () => {
    mkdirSync(home.at('cllm'), { mode: 0o700 });
    writeFileSync(home.at('cllm', 'credentials.json'), '{"keys": ');
    const { code, stderr } = await login();
    expect(code).toBe(0);
    expect(stderr).toContain('could not be read and was moved to');
    expect(kept()).toEqual({ [upstream.baseUrl]: key });
  });
});

describe('a cllm.yaml of somebody else', () => {
  beforeEach(() => {
    mkdirSync(home.at('repository'));
    writeFileSync(home.at('repository', 'cllm.yaml'), `base_url: ${upstream.baseUrl}\nmodel: fake\n`);
  });

  test('gets no key that was entered for another proxy', async () => {
    await home.run(['login', '--no-check', '--base-url', 'https://llm.example.com'], { stdin: key });
    await home.run(['config', 'trust', 'repository']);
    await home.run(['hi'], { cwd: home.at('repository') });
    await home.run(['whoami'], { cwd: home.at('repository') });
    await home.run(['doctor'], { cwd: home.at('repository') });
    expect(upstream.requests.length).toBeGreaterThan(0);
    expect(JSON.stringify(upstream.requests.map(({ headers, text }) => [headers, text]))).not.toContain('canary');
  });

  test('is not where login sends a key, unless the flag names it', async () => {
    const { code } = await home.run(['login'], {
      cwd: home.at('repository'),
      stdin: key,
      env: { LITELLM_PROXY_URL: 'http://127.0.0.1:9' },
    });
    expect(code).toBe(5);
    expect(upstream.requests).toEqual([]);
    expect((await login()).code).toBe(0);
    expect(kept()).toEqual({ [upstream.baseUrl]: key });
  });

  test('a piped login says which of the two it is for', async () => {
    const { stderr } = await home.run(['login', '--no-check'], { cwd: home.at('repository'), stdin: key });
    expect(stderr).toContain('the key is for http://localhost:4000');
    expect(stderr).toContain(`cllm login --base-url ${upstream.baseUrl}`);
    expect(kept()).toEqual({ 'http://localhost:4000': key });
  });

  test('is offered to a person, who sees whose it is, and makes no default', async () => {
    guard();
    writeFileSync(home.at('cllm.yaml'), `base_url: ${upstream.baseUrl}\n`);
    const terminal = new Terminal(home, ['login']);
    await terminal.until(`cllm.yaml names ${upstream.baseUrl}`);
    await terminal.until('[y/N]');
    terminal.type('y\r');
    await terminal.until(`Base URL of the proxy [${upstream.baseUrl}]:`);
    terminal.type('\r');
    await terminal.until('(not shown)');
    terminal.type(`${key}\r`);
    expect(await terminal.exitCode).toBe(0);
    expect(kept()).toEqual({ [upstream.baseUrl]: key });
    rmSync(home.at('cllm.yaml'));
    expect((await home.run(['config', 'get', 'base_url'])).stdout).toBe('http://localhost:4000\n');
  });
});

describe('a refused key', () => {
  beforeEach(guard);

  const wrong = 'sk-canary-wrong-0987654321';
  const byLogin = (): string => `cllm login --base-url ${upstream.baseUrl}`;

  test.each([['hi'], ['models'], ['whoami'], ['doctor']])(
    'is hinted at with the URL of the project file: cllm %s',
    async (word) => {
      mkdirSync(home.at('repository'));
      writeFileSync(home.at('repository', 'cllm.yaml'), `base_url: ${upstream.baseUrl}\nmodel: fake\n`);
      await home.run(['config', 'trust', 'repository']);
      const { stdout, stderr } = await home.run([word], { cwd: home.at('repository') });
      expect(stdout + stderr).toContain(byLogin());
    },
  );

  test.each([['hi'], ['models'], ['doctor']])('of the environment is looked for there: cllm %s', async (word) => {
    const env = { LITELLM_PROXY_URL: upstream.baseUrl, LITELLM_PROXY_API_KEY: wrong, CLLM_MODEL: 'fake' };
    const { stdout, stderr } = await home.run([word], { env });
    expect(stdout + stderr).toContain('the key came from LITELLM_PROXY_API_KEY');
    expect(stdout + stderr).not.toContain('cllm login');
  });

  test('of a file is looked for there', async () => {
    writeFileSync(home.at('key'), wrong);
    const { stderr } = await home.run(['models', '--base-url', upstream.baseUrl, '--api-key-file', home.at('key')]);
    expect(stderr).toContain('the key came from the file of --api-key-file');
    expect(stderr).not.toContain('cllm login');
  });
});

describe('logout', () => {
  test('forgets the key of the default proxy, and its key is sent no more', async () => {
    await login();
    expect(await home.run(['logout'])).toMatchObject({
      code: 0,
      stderr: `cllm: forgot the key for ${upstream.baseUrl}\n`,
    });
    expect(kept()).toEqual({});
    await home.run(['-m', 'fake', 'hi']);
    expect(authorizations()).toEqual([undefined]);
  });

  test('names the proxies that have keys when there is none for this one', async () => {
    await login();
    const { code, stderr } = await home.run(['logout', '--base-url', 'http://127.0.0.1:9']);
    expect(code).toBe(2);
    expect(stderr).toContain(`keys are kept for ${upstream.baseUrl}`);
  });

  test('--all forgets every key', async () => {
    await login();
    await home.run(['login', '--no-check', '--base-url', 'https://llm.example.com'], { stdin: key });
    expect((await home.run(['logout', '--all'])).code).toBe(0);
    expect(kept()).toEqual({});
  });
});

describe('init', () => {
  test('writes a file that sets nothing, and never over another', async () => {
    expect(await home.run(['init'])).toMatchObject({ code: 0, stderr: `cllm: wrote ${home.at('cllm.yaml')}\n` });
    const explained = await home.run(['config', 'explain', '--json']);
    expect(explained.stderr).toBe('');
    expect(explained.stdout).not.toContain('cllm.yaml');
    writeFileSync(home.at('cllm.yaml'), 'model: mine\n');
    expect((await home.run(['init'])).code).toBe(2);
    expect(readFileSync(home.at('cllm.yaml'), 'utf8')).toBe('model: mine\n');
  });
});

describe('models', () => {
  const env = () => ({ LITELLM_PROXY_URL: upstream.baseUrl });

  test('in a pipe: a line a model, divided by tabs', async () => {
    const { stdout } = await home.run(['models'], { env: env() });
    expect(stdout).toBe('fake\tchat\t128000\t1\t2\topenai\t\t\nother\t\t\t\t\t\t\t\n');
  });

  test('on a terminal: a table', async () => {
    const terminal = new Terminal(home, ['models'], { env: env() });
    await terminal.exitCode;
    expect(terminal.rows.slice(0, 3)).toEqual([
      expect.stringMatching(/^model +mode +context +in \$\/M +out \$\/M +provider/),
      expect.stringMatching(/^fake +chat +128000 +1 +2 +openai/),
      expect.stringMatching(/^other/),
    ]);
  });

  test('as JSON: what nobody knows is null', async () => {
    const { stdout } = await home.run(['models', '--json'], { env: env() });
    expect(JSON.parse(stdout)).toMatchObject([
      { id: 'fake', mode: 'chat', input_cost_per_token: { low: 1e-6, high: 1e-6 } },
      { id: 'other', mode: null, input_cost_per_token: null },
    ]);
  });

  describe('with abilities', () => {
    const deployment = (name: string, info: Record<string, unknown>): unknown => ({
      model_name: name,
      model_info: info,
    });
    const supports = (vision: unknown, tools: unknown) => ({
      supports_vision: vision,
      supports_function_calling: tools,
    });

    beforeEach(() => {
      const plain = upstream.fallback;
      const names = ['sees', 'half', 'blind', 'untold', 'odd'];
      const data = [
        deployment('sees', { ...supports(true, true), deprecation_date: '2027-05-01' }),
        deployment('sees', { ...supports(true, true), deprecation_date: '2027-01-31' }),
        // A request may go to either.
        deployment('half', supports(true, true)),
        deployment('half', supports(false, true)),
        deployment('blind', supports(false, true)),
        deployment('untold', supports(null, true)),
        deployment('odd', {
          ...supports('yes', { toString: 1 }),
          deprecation_date: 'soon',
          max_input_tokens: -5,
          input_cost_per_token: -1,
          output_cost_per_token: 1e300,
        }),
      ];
      upstream.fallback = (request) => {
        if (request.path === '/model/info') return { body: { data } };
        if (request.path === '/v1/models') return { body: { data: names.map((id) => ({ id })) } };
        return plain(request);
      };
    });

    test('says what each can, and until when', async () => {
      const { stdout } = await home.run(['models'], { env: env() });
      expect(stdout.split('\n').map((line) => line.split('\t').slice(6).join('|'))).toEqual([
        'vision tools|2027-01-31',
        'tools|',
        'tools|',
        'tools|',
        '|',
        '',
      ]);
      const json = JSON.parse((await home.run(['models', '--json'], { env: env() })).stdout) as { can: unknown }[];
      expect(json.map(({ can }) => can)).toMatchObject([
        { vision: true, pdf: null },
        { vision: false, tools: true },
        { vision: false },
        { vision: null, tools: true },
        { vision: null, tools: null },
      ]);
    });

    test('--can shows those that have each of them, and says of whom nobody knows', async () => {
      const { code, stdout, stderr } = await home.run(['models', '--can', 'tools', '--can', 'vision'], { env: env() });
      expect({ code, names: stdout.split('\n').map((line) => line.split('\t')[0]) }).toEqual({
        code: 0,
        names: ['sees', ''],
      });
      expect(stderr).toContain(
        '2 models are left out, of which the proxy does not say whether they have tools and vision',
      );
      const odd = await home.run(['models', '--can', 'fly'], { env: env() });
      expect(odd).toMatchObject({ code: 2, stderr: expect.stringContaining('one of vision, pdf, audio, tools') });
    });
  });

  test('a key that may not see /model/info still gets the list', async () => {
    const plain = upstream.fallback;
    upstream.fallback = (request) =>
      request.path === '/model/info' ? errorReply(403, 'no', { type: 'auth_error' }) : plain(request);
    expect((await home.run(['models'], { env: env() })).stdout).toBe(
      'fake\tchat\t128000\t\t\t\t\t\nother\t\t\t\t\t\t\t\n',
    );
  });
});

describe('whoami', () => {
  const env = () => ({ LITELLM_PROXY_URL: upstream.baseUrl, LITELLM_PROXY_API_KEY: key });

  test('tells whose key it is, what is spent and left, and when that resets', async () => {
    const plain = upstream.fallback;
    const info = {
      key_alias: 'ci',
      team_id: 'search',
      spend: 2.5,
      max_budget: 10,
      budget_duration: '30d',
      budget_reset_at: '2099-12-01T00:00:00Z',
      rpm_limit: 60,
      models: ['fake'],
    };
    upstream.fallback = (request) => (request.path === '/key/info' ? { body: { key: 'hash', info } } : plain(request));
    const { code, stdout, stderr } = await home.run(['whoami'], { env: env() });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const rows = Object.fromEntries(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => line.split('\t')),
    );
    expect(rows).toMatchObject({
      key: 'sk-…abcd (LITELLM_PROXY_API_KEY)',
      alias: 'ci',
      team: 'search',
      spend: '$2.50',
      budget: '$10.00, $7.50 left',
      resets: expect.stringMatching(/^2099-12-01 00:00 UTC \(in \d+ days\) \(every 30d\)$/),
      'requests/min': '60',
      models: 'fake, other',
    });
    expect(stdout).not.toContain('canary');
  });

  test('a proxy without a database: what the headers tell, and a line that says why it is no more', async () => {
    const plain = upstream.fallback;
    upstream.fallback = (request) =>
      request.path === '/v1/chat/completions'
        ? {
            ...errorReply(400, "Missing required parameter: 'messages'."),
            headers: { ...liteLLMHeaders(), 'x-litellm-key-rpm-limit': '5' },
          }
        : plain(request);
    const { code, stdout, stderr } = await home.run(['whoami', '--json'], { env: env() });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      key: 'sk-…abcd',
      alias: null,
      spend: 0.5,
      max_budget: 10,
      request_limit: 5,
      gap: expect.stringContaining('no database'),
    });
    expect(stderr).toBe('');
    // No model is asked for that.
    expect(upstream.chatRequests.map(({ body }) => body)).toEqual([{}]);
  });

  test('a key that is refused', async () => {
    upstream.fallback = () => errorReply(401, 'Authentication Error - Expired Key.', { type: 'expired_key' });
    expect(await home.run(['whoami'], { env: env() })).toMatchObject({
      code: 4,
      stdout: '',
      stderr: expect.stringContaining('the key has expired'),
    });
  });
});

test('a budget that is used up: whose it is, and when it resets', async () => {
  const plain = upstream.fallback;
  upstream.fallback = (request) =>
    request.path === '/key/info' ? { body: { info: { budget_reset_at: '2099-12-01T00:00:00Z' } } } : plain(request);
  upstream.reply(
    errorReply(422, 'Budget has been exceeded! Key=ci Current cost: 2.0, Max budget: 1.0', { type: 'budget_exceeded' }),
  );
  const { code, stderr } = await home.run(['-m', 'fake', 'hi'], { env: { LITELLM_PROXY_URL: upstream.baseUrl } });
  expect(code).toBe(7);
  expect(stderr).toContain('it is the budget of the key ci; it resets 2099-12-01 00:00 UTC');
});

test('--require-model prints nothing of a reply from elsewhere, and keeps the turn', async () => {
  const env = { LITELLM_PROXY_URL: upstream.baseUrl };
  const { code, stdout, stderr } = await home.run(['-m', 'fake', '--require-model', 'claude-*', 'hi'], { env });
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toContain('fake answered, and require_model claude-* does not allow it');
  expect((await home.run(['recover'], { env })).stderr).toBe('cllm: no turn is unfinished\n');
  expect((await home.run(['history', 'list'], { env })).stdout).toContain('hi');
});
