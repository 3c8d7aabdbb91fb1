import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { startFakeUpstream, textReply, type FakeUpstream } from '../support/fake-upstream.ts';
import { pack, startPackageRegistry, type PackageRegistry } from '../support/package-registry.ts';
import { node } from '../support/run-cli.ts';

/**
 * The ways to cllm that begin with its packed file, as a stranger goes them: an empty home, a registry that has what the
 * package depends on and nothing else.
 */
const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(path.join(tmpdir(), 'cllm-ways-in-'));
const at = (...parts: string[]): string => path.join(folder, ...parts);
const tool = (file: string): string => path.join(root, 'node_modules', file);
const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as { version: string };

let registry: PackageRegistry;
let upstream: FakeUpstream;
let packed: string;
let env: Record<string, string>;

beforeAll(async () => {
  ({ file: packed } = pack(root, folder));
  registry = await startPackageRegistry(folder);
  upstream = await startFakeUpstream();
  upstream.fallback = textReply('Streamed, and kept.');
  mkdirSync(at('home'));
  env = {
    HOME: at('home'),
    PATH: `${at('prefix/bin')}:${path.dirname(node)}:${process.env['PATH']}`,
    npm_config_registry: registry.url,
    npm_config_cache: at('cache'),
    LITELLM_PROXY_URL: upstream.baseUrl,
    LITELLM_PROXY_API_KEY: 'sk-test-key',
    CLLM_MODEL: 'fake',
  };
  mkdirSync(at('scratch'));
  writeFileSync(at('scratch/package.json'), '{ "name": "scratch", "private": true, "type": "module" }');
  await expectToRun('npm', ['install', packed], { cwd: at('scratch') });
});

