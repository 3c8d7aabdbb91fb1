// Runs the tests of the built command with Node 24 as its Node. The binary comes from the npm registry as a package.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const release = '24.21.0';
const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const folder = path.join(root, 'node_modules', '.cache', `node-${release}`);
const name = `node-${process.platform}-${process.arch}`;
const node = path.join(folder, 'node_modules', name, 'bin', 'node');

if (!existsSync(node)) {
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, 'package.json'), '{"private":true}');
  execFileSync('npm', ['install', '--no-audit', '--no-fund', '--no-save', `${name}@${release}`], {
    cwd: folder,
    stdio: 'inherit',
  });
}
const jest = path.join(root, 'node_modules/jest/bin/jest.js');
const { status } = spawnSync(process.execPath, ['--experimental-vm-modules', jest, '__tests__/e2e'], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, CLLM_TEST_NODE: node },
});
process.exitCode = status ?? 1;
