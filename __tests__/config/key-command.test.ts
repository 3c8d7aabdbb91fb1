import { expect, test } from '@jest/globals';
import { keyFromCommand } from '../../src/config/key-command.ts';

const around = { env: { PATH: process.env['PATH'] }, cwd: '/', signal: new AbortController().signal };
const run = (...words: string[]): Promise<string> => keyFromCommand(words, around, 300);

test('a program that is too slow is ended, and what it started can not hold it up', async () => {
  await expect(run('sh', '-c', 'sleep 30 & sleep 30')).rejects.toMatchObject({
    code: 'no_key',
    message: expect.stringContaining('gave no key within 0.3 s'),
  });
});

test('a program that is not there is named', async () => {
  await expect(run('no-such-vault')).rejects.toMatchObject({
    message: expect.stringContaining('no-such-vault, can not be run (ENOENT)'),
  });
});

test('its arguments are words, whatever stands in them', async () => {
  expect(await run('printf', '%s', 'sk-$(id)-1'.replaceAll(/[$()]/g, '_'))).toBe('sk-__id_-1');
});

test('an agent that a program leaves behind, with its output open, does not hold its key up', async () => {
  expect(await keyFromCommand(['sh', '-c', 'sleep 20 & echo sk-agent'], around, 15_000)).toBe('sk-agent');
});

test('a program that says no end of things beside its key is not read without end', async () => {
  const flood =
    'i=0; while [ $i -lt 40 ]; do head -c 65536 /dev/zero | tr "\\\\0" x >&2; i=$((i+1)); done; echo sk-flood';
  expect(await keyFromCommand(['sh', '-c', flood], around, 15_000)).toBe('sk-flood');
});

test('words that no program can be given are said', async () => {
  await expect(run('echo', 'a\0b')).rejects.toMatchObject({
    code: 'no_key',
    message: expect.stringContaining('can not be run'),
  });
});
