// Builds dist/: the library as plain tsc output, the CLI as one esbuild bundle split into lazy chunks.
import { execFileSync } from 'node:child_process';
import { chmod, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const at = (...parts) => path.join(root, ...parts);
const { version } = JSON.parse(await readFile(at('package.json'), 'utf8'));

await rm(at('dist'), { recursive: true, force: true });
execFileSync(process.execPath, [at('node_modules/typescript/bin/tsc'), '-p', at('tsconfig.build.json')], { stdio: 'inherit' });

const { metafile } = await build({
  entryPoints: [at('src/cli/bin.ts')],
  outdir: at('dist/cli'),
  absWorkingDir: root,
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  chunkNames: 'chunks/[name]-[hash]',
  minify: true,
  keepNames: false,
  legalComments: 'none',
  metafile: true,
  // The addon's binaries are files of its own package.
  external: ['@photostructure/sqlite'],
  define: { __VERSION__: JSON.stringify(version) },
  // undici and yargs reach for `require`, which an ES module does not have.
  banner: { js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);" },
});
// npx sets the run bit only once for a path, so the build has to.
await chmod(at('dist/cli/bin.js'), 0o755);
await writeFile(at('THIRD-PARTY-LICENSES.txt'), await licences(Object.keys(metafile.inputs)));

/** The licence texts of the packages whose code went into the bundle. */
async function licences(inputs) {
  const packages = new Set();
  for (const input of inputs) {
    const match = /^(node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input);
    if (match) packages.add(match[1]);
  }
  const texts = [];
  for (const folder of [...packages].sort()) {
    const manifest = JSON.parse(await readFile(at(folder, 'package.json'), 'utf8'));
    let text = '';
    for (const name of ['LICENSE', 'license', 'LICENSE.md', 'license.md', 'LICENSE.txt', 'LICENSE-MIT.txt', 'LICENCE']) {
      text = await readFile(at(folder, name), 'utf8').catch(() => '');
      if (text) break;
    }
    texts.push(`${manifest.name} ${manifest.version} (${manifest.license})\n\n${text.trim()}\n`);
  }
  return `The cllm command contains code of these packages.\n\n${texts.join('\n---\n\n')}`;
}
