import { readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { freePort } from '../../src/local-proxy/free-port.ts';
import { isLive } from '../../src/local-proxy/health.ts';
import { installFakeLitellm } from '../local-proxy/fake-litellm.ts';
import { CliHome } from '../support/run-cli.ts';
import { Terminal } from '../support/terminal.ts';

/** `cllm proxy` around a stand-in for LiteLLM; __tests__/litellm/proxy-up.test.ts has the real one. */
let home: CliHome;
let port: string;
let baseUrl: string;

beforeEach(async () => {
  home = new CliHome({ LITELLM_PROXY_API_KEY: undefined, CLLM_MODEL: undefined });
  installFakeLitellm(home.at('cllm', 'proxy'));
  port = String(await freePort());
  baseUrl = `http://127.0.0.1:${port}`;
});

afterEach(async () => {
  await home.run(['proxy', 'down']);
  home.close();
});

const up = (...args: string[]) => home.run(['proxy', 'up', '--port', port, ...args]);
const json = (...parts: string[]) =>
  JSON.parse(readFileSync(home.at('cllm', ...parts), 'utf8')) as Record<string, unknown>;

test('a base URL and a model that somebody chose stay theirs, and the next command names both', async () => {
  await home.run(['config', 'set', 'base_url', 'https://llm.example.com']);
  await home.run(['config', 'set', 'model', 'gpt']);
  expect((await up()).stderr).toContain(`next: cllm --base-url ${baseUrl} -m hello "hello"`);
  expect(json('config.json')).toEqual({ base_url: 'https://llm.example.com', model: 'gpt' });
  expect(Object.keys(json('credentials.json')['keys'] as object)).toEqual([baseUrl]);
});

test('the address of an earlier proxy that is gone is replaced', async () => {
  await home.run(['config', 'set', 'base_url', `http://127.0.0.1:${await freePort()}`]);
  expect((await up()).stderr).toContain('next: cllm "hello"');
  expect(json('config.json')).toMatchObject({ base_url: baseUrl });
});

test('it survives the terminal that it was started in', async () => {
  const terminal = new Terminal(home, ['proxy', 'up', '--port', port]);
  await terminal.until('next: cllm "hello"');
  terminal.close();
  await terminal.exitCode;
  expect(await isLive(baseUrl)).toBe(true);
  expect(await home.run(['proxy', 'status'])).toMatchObject({ code: 0 });
});

test('a configuration with which LiteLLM does not start: the reason, and where its log is', async () => {
  writeFileSync(home.at('own.yaml'), 'crash\n');
  const { code, stderr } = await up('--config', 'own.yaml');
  expect(code).toBe(1);
  expect(stderr).toContain('LiteLLM did not start');
  expect(stderr).toContain('litellm.log');
  expect(stderr).not.toContain('secret123');
  expect((await home.run(['proxy', 'logs'])).stdout).not.toContain('secret123');
});

test.each([
  { args: ['--port', '0'] },
  { args: ['--port', 'http'] },
  { args: ['--method', 'brew'] },
  { args: ['--config'] },
])('up $args is a usage error', async ({ args }) => {
  expect(await home.run(['proxy', 'up', ...args])).toMatchObject({ code: 2, stdout: '' });
});

test('a variable that is stronger than the defaults is named', async () => {
  const { stderr } = await home.run(['proxy', 'up', '--port', port], {
    env: { LITELLM_PROXY_API_KEY: 'sk-of-another-proxy' },
  });
  expect(stderr).toContain('is set and stronger; unset them');
});

test('without a log, logs says so', async () => {
  expect(await home.run(['proxy', 'logs'])).toMatchObject({
    code: 0,
    stdout: '',
    stderr: expect.stringContaining('there is no log'),
  });
});

test('logs --follow goes on until a signal', async () => {
  await up();
  const logs = home.start(['proxy', 'logs', '--follow']);
  await logs.untilStdout('arguments: ');
  await home.run(['proxy', 'status']);
  await logs.untilStdout('asked: GET /health/readiness/details');
  logs.process.kill('SIGINT');
  expect(await logs.result).toMatchObject({ code: 130 });
});
