import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { findProjectFile, readProjectFile } from '../../src/config/project-file.ts';
import { loadSettings } from '../../src/config/settings.ts';
import { TrustStore } from '../../src/config/trust.ts';
import { useTemporaryDirectory } from '../support/temporary-directory.ts';

const directory = useTemporaryDirectory();
const me = process.getuid?.() ?? 0;
/** To whom all that the test makes belongs to somebody else, unless root made it. */
const somebodyElse = me + 4_321;
const isRoot = me === 0;

function write(path: string, text: string): string {
  const file = join(directory(), path);
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, text);
  return file;
}

const find = (path: string, options: Partial<Parameters<typeof findProjectFile>[1]> = {}) =>
  findProjectFile(join(directory(), path), { uid: me, home: null, ...options });

describe('the search', () => {
  test('ends at the home of the user, which may have one itself', () => {
    const above = write('cllm.yaml', 'model: above\n');
    mkdirSync(join(directory(), 'home/ada/work'), { recursive: true });
    const home = join(directory(), 'home/ada');
    expect(find('home/ada/work')?.file).toBe(above);
    expect(find('home/ada/work', { home })).toBeNull();
    expect(find('home', { home })?.file).toBe(above);
    const own = write('home/ada/cllm.yaml', 'model: own\n');
    expect(find('home/ada/work', { home })?.file).toBe(own);
    symlinkSync('ada', join(directory(), 'home/link'));
    rmSync(own);
    expect(find('home/ada/work', { home: join(directory(), 'home/link') })).toBeNull();
  });

  test('names the folder without links', () => {
    write('real/cllm.yaml', 'model: a\n');
    symlinkSync('real', join(directory(), 'link'));
    expect(find('link')).toEqual({
      file: join(directory(), 'link/cllm.yaml'),
      folder: join(directory(), 'real'),
      strangerUid: null,
    });
  });

  test('of a working directory that is gone finds nothing', () => {
    expect(find('gone/src')).toBeNull();
  });
});

describe('a file of another user', () => {
  // What root owns is the administrator's, so root looks at a file that it gave away.
  const asVictim = isRoot ? me : somebodyElse;
  const give = async (path: string): Promise<void> => {
    const { chownSync } = await import('node:fs');
    if (isRoot) chownSync(join(directory(), path), 4_321, 4_321);
  };
  const owner = isRoot ? 4_321 : me;
  const load = (options: Partial<Parameters<typeof loadSettings>[0]> = {}) =>
    loadSettings({
      env: { CLLM_HOME: join(directory(), 'own') },
      cwd: join(directory(), 'shared/work'),
      uid: asVictim,
      ...options,
    });

  async function share(text: string): Promise<void> {
    write('shared/cllm.yaml', text);
    mkdirSync(join(directory(), 'shared/work'));
    await give('shared/cllm.yaml');
  }

  test('is found, and said to be one', async () => {
    await share('model: theirs\n');
    expect(find('shared/work', { uid: asVictim })?.strangerUid).toBe(owner);
    expect(find('shared/work', { uid: null })?.strangerUid).toBeNull();
    expect(find('shared/work', { uid: isRoot ? 0 : me, sudoUid: owner })?.strangerUid).toBeNull();
  });

  test('in a folder of another user is one, whoever owns the file', async () => {
    write('shared/cllm.yaml', 'model: theirs\n');
    await give('shared');
    expect(find('shared', { uid: asVictim })?.strangerUid).toBe(owner);
  });

  test('is not obeyed, not even read, and that is said with what to do', async () => {
    await share('base_url: http://evil\nmodel: theirs\nthis is: [no yaml');
    const settings = await load();
    expect(settings).toMatchObject({
      projectFile: null,
      model: { value: null },
      baseUrl: { origin: { from: 'default' } },
    });
    expect(settings.warnings).toEqual([
      expect.stringMatching(/cllm\.yaml is not obeyed: .*another user \(uid \d+\).*cllm config trust/),
    ]);
  });

  test('is obeyed where somebody said so', async () => {
    await share('base_url: http://team.example\nmodel: theirs\n');
    const theirs = { model: { value: 'theirs' }, warnings: [] };
    expect(await load({ isProjectTrusted: true })).toMatchObject(theirs);
    const CLLM_HOME = join(directory(), 'own');
    expect(await load({ env: { CLLM_HOME, CLLM_TRUST: 'http://team.example/v1/' } })).toMatchObject(theirs);
    expect(await load({ env: { CLLM_HOME, CLLM_TRUST: 'http://another.example' } })).toMatchObject({
      model: { value: null },
    });
    const store = new TrustStore(join(CLLM_HOME, 'trust'), null);
    store.add({ kind: 'owner', folder: join(directory(), 'shared'), value: '99' });
    expect(await load({ uid: asVictim })).toMatchObject({ model: { value: null } });
    if (!isRoot) return;
    store.add({ kind: 'owner', folder: join(directory(), 'shared'), value: String(owner) });
    expect(await load()).toMatchObject(theirs);
  });
});

describe('a link', () => {
  const secret = 'hvs.CAESIJ1f3Z-secret';

  test.each([
    ['to a file elsewhere', '../secret'],
    ['to an absolute path', '/etc/passwd'],
    ['through another link', 'inner'],
  ])('%s is refused without a word of what is there', async (_name, target) => {
    write('secret', secret);
    mkdirSync(join(directory(), 'clone'));
    symlinkSync('../secret', join(directory(), 'clone/inner'));
    symlinkSync(target, join(directory(), 'clone/cllm.yaml'));
    const found = find('clone');
    const error = await readProjectFile(found as NonNullable<typeof found>).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: 'config_invalid',
      message: expect.stringContaining('is a link that leaves its folder'),
    });
    expect(JSON.stringify(error)).not.toMatch(/hvs|root/);
  });

  test('inside of its folder is followed', async () => {
    write('clone/settings/cllm.yaml', 'model: a\n');
    symlinkSync('settings/cllm.yaml', join(directory(), 'clone/cllm.yaml'));
    const found = find('clone');
    expect(await readProjectFile(found as NonNullable<typeof found>)).toEqual({ model: 'a' });
  });
});
