import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { describeLitellm, litellmProxy } from '../support/litellm.ts';
import { CliHome } from '../support/run-cli.ts';

interface Report {
  is_ok: boolean;
  steps: { step: string; status: string; message: string; [fact: string]: unknown }[];
}

describeLitellm('against the real LiteLLM', () => {
  let home: CliHome;

  beforeAll(() => {
    const { baseUrl, masterKey } = litellmProxy();
    home = new CliHome({ LITELLM_PROXY_URL: baseUrl, LITELLM_PROXY_API_KEY: masterKey, CLLM_MODEL: 'fake-openai' });
  });
  afterAll(() => home.close());

  async function doctor(args: string[] = [], env: Record<string, string> = {}) {
    const { code, stdout } = await home.run(['doctor', '--json', ...args], { env });
    const report = JSON.parse(stdout) as Report;
    expect(stdout).not.toContain(litellmProxy().masterKey);
    return { code, report, failed: report.steps.filter(({ status }) => status === 'failed') };
  }

  test('doctor finds a sound proxy sound, and names its version', async () => {
    const { code, report } = await doctor();
    expect(code).toBe(0);
    expect(report.steps.find(({ step }) => step === 'proxy')).toMatchObject({
      version: litellmProxy().version,
      health: 'healthy',
    });
    expect(report.steps.find(({ step }) => step === 'stream')).toMatchObject({ status: 'ok', verdict: 'complete' });
  });

  test.each([
    { name: 'a wrong key', args: [], env: { LITELLM_PROXY_API_KEY: 'sk-wrong-1234567890' }, step: 'key', exit: 4 },
    { name: 'no key', args: [], env: { LITELLM_PROXY_API_KEY: '' }, step: 'key', exit: 4 },
    { name: 'a model that is not there', args: ['-m', 'nope'], env: {}, step: 'model', exit: 1 },
    { name: 'a provider that is down', args: ['-m', 'unreachable'], env: {}, step: 'stream', exit: 5 },
    { name: 'a provider that refuses the proxy', args: ['-m', 'mock-429'], env: {}, step: 'stream', exit: 6 },
  ])('doctor tells $name', async ({ args, env, step, exit }) => {
    const { code, failed } = await doctor(args, env);
    expect(failed.map((finding) => finding.step)).toEqual([step]);
    expect(code).toBe(exit);
  });

  test('doctor finds the proxy above a path that is one too many', async () => {
    const { baseUrl } = litellmProxy();
    const { failed } = await doctor(['--base-url', `${baseUrl}/ui/chat`]);
    expect(failed).toMatchObject([{ step: 'proxy', found_at: baseUrl }]);
  });

  test('login keeps a key that the proxy takes, and not another', async () => {
    const { baseUrl, masterKey } = litellmProxy();
    const env = { LITELLM_PROXY_API_KEY: '' };
    const login = (key: string) => home.run(['login', '--base-url', baseUrl], { stdin: key, env });
    expect(await login('sk-wrong-1234567890')).toMatchObject({ code: 4 });
    expect(await home.run(['whoami'], { env })).toMatchObject({ code: 4 });
    expect(await login(masterKey)).toMatchObject({ code: 0 });
    expect(await home.run(['whoami'], { env })).toMatchObject({ code: 0 });
    await home.run(['logout', '--base-url', baseUrl], { env });
  });

  test('models tells mode, context and prices where LiteLLM knows them', async () => {
    const { stdout } = await home.run(['models']);
    const rows = new Map(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => [line.split('\t')[0], line.split('\t')]),
    );
    expect(rows.get('fake-openai')?.slice(0, 6)).toEqual(['fake-openai', 'chat', '128000', '0.15', '0.6', 'openai']);
    expect(rows.get('fake-openai')?.[6]).toContain('vision pdf tools');
    expect(rows.get('hello')?.slice(0, 5)).toEqual(['hello', '', '', '', '']);
  });

  test('whoami says that there is no database, and what the headers tell', async () => {
    const { code, stdout } = await home.run(['whoami', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      spend: expect.any(Number),
      models: expect.arrayContaining(['fake-openai', 'hello']),
      gap: expect.stringContaining('no database'),
    });
  });

  test('--no-fallback gets the error of the model that was asked, and without it the fallback answers', async () => {
    const asked = ['-m', 'falls-back', '[text status=500] Hello'];
    const free = await home.run(['--output-format', 'json', ...asked]);
    expect(JSON.parse(free.stdout)).toMatchObject({ is_error: false, verdict: 'complete' });
    const bound = await home.run(['--output-format', 'json', '--no-fallback', ...asked]);
    expect(JSON.parse(bound.stdout)).toMatchObject({ is_error: true, exit_code: 5 });
    const required = await home.run(['--output-format', 'json', '--require-model', 'falls-back', ...asked]);
    expect(JSON.parse(required.stdout)).toMatchObject({
      is_error: true,
      result: '',
      error: { code: 'served_elsewhere' },
    });
  });
});