afterAll(async () => {
  await registry?.close();
  await upstream?.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

async function run(
  program: string,
  args: string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<Ended> {
  const child = spawn(program, args, {
    cwd: options.cwd ?? folder,
    env: { ...env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended: Ended = { code: null, stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (ended.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (ended.stderr += text));
  ended.code = await new Promise((resolve, reject) => child.on('error', reject).on('close', resolve));
  return ended;
}

/** Runs what has to succeed, and gives what it said. */
async function expectToRun(...command: Parameters<typeof run>): Promise<Ended> {
  const ended = await run(...command);
  expect({ command: command.slice(0, 2), ...ended }).toMatchObject({ code: 0 });
  return ended;
}

test('installed globally from the packed file, without a warning, it answers, streams and keeps', async () => {
  const { stdout, stderr } = await expectToRun('npm', ['install', '--global', '--prefix', at('prefix'), packed]);
  expect(stderr).toBe('');
  expect(stdout).toMatch(/^\s*added 3 packages in \S+\s*$/);
  expect((await expectToRun('cllm', ['--version'])).stdout).toBe(`${version}\n`);
  // Where `man` looks beside a directory of the PATH.
  expect(readFileSync(at('prefix', 'share', 'man', 'man1', 'cllm.1'), 'utf8')).toContain('.TH CLLM 1');
  expect((await expectToRun('cllm', ['-q', '-C', 'first', 'hello'])).stdout).toBe('Streamed, and kept.\n');
  expect(upstream.chatRequests.at(-1)?.body.stream).toBe(true);
  expect((await expectToRun('cllm', ['history', 'show', 'first'])).stdout).toContain('Streamed, and kept.');
  // npm asks what versions the optional peers have, and takes neither.
  expect(
    registry.requests.filter(
      (place) => !/^((-\/)?(undici|eventsource-parser)|npm$|-\/npm\/|(bullmq|ioredis)$)/.test(place),
    ),
  ).toEqual([]);
});

const client = `
const client = new LiteLLMClient({ baseUrl: process.env['LITELLM_PROXY_URL'] ?? '', apiKey: 'sk-test-key' });
async function main() {
  const stream = client.stream({ model: 'fake', messages: [{ role: 'user', content: 'hello' }] });
  let text = '';
  for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
  const { verdict } = await stream.result();
  process.stdout.write(verdict + ': ' + text);
}
`;
const said = 'complete: Streamed, and kept.';
const write = (name: string, text: string): string => {
  writeFileSync(at('scratch', name), text);
  return at('scratch', name);
};

describe('the library', () => {
  test('is imported by an ES module, and loads neither yargs nor the addon', async () => {
    const report = `main().then(() => {
      process.report.excludeNetwork = true;
      process.stdout.write('\\n' + JSON.stringify(process.report.getReport().sharedObjects));
    });`;
    const file = write('esm.mjs', `import { LiteLLMClient } from 'cllm';${client}${report}`);
    const { stdout } = await expectToRun(node, [file], { env: { NODE_V8_COVERAGE: at('coverage') } });
    const [reply, objects = '[]'] = stdout.split('\n');
    expect(reply).toBe(said);
    expect((JSON.parse(objects) as string[]).length).toBeGreaterThan(0);
    expect((JSON.parse(objects) as string[]).filter((name) => name.endsWith('.node'))).toEqual([]);
    const urls = readdirSync(at('coverage')).flatMap((name) =>
      (JSON.parse(readFileSync(at('coverage', name), 'utf8')) as { result: { url: string }[] }).result.map(
        ({ url }) => url,
      ),
    );
    expect(urls.filter((url) => url.endsWith('/cllm/dist/index.js'))).toHaveLength(1);
    expect(
      urls.filter((url) => /yargs|@photostructure|\/cllm\/dist\/(?!index|client|protocol|errors|outcome)/.test(url)),
    ).toEqual([]);
  });

  test('is imported by CommonJS with import()', async () => {
    const file = write('commonjs.cjs', `import('cllm').then(({ LiteLLMClient }) => {${client}; return main(); });`);
    expect((await expectToRun(node, [file])).stdout).toBe(said);
  });

  test.each(['nodenext', 'bundler'])('has types for strict TypeScript with moduleResolution %s', async (resolution) => {
    const types = at('scratch/node_modules/@types');
    mkdirSync(types, { recursive: true });
    for (const name of ['node', 'undici-types']) {
      const place = name === 'node' ? path.join(types, name) : at('scratch/node_modules', name);
      rmSync(place, { force: true, recursive: true });
      symlinkSync(tool(name === 'node' ? '@types/node' : name), place);
    }
    write(
      `${resolution}.ts`,
      `import { LiteLLMClient, type Verdict } from 'cllm';${client}
const verdict: Verdict = 'complete';
// @ts-expect-error A model is a string.
void client.stream({ model: 7, messages: [], verdict });
main();`,
    );
    const wide = { strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true };
    write(
      `tsconfig.${resolution}.json`,
      JSON.stringify({
        compilerOptions: {
          ...wide,
          skipLibCheck: false,
          target: 'es2023',
          module: resolution === 'bundler' ? 'esnext' : resolution,
          moduleResolution: resolution,
          types: ['node'],
          outDir: resolution,
        },
        files: [`${resolution}.ts`],
      }),
    );
    await expectToRun(process.execPath, [tool('typescript/bin/tsc'), '-p', at(`scratch/tsconfig.${resolution}.json`)]);
    // The call that does not check is no call to make.
    const built = at('scratch', resolution, `${resolution}.js`);
    writeFileSync(built, readFileSync(built, 'utf8').replace(/^void client.*$/m, ''));
    expect((await expectToRun(node, [built])).stdout).toBe(said);
  });

  test('is bundled by esbuild', async () => {
    const file = write('bundled.js', `import { LiteLLMClient } from 'cllm';${client}main();`);
    const outfile = at('esbuild/bundle.cjs');
    await expectToRun(tool('.bin/esbuild'), [
      file,
      '--bundle',
      '--platform=node',
      `--outfile=${outfile}`,
      '--log-level=warning',
    ]);
    expect((await expectToRun(node, [outfile])).stdout).toBe(said);
  });

  test('is bundled by vite', async () => {
    write('bundled.js', `import { LiteLLMClient } from 'cllm';${client}main();`);
    write(
      'vite.config.mjs',
      "export default { ssr: { noExternal: true }, build: { ssr: 'bundled.js', outDir: '../vite', emptyOutDir: true } };",
    );
    await expectToRun(process.execPath, [tool('vite/bin/vite.js'), 'build', '--logLevel', 'warn'], {
      cwd: at('scratch'),
    });
    expect((await expectToRun(node, [at('vite/bundled.js')])).stdout).toBe(said);
  });

  test('has a manifest and types that publint and arethetypeswrong find nothing wrong with', async () => {
    await expectToRun(process.execPath, [tool('publint/src/cli.js'), 'run', packed, '--strict']);
    await expectToRun(process.execPath, [tool('@arethetypeswrong/cli/dist/index.js'), packed, '--profile', 'esm-only']);
  });
});
