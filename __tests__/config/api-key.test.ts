import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { resolveApiKey, type ApiKey } from '../../src/config/api-key.ts';
import { Credentials } from '../../src/config/credentials.ts';
import { configPaths } from '../../src/config/paths.ts';
import { loadSettings } from '../../src/config/settings.ts';
import { setSetting } from '../../src/config/edit.ts';
import type { SettingValues } from '../../src/config/validation.ts';
import { useTemporaryDirectory } from '../support/temporary-directory.ts';

const environmentKey = 'sk-environment-canary-1';
const loginKey = 'sk-login-canary-2';
const ownProcess = { pid: process.pid, uid: process.getuid?.() ?? null };
const directory = useTemporaryDirectory();

interface Situation {
  env?: Record<string, string>;
  flags?: SettingValues;
  profile?: string;
  /** The text of cllm.yaml. */
  project?: string;
  /** Settings of the user file. */
  user?: Record<string, string>;
  /** A base URL that somebody logged in to. */
  login?: string;
  /** What the file of `--api-key-file` holds. */
  keyFile?: string;
}

/** Goes the way that a command goes: files on the disk, settings, then the key. */
async function keyFor(situation: Situation): Promise<ApiKey & { baseUrl: string }> {
  const env = { CLLM_HOME: join(directory(), 'home'), ...situation.env };
  const cwd = join(directory(), 'repository');
  mkdirSync(cwd);
  const paths = configPaths(env, cwd);
  const credentials = new Credentials(paths.credentialsFile, ownProcess);
  if (situation.project !== undefined) writeFileSync(join(cwd, 'cllm.yaml'), situation.project);
  if (situation.login !== undefined) await credentials.set(situation.login, loginKey);
  for (const [name, text] of Object.entries(situation.user ?? {}))
    await setSetting(paths.userFile, name, text, cwd, ownProcess);
  const settings = await loadSettings({
    flags: situation.flags ?? {},
    profile: situation.profile,
    env,
    cwd,
    uid: ownProcess.uid,
  });
  const keyFile = situation.keyFile === undefined ? null : { name: 'ci.key', text: situation.keyFile };
  return { ...resolveApiKey({ settings, credentials, env, keyFile }), baseUrl: settings.baseUrl.value };
}

const environment = { LITELLM_PROXY_API_KEY: environmentKey };

describe('LITELLM_PROXY_API_KEY', () => {
  test.each<[string, Situation]>([
    ['the default', { env: environment }],
    ['a flag', { env: environment, flags: { base_url: 'http://flag' } }],
    ['the environment', { env: { ...environment, LITELLM_PROXY_URL: 'http://environment' } }],
    ['the user file', { env: environment, user: { base_url: 'http://user' } }],
    [
      'a flag over a project file',
      { env: environment, flags: { base_url: 'http://flag' }, project: 'base_url: http://evil' },
    ],
    [
      'the environment over a project file',
      { env: { ...environment, LITELLM_PROXY_URL: 'http://environment' }, project: 'base_url: http://evil' },
    ],
    [
      'a project file that names the URL of the user file',
      { env: environment, user: { base_url: 'http://user' }, project: 'base_url: http://user/v1/' },
    ],
    [
      'a profile of the user file',
      {
        env: environment,
        profile: 'own',
        user: { 'profiles.own.base_url': 'http://own' },
        project: 'base_url: http://evil',
      },
    ],
  ])('goes to the base URL of %s', async (_, situation) => {
    await expect(keyFor(situation)).resolves.toMatchObject({
      key: environmentKey,
      origin: 'LITELLM_PROXY_API_KEY',
      withheld: null,
    });
  });

  test('wins over a login for the same base URL', async () => {
    const situation = { env: environment, login: 'http://localhost:4000' };
    await expect(keyFor(situation)).resolves.toMatchObject({ key: environmentKey });
  });

  test('set but empty is not set', async () => {
    const situation = { env: { LITELLM_PROXY_API_KEY: '' }, login: 'http://localhost:4000' };
    await expect(keyFor(situation)).resolves.toMatchObject({ key: loginKey });
  });

  test('that no header can carry is an error without the key', async () => {
    await expect(keyFor({ env: { LITELLM_PROXY_API_KEY: `${environmentKey}\r\nHost: evil` } })).rejects.toMatchObject({
      code: 'input_invalid',
      message: expect.not.stringContaining('canary'),
    });
  });
});

