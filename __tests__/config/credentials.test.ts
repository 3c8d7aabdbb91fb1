import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { Credentials, maskKey, readKey } from '../../src/config/credentials.ts';
import { useTemporaryDirectory } from '../support/temporary-directory.ts';

const key = 'sk-canary-1234567890abcd';
const directory = useTemporaryDirectory();
const open = (): Credentials =>
  new Credentials(join(directory(), 'cllm', 'credentials.json'), { pid: process.pid, uid: process.getuid?.() ?? null });

describe('Credentials', () => {
  test('keeps a key for the base URL that it was entered for, however that is spelt', async () => {
    await open().set('https://LLM.example.com/v1/', key);
    expect(open().get('https://llm.example.com')).toBe(key);
    expect(open().get('https://llm.example.com:443/')).toBe(key);
  });

  test.each([
    'http://llm.example.com',
    'https://llm.example.com:8443',
    'https://llm.example.com.evil.example',
    'https://example.com',
    'https://llm.example.com/other',
  ])('gives it to no other: %s', async (other) => {
    await open().set('https://llm.example.com', key);
    expect(open().get(other)).toBeNull();
  });

  test('has nothing before the first login', async () => {
    expect(open().get('http://localhost:4000')).toBeNull();
    expect(open().list()).toEqual([]);
    expect(await open().delete('http://localhost:4000')).toBe(false);
  });

  test('lists keys masked, in the order of their URLs', async () => {
    const now = new Date('2026-11-22T12:00:00Z');
    await open().set('http://z.example.com', key, { now });
    await open().set('http://a.example.com', 'short', { now });
    expect(open().list()).toEqual([
      { baseUrl: 'http://a.example.com', maskedKey: '…', createdAt: '2026-11-22T12:00:00.000Z' },
      { baseUrl: 'http://z.example.com', maskedKey: 'sk-…abcd', createdAt: '2026-11-22T12:00:00.000Z' },
    ]);
  });

  test('a later login replaces the key, and a logout forgets that one alone', async () => {
    await open().set('http://a.example.com', 'sk-old-key-000000000');
    await open().set('http://a.example.com', key);
    await open().set('http://b.example.com', key);
    expect(open().get('http://a.example.com')).toBe(key);
    expect(await open().delete('http://a.example.com/')).toBe(true);
    expect(open().get('http://a.example.com')).toBeNull();
    expect(open().get('http://b.example.com')).toBe(key);
    expect(readFileSync(open().file, 'utf8')).not.toContain('old-key');
  });
});

describe('the file of keys', () => {
  const umask = process.umask();
  afterEach(() => {
    process.umask(umask);
  });

  test.each([0o000, 0o022, 0o077])('is 0600 in a 0700 directory under umask %p', async (mask) => {
    process.umask(mask);
    await open().set('http://localhost:4000', key);
    expect(modeOf(open().file)).toBe(0o600);
    expect(modeOf(join(directory(), 'cllm'))).toBe(0o700);
  });

  test('and its directory are tightened when something has opened them', async () => {
    await open().set('http://localhost:4000', key);
    chmodSync(open().file, 0o644);
    chmodSync(join(directory(), 'cllm'), 0o755);
    open().get('http://localhost:4000');
    expect(modeOf(open().file)).toBe(0o600);
    await open().set('http://localhost:4000', key);
    expect(modeOf(join(directory(), 'cllm'))).toBe(0o700);
  });

  test('is replaced in one step: nothing else stays in the directory', async () => {
    await open().set('http://a.example.com', key);
    await open().set('http://b.example.com', key);
    expect(readdirSync(join(directory(), 'cllm'))).toEqual(['credentials.json']);
  });

  test.each(['{"keys": {"http://a": {"key": "sk-canary', '[]', '{"keys": {"http://a": "sk-canary"}}', 'null'])(
    'when it is broken (%s), nothing of it is repeated, and a login moves it aside',
    async (text) => {
      mkdirSync(join(directory(), 'cllm'));
      writeFileSync(open().file, text);
      let message = '';
      try {
        open().get('http://localhost:4000');
      } catch (error) {
        message = JSON.stringify([(error as Error).message, (error as { code?: string }).code, (error as Error).cause]);
      }
      expect(message).toContain('config_invalid');
      expect(message).not.toContain('canary');
      const { movedTo } = await open().set('http://localhost:4000', key, { now: new Date('2026-11-22T12:00:00Z') });
      expect(movedTo).toBe(`${open().file}.broken-2026-11-22T12-00-00-000Z`);
      expect(readFileSync(movedTo ?? '', 'utf8')).toBe(text);
      expect(open().get('http://localhost:4000')).toBe(key);
    },
  );

  test('when it can not be written, the error says so', async () => {
    writeFileSync(join(directory(), 'cllm'), 'a file where the directory should be');
    await expect(open().set('http://localhost:4000', key)).rejects.toMatchObject({
      code: 'config_invalid',
      message: expect.stringContaining('is not a directory'),
    });
  });
});

describe('readKey', () => {
  test.each([[`${key}\n`], [`  ${key}\r\n`], [key]])('takes the white space off %j', (text) => {
    expect(readKey(text, 'the key')).toBe(key);
  });

  test.each(['', ' \n', `${key} ${key}`, `${key}\nX-Evil: 1`, `${key}\u0000`, `sk-canary-ü`, `“${key}”`])(
    'refuses %j and does not repeat it',
    (text) => {
      expect(() => readKey(text, 'the key')).toThrow(
        expect.objectContaining({ code: 'input_invalid', message: expect.not.stringContaining('canary') }),
      );
    },
  );
});

test.each([
  ['sk-1234567890abcdef', 'sk-…cdef'],
  ['abcdefghijklmnopqrst', '…qrst'],
  ['sk-12345', '…'],
  ['', '…'],
])('the key %s is shown as %s', (text, masked) => {
  expect(maskKey(text)).toBe(masked);
});

function modeOf(path: string): number {
  return statSync(path).mode & 0o777;
}
