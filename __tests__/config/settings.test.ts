import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { explainSettings, getSetting } from '../../src/config/explain.ts';
import {
  describeOrigin,
  followAlias,
  loadSettings,
  paramValues,
  resolveSettings,
  type TemplateSettings,
} from '../../src/config/settings.ts';
import type { SettingValues } from '../../src/config/validation.ts';
import { TrustStore } from '../../src/config/trust.ts';
import { useTemporaryDirectory } from '../support/temporary-directory.ts';

const userFile = '/home/ada/.config/cllm/config.json';
const projectFile = '/project/cllm.yaml';

interface Sources {
  flags?: SettingValues;
  profile?: string;
  env?: Record<string, string>;
  project?: unknown;
  user?: unknown;
  trustedTools?: readonly string[];
  template?: TemplateSettings;
}

function resolved({
  flags,
  profile,
  env = {},
  project,
  user,
  trustedTools = [],
  template,
}: Sources): ReturnType<typeof resolveSettings> {
  return resolveSettings({
    ...(flags === undefined ? {} : { flags }),
    profile,
    env,
    ...(template !== undefined && { template }),
    cwd: '/project',
    userFile: { file: userFile, values: user ?? null },
    projectFile:
      project === undefined
        ? null
        : { file: projectFile, values: project, isToolTrusted: (rule) => trustedTools.includes(rule) },
  });
}

