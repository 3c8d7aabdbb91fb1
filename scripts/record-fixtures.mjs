// Records the recordings in __tests__/fixtures anew, from a real LiteLLM: npm run record-fixtures
// To be run when the pinned LiteLLM changes; what then differs in the fixtures is what changed on the wire.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { startSuite } from '../__tests__/support/litellm-setup.mjs';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const { addresses, failure, stop } = await startSuite(root);
if (addresses === null) throw new Error(failure.message);
try {
  await build({
    absWorkingDir: root,
    entryPoints: ['__tests__/support/fixture-recorder.ts'],
    outfile: '.litellm/record-fixtures.mjs',
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    logLevel: 'warning',
  });
  const recorder = [path.join(root, '.litellm/record-fixtures.mjs'), JSON.stringify(addresses)];
  const [code] = await once(spawn(process.execPath, recorder, { cwd: root, stdio: 'inherit' }), 'exit');
  process.exitCode = code ?? 1;
} finally {
  await stop();
}
