import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { open as openFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { type BatchResult, resultLine } from '../../src/batch/batch-result.ts';
import { ResultsFile } from '../../src/batch/results-file.ts';
import { resultObject } from '../../src/conversation/result-object.ts';
import { identifyProcess } from '../../src/files/process-identity.ts';
import { CllmError, UsageError } from '../../src/outcome/errors.ts';
import { useTemporaryDirectory } from '../support/temporary-directory.ts';

/** What a batch says it has, it has: `append` has resolved for what is on the disk, and one process writes. */
const directory = useTemporaryDirectory();
const at = (name = 'out.jsonl'): string => join(directory(), name);

function result(line: number, isError = false): BatchResult {
  const error = isError ? new CllmError('stream_cut', 'cut') : null;
  return {
    ...resultObject({ timestamp: '2026-11-27T00:00:00.000Z', error, verdict: error ? 'cut' : 'complete' }),
    custom_id: null,
    line,
    input_digest: `d${line}`,
  };
}

const opened: ResultsFile[] = [];

async function open(
  name = 'out.jsonl',
  { inputFile = null, isTriedAgain = true }: { inputFile?: string | null; isTriedAgain?: boolean } = {},
): Promise<{ results: ResultsFile; kept: number[] }> {
  const kept: number[] = [];
  const results = await ResultsFile.open(at(name), {
    identity: identifyProcess(process.pid),
    inputFile,
    isTriedAgain: () => isTriedAgain,
    onKept: ({ line }) => kept.push(line),
  });
  opened.push(results);
  return { results, kept };
}

/** The methods that every open file shares. */
let files: FileHandle;
beforeEach(async () => {
  const handle = await openFile(directory());
  files = Object.getPrototypeOf(handle) as FileHandle;
  await handle.close();
});

afterEach(async () => {
  jest.restoreAllMocks();
  // A test that failed may have left syncs that nobody lets go.
  for (const results of opened.splice(0)) await Promise.race([results.close().catch(() => {}), turns()]);
});

const lines = (name?: string): number[] =>
  readFileSync(at(name), 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => (JSON.parse(line) as { line: number }).line);

/** Holds each sync until it is let go, or fails. */
function heldSyncs(): { syncs: () => number; letGo: (n: number) => void; failed: (n: number) => void } {
  const held: { resolve: () => void; reject: (error: Error) => void }[] = [];
  jest
    .spyOn(files, 'datasync')
    .mockImplementation(() => new Promise((resolve, reject) => void held.push({ resolve, reject })));
  return {
    syncs: () => held.length,
    letGo: (n) => held[n]?.resolve(),
    failed: (n) => held[n]?.reject(Object.assign(new Error('EIO'), { code: 'EIO' })),
  };
}

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));
async function turns(): Promise<void> {
  for (let n = 0; n < 20; n += 1) await turn();
}
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await turn();
}

describe('append', () => {
  test('resolves when the disk has it, and not when it was written', async () => {
    const { results } = await open();
    const { syncs, letGo } = heldSyncs();
    let isKept = false;
    const appended = results.append(result(1)).then(() => (isKept = true));
    await until(() => syncs() === 1);
    expect(lines()).toEqual([1]);
    await turns();
    expect(isKept).toBe(false);
    letGo(0);
    await appended;
  });

  test('waits for no earlier sync, but for the third: a thread stays free; what waits meanwhile shares the next one', async () => {
    const { results } = await open();
    const { syncs, letGo, failed } = heldSyncs();
    const ended: number[] = [];
    const append = (line: number): Promise<void> =>
      results.append(result(line)).then(
        () => void ended.push(line),
        () => void ended.push(-line),
      );
    const all: Promise<void>[] = [];
    for (const line of [1, 2, 3]) {
      all.push(append(line));
      await until(() => syncs() === line);
    }
    all.push(append(4));
    await turns();
    all.push(append(5), append(6));
    await turns();
    expect({ syncs: syncs(), written: lines() }).toEqual({ syncs: 3, written: [1, 2, 3] });
    // One that is slow keeps nobody else.
    letGo(2);
    await until(() => syncs() === 4);
    expect({ ended, written: lines() }).toEqual({ ended: [3], written: [1, 2, 3, 4, 5, 6] });
    failed(3);
    await until(() => ended.length === 4);
    expect(ended).toEqual([3, -4, -5, -6]);
    letGo(0);
    letGo(1);
    await Promise.all(all);
    expect(ended.slice(4)).toEqual([1, 2]);
  });

  test('takes half a line of a full disk back, says so, and goes on where there is room again', async () => {
    const { results } = await open();
    await results.append(result(1));
    const write = Reflect.get(files, 'write') as (...args: unknown[]) => Promise<{ bytesWritten: number }>;
    jest.spyOn(files, 'write').mockImplementationOnce(async function (this: FileHandle, bytes: unknown) {
      const whole = bytes as Buffer;
      await Reflect.apply(write, this, [whole.subarray(0, 40), 0]);
      throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
    });
    await expect(results.append(result(2))).rejects.toMatchObject({
      code: 'output_failed',
      message: expect.stringContaining('ENOSPC'),
    });
    expect(readFileSync(at(), 'utf8')).toBe(resultLine(result(1)));
    await results.append(result(3));
    expect(lines()).toEqual([1, 3]);
  });

  test('writes all of it where the system takes a part', async () => {
    const { results } = await open();
    const write = Reflect.get(files, 'write') as (...args: unknown[]) => Promise<{ bytesWritten: number }>;
    jest.spyOn(files, 'write').mockImplementation(function (this: FileHandle, bytes: unknown, from: unknown) {
      const start = Number(from ?? 0);
      return Reflect.apply(write, this, [(bytes as Buffer).subarray(start, start + 7)]);
    } as never);
    await Promise.all([results.append(result(1)), results.append(result(2))]);
    expect(readFileSync(at(), 'utf8')).toBe(resultLine(result(1)) + resultLine(result(2)));
  });

  test('that was begun has ended when the file is closed', async () => {
    const { results } = await open();
    const ended: number[] = [];
    for (const line of [1, 2, 3]) void results.append(result(line)).then(() => ended.push(line));
    await results.close();
    expect({ ended: ended.length, lines: lines() }).toEqual({ ended: 3, lines: [1, 2, 3] });
  });
});

