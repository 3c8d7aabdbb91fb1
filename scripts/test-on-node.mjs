// Runs tests of the built command with other Nodes as its Node: npm run test:node, or npm run test:node -- 24
// The binaries come from the npm registry as packages.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

// The newest that people have gets all; between it and the floor, on which the suite runs, the ways in are enough.
const releases = {
  22: { version: '22.23.3', tests: ['action', 'ways-in', 'ask', 'ends', 'history', 'interrupt', 'modules'] },
  24: { version: '24.21.0', tests: [''] },
};
const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const wanted = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(releases);

for (const major of wanted) {
  if (!(major in releases)) {
    console.error(`no release of Node ${major} is named here, only of ${Object.keys(releases).join(' and ')}`);
    process.exit(2);
  }
  const { version, tests } = releases[major];
  const node = nodeOf(version);
  jest(
    process.execPath,
    tests.map((name) => `__tests__/e2e/${name && `${name}.test`}`),
    { CLLM_TEST_NODE: node },
  );
  // In its own process: the history has that Node's own SQLite there.
  jest(node, ['__tests__/history/', '__tests__/conversation/'], {});
}

function jest(node, patterns, env) {
  const { status } = spawnSync(
    node,
    [
      '--experimental-vm-modules',
      path.join(root, 'node_modules/jest/bin/jest.js'),
      '--selectProjects',
      'unit',
      '--',
      ...patterns,
    ],
    { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } },
  );
  if (status !== 0) process.exitCode = status ?? 1;
}

/** The binary of that release, installed at the first use. */
function nodeOf(version) {
  const folder = path.join(root, 'node_modules', '.cache', `node-${version}`);
  const name = `node-${process.platform}-${process.arch}`;
  const node = path.join(folder, 'node_modules', name, 'bin', 'node');
  if (!existsSync(node)) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(path.join(folder, 'package.json'), '{"private":true}');
    execFileSync('npm', ['install', '--no-audit', '--no-fund', '--no-save', `${name}@${version}`], {
      cwd: folder,
      stdio: 'inherit',
    });
  }
  return node;
}
