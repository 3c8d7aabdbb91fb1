import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** `scripts/release.mjs` in a repository of its own that holds what is packed. */
const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(path.join(tmpdir(), 'cllm-release-test-'));
const at = (...parts: string[]): string => path.join(folder, ...parts);
const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as { version: string };
const changelog = readFileSync(path.join(root, 'CHANGELOG.md'), 'utf8');
const packed = `cllm-${version}.tgz`;

const git = (...args: string[]): string =>
  execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.com', ...args], {
    cwd: folder,
    encoding: 'utf8',
  });
const commit = (): void => {
  git('add', '--all');
  git('commit', '--quiet', '--allow-empty', '--message', 'a');
};

function release(env: Record<string, string> = {}): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [at('scripts/release.mjs')], {
    cwd: folder,
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], HOME: folder, npm_config_cache: at('.git/npm'), ...env },
  });
}

beforeAll(() => {
  for (const name of ['package.json', '.gitignore', 'README.md', 'LICENSE', 'SECURITY.md', 'dist', 'schema', 'docs'])
    cpSync(path.join(root, name), at(name), { recursive: true });
  mkdirSync(at('scripts'));
  cpSync(path.join(root, 'scripts/release.mjs'), at('scripts/release.mjs'));
  writeFileSync(at('CHANGELOG.md'), changelog.replace(/^## \S+ \(.*\)$/m, `## ${version} (2026-01-31)`));
  git('init', '--quiet');
  commit();
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('writes the packed file, with the address of the repository, and the sums of all that lies beside it', () => {
  mkdirSync(at('release'));
  writeFileSync(at('release', `cllm-${version}-linux-x64`), 'an executable');
  const { status, stderr } = release({
    GITHUB_REPOSITORY: 'octo/cllm',
    GITHUB_REF_TYPE: 'tag',
    GITHUB_REF_NAME: `v${version}`,
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const names = [`cllm-${version}-linux-x64`, packed];
  expect(readdirSync(at('release')).toSorted()).toEqual(['SHA256SUMS', ...names]);
  const sum = (name: string): string =>
    createHash('sha256')
      .update(readFileSync(at('release', name)))
      .digest('hex');
  expect(readFileSync(at('release/SHA256SUMS'), 'utf8')).toBe(names.map((name) => `${sum(name)}  ${name}\n`).join(''));
  execFileSync('sha256sum', ['--check', '--strict', 'SHA256SUMS'], { cwd: at('release'), stdio: 'pipe' });

  const manifest = execFileSync('tar', ['-xzOf', at('release', packed), 'package/package.json'], { encoding: 'utf8' });
  expect(manifest).toContain('git+https://github.com/octo/cllm.git');
  expect(manifest).not.toContain('OWNER');
  const files = execFileSync('tar', ['-tvzf', at('release', packed)], { encoding: 'utf8' }).split('\n');
  expect(files.filter((line) => line.endsWith(' package/dist/cli/bin.js'))).toEqual([
    expect.stringMatching(/^-rwxr-xr-x/),
  ]);
  expect(files.filter((line) => / package\/release\//.test(line))).toEqual([]);

  const before = readFileSync(at('release', packed));
  git('remote', 'add', 'origin', 'git@github.com:octo/cllm.git');
  expect(release().status).toBe(0);
  expect(readFileSync(at('release', packed)).equals(before)).toBe(true);
  git('remote', 'remove', 'origin');
});

test('refuses, with all reasons at once, what does not agree with the version of package.json', () => {
  const manifest = readFileSync(at('package.json'), 'utf8');
  writeFileSync(at('package.json'), manifest.replace(`"version": "${version}"`, '"version": "9.8.7"'));
  writeFileSync(at('CHANGELOG.md'), changelog.replace(/^## \S+ \(.*\)$/m, `## ${version} (unreleased)`));
  const { status, stderr } = release({ GITHUB_REF_TYPE: 'tag', GITHUB_REF_NAME: 'v9.8.6' });
  expect(status).toBe(1);
  expect(stderr.match(/^release: .*/gm)).toEqual([
    expect.stringContaining('the tree is not clean'),
    expect.stringContaining(`package.json says 9.8.7, the newest heading of CHANGELOG.md says ${version}`),
    expect.stringContaining('needs the day of the release'),
    expect.stringContaining(`package.json says 9.8.7, the built command says ${version}`),
    expect.stringContaining('it has to be v9.8.7'),
    expect.stringContaining('GITHUB_REPOSITORY=owner/name'),
    expect.stringContaining(`release/cllm-${version}-linux-x64 is of another version`),
    expect.stringContaining(`release/${packed} is of another version`),
  ]);
  git('checkout', '--quiet', '.');
  appendFileSync(at('README.md'), 'changed');
  expect(release({ GITHUB_REPOSITORY: 'octo/cllm' })).toMatchObject({ status: 1, stdout: '' });
  git('checkout', '--quiet', '.');
  expect(release({ GITHUB_REPOSITORY: 'octo/cllm' }).status).toBe(0);
});