describe('precedence', () => {
  const all = {
    flags: { model: 'from-flag', base_url: 'http://flag' },
    env: { CLLM_MODEL: 'from-environment', LITELLM_PROXY_URL: 'http://environment' },
    project: { model: 'from-project', base_url: 'http://project' },
    user: { model: 'from-user', base_url: 'http://user' },
  };

  test.each([
    ['flag', [], 'from-flag', 'http://flag', '--model', '--base-url'],
    ['environment', ['flags'], 'from-environment', 'http://environment', 'CLLM_MODEL', 'LITELLM_PROXY_URL'],
    ['project file', ['flags', 'env'], 'from-project', 'http://project', projectFile, projectFile],
    ['user file', ['flags', 'env', 'project'], 'from-user', 'http://user', userFile, userFile],
    ['default', ['flags', 'env', 'project', 'user'], null, 'http://localhost:4000', 'default', 'default'],
  ])('%s wins over what is below it', (_, without, model, baseUrl, modelOrigin, baseUrlOrigin) => {
    const settings = resolved(Object.fromEntries(Object.entries(all).filter(([name]) => !without.includes(name))));
    expect(settings.model.value).toBe(model);
    expect(settings.baseUrl.value).toBe(baseUrl);
    expect(describeOrigin(settings.model.origin)).toBe(modelOrigin);
    expect(describeOrigin(settings.baseUrl.origin)).toBe(baseUrlOrigin);
  });

  test.each([
    ['system', { system: 'a' }, { system: 'b' }],
    ['render', { render: 'plain' }, { render: 'markdown' }],
    ['history', { history: 'off' }, { history: 'on' }],
    ['tags', { tags: ['a'] }, { tags: ['b', 'c'] }],
  ] as const)('the project file wins over the user file for %s', (name, project, user) => {
    expect(resolved({ project, user })[name]).toEqual({
      value: Object.values(project)[0],
      origin: { from: 'project file', file: projectFile, profile: null },
    });
    expect(resolved({ user })[name].value).toEqual(Object.values(user)[0]);
  });

  test('an empty variable, an empty file and a name without a value set nothing', () => {
    const settings = resolved({ env: { CLLM_MODEL: '', LITELLM_PROXY_URL: '' }, project: null, user: { model: null } });
    expect(settings.model).toEqual({ value: null, origin: { from: 'default' } });
    expect(settings.baseUrl.value).toBe('http://localhost:4000');
  });

  test('timeouts are merged one by one, each with its own origin', () => {
    const settings = resolved({
      flags: { timeouts: { idle: 1, connect: undefined } },
      project: { timeouts: { idle: 2, total: 2.5 } },
      user: { timeouts: { idle: 3, total: 4, first_token: 5 } },
    });
    const seconds = Object.entries(settings.timeouts).map(([name, { value, origin }]) => [
      name,
      value,
      describeOrigin(origin),
    ]);
    expect(seconds).toEqual([
      ['connect', 10, 'default'],
      ['firstToken', 5, userFile],
      ['idle', 1, '--idle-timeout'],
      ['total', 2.5, projectFile],
    ]);
  });

  test.each([
    ['longer than the default', { idle: 600 }, 'idle', 120, 'timeouts.idle 600, since 120 is stricter'],
    ['none at all', { first_token: 0 }, 'firstToken', 300, 'timeouts.first_token 0, since 300 is stricter'],
    ['none where the default is none', { total: 0 }, 'total', 0, null],
    ['shorter', { connect: 1 }, 'connect', 1, null],
  ] as const)('a timeout of a project file that is %s', (_name, timeouts, name, seconds, notTaken) => {
    const settings = resolved({ project: { timeouts: timeouts } });
    expect(settings.timeouts[name].value).toBe(seconds);
    expect(settings.projectNotTaken).toEqual(notTaken === null ? [] : [notTaken]);
    expect(resolved({ user: { timeouts: { idle: 600 } } }).timeouts.idle.value).toBe(600);
  });

  test('of two limits of tokens the lower one counts, unless a flag says another', () => {
    const both = {
      project: { params: { max_tokens: 9_000, max_completion_tokens: 10 } },
      user: { params: { max_tokens: 50, max_completion_tokens: 20 } },
    };
    const settings = resolved(both);
    expect(paramValues(settings.params)).toEqual({ max_tokens: 50, max_completion_tokens: 10 });
    expect(settings.projectNotTaken).toEqual(['params.max_tokens 9000, since 50 is stricter']);
    expect(paramValues(resolved({ ...both, flags: { params: { max_tokens: 70 } } }).params)['max_tokens']).toBe(70);
    expect(paramValues(resolved({ project: both.project }).params)['max_tokens']).toBe(9_000);
  });

  test.each([
    ['max_tokens', 'max_completion_tokens'],
    ['max_completion_tokens', 'max_tokens'],
  ])('a limit of %s is not raised by %s', (own, other) => {
    const settings = resolved({ user: { params: { [own]: 50 } }, project: { params: { [other]: 9_000 } } });
    expect(paramValues(settings.params)).toEqual({ [own]: 50 });
    expect(settings.projectNotTaken).toEqual([`params.${other} 9000, since 50 is stricter`]);
    const lower = resolved({ flags: { params: { [own]: 50 } }, project: { params: { [other]: 40 } } });
    expect(paramValues(lower.params)).toEqual({ [own]: 50, [other]: 40 });
  });

  test('what the user keeps nothing of is kept for no project', () => {
    const settings = resolved({ user: { history: 'off' }, project: { history: 'on' } });
    expect(settings.history.value).toBe('off');
    expect(settings.projectNotTaken).toEqual(['history "on", since "off" is stricter']);
  });

  test('params are merged field by field, and null is a value of its own there', () => {
    const settings = resolved({
      flags: { params: { temperature: 0, response_format: { type: 'json_object' } } },
      project: { params: { temperature: 1, seed: null } },
      user: { params: { seed: 7, top_p: 0.5 } },
    });
    expect(paramValues(settings.params)).toEqual({
      temperature: 0,
      response_format: { type: 'json_object' },
      seed: null,
      top_p: 0.5,
    });
    expect(describeOrigin(settings.params['temperature']!.origin)).toBe('--temperature');
    expect(describeOrigin(settings.params['response_format']!.origin)).toBe('--param response_format');
  });

  test('base URLs are normalised wherever they come from', () => {
    expect(resolved({ project: { base_url: 'https://llm.example.com/v1/' } }).baseUrl.value).toBe(
      'https://llm.example.com',
    );
  });
});

