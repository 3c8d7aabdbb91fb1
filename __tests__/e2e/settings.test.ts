import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { startFakeUpstream, textReply, type FakeUpstream } from '../support/fake-upstream.ts';
import { CliHome } from '../support/run-cli.ts';

let upstream: FakeUpstream;
let home: CliHome;

beforeEach(async () => {
  upstream = await startFakeUpstream();
  home = new CliHome({ LITELLM_PROXY_API_KEY: 'sk-canary-1234567890abcd' });
  mkdirSync(home.at('repository', 'src'), { recursive: true });
});

afterEach(async () => {
  home.close();
  await upstream.close();
});

test('a cllm.yaml whose base URL is trusted is sent no key of another proxy, and the user is told why', async () => {
  upstream.reply(textReply('I got nothing.'));
  writeFileSync(home.at('repository', 'cllm.yaml'), `base_url: ${upstream.baseUrl}\n`);
  await home.run(['config', 'trust', 'repository']);
  const { stdout, stderr } = await home.run(['hi'], { cwd: home.at('repository', 'src') });
  const headers = upstream.chatRequests.map((request) => request.headers);
  expect(headers).toHaveLength(1);
  expect(JSON.stringify(headers)).not.toContain('canary');
  expect(headers[0]?.authorization).toBeUndefined();
  expect(stderr).toContain('the key of LITELLM_PROXY_API_KEY was not sent');
  expect(stdout + stderr).not.toContain('canary');
});

test('the same key goes to the same URL when a flag names it', async () => {
  upstream.reply(textReply('hello'));
  writeFileSync(home.at('repository', 'cllm.yaml'), `base_url: ${upstream.baseUrl}\n`);
  await home.run(['hi', '--base-url', upstream.baseUrl], { cwd: home.at('repository') });
  expect(upstream.chatRequests[0]?.headers.authorization).toBe('Bearer sk-canary-1234567890abcd');
});

test('config explain tells every value and where it came from, with the key masked', async () => {
  const project = home.at('repository', 'cllm.yaml');
  writeFileSync(project, 'model: gpt-4.1\ntimeouts:\n  idle: 0.5\nmodle: typo\n');
  expect(await home.run(['config', 'set', 'aliases.gpt-4.1', 'azure/gpt-4.1'])).toMatchObject({ code: 0 });
  const { code, stdout, stderr } = await home.run(['config', 'explain', '--json'], {
    cwd: home.at('repository', 'src'),
    env: { CLLM_MODEL: undefined },
  });
  expect(code).toBe(0);
  const rows = JSON.parse(stdout) as { name: string }[];
  expect(rows).toContainEqual({
    name: 'model',
    value: 'azure/gpt-4.1',
    origin: expect.stringMatching(/\/repository\/cllm\.yaml$/),
  });
  expect(rows).toContainEqual({
    name: 'timeouts.idle',
    value: 0.5,
    origin: expect.stringMatching(/\/repository\/cllm\.yaml$/),
  });
  expect(rows).toContainEqual({ name: 'api_key', value: 'sk-…abcd', origin: 'LITELLM_PROXY_API_KEY' });
  expect(stderr).toContain('unknown setting "modle" (did you mean "model"?)');
  expect(stdout + stderr).not.toContain('canary');
});

test('a broken user file stops a question, but not the commands that mend it', async () => {
  mkdirSync(home.at('cllm'));
  const userFile = home.at('cllm', 'config.json');
  writeFileSync(userFile, '{"model": ');
  expect(await home.run(['hi'])).toMatchObject({
    code: 2,
    stdout: '',
    stderr: expect.stringContaining('config.json is no JSON object'),
  });
  expect(await home.run(['config', 'path'])).toMatchObject({ code: 0, stdout: `${userFile}\n` });
  expect(await home.run(['config', 'set', 'model', 'gpt-4.1'])).toMatchObject({
    code: 0,
    stderr: expect.stringContaining('.broken-'),
  });
  expect(JSON.parse(readFileSync(userFile, 'utf8'))).toEqual({ model: 'gpt-4.1' });
});
