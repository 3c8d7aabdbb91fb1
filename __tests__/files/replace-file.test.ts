import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { replaceFile, Replacement } from '../../src/files/replace-file.ts';
import { useTemporaryDirectory } from '../support/temporary-directory.ts';

const directory = useTemporaryDirectory();
const at = (name: string): string => join(directory(), name);
const umask = process.umask();
afterEach(() => {
  process.umask(umask);
});

describe('replaceFile', () => {
  test.each([
    [0o000, undefined, '600'],
    [0o777, undefined, '600'],
    [0o000, 0o644, '644'],
    [0o077, 0o644, '644'],
  ])('under a umask of %o, asked for %o: mode %s', (mask, mode, expected) => {
    process.umask(mask);
    replaceFile(at('file'), 'text', mode === undefined ? {} : { mode });
    process.umask(umask);
    expect((statSync(at('file')).mode & 0o777).toString(8)).toBe(expected);
    expect(readFileSync(at('file'), 'utf8')).toBe('text');
    expect(readdirSync(directory())).toEqual(['file']);
  });

  test('a link is replaced, and what it leads to stays as it is', () => {
    writeFileSync(at('precious'), 'mine');
    symlinkSync(at('precious'), at('file'));
    replaceFile(at('file'), 'text');
    expect(lstatSync(at('file')).isSymbolicLink()).toBe(false);
    expect(readFileSync(at('precious'), 'utf8')).toBe('mine');
  });

  test('a failure leaves what was there, and nothing beside it', () => {
    mkdirSync(at('folder'));
    writeFileSync(at('folder/inside'), '');
    expect(() => replaceFile(at('folder'), 'text')).toThrow('EISDIR');
    expect(readdirSync(directory())).toEqual(['folder']);
  });

  test('takes a name as long as a file system has', () => {
    replaceFile(at('n'.repeat(255)), 'text');
    expect(readdirSync(directory())).toEqual(['n'.repeat(255)]);
  });
});

describe('Replacement', () => {
  test('is seen whole or not at all', () => {
    writeFileSync(at('file'), 'old');
    chmodSync(at('file'), 0o640);
    const replacement = new Replacement(at('file'), { mode: 0o640 });
    replacement.write('new ');
    replacement.write(Buffer.from('text'));
    expect(readFileSync(at('file'), 'utf8')).toBe('old');
    replacement.commit();
    expect(readFileSync(at('file'), 'utf8')).toBe('new text');
    expect(replacement.size).toBe(8);
    replacement.discard();
    expect(readdirSync(directory())).toEqual(['file']);
  });

  test('never writes to a name that somebody prepared', () => {
    writeFileSync(at('precious'), 'mine');
    const random = Math.random;
    const numbers = [0.5, 0.5, 0.25];
    Math.random = () => numbers.shift() ?? 0.75;
    try {
      symlinkSync(at('precious'), at(`.cllm-${(0.5).toString(36).slice(2, 12)}.tmp`));
      replaceFile(at('file'), 'text');
    } finally {
      Math.random = random;
    }
    expect(readFileSync(at('precious'), 'utf8')).toBe('mine');
    expect(readFileSync(at('file'), 'utf8')).toBe('text');
    expect(readlinkSync(at(`.cllm-${(0.5).toString(36).slice(2, 12)}.tmp`))).toBe(at('precious'));
  });
});
