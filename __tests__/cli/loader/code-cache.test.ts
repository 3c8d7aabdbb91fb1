import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { CodeCache, type CodeCacheOptions } from '../../../src/cli/loader/code-cache.ts';
import { useTemporaryDirectory } from '../../support/temporary-directory.ts';
import { assertRoot, give, neighbour } from '../../support/users.ts';

const directory = useTemporaryDirectory();
const at = (...parts: string[]): string => join(directory(), ...parts);
const uid = process.getuid?.() ?? null;
const umask = process.umask();
afterEach(() => {
  process.umask(umask);
});

/** A package that this user can not write to, so that only the user's own place is left. */
const foreignInstallation = '/proc';

function cacheOf(given: Partial<CodeCacheOptions> = {}): CodeCache {
  return new CodeCache({
    installation: foreignInstallation,
    env: { HOME: at('home') },
    cwd: at('work'),
    uid,
    tag: 'tag',
    ...given,
  });
}

function keep(cache: CodeCache, text = 'code'): void {
  cache.keep([{ name: 'chunk.js', code: () => Buffer.from(text) }]);
}

function read(options: Partial<CodeCacheOptions> = {}): string | undefined {
  return cacheOf(options).read('chunk.js')?.toString();
}

/** As somebody could prepare it: with the modes that cllm itself gives. */
function prepare(base: string): string {
  const folder = join(base, 'code-cache', 'tag');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeFileSync(join(folder, 'chunk.js.bin'), 'evil', { mode: 0o600 });
  return folder;
}

describe('code that is kept', () => {
  test.each([
    ['in the cache folder of the home', {}, 'home/.cache/cllm'],
    ['in XDG_CACHE_HOME', { XDG_CACHE_HOME: 'caches' }, 'caches/cllm'],
    ['in CLLM_HOME', { CLLM_HOME: 'own/cllm' }, 'own/cllm'],
  ])('is found again: %s', (_name, given, place) => {
    mkdirSync(at('home'));
    const env = {
      HOME: at('home'),
      ...Object.fromEntries(Object.entries(given).map(([name, folder]) => [name, at(folder)])),
    };
    keep(cacheOf({ env, cwd: '/usr' }));
    expect(readdirSync(at(place, 'code-cache/tag'))).toEqual(['chunk.js.bin']);
    expect(read({ env, cwd: '/usr' })).toBe('code');
  });

  test.each([0o000, 0o002, 0o022, 0o077])('is its owner’s alone with a umask of %o', (mask) => {
    mkdirSync(at('home'), 0o755);
    process.umask(mask);
    keep(cacheOf());
    const modes = ['', 'cllm', 'cllm/code-cache', 'cllm/code-cache/tag', 'cllm/code-cache/tag/chunk.js.bin'].map(
      (part) => (statSync(at('home/.cache', part)).mode & 0o777).toString(8),
    );
    expect(modes).toEqual(['700', '700', '700', '700', '600']);
  });

  test('lies in the package where that is the user’s own, for everybody to read and nobody else to write', () => {
    process.umask(0o000);
    mkdirSync(at('package'), 0o755);
    keep(cacheOf({ installation: at('package') }));
    expect((statSync(at('package/code-cache/tag')).mode & 0o777).toString(8)).toBe('755');
    expect((statSync(at('package/code-cache/tag/chunk.js.bin')).mode & 0o777).toString(8)).toBe('644');
    expect(read({ installation: at('package') })).toBe('code');
  });

  test('is closed again where an older cllm left the folders open', () => {
    mkdirSync(at('home'));
    const folder = at('home/.cache/cllm/code-cache');
    mkdirSync(folder, { recursive: true });
    for (const each of [folder, dirname(folder)]) chmodSync(each, 0o777);
    keep(cacheOf());
    expect(read()).toBe('code');
  });

  test('is found from within the home that the system knows', () => {
    assertRoot();
    // Nothing is written there: what is asked is whether it would be looked for.
    const env = { HOME: '/root', XDG_CACHE_HOME: at('caches') };
    expect(read({ env, cwd: '/' })).toBeUndefined();
    keep(cacheOf({ env, cwd: '/usr' }));
    expect(read({ env, cwd: '/usr' })).toBe('code');
    expect(read({ env, cwd: '/' })).toBeUndefined();
  });
});

