import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from '@jest/globals';

const directory = mkdtempSync(path.join(tmpdir(), 'cllm-held-'));
const results = path.join(directory, 'RESULTS.md');
writeFileSync(results, '```text\nheld: 3.00 at most, a reply\nheld: 5.00 at least, chunks\n```\n');

afterAll(() => rmSync(directory, { recursive: true }));

function hold(name: string, value: number, bound: string, args: string[] = [], env = {}): [number | null, string] {
  const figure = [name, value, bound, 0.1].map((each) => JSON.stringify(each) ?? 'NaN').join(', ');
  const script = `
    import { held } from './bench/support/held.mjs';
    held(${figure.replace('null', 'NaN')}, { results: ${JSON.stringify(results)} });`;
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script, '--', ...args], {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], ...env },
  });
  return [status, stderr];
}

test.each([
  ['a reply', 3.3, 'at most', 0],
  ['a reply', 3.31, 'at most', 1],
  ['a reply', 1, 'at most', 0],
  ['chunks', 4.5, 'at least', 0],
  ['chunks', 4.49, 'at least', 1],
  ['chunks', 9, 'at least', 0],
  ['chunks', Number.NaN, 'at least', 1],
  ['what nobody recorded', 9, 'at most', 0],
])('a figure beside what is recorded: %s of %d %s', (name, value, bound, status) => {
  const [ended, said] = hold(name, value, bound);
  expect(ended).toBe(status);
  const complaint = `worse than bench/RESULTS.md says: ${name} is ${value.toFixed(2)}`;
  expect(said.slice(0, complaint.length)).toBe(status === 0 ? '' : complaint);
});

test('a small run and one that is to be accepted compare nothing', () => {
  expect(hold('a reply', 9, 'at most', ['--smoke'])).toEqual([0, '']);
  expect(hold('a reply', 9, 'at most', [], { CLLM_BENCH_ACCEPT: '1' })).toEqual([0, '']);
});