describe('a hostile cllm.yaml', () => {
  const own = 'http://user.example.com';

  test.each<[string, Situation]>([
    ['names its own base URL', { project: 'base_url: http://evil' }],
    ['does so beside a base URL in the user file', { project: 'base_url: http://evil', user: { base_url: own } }],
    ['hides it in a profile', { project: 'profiles: {review: {base_url: http://evil}}', profile: 'review' }],
    [
      'takes over a profile of the user',
      {
        project: 'profiles: {review: {base_url: http://evil}}',
        profile: 'review',
        user: { 'profiles.review.base_url': own },
      },
    ],
    [
      'hopes for the key of a login elsewhere',
      { project: 'base_url: http://evil', login: own, user: { base_url: own } },
    ],
    ['differs in the scheme alone', { project: 'base_url: http://llm.example.com', login: 'https://llm.example.com' }],
    ['differs in the port alone', { project: 'base_url: http://localhost:4001', login: 'http://localhost:4000' }],
    [
      'looks like the user’s URL',
      { project: 'base_url: http://user.example.com.evil', login: own, user: { base_url: own } },
    ],
    ['uses YAML’s aliases', { project: 'model: &u http://evil\nbase_url: *u' }],
  ])('gets no key when it %s', async (_, situation) => {
    const { key, origin } = await keyFor({ ...situation, env: environment });
    expect({ key, origin }).toEqual({ key: null, origin: 'none' });
  });

  test('gets none from --api-key-file either', async () => {
    const apiKey = await keyFor({ keyFile: environmentKey, project: 'base_url: http://evil' });
    expect(apiKey.key).toBeNull();
  });

  test('is named, with what to do, and without the key', async () => {
    const { withheld } = await keyFor({ env: environment, project: 'base_url: http://evil' });
    expect(withheld).toBe(
      'the key of LITELLM_PROXY_API_KEY was not sent: the base URL http://evil comes from ' +
        `${join(directory(), 'repository', 'cllm.yaml')}; run \`cllm login --base-url http://evil\` to give that proxy ` +
        'a key, or name it with --base-url or LITELLM_PROXY_URL',
    );
  });

  test.each(['api_key: sk-x', 'key: sk-x', 'profiles: {a: {api_key: sk-x}}', 'params: {api_key: sk-x}'])(
    'can not bring a key: %s',
    async (project) => {
      await expect(keyFor({ project })).rejects.toMatchObject({ code: 'config_invalid' });
    },
  );
});

describe('a key of cllm login', () => {
  test('goes to its base URL, also when a project file names that', async () => {
    const apiKey = await keyFor({
      env: environment,
      login: 'http://team.example.com/',
      project: 'base_url: http://team.example.com/v1',
    });
    expect(apiKey).toEqual({
      key: loginKey,
      maskedKey: 'sk-…ry-2',
      origin: 'login for http://team.example.com',
      withheld: null,
      baseUrl: 'http://team.example.com',
    });
  });

  test('goes to no other base URL, though a flag names it', async () => {
    const apiKey = await keyFor({ login: 'http://team.example.com', flags: { base_url: 'http://other.example.com' } });
    expect(apiKey).toMatchObject({ key: null, origin: 'none', withheld: null });
  });
});

describe('--api-key-file', () => {
  test('wins over the environment and a login, and its line break goes', async () => {
    const apiKey = await keyFor({ keyFile: 'sk-from-file\n', env: environment, login: 'http://localhost:4000' });
    expect(apiKey).toMatchObject({ key: 'sk-from-file', origin: '--api-key-file' });
  });

  test('that is empty is an error', async () => {
    await expect(keyFor({ keyFile: '\n' })).rejects.toMatchObject({
      code: 'input_invalid',
      message: '--api-key-file ci.key is empty',
    });
  });
});

describe('in a CI job', () => {
  const ci = { ...environment, CI: 'true' };
  test.each<[string, Situation]>([
    ['of the environment', { env: ci }],
    ['of a file', { env: { JENKINS_URL: 'http://ci' }, keyFile: environmentKey }],
    ['of the environment, the URL being empty', { env: { ...ci, LITELLM_PROXY_URL: '' } }],
  ])('a key %s goes nowhere without a base URL', async (_name, situation) => {
    await expect(keyFor(situation)).rejects.toMatchObject({
      code: 'config_invalid',
      message: expect.stringContaining('which proxy the key is for'),
      hint: expect.stringContaining('LITELLM_PROXY_URL=http://localhost:4000'),
    });
  });

  test.each<[string, Situation]>([
    ['by the environment', { env: { ...ci, LITELLM_PROXY_URL: 'http://localhost:4000' } }],
    ['by a flag', { env: ci, flags: { base_url: 'http://localhost:4000' } }],
    ['by the user file', { env: ci, user: { base_url: 'http://localhost:4000' } }],
    ['where CI says no', { env: { ...environment, CI: 'false' } }],
  ])('it goes where it is meant to go %s', async (_name, situation) => {
    expect(await keyFor(situation)).toMatchObject({ key: environmentKey, baseUrl: 'http://localhost:4000' });
  });
});
