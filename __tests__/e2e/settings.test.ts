import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
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
  writeFileSync(project, 'model: gpt-4.1\ntimeouts:\n  idle: 0.5\n');
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

describe('what a run may cost and who may answer', () => {
  const project = (text: string): { cwd: string } => {
    writeFileSync(home.at('repository', 'cllm.yaml'), text);
    return { cwd: home.at('repository') };
  };
  const own = { LITELLM_PROXY_URL: '' };

  beforeEach(() => {
    own.LITELLM_PROXY_URL = upstream.baseUrl;
  });

  test('a name that no setting has stops the run and names the nearest, in a profile too', async () => {
    for (const [text, name, nearest] of [
      ['max_cots: 1\n', 'max_cots', 'max_cost'],
      ['profiles:\n  ci:\n    falback: off\n', 'profiles.ci.falback', 'profiles.ci.fallback'],
    ] as const) {
      const { code, stderr } = await home.run(['hi'], { ...project(text), env: own });
      expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(`unknown setting "${name}"`) });
      expect(stderr).toContain(`did you mean "${nearest}"? if a newer cllm wrote it, update cllm`);
    }
    expect(upstream.requests).toEqual([]);
  });

  test('is a setting: the request asks for it', async () => {
    const given = project('fallback: off\ncache: off\nretries: 0\n');
    upstream.reply({ status: 503, body: { error: { message: 'busy' } } });
    expect((await home.run(['hi'], { ...given, env: own })).code).toBe(5);
    expect(upstream.chatRequests.map(({ body }) => body)).toEqual([
      expect.objectContaining({ disable_fallbacks: true, cache: { 'no-cache': true } }),
    ]);
  });

  test('is loosened by a flag, but for the cap on the cost', async () => {
    const given = project('fallback: off\nmax_cost: 0\n');
    const capped = await home.run(['hi', '--max-cost', '5', '--allow-unknown-cost'], { ...given, env: own });
    expect({ code: capped.code, stderr: capped.stderr }).toEqual({
      code: 7,
      stderr: expect.stringMatching(/max_cost 0 is spent[^]*of several caps the lowest counts/),
    });
    expect(upstream.chatRequests).toEqual([]);
    const { code } = await home.run(['hi', '--fallback'], { ...project('fallback: off\n'), env: own });
    expect(code).toBe(0);
    expect(upstream.chatRequests[0]?.body).not.toHaveProperty('disable_fallbacks');
  });

  test('says of another model, of a fallback and of a kept reply what was asked of the proxy', async () => {
    const headers = { 'x-litellm-model-group': 'gpt', 'x-litellm-attempted-fallbacks': '1' };
    const replied = { headers, body: { choices: [{ message: { content: 'x' }, finish_reason: 'stop' }] } };
    upstream.reply(replied, replied, { ...replied, headers: { 'x-litellm-cache-hit': 'True' } });
    const run = async (text: string) => (await home.run(['hi'], { ...project(text), env: own })).stderr;
    expect(await run('require_model: azure/*\n')).toContain(
      'gpt answered, and require_model azure/* does not allow it',
    );
    expect(await run('fallback: off\n')).toContain('a fallback (gpt) answered, although the request asked for none');
    expect(await run('cache: off\n')).toContain("out of the proxy's cache, although the request asked for a fresh one");
  });
});
