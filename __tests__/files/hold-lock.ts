// A process for the tests of locks: adds to a number in a file, many times, each time while it has the file's lock; or,
// asked to hold it, says so and waits to be killed.
import { readFileSync, writeFileSync } from 'node:fs';
import { withFileLock } from '../../src/files/file-lock.ts';
import { identifyProcess } from '../../src/files/process-identity.ts';

const [, , file = '', times = '0'] = process.argv;
const identity = identifyProcess(process.pid);
if (times === 'hold') {
  await withFileLock(file, identity, async () => {
    process.stdout.write('held\n');
    await new Promise((resolve) => setTimeout(resolve, 600_000));
  });
}
for (let time = 0; time < Number(times); time += 1) {
  await withFileLock(file, identity, async () => {
    const number = Number(readFileSync(file, 'utf8'));
    // The others get their turn in the middle, if the lock lets them.
    await new Promise((resolve) => setImmediate(resolve));
    writeFileSync(file, String(number + 1));
  });
}
