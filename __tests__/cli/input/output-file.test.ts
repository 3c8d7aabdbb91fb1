import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { OutputFile } from '../../../src/cli/input/output-file.ts';
import { memoryIo } from '../../support/memory-io.ts';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'cllm-test-'));
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

const at = (name: string): string => path.join(directory, name);

test('a file is written for its owner alone, as the text is', async () => {
  expect(await new OutputFile('out.txt', directory).write('héllo', memoryIo())).toBeNull();
  expect(readFileSync(at('out.txt'), 'utf8')).toBe('héllo');
  expect(statSync(at('out.txt')).mode & 0o777).toBe(0o600);
});

test('a file that was there keeps its mode, and is another file: who reads the old one reads it to its end', async () => {
  writeFileSync(at('out.txt'), 'before');
  chmodSync(at('out.txt'), 0o664);
  const before = statSync(at('out.txt')).ino;
  await new OutputFile('out.txt', directory).write('after', memoryIo());
  const { mode, ino } = statSync(at('out.txt'));
  expect({ mode: mode & 0o777, isSame: ino === before }).toEqual({ mode: 0o664, isSame: false });
});

test('a symbolic link stays one', async () => {
  writeFileSync(at('real.txt'), 'before');
  symlinkSync('real.txt', at('link.txt'));
  await new OutputFile('link.txt', directory).write('after', memoryIo());
  expect(readFileSync(at('real.txt'), 'utf8')).toBe('after');
});

describe('what can not be written', () => {
  test.each(['.', 'gone/out.txt', '-'])('is refused before: %s', (name) => {
    expect(() => new OutputFile(name, directory)).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/usage|input_invalid/) }),
    );
  });

  test('is told after', async () => {
    const file = new OutputFile('out.txt', directory);
    rmSync(directory, { recursive: true });
    expect(await file.write('x', memoryIo())).toMatchObject({
      code: 'output_failed',
      message: expect.stringContaining('-o out.txt'),
    });
  });

  test('leaves nothing beside it', async () => {
    const file = new OutputFile('taken', directory);
    mkdirSync(at('taken'));
    expect(await file.write('x', memoryIo())).toMatchObject({ code: 'output_failed' });
    expect(readdirSync(directory)).toEqual(['taken']);
  });
});
