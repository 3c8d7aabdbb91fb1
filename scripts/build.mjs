// Builds dist/: the library as plain tsc output, the CLI as one esbuild build, split into lazy chunks.
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, transform } from 'esbuild';
import { writeManPages } from './man-pages.mjs';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const at = (...parts) => path.join(root, ...parts);
const { version } = JSON.parse(await readFile(at('package.json'), 'utf8'));
const sqlite = 'node_modules/@photostructure/sqlite';

// Built beside and put in place at the end, so that a command that runs meanwhile never finds half a build.
const dist = at(`dist-${process.pid}`);
const out = (...parts) => path.join(dist, ...parts);
execFileSync(
  process.execPath,
  [at('node_modules/typescript/bin/tsc'), '-p', at('tsconfig.build.json'), '--outDir', dist],
  { stdio: 'inherit' },
);

// One build of everything, split into chunks that are loaded when they are wanted …
const { outputFiles, metafile } = await build({
  entryPoints: [at('src/cli/start.ts')],
  outdir: out('cli/chunks'),
  absWorkingDir: root,
  bundle: true,
  splitting: true,
  write: false,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  entryNames: '[name]-[hash]',
  chunkNames: '[name]-[hash]',
  minify: true,
  legalComments: 'none',
  metafile: true,
  // The addon's binaries are files of its own package.
  external: ['@photostructure/sqlite'],
  define: { __VERSION__: JSON.stringify(version) },
  plugins: [
    { name: 'undici in part', setup: undiciInPart },
    { name: 'without HTTP/2', setup: withoutHttp2 },
    { name: "Node's HTTP later", setup: httpLater },
    { name: 'widths later', setup: widthsLater },
    { name: 'engine of templates', setup: templateEngine },
  ],
});
// … and each chunk in the form that bin.ts can load with a code cache: `import` gives no way to do that on Node 20.
await mkdir(out('cli/chunks'), { recursive: true });
for (const { path: file, text } of outputFiles) await writeFile(file, await asCommonJs(text));
await writeFile(out('cli/package.json'), '{ "type": "commonjs" }\n');
const names = outputFiles.map(({ path: file }) => path.basename(file));
const buildId = createHash('sha256').update(names.join()).digest('hex').slice(0, 12);
const defines = {
  __VERSION__: JSON.stringify(version),
  __START_CHUNK__: JSON.stringify(names.find((name) => name.startsWith('start-'))),
  __BUILD_ID__: JSON.stringify(buildId),
};
await copySqlite();
await buildLauncher({});
/** What the code cache of an installation is filled by; the first is what most runs are. */
const usual = [['-q', 'hi'], ['--help'], ['history', 'list']];
const packs = await pack(await chunksOf(usual));
const allDefines = await buildLauncher(packs);
await writeManPages(root, out('man'), version);
await writeFile(at('THIRD-PARTY-LICENSES.txt'), await licences([...Object.keys(metafile.inputs), `${sqlite}/addon`]));
await runEach(usual);
// What each chunk holds, for the test of what a command loads.
await mkdir(at('node_modules/.cache/cllm-build'), { recursive: true });
const heldBy = Object.fromEntries(
  Object.entries(metafile.outputs).map(([file, { inputs }]) => [path.basename(file), Object.keys(inputs)]),
);
const held = [
  ...Object.entries(heldBy),
  ...Object.entries(packs).map(([name, parts]) => [name, parts.flatMap((part) => heldBy[part])]),
];
await writeFile(at('node_modules/.cache/cllm-build/chunks.json'), JSON.stringify(Object.fromEntries(held)));
await writeFile(at('node_modules/.cache/cllm-build/defines.json'), JSON.stringify(allDefines));
await rm(at('dist'), { recursive: true, force: true });
await rename(dist, at('dist'));

/** undici's index loads fetch, WebSocket, caches and mocks: three times what the command uses. */
function undiciInPart(setup) {
  setup.onResolve({ filter: /^undici$/ }, () => ({ path: 'undici', namespace: 'undici in part' }));
  setup.onLoad({ filter: /.*/, namespace: 'undici in part' }, () => ({
    contents: "export { default as Agent } from 'undici/lib/dispatcher/agent.js';",
    resolveDir: root,
  }));
}

