import { execFileSync } from 'node:child_process';
import { closeSync, constants, createReadStream, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { writeToPipe } from '../../../src/cli/input/named-file.ts';
import { memoryIo } from '../../support/memory-io.ts';

let directory: string;
let fifo: string;

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'cllm-test-'));
  fifo = path.join(directory, 'fifo');
  execFileSync('mkfifo', [fifo]);
});

afterEach(() => {
  jest.useRealTimers();
  rmSync(directory, { recursive: true, force: true });
});

test('a reader that is there but slow is not waited for as one that is missing', async () => {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] });
  const io = memoryIo();
  // More than a pipe holds, so that it is not written before the reader reads.
  const text = 'x'.repeat(1_000_000);
  const reader = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
  const written = writeToPipe(fifo, text, '-o fifo', io);
  try {
    await new Promise((resolve) => setImmediate(resolve));
    jest.advanceTimersByTime(60_000);
    expect(io.stderr.text).toBe('');
  } finally {
    const again = openSync(fifo, constants.O_RDONLY);
    closeSync(reader);
    let length = 0;
    for await (const piece of createReadStream('', { fd: again })) length += (piece as Buffer).length;
    await written;
    expect(length).toBe(text.length);
  }
});
