import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import { expect, test } from '@jest/globals';

const run = promisify(execFile);

test.each([
  ['protocol', ['× JSON.parse', '× the line', '× the text']],
  ['protocol-peers', ['cllm, for await, folded', 'cllm, reads(), folded']],
])('bench/%s.bench.mjs runs and prints its figures', async (name, figures) => {
  const { stdout } = await run(process.execPath, ['--expose-gc', `bench/${name}.bench.mjs`, '--smoke'], {
    timeout: 55_000,
  });
  for (const figure of figures) expect(stdout).toContain(figure);
});