describe('profiles', () => {
  const project = { model: 'project', profiles: { review: { model: 'project-review' } } };
  const user = {
    model: 'user',
    profiles: { review: { model: 'user-review', system: 'Be strict.' }, fast: { model: 'mini' } },
  };

  test('one that is asked for wins over both files and the environment, and names itself as the origin', () => {
    const settings = resolved({ profile: 'review', env: { CLLM_MODEL: 'environment' }, project, user });
    expect(settings.model).toEqual({
      value: 'project-review',
      origin: { from: 'project file', file: projectFile, profile: 'review' },
    });
    expect(settings.system.value).toBe('Be strict.');
    expect(describeOrigin(settings.system.origin)).toBe(`${userFile} (profile review)`);
  });

  test('a flag wins over it', () => {
    expect(resolved({ profile: 'review', flags: { model: 'flag' }, project, user }).model.value).toBe('flag');
  });

  test('none is used unasked, and all are named', () => {
    const settings = resolved({ project, user });
    expect(settings.model.value).toBe('project');
    expect(settings.profiles).toEqual(['review', 'fast']);
  });

  test.each([
    ['reviw', 'did you mean "review"?'],
    ['nothing-like-it', 'the profiles are review, fast'],
  ])('an unknown one, %s, is a usage error with a hint', (profile, hint) => {
    expect(() => resolved({ profile, project, user })).toThrow(
      expect.objectContaining({ code: 'usage', message: `there is no profile "${profile}"`, hint }),
    );
  });
});

describe('aliases', () => {
  const user = { aliases: { fast: 'gpt-4.1-mini', 'gpt-4.1': 'azure/gpt-4.1' } };

  test('the chosen model follows one, once', () => {
    expect(resolved({ flags: { model: 'fast' }, user }).model.value).toBe('gpt-4.1-mini');
    expect(resolved({ env: { CLLM_MODEL: 'gpt-4.1' }, user }).model.value).toBe('azure/gpt-4.1');
    expect(resolved({ flags: { model: 'azure/gpt-4.1' }, user }).model.value).toBe('azure/gpt-4.1');
  });

  test.each(['toString', '__proto__', 'constructor'])('a model called %s is no alias', (model) => {
    expect(followAlias(model, resolved({ user }).aliases)).toBe(model);
  });
});

