import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { describeLitellm, litellmProxy, type LitellmProxy } from '../support/litellm.ts';
import { CliHome, type CliResult } from '../support/run-cli.ts';

/** A repository with templates, cloned by a CI job that asks a real proxy. */
describeLitellm('templates and a real LiteLLM', () => {
  let proxy: LitellmProxy;
  let home: CliHome;

  beforeAll(() => {
    proxy = litellmProxy();
    home = new CliHome({ LITELLM_PROXY_URL: proxy.baseUrl, LITELLM_PROXY_API_KEY: proxy.masterKey, CI: 'true' });
    const git = (...args: string[]): void => {
      const identity = ['-c', 'user.name=a', '-c', 'user.email=a@example.com'];
      execFileSync('git', [...identity, ...args], { cwd: home.at('origin'), stdio: 'ignore' });
    };
    mkdirSync(home.at('origin', '.cllm', 'templates'), { recursive: true });
    writeFileSync(
      home.at('origin', '.cllm', 'templates', 'last.md'),
      '---\nmodel: fake-openai\nvariables: { tag: null }\ncontext: [{ name: log, run: [git, log, --format=%s] }]\n---\n[text tag={{ tag }}] Sum this up.\n',
    );
    writeFileSync(
      home.at('origin', '.cllm', 'templates', 'sort.md'),
      '---\nmodel: fake-openai\nvariables: { tag: null, text: null }\n---\n[text tag={{ tag }}] Sort {{ text }}.\n',
    );
    writeFileSync(home.at('origin', 'rows.csv'), 'text\none\ntwo\n');
    git('init', '-q');
    git('add', '.');
    git('commit', '-q', '-m', 'the only commit');
    git('clone', '-q', '.', home.at('clone'));
  });
  afterAll(() => home.close());

  const inClone = (...args: string[]): Promise<CliResult> => home.run(args, { cwd: home.at('clone') });
  const asked = async (tag: string): Promise<string> => JSON.stringify(await proxy.provider.requests(tag));

  test('commands run in CI by the digest of the file alone', async () => {
    const refused = await inClone('-t', 'last', '--var', 'tag=tpl-last');
    expect({ code: refused.code, asked: await asked('tpl-last') }).toEqual({ code: 2, asked: '[]' });
    const [, digest = ''] = /--trust-template (sha256:\w{64})/.exec(refused.stderr) ?? [];
    const { code } = await inClone('-t', 'last', '--var', 'tag=tpl-last', '--trust-template', digest);
    expect({ code, asked: await asked('tpl-last') }).toEqual({
      code: 0,
      asked: expect.stringContaining('the only commit'),
    });
  });

  test('a table is asked for row by row', async () => {
    const { code } = await inClone('batch', 'rows.csv', '-t', 'sort', '--var', 'tag=tpl-rows', '-o', 'out.jsonl');
    const requests = await asked('tpl-rows');
    expect({ code, hasBoth: requests.includes('Sort one.') && requests.includes('Sort two.') }).toEqual({
      code: 0,
      hasBoth: true,
    });
  });

  const greet = (...args: string[]): Promise<CliResult> => inClone('-t', 'proxy:greet', ...args);

  test('a prompt of its configuration is fetched, rendered and sent', async () => {
    const shown = await inClone('templates', 'show', 'proxy:greet');
    expect(shown.stdout).toContain('Greet {{ who }}.');
    const { code } = await greet('--var', 'language=French', '--var', 'tag=tpl-greet', '--var', 'who=Ann');
    const requests = await asked('tpl-greet');
    expect({ code, requests }).toEqual({ code: 0, requests: expect.stringContaining('Greet Ann.') });
    expect(requests).toContain('You greet in French.');
  });

  test('what LiteLLM passes over in silence is an error: an unknown prompt, a variable without a value', async () => {
    const unknown = await inClone('-t', 'proxy:great');
    expect({ code: unknown.code, stderr: unknown.stderr }).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('did you mean -t proxy:greet?'),
    });
    const missing = await greet('--var', 'language=French', '--var', 'tag=tpl-missing');
    expect({ code: missing.code, asked: await asked('tpl-missing') }).toEqual({ code: 2, asked: '[]' });
    expect(missing.stderr).toContain('needs the variable who');
  });
});
