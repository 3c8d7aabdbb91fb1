// Runs the tests against a real LiteLLM with another release than the pinned one: npm run test:litellm -- 1.110.2
// It is installed into .litellm/vVERSION/, 0.7 GB. Further arguments go to jest.
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const [version = '', ...rest] = process.argv.slice(2);
if (!/^\d+\.\d+\.\d+$/.test(version)) {
  console.error('which LiteLLM? npm run test:litellm -- 1.110.2');
  process.exit(2);
}
mkdirSync(path.join(root, '.litellm', `v${version}`), { recursive: true });
const { status } = spawnSync(
  process.execPath,
  [
    '--experimental-vm-modules',
    path.join(root, 'node_modules/jest/bin/jest.js'),
    '--selectProjects',
    'litellm',
    ...rest,
  ],
  { cwd: root, stdio: 'inherit', env: { ...process.env, CLLM_TEST_LITELLM_VERSION: version } },
);
process.exitCode = status ?? 1;
