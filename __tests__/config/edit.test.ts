import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { listUserSettings, setSetting, unsetSetting } from '../../src/config/edit.ts';
import { loadSettings } from '../../src/config/settings.ts';
import { useTemporaryDirectory } from '../support/temporary-directory.ts';

const directory = useTemporaryDirectory();
let userFile = '';
beforeEach(() => {
  userFile = join(directory(), 'cllm', 'config.json');
});

const own = { pid: process.pid, uid: process.getuid?.() ?? null };
const set = (name: string, text: string): ReturnType<typeof setSetting> =>
  setSetting(userFile, name, text, directory(), own);
const read = (): unknown => JSON.parse(readFileSync(userFile, 'utf8'));

function write(text: string): void {
  mkdirSync(join(directory(), 'cllm'), { recursive: true });
  writeFileSync(userFile, text);
}

describe('setSetting', () => {
  test.each([
    ['model', 'gpt-4.1', { model: 'gpt-4.1' }],
    ['model', '4', { model: '4' }],
    ['base_url', 'https://LLM.example.com/v1/', { base_url: 'https://llm.example.com' }],
    ['system', 'Be brief.', { system: 'Be brief.' }],
    ['history', 'off', { history: 'off' }],
    ['timeouts.idle', '30', { timeouts: { idle: 30 } }],
    ['timeouts.first_token', '0.5', { timeouts: { first_token: 0.5 } }],
    ['timeouts', '{"idle": 30, "total": 0}', { timeouts: { idle: 30, total: 0 } }],
    ['params.temperature', '0.2', { params: { temperature: 0.2 } }],
    ['params.stop', 'END', { params: { stop: 'END' } }],
    ['params.stop', '["a", "b"]', { params: { stop: ['a', 'b'] } }],
    ['params.seed', 'null', { params: { seed: null } }],
    ['params.vendor.field', '1', { params: { 'vendor.field': 1 } }],
    ['tags', 'ci, nightly', { tags: ['ci', 'nightly'] }],
    ['tags', '["with, comma"]', { tags: ['with, comma'] }],
    ['tools.allow', 'git log --format=a,b *', { tools: { allow: ['git log --format=a,b *'] } }],
    ['tools.deny', '["git push", "rm"]', { tools: { deny: ['git push', 'rm'] } }],
    ['profiles.ci.tools.allow', 'ls', { profiles: { ci: { tools: { allow: ['ls'] } } } }],
    ['aliases.gpt-4.1', 'azure/gpt-4.1', { aliases: { 'gpt-4.1': 'azure/gpt-4.1' } }],
    ['aliases.a.b.c', 'x', { aliases: { 'a.b.c': 'x' } }],
    ['profiles.review.model', 'gpt-4.1', { profiles: { review: { model: 'gpt-4.1' } } }],
    ['profiles.review.timeouts.idle', '9', { profiles: { review: { timeouts: { idle: 9 } } } }],
    ['profiles.review.params.a.b', '1', { profiles: { review: { params: { 'a.b': 1 } } } }],
    ['profiles.review', '{"render": "plain"}', { profiles: { review: { render: 'plain' } } }],
  ])('%s %s', async (name, text, values) => {
    await set(name, text);
    expect(read()).toEqual(values);
    await expect(
      loadSettings({ env: { CLLM_HOME: join(directory(), 'cllm') }, cwd: '/', uid: own.uid }),
    ).resolves.toMatchObject({
      warnings: [],
    });
  });

  test('keeps what else is in the file, also what it does not know', async () => {
    write('{"modle": 1, "timeouts": {"idle": 5}, "aliases": {"gpt-4.1": "x"}}');
    await set('timeouts.total', '60');
    await set('aliases.gpt-4', 'y');
    expect(read()).toEqual({
      modle: 1,
      timeouts: { idle: 5, total: 60 },
      aliases: { 'gpt-4.1': 'x', 'gpt-4': 'y' },
    });
  });

  test('stores a schema by its absolute path', async () => {
    await expect(set('output_schema', 'reply.json')).resolves.toMatchObject({ value: join(directory(), 'reply.json') });
  });

  test.each([
    ['modle', 'gpt-4o', 'unknown setting "modle"'],
    ['timeouts.idel', '30', 'unknown setting "timeouts.idel"'],
    ['model.name', 'x', 'unknown setting "model.name"'],
    ['timeouts.idle', 'soon', 'timeouts.idle must be a number of seconds, 0 (none) or more; it is "soon"'],
    ['timeouts.idle', '', 'timeouts.idle must be a number of seconds, 0 (none) or more; it is ""'],
    ['timeouts', '30', 'timeouts must be a mapping of names to values; it is 30'],
    ['model', '', 'model must be a text that is not empty; it is ""'],
    ['render', 'html', 'render must be auto, markdown or plain; it is "html"'],
    ['params.model', 'x', 'params.model can not be a param: it has its own setting, `model`'],
    ['profiles.a b.model', 'x', 'profiles.a b must have a name of letters, digits, _ and -'],
    ['api_key', 'sk-canary-1234567890', '"api_key" looks like a key, and a key never stands in the settings'],
    ['aliases.__proto__', 'x', 'aliases must not hold the name "__proto__"'],
  ])('%s %s is refused and changes nothing', async (name, text, message) => {
    write('{"model":"before"}');
    await expect(set(name, text)).rejects.toMatchObject({
      code: 'config_invalid',
      message: expect.stringContaining(message),
    });
    expect(readFileSync(userFile, 'utf8')).toBe('{"model":"before"}');
  });

  test('a refused base URL is an error of its own kind', async () => {
    await expect(set('base_url', 'localhost:4000')).rejects.toMatchObject({ code: 'base_url_invalid' });
  });

  test.each(['{"model": ', '["a list"]'])('a broken file (%s) is moved aside, not lost', async (text) => {
    write(text);
    const { movedTo } = await set('model', 'gpt-4o');
    expect(readFileSync(movedTo ?? '', 'utf8')).toBe(text);
    expect(read()).toEqual({ model: 'gpt-4o' });
  });

  test('a file with a value that is not valid does not stand in the way of mending it', async () => {
    write('{"timeouts": {"idle": "soon"}, "api_key": "sk-x"}');
    await set('timeouts.idle', '30');
    await unsetSetting(userFile, 'api_key', own);
    expect(read()).toEqual({ timeouts: { idle: 30 } });
  });

  test('an empty file is a new one', async () => {
    write('');
    await expect(set('model', 'gpt-4o')).resolves.toEqual({ value: 'gpt-4o', movedTo: null });
  });

  test('the file is 0600 in a 0700 directory, also when it was open to others, and nothing else stays there', async () => {
    await set('model', 'gpt-4o');
    chmodSync(userFile, 0o644);
    chmodSync(join(directory(), 'cllm'), 0o777);
    await set('model', 'gpt-4.1');
    expect(statSync(userFile).mode & 0o777).toBe(0o600);
    expect(statSync(join(directory(), 'cllm')).mode & 0o777).toBe(0o700);
    expect(readdirSync(join(directory(), 'cllm'))).toEqual(['config.json']);
  });

  test('a file that everybody could write to is not taken for the user’s own', async () => {
    await set('model', 'gpt-4o');
    chmodSync(userFile, 0o666);
    await expect(set('render', 'plain')).rejects.toMatchObject({
      code: 'config_invalid',
      message: `${userFile} can be written by everybody`,
      hint: `take that right away: chmod o-w ${userFile}`,
    });
  });

  test('a link to another file is read and never written through', async () => {
    const linked = join(directory(), 'dotfiles.json');
    writeFileSync(linked, '{"model": "linked"}');
    mkdirSync(join(directory(), 'cllm'));
    symlinkSync(linked, userFile);
    expect(listUserSettings(userFile, own.uid)).toEqual([{ name: 'model', value: 'linked' }]);
    await expect(set('model', 'x')).rejects.toMatchObject({
      code: 'config_invalid',
      hint: expect.stringContaining(linked),
    });
    expect(readFileSync(linked, 'utf8')).toBe('{"model": "linked"}');
  });

  test('a directory that can not be made is an error with a hint', async () => {
    writeFileSync(join(directory(), 'cllm'), 'in the way');
    await expect(set('model', 'x')).rejects.toMatchObject({
      code: 'config_invalid',
      message: expect.stringContaining('is not a directory'),
      hint: expect.stringContaining('move it away'),
    });
  });
});