describe('what a file may say', () => {
  test.each([
    ['modle', { modle: 'gpt-4o' }, 'unknown setting "modle"', 'did you mean "model"?'],
    ['a name that is near to none', { palette: 1 }, 'unknown setting "palette"', 'known are base_url, model, '],
    ['timeouts.idel', { timeouts: { idel: 3 } }, 'unknown setting "timeouts.idel"', 'did you mean "timeouts.idle"?'],
    ['a profile in a profile', { profiles: { a: { profiles: {} } } }, 'unknown setting "profiles.a.profiles"', 'known'],
    [
      'profiles.a.tag',
      { profiles: { a: { tag: 'x' } } },
      'unknown setting "profiles.a.tag"',
      'did you mean "profiles.a.tags"?',
    ],
    ['a merge of YAML 1.1', { '<<': { base_url: 'http://evil' } }, 'unknown setting (a name of 2 characters)', 'known'],
    ['two', { modle: 1, tmeouts: 2 }, 'unknown settings "modle", "tmeouts"', 'did you mean "model", "timeouts"?'],
    [
      'what turns a failure into a success',
      { allow_short: true },
      'unknown setting "allow_short"',
      'what --allow-short says is for the command line alone',
    ],
  ])('%s is refused, with the nearest name', (_, project, message, hint) => {
    const read = () => resolved({ project: { ...project, model: 'gpt-4o' } });
    expect(read).toThrow(
      expect.objectContaining({
        code: 'config_invalid',
        message: `${projectFile}: ${message}`,
        hint: expect.stringContaining(hint),
      }),
    );
  });

  test('a name of a newer cllm is told as what it may be', () => {
    expect(() => resolved({ user: { future: 1 } })).toThrow(
      expect.objectContaining({ hint: expect.stringContaining('if a newer cllm wrote it, update cllm') }),
    );
  });

  test.each([
    ['a model that is a number', { model: 4 }, 'model must be a text that is not empty; it is 4'],
    ['an empty model', { model: ' ' }, 'model must be a text that is not empty; it is " "'],
    ['a render that nobody knows', { render: 'html' }, 'render must be auto, markdown or plain; it is "html"'],
    ['a history that is neither', { history: 'yes' }, 'history must be on or off; it is "yes"'],
    [
      'a timeout with a unit',
      { timeouts: { idle: '30s' } },
      'timeouts.idle must be a number of seconds, 0 (none) or more; it is "30s"',
    ],
    [
      'a timeout below zero',
      { timeouts: { idle: -1 } },
      'timeouts.idle must be a number of seconds, 0 (none) or more; it is -1',
    ],
    [
      'a timeout without end',
      { timeouts: { idle: Infinity } },
      'timeouts.idle must be a number of seconds, 0 (none) or more; it is Infinity',
    ],
    ['timeouts that are a list', { timeouts: [1] }, 'timeouts must be a mapping of names to values; it is a list'],
    ['one tag without a list', { tags: 'ci' }, 'tags must be a list of texts; it is "ci"'],
    ['a tag that is no text', { tags: ['ci', 3] }, 'tags[1] must be a text that is not empty; it is 3'],
    [
      'an alias for nothing',
      { aliases: { fast: {} } },
      'aliases.fast must be a text that is not empty; it is a mapping',
    ],
    [
      'a param that belongs to cllm',
      { params: { messages: [] } },
      'params.messages can not be a param: messages come from the prompt and the conversation',
    ],
    [
      'a param that redirects',
      { params: { api_base: 'http://x' } },
      'params.api_base can not be a param: the proxy decides where a model is served',
    ],
    ['a param that is no JSON', { params: { seed: Number.NaN } }, 'params.seed must be a JSON value, and is a number'],
    [
      'a date deep in a param',
      { params: { stop: [{ b: new Date(0) }] } },
      'params.stop.0.b must be a JSON value, and is a date',
    ],
    ['a profile with a dot', { profiles: { 'a.b': {} } }, 'profiles.a.b must have a name of letters, digits, _ and -'],
    [
      'a bad value in a profile',
      { profiles: { a: { render: 1 } } },
      'profiles.a.render must be auto, markdown or plain; it is 1',
    ],
    [
      'a name that acts',
      { params: JSON.parse('{"__proto__": 1}') as object },
      'params must not hold the name "__proto__"',
    ],
  ])('%s is an error that names file, setting and value', (_, project, message) => {
    expect(() => resolved({ project })).toThrow(
      expect.objectContaining({ code: 'config_invalid', message: `${projectFile}: ${message}` }),
    );
  });

  test('a system prompt is never quoted', () => {
    expect(() => resolved({ project: { system: ['a secret plan'] } })).toThrow(
      expect.objectContaining({ message: `${projectFile}: system must be a text, and is a list` }),
    );
  });

  test.each([{ on: true }, { on: 'on' }])('history may be a switch: %p', ({ on }) => {
    expect(resolved({ user: { history: on } }).history.value).toBe('on');
  });

  test.each(['api_key', 'apiKey', 'key', 'API-KEY', 'litellm_proxy_api_key', 'token'])(
    'a key under the name %s is refused in both files, and its text is in no message',
    (name) => {
      for (const sources of [
        { project: { [name]: 'sk-canary-1234567890' } },
        { user: { [name]: 'sk-canary-1234567890' } },
      ]) {
        const error = thrownBy(() => resolved(sources));
        expect(error).toMatchObject({ code: 'config_invalid', hint: expect.stringContaining('cllm login') });
        expect(JSON.stringify([error.message, error.hint, String(error.cause)])).not.toContain('canary');
      }
    },
  );

  test('a key in the wrong line is not repeated', () => {
    const error = thrownBy(() => resolved({ user: { render: 'sk-canary-1234567890' } }));
    expect(error.message).not.toContain('canary');
  });

  test('a base URL with credentials is refused, and they are not repeated', () => {
    const error = thrownBy(() => resolved({ project: { base_url: 'http://ada:canary@llm.example.com' } }));
    expect(error).toMatchObject({
      code: 'base_url_invalid',
      message: expect.stringContaining(`${projectFile}: base_url: `),
    });
    expect(error.message).not.toContain('canary');
  });
});