/** undici loads its HTTP/2 client, and with it node:http2, at once; cllm has HTTP/2 switched off. */
function withoutHttp2(setup) {
  setup.onLoad({ filter: /undici\/lib\/dispatcher\/client-h2\.js$/ }, () => ({
    contents: "module.exports = () => { throw new Error('HTTP/2 is switched off'); };",
  }));
}

/** undici looks at node:http as it loads, for a limit that the command gives itself and for a class: six milliseconds of each start. */
function httpLater(setup) {
  const changes = {
    'dispatcher/client.js': [
      [
        /const getDefaultNodeMaxHeaderSize = http &&[^]*?\n {2}: \(\) => \{.*\}\n/,
        'const getDefaultNodeMaxHeaderSize = () => http.maxHeaderSize\n',
      ],
    ],
    'core/util.js': [
      ["const { IncomingMessage } = require('node:http')", "const http = require('node:http')"],
      ['.constructor === IncomingMessage', '.constructor === http.IncomingMessage'],
    ],
  };
  setup.onLoad({ filter: /undici\/lib\/(?:dispatcher\/client|core\/util)\.js$/ }, async ({ path: file }) => {
    let contents = await readFile(file, 'utf8');
    for (const [found, replacement] of changes[file.split('undici/lib/')[1]]) {
      const changed = contents.replace(found, replacement);
      if (changed === contents) throw new Error(`${file} no longer has ${found}`);
      contents = changed;
    }
    return { contents };
  });
}

/** yargs takes what measures text by the hand at once; its tables of Unicode take longer to load than a short question. */
function widthsLater(setup) {
  const measuring = /^(string-width|strip-ansi|wrap-ansi)$/;
  setup.onResolve({ filter: measuring }, ({ path: name, importer, pluginData }) =>
    pluginData !== 'real' && /node_modules\/(yargs|cliui)\//.test(importer)
      ? { path: name, namespace: 'later', pluginData: importer }
      : null,
  );
  setup.onLoad({ filter: /.*/, namespace: 'later' }, ({ path: name, pluginData }) => ({
    contents: `module.exports = (...values) => require(${JSON.stringify(name)}).default(...values);`,
    resolveDir: path.dirname(pluginData),
    pluginData: 'real',
  }));
}

/** The WebAssembly of templates as a part of the chunk that needs it: the single executable has no files beside it. */
function templateEngine(setup) {
  setup.onLoad({ filter: /src\/templates\/engine-code\.ts$/ }, async () => {
    const code = await readFile(at('node_modules/minijinja-js/dist/web/minijinja_js_bg.wasm'));
    return { contents: `export const engineCode = Buffer.from('${code.toString('base64')}', 'base64');` };
  });
  // What a template made of the engine is said as an error, and not by the engine itself, with a stack trace.
  setup.onLoad({ filter: /minijinja-js\/dist\/web\/minijinja_js\.js$/ }, async ({ path: file }) => {
    const said = 'console.error(getStringFromWasm0(arg0, arg1));';
    const source = await readFile(file, 'utf8');
    if (!source.includes(said)) throw new Error(`${file} no longer has ${said}`);
    return { contents: source.replace(said, ''), loader: 'js' };
  });
}

/**
 * The SQLite addon for every platform that its package has one for. As a dependency the package would bring its sources,
 * and npm would ask each user to allow a script that compiles them.
 */
async function copySqlite() {
  await mkdir(out('sqlite'));
  for (const target of await readdir(at(sqlite, 'prebuilds'))) {
    for (const file of await readdir(at(sqlite, 'prebuilds', target))) {
      const [, libc] = /\+sqlite\.(glibc|musl)\.node$/.exec(file);
      await copyFile(at(sqlite, 'prebuilds', target, file), out('sqlite', `${target}-${libc}.node`));
    }
  }
}

async function asCommonJs(text) {
  const { code } = await transform(text, {
    format: 'cjs',
    platform: 'node',
    target: 'node20.19',
    minify: true,
    charset: 'ascii',
    supported: { 'dynamic-import': false },
    define: { 'import.meta.url': '__chunkUrl' },
  });
  const url = code.includes('__chunkUrl') ? 'const __chunkUrl=require("node:url").pathToFileURL(__filename).href;' : '';
  return url + code;
}

/** @returns what it was told of this build */
async function buildLauncher(known) {
  const define = { ...defines, __PACKS__: JSON.stringify(known) };
  await build({
    entryPoints: [at('src/cli/bin.ts')],
    outfile: out('cli/bin.js'),
    bundle: true,
    format: 'cjs',
    platform: 'node',
    target: 'node20.19',
    minify: true,
    define,
  });
  // npx sets the run bit only once for a path, so the build has to.
  await chmod(out('cli/bin.js'), 0o755);
  return define;
}

