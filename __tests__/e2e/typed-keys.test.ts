import { mkdirSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { main } from '../../src/cli/main.ts';
import { KnownSecrets } from '../../src/cli/process/known-secrets.ts';
import { startFakeUpstream, textReply, type FakeUpstream } from '../support/fake-upstream.ts';
import { memoryIo } from '../support/memory-io.ts';
import { CliHome } from '../support/run-cli.ts';
import { useTemporaryDirectory } from '../support/temporary-directory.ts';

/** One of the known forms, one that only the environment gives away, and one that only the kept keys do. */
const keys = {
  'of a known form': 'sk-canary-5d0c1f77e2a94b',
  'of the environment': 'zz9-plain-key-0123456789abcdef',
  'that was kept': 'yy8.kept.key.0123456789',
};

let upstream: FakeUpstream;
const directory = useTemporaryDirectory();
beforeAll(async () => {
  upstream = await startFakeUpstream();
  upstream.fallback = textReply('Hello.');
});
afterAll(() => upstream.close());

/** Everywhere that a word can be typed and may be said again; `K` is the key. */
const typed: readonly (readonly string[])[] = [
  ['--api-key', 'K', 'hi'],
  ['--api-key=K', 'hi'],
  ['-K'],
  ['--K'],
  ['--header', 'Authorization Bearer K', 'hi'],
  ['--header', 'Authorization=Bearer K', 'hi'],
  ['-p', 'user=K', 'hi'],
  ['-p', 'api_key="K', 'hi'],
  ['-p', 'K', 'hi'],
  ['--metadata', 'K', 'hi'],
  ['--base-url', 'K', 'hi'],
  ['--base-url', 'http://u:K@h', 'hi'],
  ['--base-url', 'http://h/?key=K', 'hi'],
  ['--base-url', 'http://K.invalid', '--retries', '0', '--connect-timeout', '0.5', 'hi'],
  ['--api-key-file', 'K', 'hi'],
  ['--profile', 'K', 'hi'],
  ['--timeout', 'K', 'hi'],
  ['--retries', 'K', 'hi'],
  ['--max-cost', 'K', 'hi'],
  ['--render', 'K', 'hi'],
  ['--output-format', 'K', 'hi'],
  ['--output-schema', 'K', 'hi'],
  ['--tools', 'K', 'hi'],
  ['--cacert', 'K', 'hi'],
  ['--cert', 'K', 'hi'],
  ['--record', '/nowhere/K', 'hi'],
  ['-o', '/nowhere/K', 'hi'],
  ['-m', 'K', 'hi'],
  ['-C', 'K', 'hi'],
  ['-C', 'K', '--read-only', 'hi'],
  ['-f', 'K', 'hi'],
  ['-s', '@K', 'hi'],
  ['chat', '-m', 'K'],
  ['compare', '-m', 'K', '-m', 'b', 'hi'],
  ['compare', 'K'],
  ['batch', 'K', '-o', 'x'],
  ['batch', 'x', '-o', '/nowhere/K'],
  ['login', 'K'],
  ['login', '--base-url', 'K'],
  ['logout', 'K'],
  ['logout', '--base-url', 'http://K'],
  ['config', 'K'],
  ['config', 'get', 'K'],
  ['config', 'set', 'K', 'x'],
  ['config', 'set', 'api_key', 'K'],
  ['config', 'set', 'base_url', 'http://u:K@h'],
  ['config', 'set', 'timeouts.idle', 'K'],
  ['config', 'unset', 'K'],
  ['history', 'K'],
  ['history', 'show', 'K'],
  ['history', 'delete', 'K', '--yes'],
  ['history', 'rename', 'K', 'x'],
  ['history', 'fork', 'K'],
  ['history', 'import', 'K'],
  ['history', 'prune', '--older-than', 'K'],
  ['recover', 'K'],
  ['replay', 'K'],
  ['replay', 'x', '--speed', 'K'],
  ['models', 'K'],
  ['whoami', 'K'],
  ['doctor', 'K'],
  ['init', 'K'],
  ['proxy', 'K'],
  ['proxy', 'up', '--port', 'K'],
  ['proxy', 'up', '--method', 'K'],
  ['proxy', 'logs', '-n', 'K'],
  ['completion', 'K'],
  ['help', 'K'],
];

describe.each(Object.entries(keys))('a key %s', (_name, key) => {
  test.each(typed.map((words) => [words.join(' '), words] as const))('cllm %s', async (_line, words) => {
    const home = directory();
    mkdirSync(`${home}/cllm`, { mode: 0o700 });
    const kept = { version: 1, keys: { 'http://x.test': { key: keys['that was kept'], created_at: 'x' } } };
    writeFileSync(`${home}/cllm/credentials.json`, JSON.stringify(kept), { mode: 0o600 });
    for (const format of key === keys['of a known form'] ? ['text', 'json'] : ['text']) {
      const io = memoryIo({
        cwd: home,
        env: {
          CLLM_HOME: `${home}/cllm`,
          CLLM_MODEL: 'test-model',
          LITELLM_PROXY_URL: upstream.baseUrl,
          LITELLM_PROXY_API_KEY: keys['of the environment'],
        },
      });
      const argv = words.map((word) => word.replace('K', key));
      const code = await main(format === 'text' ? argv : [...argv, '--output-format', format], io);
      expect(code).not.toBe(0);
      expect(io.stdout.text + io.stderr.text).not.toMatch(new RegExp(key.slice(3, 16), 'i'));
    }
  });
});

test('neither a conversation nor a model is named by a key: it is neither sent nor kept', async () => {
  const home = new CliHome({ LITELLM_PROXY_URL: upstream.baseUrl, LITELLM_PROXY_API_KEY: keys['of the environment'] });
  try {
    const before = upstream.requests.length;
    for (const key of [keys['of a known form'], keys['of the environment']]) {
      for (const words of [
        ['-m', key, 'hi'],
        ['-C', key, 'hi'],
      ]) {
        expect(await home.run(words)).toMatchObject({ code: 2, stderr: expect.stringContaining('is a key') });
      }
    }
    expect(upstream.requests).toHaveLength(before);
    expect((await home.run(['-C', 'sk-learn-notes', '-m', 'sk-model', 'hi'])).code).toBe(0);
  } finally {
    home.close();
  }
});

test('a key that stands in the user file is not shown by config', async () => {
  const home = new CliHome({ LITELLM_PROXY_API_KEY: keys['of the environment'] });
  const key = keys['of a known form'];
  const secret = 'no-known-form-at-all';
  try {
    mkdirSync(home.at('cllm'), { mode: 0o700 });
    const values = {
      api_key: secret,
      model: key,
      params: { user: `Bearer ${secret}`, nested: { api_key: secret, list: [{ token: secret }] }, max_tokens: 5 },
      profiles: { a: { token: secret } },
      [key]: 1,
      tags: [keys['of the environment']],
    };
    writeFileSync(home.at('cllm', 'config.json'), JSON.stringify(values), { mode: 0o600 });
    for (const words of [
      ['list'],
      ['list', '--json'],
      ['explain'],
      ['explain', '--json'],
      ['get', 'model'],
      ['get', 'params'],
    ]) {
      const { stdout, stderr } = await home.run(['config', ...words]);
      for (const each of [key, secret, keys['of the environment']]) expect(stdout + stderr).not.toContain(each);
    }
    const { stdout } = await home.run(['config', 'list']);
    expect(stdout).toMatch(/^params.max_tokens\s+5$/m);
    expect(stdout).toMatch(/^api_key\s+\*{4}$/m);
  } finally {
    home.close();
  }
});

test('a plain word that stands for a key on a proxy without keys is no secret', () => {
  const secrets = new KnownSecrets({
    LITELLM_PROXY_API_KEY: 'litellm',
    OPENAI_API_KEY: 'none',
    KEYBOARD: 'us-layout-1',
  });
  expect(secrets.masked('litellm has none, us-layout-1')).toBe('litellm has none, us-layout-1');
});
