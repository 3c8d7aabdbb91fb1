// Says how large the package is, and fails past the budget: npm run size
// Packed is what npm publishes, SQLite for every platform included; installed is what `npm install cllm` puts on a disk.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const budget = { packed: 12e6, installed: 8e6 };
const folder = mkdtempSync(path.join(tmpdir(), 'cllm-size-'));
try {
  const [{ filename, size, unpackedSize, entryCount }] = JSON.parse(
    execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }),
  );
  execFileSync(
    'npm',
    [
      'install',
      '--prefix',
      folder,
      '--no-audit',
      '--no-fund',
      '--ignore-scripts',
      '--omit=dev',
      path.join(folder, filename),
    ],
    { stdio: 'ignore' },
  );
  const modules = path.join(folder, 'node_modules');
  const addon = path.join(modules, 'cllm/dist/sqlite');
  const installed = sizeOf(modules) - sizeOf(addon);
  const packages =
    execFileSync('npm', ['ls', '--all', '--parseable', '--prefix', folder], { encoding: 'utf8' }).trim().split('\n')
      .length - 1;
  console.log(
    `packed        ${kilobytes(size)} of ${kilobytes(budget.packed)} (${entryCount} files, ${kilobytes(unpackedSize)} unpacked)`,
  );
  console.log(
    `installed     ${kilobytes(installed)} of ${kilobytes(budget.installed)}, and ${kilobytes(sizeOf(addon))} for SQLite`,
  );
  console.log(`packages      ${packages}`);
  if (size > budget.packed || installed > budget.installed) {
    console.error('over the budget');
    process.exitCode = 1;
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function sizeOf(place) {
  const stat = statSync(place);
  return stat.isDirectory()
    ? readdirSync(place).reduce((sum, name) => sum + sizeOf(path.join(place, name)), 0)
    : stat.size;
}

function kilobytes(bytes) {
  return `${Math.round(bytes / 1e3).toLocaleString('en')} kB`;
}