/** The chunks that each of the commands loads, as the code cache tells that it leaves. */
async function chunksOf(commands) {
  const loaded = [];
  for (const command of commands) {
    await runEach([command]);
    const [tag] = await readdir(out('cli/code-cache'));
    loaded.push((await readdir(out('cli/code-cache', tag))).map((name) => name.replace(/\.bin$/, '')));
    await rm(out('cli/code-cache'), { recursive: true });
  }
  return loaded;
}

/**
 * Puts the chunks of a plain question together, each with those that the same of the commands load: the more commands there
 * are, the smaller the pieces into which esbuild splits what they share, and each costs a start a tenth of a millisecond.
 *
 * @returns the names of the parts by that of their pack
 */
async function pack([plain, ...others]) {
  const groups = new Map();
  for (const name of plain.toSorted()) {
    const users = others.map((chunks) => (chunks.includes(name) ? 1 : 0)).join('');
    groups.set(users, [...(groups.get(users) ?? []), name]);
  }
  const made = {};
  for (const parts of groups.values()) {
    const texts = await Promise.all(parts.map((name) => readFile(out('cli/chunks', name), 'latin1')));
    const members = parts.map((name, place) => `${JSON.stringify(name)}:${wrapped(texts[place])}`);
    const name = `pack-${createHash('sha256').update(parts.join()).digest('hex').slice(0, 8).toUpperCase()}.js`;
    await writeFile(out('cli/chunks', name), `({${members.join(',\n')}})`, 'latin1');
    for (const part of parts) await rm(out('cli/chunks', part));
    made[name] = parts;
  }
  return made;
}

/** As src/cli/loader/code-loader.ts has it. */
function wrapped(text) {
  return `(function (exports, require, module, __filename, __dirname) { ${text}\n})`;
}

/** Runs commands of the build once, so that the first run of whoever installs it finds its code compiled. */
async function runEach(commands) {
  const home = await mkdtemp(path.join(tmpdir(), 'cllm-build-'));
  const chunk = (choice) =>
    `data: ${JSON.stringify({ id: 'x', object: 'chat.completion.chunk', created: 1, model: 'x', choices: [{ index: 0, ...choice }] })}\n\n`;
  const server = createServer((request, response) => {
    request.resume().on('end', () => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.end(
        `${chunk({ delta: { role: 'assistant', content: 'warm' } })}${chunk({ delta: {}, finish_reason: 'stop' })}data: [DONE]\n\n`,
      );
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const env = {
    PATH: process.env.PATH,
    HOME: home,
    CLLM_HOME: home,
    CLLM_MODEL: 'x',
    LITELLM_PROXY_URL: `http://127.0.0.1:${server.address().port}`,
  };
  for (const args of commands) {
    const child = spawn(process.execPath, [out('cli/bin.js'), ...args], {
      env,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const code = await new Promise((resolve) => child.on('close', resolve));
    if (code !== 0) throw new Error(`cllm ${args.join(' ')} ended with ${code} after the build`);
  }
  server.close();
  await rm(home, { recursive: true, force: true });
}

/** The licence texts of the packages whose code went into the bundle. */
async function licences(inputs) {
  const packages = new Set();
  for (const input of inputs) {
    const match = /^(node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input);
    if (match) packages.add(match[1]);
  }
  const texts = [];
  for (const folder of [...packages].toSorted()) {
    const manifest = JSON.parse(await readFile(at(folder, 'package.json'), 'utf8'));
    let text = '';
    for (const name of [
      'LICENSE',
      'license',
      'LICENSE.md',
      'license.md',
      'LICENSE.txt',
      'LICENSE-MIT.txt',
      'LICENCE',
    ]) {
      text = await readFile(at(folder, name), 'utf8').catch(() => '');
      if (text) break;
    }
    // minijinja-js comes without its licence's text, which is the same for whoever uses it.
    if (!text && manifest.license === 'Apache-2.0')
      text = await readFile(at('node_modules/playwright-core/LICENSE'), 'utf8');
    texts.push(`${manifest.name} ${manifest.version} (${manifest.license})\n\n${text.trim()}\n`);
  }
  return `The cllm command contains code of these packages.\n\n${texts.join('\n---\n\n')}`;
}