describe('code that somebody else may have put there is not run', () => {
  test.each([
    ['a relative CLLM_HOME', () => ({ CLLM_HOME: 'work/.cllm' }), 'work/.cllm'],
    ['a relative XDG_CACHE_HOME', () => ({ XDG_CACHE_HOME: 'work' }), 'work/cllm'],
    ['a CLLM_HOME in the working directory', () => ({ CLLM_HOME: at('work/.cllm') }), 'work/.cllm'],
    ['a CLLM_HOME that a link leads to it', () => ({ CLLM_HOME: at('home/link') }), 'work/.cllm'],
    ['an XDG_CACHE_HOME in the working directory', () => ({ XDG_CACHE_HOME: at('work') }), 'work/cllm'],
    ['a home that is the working directory', () => ({ HOME: at('work') }), 'work/.cache/cllm'],
    ['a CLLM_HOME beside the working directory in a project', () => ({ CLLM_HOME: at('work/.cllm') }), 'work/.cllm'],
  ])('%s', (name, env, place) => {
    mkdirSync(at('home'));
    mkdirSync(at('work/src'), { recursive: true });
    prepare(at(place));
    symlinkSync(at('work/.cllm'), at('home/link'));
    const cwd = name.includes('beside') ? at('work/src') : at('work');
    expect(read({ env: { HOME: at('home'), ...env() }, cwd })).toBeUndefined();
    keep(cacheOf({ env: { HOME: at('home'), ...env() }, cwd }));
    expect(readFileSync(at(place, 'code-cache/tag/chunk.js.bin'), 'utf8')).toBe('evil');
  });

  test.each([
    ['a folder above that everybody may write to', (home: string) => chmodSync(home, 0o777)],
    ['a folder above that its group may write to', (home: string) => chmodSync(home, 0o775)],
    ['the folder itself', (home: string) => chmodSync(join(home, '.cache/cllm/code-cache/tag'), 0o770)],
    ['a file that others may read', (home: string) => chmodSync(join(home, fileIn), 0o644)],
    ['a file that everybody may write to', (home: string) => chmodSync(join(home, fileIn), 0o666)],
    ['a file of another user', (home: string) => give(join(home, fileIn), neighbour)],
    ['a folder of another user', (home: string) => give(join(home, '.cache/cllm/code-cache'), neighbour)],
    ['a home of another user', (home: string) => give(home, neighbour)],
    [
      'the first folder of another user in a home with the sticky bit',
      (home: string) => {
        give(join(home, '.cache'), neighbour);
        chmodSync(home, 0o1777);
      },
    ],
  ])('%s', (_name, open) => {
    assertRoot();
    mkdirSync(at('home'));
    prepare(at('home/.cache/cllm'));
    expect(read()).toBe('evil');
    open(at('home'));
    expect(read()).toBeUndefined();
  });

  test('links in place of a file and of a folder', () => {
    mkdirSync(at('home/.cache/cllm/code-cache'), { recursive: true, mode: 0o700 });
    symlinkSync(prepare(at('elsewhere')), at('home/.cache/cllm/code-cache/tag'));
    expect(read()).toBeUndefined();
    keep(cacheOf());
    expect(readFileSync(at('elsewhere/code-cache/tag/chunk.js.bin'), 'utf8')).toBe('evil');
  });

  test('a cache in the package that not its owner made', () => {
    assertRoot();
    mkdirSync(at('package'));
    prepare(at('package'));
    expect(read({ installation: at('package') })).toBe('evil');
    give(at('package/code-cache/tag'), neighbour);
    expect(read({ installation: at('package') })).toBeUndefined();
    give(at('package'), neighbour);
    expect(read({ installation: at('package') })).toBe('evil');
  });
});

const fileIn = '.cache/cllm/code-cache/tag/chunk.js.bin';