describe('loadSettings', () => {
  const directory = useTemporaryDirectory();
  const load = (cwd: string): ReturnType<typeof loadSettings> =>
    loadSettings({ env: { CLLM_HOME: join(directory(), 'home') }, cwd, uid: process.getuid?.() ?? null });

  function write(path: string, text: string): string {
    const file = join(directory(), path);
    mkdirSync(join(file, '..'), { recursive: true });
    writeFileSync(file, text);
    return file;
  }

  test('works with no file at all', async () => {
    await expect(load(directory())).resolves.toMatchObject({ projectFile: null, warnings: [], model: { value: null } });
  });

  test('finds the nearest project file upwards, and it alone', async () => {
    write('repository/cllm.yaml', 'model: outer\nsystem: outer\n');
    const inner = write('repository/packages/web/cllm.yaml', 'model: inner\n');
    write('repository/packages/web/src/index.ts', '');
    const settings = await load(join(directory(), 'repository/packages/web/src'));
    expect(settings.projectFile).toBe(inner);
    expect(settings.model.value).toBe('inner');
    expect(settings.system.value).toBeNull();
  });

  test('reads YAML and JSON alike', async () => {
    write('home/config.json', '{"history": "on", "aliases": {"gpt-4.1": "azure/gpt-4.1"}}');
    write(
      'cllm.yaml',
      '# a comment\nmodel: gpt-4.1\nhistory: off\ntags: [a, b]\ntimeouts: {idle: 0.5}\nsystem: |\n  two\n  lines\n',
    );
    const settings = await load(directory());
    expect(getSetting(settings, 'model')).toBe('azure/gpt-4.1');
    expect(getSetting(settings, 'history')).toBe('off');
    expect(getSetting(settings, 'tags')).toEqual(['a', 'b']);
    expect(getSetting(settings, 'timeouts')).toEqual({ connect: 10, first_token: 300, idle: 0.5, total: 0 });
    expect(getSetting(settings, 'system')).toBe('two\nlines\n');
  });

  test.each([
    ['cllm.yaml', 'a: [1', /cllm\.yaml:1:6: no valid YAML/],
    ['cllm.yaml', 'model: a\nmodel: b\n', /cllm\.yaml:2:1: no valid YAML \(duplicate key\)/],
    ['cllm.yaml', 'model: *unknown', /cllm\.yaml: no valid YAML \(bad alias\)/],
    ['cllm.yaml', '- a list', /cllm\.yaml must be a mapping of names to values; it is a list/],
    ['home/config.json', '{"model": ', /config\.json is no JSON object/],
    ['home/config.json', '{"model": "a", "mod\\u0065l": "b"}', /config\.json has the name "model" twice/],
    ['home/config.json', '["a list"]', /config\.json is no JSON object/],
  ])('a broken %s (%j) is named', async (path, text, message) => {
    write(path, text);
    await expect(load(directory())).rejects.toMatchObject({
      code: 'config_invalid',
      message: expect.stringMatching(message),
    });
  });

  test.each([
    ['cllm.yaml', 'api_key: sk-canary: [\n'],
    ['home/config.json', '{"api_key": "sk-canary'],
  ])('what stands in a broken %s is not repeated', async (path, text) => {
    write(path, text);
    const error = (await load(directory()).catch((thrown: unknown) => thrown)) as Error;
    expect(JSON.stringify([error.message, String(error.cause)])).not.toContain('canary');
  });

  test('aliases that would unfold to gigabytes are refused', async () => {
    const levels = 'abcdefghi'.split('').map((name, level, names) => {
      const entry = level === 0 ? 'x' : `*${names[level - 1]}`;
      return `${name}: &${name} [${Array.from({ length: 9 }, () => entry).join(', ')}]`;
    });
    write('cllm.yaml', levels.join('\n'));
    await expect(load(directory())).rejects.toMatchObject({ code: 'config_invalid' });
  });

  test.each([
    ['an alias inside itself', 'params:\n  loop: &loop [*loop]\n'],
    ['a merge of itself', 'params: &params\n  loop: *params\n'],
    ['brackets without end', `params: {deep: ${'['.repeat(200_000)}`],
    ['deep lists', `params: {deep: ${'['.repeat(200)}${']'.repeat(200)}}`],
  ])('%s is refused', async (_, text) => {
    write('cllm.yaml', text);
    await expect(load(directory())).rejects.toMatchObject({ code: 'config_invalid' });
  });

  test.each(['cllm.yaml', 'home/config.json'])('a directory called %s is no file', async (path) => {
    mkdirSync(join(directory(), path), { recursive: true });
    await expect(load(directory())).rejects.toMatchObject({
      code: 'config_invalid',
      message: expect.stringContaining('regular file'),
    });
  });

  test('a file beyond 1 MiB is refused', async () => {
    write('cllm.yaml', `# ${'x'.repeat(1024 * 1024)}\n`);
    await expect(load(directory())).rejects.toMatchObject({ message: expect.stringContaining('larger than 1 MiB') });
  });

  test('an empty user file and a byte order mark are no mistakes', async () => {
    write('home/config.json', '');
    await expect(load(directory())).resolves.toMatchObject({ model: { value: null } });
    write('home/config.json', '\uFEFF{"model": "gpt-4o"}');
    await expect(load(directory())).resolves.toMatchObject({ model: { value: 'gpt-4o' } });
  });

  test('output_schema is relative to the file that names it, and to the working directory for a flag', async () => {
    write('home/config.json', '{"output_schema": "user.json"}');
    expect((await load(directory())).outputSchema.value).toBe(join(directory(), 'home/user.json'));
    write('cllm.yaml', 'output_schema: schemas/project.json\n');
    write('schemas/project.json', '{}');
    expect((await load(join(directory(), 'schemas'))).outputSchema.value).toBe(
      join(directory(), 'schemas/project.json'),
    );
    const settings = await loadSettings({
      flags: { output_schema: 'flag.json' },
      env: {},
      cwd: directory(),
      uid: null,
    });
    expect(settings.outputSchema.value).toBe(join(directory(), 'flag.json'));
  });

  test.each(['../secret.json', '/etc/hostname', 'link.json', 'linked/secret.json'])(
    'a project file can not have %s read and sent as a schema',
    async (path) => {
      write('secret.json', '{"auth": "canary"}');
      write('repository/cllm.yaml', `output_schema: ${path}\n`);
      symlinkSync('../secret.json', join(directory(), 'repository/link.json'));
      symlinkSync('..', join(directory(), 'repository/linked'));
      await expect(load(join(directory(), 'repository'))).rejects.toMatchObject({
        code: 'config_invalid',
        message: expect.stringContaining('output_schema must lie in the folder of that file'),
      });
    },
  );
});

