import { spawnSync } from 'node:child_process';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from '@jest/globals';
import { useTemporaryDirectory } from '../support/temporary-directory.ts';

const root = path.resolve(import.meta.dirname, '../..');
const directory = useTemporaryDirectory();

function check(...folder: string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/pictures.mjs', '--check', ...folder], {
    cwd: root,
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

test('the pictures of the README are what the command draws today', () => {
  expect(check()).toMatchObject({ status: 0, stdout: '' });
}, 60_000);

test('a picture that is not is named', () => {
  const copy = path.join(directory(), 'pictures');
  cpSync(path.join(root, 'docs/pictures'), copy, { recursive: true });
  const file = path.join(copy, 'terminal.svg');
  const svg = readFileSync(file, 'utf8');
  writeFileSync(file, svg.replace('one-way', 'two-way'));
  writeFileSync(path.join(copy, 'page.sha256'), 'x\n');
  const { status, stdout } = check(copy);
  expect(status).toBe(1);
  expect(stdout).toMatch(/terminal\.svg is not current[^]*page\.png is not current/);
}, 60_000);

test('the README shows them, and the terminal has both schemes and nothing that runs or loads', () => {
  const readme = readFileSync(path.join(root, 'README.md'), 'utf8');
  for (const name of ['terminal.svg', 'page.png']) expect(readme).toContain(`docs/pictures/${name}`);
  const svg = readFileSync(path.join(root, 'docs/pictures/terminal.svg'), 'utf8');
  expect(svg).toContain('prefers-color-scheme:dark');
  expect(svg).not.toMatch(/<script|href|url\(|@import/);
});
