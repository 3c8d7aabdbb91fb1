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