describe('explain and get', () => {
  const settings = resolved({
    flags: { params: { temperature: 0.5 } },
    env: { CLLM_MODEL: 'fast' },
    project: { base_url: 'http://project' },
    user: { aliases: { fast: 'gpt-4.1-mini' }, profiles: { review: {} } },
  });

  test('every setting is explained, with the key masked', () => {
    const apiKey = {
      key: 'sk-canary-1234567890',
      maskedKey: 'sk-…7890',
      origin: 'LITELLM_PROXY_API_KEY',
      withheld: null,
    };
    expect(explainSettings(settings, apiKey).map(({ name, value, origin }) => [name, value, origin])).toEqual([
      ['base_url', 'http://project', projectFile],
      ['model', 'gpt-4.1-mini', 'CLLM_MODEL'],
      ['system', null, 'default'],
      ['params.temperature', 0.5, '--temperature'],
      ['output_schema', null, 'default'],
      ['key_command', null, 'default'],
      ['render', 'auto', 'default'],
      ['history', 'on', 'default'],
      ['timeouts.connect', 10, 'default'],
      ['timeouts.first_token', 300, 'default'],
      ['timeouts.idle', 120, 'default'],
      ['timeouts.total', 0, 'default'],
      ['max_cost', null, 'default'],
      ['max_input_tokens', null, 'default'],
      ['require_model', null, 'default'],
      ['fallback', 'on', 'default'],
      ['cache', 'on', 'default'],
      ['retries', 2, 'default'],
      ['reasoning', null, 'default'],
      ['tags', [], 'default'],
      ['tools.allow', [], 'default'],
      ['tools.deny', [], 'default'],
      ['aliases.fast', 'gpt-4.1-mini', userFile],
      ['api_key', 'sk-…7890', 'LITELLM_PROXY_API_KEY'],
    ]);
  });

  test.each([
    ['model', 'gpt-4.1-mini'],
    ['system', undefined],
    ['params', { temperature: 0.5 }],
    ['params.seed', undefined],
    ['aliases.fast', 'gpt-4.1-mini'],
    ['aliases.gpt-4.1', undefined],
    ['profiles', undefined],
    ['tools.allow', []],
    ['tools', { allow: [], deny: [] }],
  ])('the value of %s is %p', (name, value) => {
    expect(getSetting(settings, name)).toEqual(value);
  });

  test.each(['modle', 'timeouts.idel', 'model.name', 'api_key', '__proto__'])(
    'there is no setting %s to get',
    (name) => {
      expect(() => getSetting(settings, name)).toThrow(expect.objectContaining({ code: 'config_invalid' }));
    },
  );
});

