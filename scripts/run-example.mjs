// Runs an example with the built library: npm run example streaming
// Without LITELLM_PROXY_URL in the environment the demo proxy of `cllm --demo` answers.
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const name = process.argv[2] ?? 'basic-usage';
// Inside the package, so that `import 'cllm'` finds the package itself.
const folder = await mkdtemp(path.join(root, 'dist', 'example-'));
const bundle = async (entry, external) => {
  const outfile = path.join(folder, `${path.basename(entry, '.ts')}.mjs`);
  await build({
    entryPoints: [path.join(root, entry)],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    external,
    logLevel: 'error',
  });
  return outfile;
};

let demo = null;
try {
  const example = await bundle(`examples/${name}.ts`, ['cllm']);
  const env = { ...process.env };
  if (!env.LITELLM_PROXY_URL) {
    const { startDemoProxy } = await import(pathToFileURL(await bundle('src/demo/demo-proxy.ts', [])).href);
    demo = await startDemoProxy();
    Object.assign(env, { LITELLM_PROXY_URL: demo.baseUrl, LITELLM_PROXY_API_KEY: demo.apiKey, CLLM_MODEL: demo.model });
  }
  const child = spawn(process.execPath, [example], { stdio: 'inherit', env });
  process.exitCode = await new Promise((resolve) => child.on('close', resolve));
} finally {
  await demo?.close();
  await rm(folder, { recursive: true, force: true });
}