describe('unsetSetting', () => {
  test('takes out a value, and the group that this leaves empty', async () => {
    write('{"model": "x", "aliases": {"gpt-4.1": "y"}, "profiles": {"review": {"timeouts": {"idle": 1}}}}');
    await expect(unsetSetting(userFile, 'aliases.gpt-4.1', own)).resolves.toBe(true);
    await expect(unsetSetting(userFile, 'profiles.review.timeouts.idle', own)).resolves.toBe(true);
    expect(read()).toEqual({ model: 'x' });
  });

  test.each(['modle', 'api_key', 'a.dotted.name'])('also takes out %s, which is no setting', async (name) => {
    write(JSON.stringify({ [name]: 'x', model: 'y' }));
    await expect(unsetSetting(userFile, name, own)).resolves.toBe(true);
    expect(read()).toEqual({ model: 'y' });
  });

  test.each(['model', 'timeouts.idle', 'profiles.review.model', 'toString', '__proto__'])(
    'says that %s was not there, and makes no file',
    async (name) => {
      await expect(unsetSetting(userFile, name, own)).resolves.toBe(false);
      expect(existsSync(userFile)).toBe(false);
    },
  );
});

describe('listUserSettings', () => {
  test('flattens to the names that can be set', () => {
    write(
      JSON.stringify({
        model: 'x',
        tags: ['a'],
        timeouts: { idle: 1 },
        aliases: { 'gpt-4.1': 'y' },
        profiles: { review: { model: 'z', params: { seed: 1 } } },
        modle: { nested: true },
      }),
    );
    expect(listUserSettings(userFile, own.uid)).toEqual([
      { name: 'model', value: 'x' },
      { name: 'tags', value: ['a'] },
      { name: 'timeouts.idle', value: 1 },
      { name: 'aliases.gpt-4.1', value: 'y' },
      { name: 'profiles.review.model', value: 'z' },
      { name: 'profiles.review.params.seed', value: 1 },
      { name: 'modle', value: { nested: true } },
    ]);
  });

  test('is empty without a file', () => {
    expect(listUserSettings(userFile, own.uid)).toEqual([]);
  });
});