function thrownBy(action: () => unknown): Error & { hint?: string } {
  try {
    action();
  } catch (error) {
    return error as Error & { hint?: string };
  }
  throw new Error('nothing was thrown');
}

describe('of a cap and of who may answer', () => {
  const decided = (values: { flags?: SettingValues; user?: SettingValues; project?: SettingValues }) => {
    const { maxCost, maxInputTokens, requireModel, fallback, cache, retries, reasoning, projectNotTaken } =
      resolved(values);
    const each = { maxCost, maxInputTokens, requireModel, fallback, cache, retries, reasoning };
    const told = Object.fromEntries(Object.entries(each).map(([name, { value }]) => [name, value]));
    return { ...told, projectNotTaken };
  };

  test('nothing is set by default', () => {
    expect(decided({})).toEqual({
      maxCost: null,
      maxInputTokens: null,
      requireModel: null,
      fallback: 'on',
      cache: 'on',
      retries: 2,
      reasoning: null,
      projectNotTaken: [],
    });
  });

  test('a project file sets what is stricter', () => {
    const project = { max_cost: 1, require_model: 'azure/*', fallback: 'off', cache: 'off', retries: 1 } as const;
    expect(decided({ project, user: { max_cost: 2, retries: 5 } })).toMatchObject({
      maxCost: 1,
      requireModel: 'azure/*',
      fallback: 'off',
      cache: 'off',
      retries: 1,
      projectNotTaken: [],
    });
  });

  test('and nothing that is looser than what the user says', () => {
    const project = { max_cost: 3, require_model: '*', fallback: 'on', cache: 'on', retries: 9 } as const;
    const user = { max_cost: 2, require_model: 'azure/*', fallback: 'off', cache: 'off' } as const;
    expect(decided({ project, user })).toMatchObject({
      maxCost: 2,
      requireModel: 'azure/*',
      fallback: 'off',
      cache: 'off',
      retries: 2,
      projectNotTaken: [
        'max_cost 3, since 2 is stricter',
        'require_model "*", since "azure/*" is stricter',
        'fallback "on", since "off" is stricter',
        'cache "on", since "off" is stricter',
        'retries 9, since 2 is stricter',
      ],
    });
  });

  test("the lowest cap counts, under a flag as well; among the user's own the flag does", () => {
    expect(decided({ flags: { max_cost: 5 }, project: { max_cost: 1 } })).toMatchObject({ maxCost: 1 });
    expect(decided({ flags: { max_cost: 0.5 }, project: { max_cost: 1 } })).toMatchObject({ maxCost: 0.5 });
    expect(decided({ flags: { max_cost: 5 }, user: { max_cost: 1 } })).toMatchObject({ maxCost: 5 });
    const size = (most: number): SettingValues => ({ max_input_tokens: most });
    expect(decided({ flags: size(50), project: size(10) })).toMatchObject({ maxInputTokens: 10 });
    expect(decided({ flags: size(5), project: size(10) })).toMatchObject({ maxInputTokens: 5 });
    expect(decided({ flags: size(50), user: size(10) })).toMatchObject({ maxInputTokens: 50 });
    expect(decided({ project: size(30), user: size(20) })).toMatchObject({
      maxInputTokens: 20,
      projectNotTaken: ['max_input_tokens 30, since 20 is stricter'],
    });
  });

  test.each([
    [{ max_cost: -1 }, 'max_cost must be a number of USD, 0 or more; it is -1'],
    [{ max_cost: '1' }, 'max_cost must be a number of USD, 0 or more; it is "1"'],
    [{ max_input_tokens: 0 }, 'max_input_tokens must be a whole number of tokens, 1 or more; it is 0'],
    [{ retries: 1.5 }, 'retries must be a whole number, 0 or more; it is 1.5'],
    [{ fallback: 'yes' }, 'fallback must be on or off; it is "yes"'],
    [{ reasoning: true }, 'reasoning must be show or hide; it is true'],
  ])('%j is refused', (project, message) => {
    expect(() => resolved({ project })).toThrow(`${projectFile}: ${message}`);
  });
});

