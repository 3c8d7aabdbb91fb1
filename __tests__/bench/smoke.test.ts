import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';

const run = promisify(execFile);

/** A benchmark that nobody runs rots: each one runs here, small, and prints its figures. */
test.each([
  ['command', ['start-up', 'display delay', 'chunks a second', 'peak memory']],
  ['process-end', ['text, saved', 'SIGINT']],
  ['history', ['commit', 'list']],
  ['search', ['a step', 'index of pairs', 'two characters']],
  ['streams', ['cllm', 'raw undici']],
  ['batch', ['ideal', 'processor time']],
  ['terminal', ['redraw']],
  ['tools', ['kept', '--ephemeral']],
  ['prompt', ['redaction', 'commit']],
])('bench/%s.bench.mjs runs and prints its figures', async (name, figures) => {
  const { stdout } = await run(process.execPath, ['--expose-gc', `bench/${name}.bench.mjs`, '--smoke'], {
    timeout: 55_000,
  });
  // A label without its figure, or with one that was never measured, is no result.
  expect(stdout).not.toMatch(/\b(NaN|undefined|Infinity|null)\b/);
  for (const figure of figures) {
    const lines = stdout.split('\n');
    const at = lines.findIndex((line) => line.includes(figure));
    expect([figure, lines.slice(at, at + 3).some((line) => /\d*[1-9]\d*/.test(line.replace(figure, '')))]).toEqual([
      figure,
      at !== -1,
    ]);
    expect(at).not.toBe(-1);
  }
});
