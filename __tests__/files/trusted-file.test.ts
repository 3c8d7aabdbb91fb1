import { execFileSync } from 'node:child_process';
import { chmodSync, lchownSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { readTrustedFile, UntrustedFile } from '../../src/files/trusted-file.ts';
import { placeFlaw } from '../../src/files/write-access.ts';
import { useTemporaryDirectory } from '../support/temporary-directory.ts';
import { assertRoot, give, neighbour, victim } from '../support/users.ts';

const directory = useTemporaryDirectory();
const at = (...parts: string[]): string => join(directory(), ...parts);
const uid = process.getuid?.() ?? null;

function read(path: string, options: { uid?: number | null; mayBeLink?: boolean } = {}): string | null {
  return readTrustedFile(path, { uid, mostBytes: 100, ...options })?.bytes.toString() ?? null;
}

function flawOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof UntrustedFile) return error.message.replaceAll(directory(), '');
    throw error;
  }
  return 'trusted';
}

describe('a trusted file', () => {
  test('is read, and there may be none', () => {
    writeFileSync(at('file'), 'text');
    expect(read(at('file'))).toBe('text');
    expect(read(at('none'))).toBeNull();
    expect(read(at('file', 'inside'))).toBeNull();
  });

  test.each([
    ['pipe', (path: string) => execFileSync('mkfifo', [path])],
    ['folder', (path: string) => mkdirSync(path)],
  ])('a %s of its name is refused at once', (_name, make) => {
    make(at('file'));
    expect(flawOf(() => read(at('file')))).toBe('/file is not a regular file');
  });

  test('a device and a socket are refused at once', async () => {
    expect(flawOf(() => read('/dev/zero'))).toBe('/dev/zero is not a regular file');
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(at('socket'), resolve));
    expect(flawOf(() => read(at('socket')))).toBe('/socket is not a regular file');
    await new Promise((resolve) => server.close(resolve));
  });

  test('a larger one is not read', () => {
    writeFileSync(at('file'), 'x'.repeat(101));
    expect(flawOf(() => read(at('file')))).toBe('/file is larger than 100 bytes');
  });

  test('a link is only followed where that was asked for, and to a file as trusted', () => {
    writeFileSync(at('file'), 'text');
    symlinkSync(at('file'), at('link'));
    expect(flawOf(() => read(at('link')))).toBe('/link is a symbolic link');
    expect(read(at('link'), { mayBeLink: true })).toBe('text');
    chmodSync(at('file'), 0o666);
    expect(flawOf(() => read(at('link'), { mayBeLink: true }))).toBe('/file can be written by everybody');
    symlinkSync(at('nowhere'), at('dangling'));
    expect(read(at('dangling'), { mayBeLink: true })).toBeNull();
    symlinkSync('/dev/zero', at('device'));
    expect(flawOf(() => read(at('device'), { mayBeLink: true }))).toBe('/dev/zero is not a regular file');
  });

  test.each([
    [0o666, 'can be written by everybody'],
    [0o660, 'can be written by its group'],
    [0o644, null],
    [0o400, null],
  ])('mode %o', (mode, reason) => {
    writeFileSync(at('file'), 'text');
    chmodSync(at('file'), mode);
    give(at('file'), uid ?? 0);
    expect(flawOf(() => read(at('file')))).toBe(reason === null ? 'trusted' : `/file ${reason}`);
  });

  test('is the user’s or the administrator’s', () => {
    assertRoot();
    writeFileSync(at('file'), 'text');
    give(directory(), victim);
    expect(read(at('file'), { uid: victim })).toBe('text');
    give(at('file'), 0);
    expect(read(at('file'), { uid: victim })).toBe('text');
    give(at('file'), neighbour);
    expect(flawOf(() => read(at('file'), { uid: victim }))).toBe(`/file belongs to another user (uid ${neighbour})`);
    expect(read(at('file'), { uid: null })).toBe('text');
  });

  test('a link of another user is not followed', () => {
    assertRoot();
    writeFileSync(at('file'), 'text');
    symlinkSync(at('file'), at('link'));
    lchownSync(at('link'), neighbour, neighbour);
    expect(flawOf(() => read(at('link'), { mayBeLink: true }))).toContain('/link belongs to another user');
  });
});

describe('where a file lies', () => {
  test.each([
    [0o777, 'can be written by everybody'],
    [0o775, 'can be written by its group'],
    [0o1777, null],
    [0o755, null],
  ])('a folder of mode %o three levels above', (mode, reason) => {
    mkdirSync(at('open/a/b'), { recursive: true });
    writeFileSync(at('open/a/b/file'), 'text');
    give(at('open'), uid ?? 0);
    chmodSync(at('open'), mode);
    const expected = reason === null ? 'trusted' : `/open ${reason}`;
    expect(flawOf(() => read(at('open/a/b/file')))).toBe(expected);
    symlinkSync(at('open/a'), at('link'));
    expect(flawOf(() => read(at('link/b/file')))).toBe(expected);
  });

  test('in a folder with the sticky bit, what is another user’s may hold anything', () => {
    assertRoot();
    mkdirSync(at('shared/theirs'), { recursive: true });
    writeFileSync(at('shared/theirs/file'), 'text');
    chmodSync(at('shared'), 0o1777);
    expect(read(at('shared/theirs/file'))).toBe('text');
    give(at('shared/theirs'), neighbour);
    give(at('shared/theirs/file'), 0);
    expect(flawOf(() => read(at('shared/theirs/file')))).toBe(
      `/shared/theirs belongs to another user (uid ${neighbour})`,
    );
  });

  test('a link that lies where everybody may write is no way to a sound place', () => {
    mkdirSync(at('open'));
    mkdirSync(at('sound'));
    writeFileSync(at('sound/file'), 'text');
    symlinkSync(at('sound'), at('open/link'));
    chmodSync(at('open'), 0o777);
    expect(flawOf(() => read(at('open/link/file')))).toBe('/open can be written by everybody');
  });

  test('a third user’s folder matters where nobody but the owner may have a hand in it', () => {
    assertRoot();
    mkdirSync(at('theirs/ours'), { recursive: true });
    give(at('theirs'), neighbour);
    expect(placeFlaw(at('theirs/ours/file'), 0, 0)).toBeNull();
    expect(placeFlaw(at('theirs/ours/file'), 0, 0, { isOwnedThroughout: true })).toMatchObject({
      path: at('theirs/ours'),
    });
  });
});