describe('rules for tools', () => {
  const directory = useTemporaryDirectory();
  const told = (sources: Sources): Record<string, unknown> => {
    const { tools, projectNotTaken } = resolved(sources);
    const rows = ([...tools.allow, ...tools.deny] as const).map(({ value, origin }) => [value, describeOrigin(origin)]);
    return { allow: rows.slice(0, tools.allow.length), deny: rows.slice(tools.allow.length), projectNotTaken };
  };

  test('add up over all sources', () => {
    const flags = { tools: { allow: ['a', 'b'] } };
    const user = { tools: { allow: ['c'], deny: ['d'] }, profiles: { p: { tools: { deny: ['e'] } } } };
    expect(told({ flags, user, profile: 'p' })).toEqual({
      allow: [
        ['a', '--allow'],
        ['b', '--allow'],
        ['c', userFile],
      ],
      deny: [
        ['e', `${userFile} (profile p)`],
        ['d', userFile],
      ],
      projectNotTaken: [],
    });
    expect(explainSettings(resolved({ flags, user })).find(({ name }) => name === 'tools.allow')).toEqual({
      name: 'tools.allow',
      value: ['a', 'b', 'c'],
      origin: `--allow, ${userFile}`,
    });
  });

  test('of a project file allow what somebody trusted, and deny whatever they say', () => {
    const project = {
      tools: { allow: ['git log *', 'sh *'], deny: ['x'] },
      profiles: { p: { tools: { allow: ['y'] } } },
    };
    expect(told({ project, profile: 'p', trustedTools: ['git log *'], user: { tools: { allow: ['z'] } } })).toEqual({
      allow: [
        ['git log *', projectFile],
        ['z', userFile],
      ],
      deny: [['x', projectFile]],
      projectNotTaken: ['tools.allow "y", since nobody allowed it', 'tools.allow "sh *", since nobody allowed it'],
    });
    expect(told({ project })['allow']).toEqual([]);
  });

  test.each([
    [{ isProjects: false }, ['ls']],
    [{ isProjects: true }, []],
    [{ isProjects: true, isTrusted: true }, ['ls']],
  ])('of a template, %j, allow %j', (whose, allow) => {
    const template = { file: '/t.md', values: { tools: { allow: ['ls'], deny: ['rm'] } }, ...whose };
    const { tools, projectNotTaken } = resolved({ template });
    expect(tools.allow.map(({ value }) => value)).toEqual(allow);
    expect(tools.deny.map(({ value }) => value)).toEqual(['rm']);
    expect(projectNotTaken).toHaveLength(1 - allow.length);
  });

  test('of a project file are looked up where people allowed them, for this folder and this rule', async () => {
    const folder = directory();
    const file = join(folder, 'cllm.yaml');
    writeFileSync(file, 'tools: { allow: ["git log *", "ls"] }\n');
    const env = { CLLM_HOME: join(folder, 'home') };
    const store = new TrustStore(join(folder, 'home', 'trust'), null);
    const allowed = async (): Promise<string[]> =>
      (await loadSettings({ env, cwd: folder, uid: null, isProjectTrusted: true })).tools.allow.map(
        ({ value }) => value,
      );
    expect(await allowed()).toEqual([]);
    store.add({ kind: 'tool', folder: '/other', value: 'ls' });
    store.add({ kind: 'tool', folder, value: 'git log' });
    store.add({ kind: 'base_url', folder, value: 'ls' });
    expect(await allowed()).toEqual([]);
    store.add({ kind: 'tool', folder, value: 'git log *' });
    expect(await allowed()).toEqual(['git log *']);
    writeFileSync(file, 'tools: { allow: ["git push *"] }\n');
    expect(await allowed()).toEqual([]);
  });

  test.each([
    [{ tools: ['ls'] }, 'tools must be a mapping'],
    [{ tools: { allow: 'ls' } }, 'tools.allow must be a list of texts'],
    [{ tools: { deny: [5] } }, 'tools.deny[0] must be a text'],
    [{ tools: { alow: [] } }, 'unknown setting "tools.alow"'],
  ])('%j is refused', (user, why) => {
    expect(() => resolved({ user })).toThrow(why);
  });
});
