import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';

const run = promisify(execFile);

/** A benchmark that nobody runs rots: each one runs here, small, and prints its figures. */
test.each([
  ['command', ['start-up', 'display delay', 'chunks a second', 'peak memory']],
  ['executable', ['one executable', 'size']],
  ['process-end', ['text, saved', 'SIGINT']],
  ['history', ['commit', 'list']],
  ['batch', ['ideal']],
  ['terminal', ['redraw']],
])('bench/%s.bench.mjs runs and prints its figures', async (name, figures) => {
  const { stdout } = await run(process.execPath, ['--expose-gc', `bench/${name}.bench.mjs`, '--smoke'], {
    timeout: 55_000,
  });
  for (const figure of figures) expect(stdout).toContain(figure);
});