describe('taking up', () => {
  test('what was repaired is on the disk before anything is asked', async () => {
    const whole = resultLine(result(1));
    writeFileSync(at(), whole + resultLine(result(2)).slice(0, 30));
    const { syncs, letGo } = heldSyncs();
    let isOpen = false;
    const opening = open().then(() => (isOpen = true));
    await until(() => syncs() === 1);
    await turns();
    expect({ isOpen, text: readFileSync(at(), 'utf8') }).toEqual({ isOpen: false, text: whole });
    letGo(0);
    await opening;
  });

  test('a failed result that this run does not try again stays, and is done', async () => {
    writeFileSync(at(), resultLine(result(1, true)) + resultLine(result(2)));
    const { results, kept } = await open('out.jsonl', { isTriedAgain: false });
    expect(kept).toEqual([1, 2]);
    expect(results.has({ custom_id: null, line: 1, input_digest: 'd1' })).toBe(true);
    await results.close();
    expect(lines()).toEqual([1, 2]);
  });

  test('of a twin the first stays, and only it is told of', async () => {
    writeFileSync(at(), [1, 2, 1].map((line) => resultLine(result(line))).join(''));
    const { kept } = await open();
    expect(kept).toEqual([1, 2]);
    expect(lines()).toEqual([1, 2]);
  });

  test('what is written anew and torn at its end loses the torn part alone', async () => {
    writeFileSync(
      at(),
      resultLine(result(1)) + resultLine(result(2, true)) + resultLine(result(3)) + resultLine(result(4)).slice(0, 50),
    );
    const { results, kept } = await open();
    expect(kept).toEqual([1, 3]);
    await results.append(result(2));
    expect(lines()).toEqual([1, 3, 2]);
  });
});

describe('one process', () => {
  test('writes a file at a time, under whatever name', async () => {
    const { results } = await open();
    symlinkSync(at(), at('link.jsonl'));
    for (const name of ['out.jsonl', 'link.jsonl']) {
      await expect(open(name)).rejects.toMatchObject({
        code: 'output_failed',
        message: expect.stringContaining(`process ${process.pid}`),
      });
    }
    await results.append(result(1));
    await results.close();
    expect((await open()).kept).toEqual([1]);
  });

  test('that could not take a file up has no claim on it', async () => {
    writeFileSync(at(), 'mine\n');
    await expect(open()).rejects.toBeInstanceOf(UsageError);
    expect(readdirSync(directory())).toEqual(['out.jsonl']);
  });
});

describe('what is no place for results', () => {
  test('the input itself, by name, link or second name', async () => {
    writeFileSync(at('in.jsonl'), '{"prompt":"x"}\n');
    symlinkSync(at('in.jsonl'), at('soft.jsonl'));
    linkSync(at('in.jsonl'), at('hard.jsonl'));
    for (const name of ['in.jsonl', 'soft.jsonl', 'hard.jsonl']) {
      const error: unknown = await open(name, { inputFile: at('in.jsonl') }).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: 'usage', message: expect.stringContaining('is the input itself') });
    }
    expect(readFileSync(at('in.jsonl'), 'utf8')).toBe('{"prompt":"x"}\n');
  });

  test('a folder, a pipe', async () => {
    mkdirSync(at('folder'));
    execFileSync('mkfifo', [at('pipe')]);
    for (const name of ['folder', 'pipe']) await expect(open(name)).rejects.toBeInstanceOf(UsageError);
    expect(readdirSync(directory()).toSorted()).toEqual(['folder', 'pipe']);
  });
});
