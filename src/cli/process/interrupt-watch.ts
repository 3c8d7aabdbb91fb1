import { Worker } from 'node:worker_threads';

/**
 * The watching thread: it sleeps in a script that `breakOnSigint` lets a SIGINT end, and says so. That is the one way in
 * which Node itself, not JavaScript on the main thread, takes a signal. Once the script is over, Node's own reaction to
 * SIGINT is in force again, also natively: it gives the terminal back as it found it and ends the process.
 */
const watcher = `
const { parentPort, workerData } = require('node:worker_threads');
const { runInThisContext } = require('node:vm');
globalThis.asleep = workerData;
try {
  runInThisContext('Atomics.wait(asleep, 0, 0)', { breakOnSigint: true });
} catch {
  parentPort.postMessage('SIGINT');
}`;

/**
 * Takes SIGINT off the main thread: the first one is handed to `onInterrupt`, a second one ends the process within
 * milliseconds, whatever the main thread does meanwhile. A handler of `process.on('SIGINT')` runs on the main thread and
 * is dead while that computes.
 *
 * The thread costs some 40 ms of another core and 10 MB, the main thread about 3 ms.
 *
 * @returns Lets the thread go. To be called before the process ends by itself.
 */
export function watchInterrupts(onInterrupt: () => void): () => void {
  const asleep = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  const worker = new Worker(watcher, {
    eval: true,
    workerData: asleep,
    env: {},
    // What the user's NODE_OPTIONS load has no business in here.
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 1, stackSizeMb: 1 },
  });
  worker.on('message', onInterrupt);
  // Without the thread the main thread's own handlers go on as before.
  worker.on('error', () => undefined);
  worker.unref();
  return () => {
    Atomics.store(asleep, 0, 1);
    Atomics.notify(asleep, 0);
  };
}
