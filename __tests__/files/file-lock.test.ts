import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { LockHeld, lockFile, withFileLock } from '../../src/files/file-lock.ts';
import { identifyProcess } from '../../src/files/process-identity.ts';
import { useChildScript } from '../support/child-script.ts';
import { useTemporaryDirectory } from '../support/temporary-directory.ts';

const directory = useTemporaryDirectory();
const at = (name: string): string => join(directory(), name);
const identity = identifyProcess(process.pid);
const holdLock = useChildScript('files/hold-lock.ts');

async function untilStdout(run: { stdout: () => string; child: { stdout: unknown } }, text: string): Promise<void> {
  while (!run.stdout().includes(text)) {
    await new Promise((resolve) => (run.child.stdout as NodeJS.ReadableStream).once('data', resolve));
  }
}

describe('a lock', () => {
  test('lets one process at a time in, of several that want it at once, and each call of one', async () => {
    writeFileSync(at('number'), '0');
    const others = await Promise.all([1, 2, 3].map(() => holdLock([at('number'), '20'])));
    const own = Array.from({ length: 20 }, () =>
      withFileLock(at('number'), identity, async () => {
        const number = Number(readFileSync(at('number'), 'utf8'));
        await new Promise((resolve) => setImmediate(resolve));
        writeFileSync(at('number'), String(number + 1));
      }),
    );
    const ends = await Promise.all(others.map(({ exit }) => exit));
    await Promise.all(own);
    expect(ends.map(({ code, stderr }) => ({ code, stderr }))).toEqual(ends.map(() => ({ code: 0, stderr: '' })));
    expect(readFileSync(at('number'), 'utf8')).toBe('80');
    expect(readdirSync(directory())).toEqual(['number']);
  });

  test('is waited for with a word, until a signal, and is free once its process was killed', async () => {
    const other = await holdLock([at('file'), 'hold']);
    await untilStdout(other, 'held');
    const controller = new AbortController();
    const waited: (number | null)[] = [];
    const onWait = ({ pid }: { pid: number | null }): void => {
      waited.push(pid);
      controller.abort(new Error('enough'));
    };
    await expect(withFileLock(at('file'), identity, () => {}, { onWait, signal: controller.signal })).rejects.toThrow(
      'enough',
    );
    expect(waited).toEqual([other.child.pid]);
    await expect(withFileLock(at('file'), identity, () => {}, { patienceMs: 0 })).rejects.toBeInstanceOf(LockHeld);
    expect(() => lockFile(at('file'), identity)).toThrow(`another cllm, process ${other.child.pid}, is writing`);
    other.child.kill('SIGKILL');
    await other.exit;
    await expect(withFileLock(at('file'), identity, () => 'mine')).resolves.toBe('mine');
    expect(readdirSync(directory())).toEqual([]);
  });

  test('goes when the work fails', async () => {
    await expect(
      withFileLock(at('file'), identity, () => {
        throw new Error('no');
      }),
    ).rejects.toThrow('no');
    expect(readdirSync(directory())).toEqual([]);
  });
});

describe('a claim that somebody else brought', () => {
  test.each([
    '',
    '{}',
    '[]',
    'null',
    '"x"',
    '{"realm":5,"pid":1,"startedAt":"1"}',
    '{"pid":-1,"startedAt":"1","realm":"a b c"}',
    '{"pid":1.5,"startedAt":"1","realm":"a b c"}',
    '{"pid":1,"startedAt":"\\u001b[2J","realm":"a b c"}',
    '{"pid":1,"startedAt":"1","realm":"\\u001b]0;x\\u0007"}',
    `{"pid":1,"startedAt":"1","realm":"${'a'.repeat(5000)}"}`,
  ])('is none, and goes: %s', (text) => {
    writeFileSync(at('.file.lock-1-1'), text);
    lockFile(at('file'), identity)();
    expect(readdirSync(directory())).toEqual([]);
  });

  test('may be of a process that nobody here can see: then it is named, or counts as left behind after a time', async () => {
    const claim = at('.file.lock-1-1');
    writeFileSync(claim, JSON.stringify({ pid: 1, startedAt: '1', realm: 'elsewhere b c' }));
    expect(() => lockFile(at('file'), identity)).toThrow('on another host or in another container (elsewhere)');
    const options = { patienceMs: 0, abandonedMs: 60_000 };
    await expect(withFileLock(at('file'), identity, () => {}, options)).rejects.toBeInstanceOf(LockHeld);
    const hourAgo = Date.now() / 1000 - 3600;
    utimesSync(claim, hourAgo, hourAgo);
    await withFileLock(at('file'), identity, () => {}, options);
    expect(readdirSync(directory())).toEqual([]);
  });

  test.each([
    ['a pipe', (path: string) => execFileSync('mkfifo', [path])],
    ['a folder', (path: string) => mkdirSync(path)],
    ['a link to a device', (path: string) => symlinkSync('/dev/zero', path)],
    ['a link to another file', (path: string) => symlinkSync(at('precious'), path)],
  ])('is none when it is %s', (_name, make) => {
    writeFileSync(at('precious'), 'mine');
    make(at('.file.lock-1-1'));
    lockFile(at('file'), identity)();
    expect(readFileSync(at('precious'), 'utf8')).toBe('mine');
  });
});
