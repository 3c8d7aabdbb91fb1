/**
 * A thread that does nothing but read a pipe: each read blocks, and its time is taken when it returns, so that what is
 * measured is the writer and not the event loop of the benchmark. Answers with the reads, once the pipe ends.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';

const { fifo, keepsText } = workerData;
const buffer = Buffer.allocUnsafe(65_536);
const reads = [];
let bytes = 0;
let lastAt = null;
const descriptor = openSync(fifo, 'r');
for (;;) {
  const length = readSync(descriptor, buffer, 0, buffer.length, null);
  if (length === 0) break;
  lastAt = process.hrtime.bigint();
  bytes += length;
  if (keepsText) reads.push({ at: lastAt, text: buffer.toString('latin1', 0, length) });
}
closeSync(descriptor);
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port between threads has no origin
parentPort.postMessage({ reads, bytes, lastAt });
