import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import { expect, test } from '@jest/globals';

const run = promisify(execFile);

test('bench/faults.bench.mjs finds no silent truncation, no hang and no leak in cllm', async () => {
  const { stdout } = await run(process.execPath, ['bench/faults.bench.mjs', '--smoke'], { timeout: 55_000 });
  for (const what of ['silent truncations', 'hangs']) {
    expect(stdout).toMatch(
      new RegExp(String.raw`\*\*${what}\*\* \| \*\*0\*\* of [1-9]\d* \| \*\*0\*\* of [1-9]\d* \|`),
    );
  }
  expect(stdout).toContain('| **keys leaked** | **0** | **0** |');
});
