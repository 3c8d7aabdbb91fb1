// Builds release/cllm-X.Y.Z-PLATFORM-ARCH, the command as one file with Node inside: npm run build:executable
// The Node inside is the one that runs this script, and the platform is its own: a machine a platform.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { cachedDataVersionTag } from 'node:v8';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { inject } from 'postject';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const at = (...parts) => path.join(root, ...parts);
const { version } = JSON.parse(readFileSync(at('package.json'), 'utf8'));
const { platform, arch } = process;
const [outFile = at('release', `cllm-${version}-${platform}-${arch}${platform === 'win32' ? '.exe' : ''}`)] =
  process.argv.slice(2);
// As src/history/database.ts has it: an older one can lose commits, and the addon is a file that no executable holds.
const [major = 0, minor = 0, patch = 0] = (process.versions.sqlite ?? '0').split('.').map(Number);
if (major * 1e6 + minor * 1e3 + patch < 3_051_003) {
  console.error(
    `Node ${process.versions.node} has no SQLite that keeps every commit: npx --package node@24 npm run build:executable`,
  );
  process.exit(2);
}

const folder = mkdtempSync(path.join(tmpdir(), 'cllm-executable-'));
try {
  const { defines, codes } = await buildFacts();
  const main = path.join(folder, 'main.cjs');
  await build({
    entryPoints: [at('src/cli/executable.ts')],
    outfile: main,
    bundle: true,
    format: 'cjs',
    platform: 'node',
    target: `node${process.versions.node}`,
    minify: true,
    define: defines,
  });
  const assets = {};
  for (const name of readdirSync(at('dist/cli/chunks'))) assets[`chunks/${name}`] = at('dist/cli/chunks', name);
  for (const name of existsSync(codes) ? readdirSync(codes) : [])
    assets[`code/${name.replace(/\.bin$/, '')}`] = path.join(codes, name);
  const blob = path.join(folder, 'cllm.blob');
  const config = path.join(folder, 'sea.json');
  writeFileSync(
    config,
    JSON.stringify({ main, output: blob, assets, disableExperimentalSEAWarning: true, useCodeCache: true }),
  );
  execFileSync(process.execPath, ['--experimental-sea-config', config], { stdio: ['ignore', 'ignore', 'inherit'] });
  const executable = path.join(folder, 'cllm');
  copyFileSync(process.execPath, executable);
  chmodSync(executable, 0o755);
  // A signature is of the bytes before; macOS runs nothing whose signature is wrong, or missing.
  if (platform === 'darwin') execFileSync('codesign', ['--remove-signature', executable]);
  await inject(executable, 'NODE_SEA_BLOB', readFileSync(blob), {
    sentinelFuse: 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2',
    ...(platform === 'darwin' && { machoSegmentName: 'NODE_SEA' }),
  });
  if (platform === 'darwin') execFileSync('codesign', ['--sign', '-', executable]);
  mkdirSync(path.dirname(outFile), { recursive: true });
  copyFileSync(executable, outFile);
  chmodSync(outFile, 0o755);
  console.log(`${path.relative(process.cwd(), outFile)}, with Node ${process.versions.node}`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** What `npm run build` put into bin.js, and the code that this Node compiled of its chunks. */
async function buildFacts() {
  const { default: facts } = await import(at('node_modules/.cache/cllm-build/defines.json'), {
    with: { type: 'json' },
  });
  const tag = `${cachedDataVersionTag().toString(16)}-${JSON.parse(facts.__BUILD_ID__)}`;
  const codes = at('dist/cli/code-cache', tag);
  if (!existsSync(codes))
    console.warn('dist/ was built by another Node, so the executable compiles its code at each start');
  return { defines: facts, codes };
}
