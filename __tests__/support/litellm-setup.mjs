// jest's globalSetup and globalTeardown of the litellm project. Plain JavaScript: jest 30 loads a TypeScript setup file
// through require, which cannot follow its imports of other `.ts` files on Node 20. So the suite is bundled on the fly and
// runs as a process of its own.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { build } from 'esbuild';

// One for each run: several may start at once.
const bundle = `.litellm/suite-${process.pid}.mjs`;

/** Starts the suite's process in a repository; gives its addresses, or why it cannot run, and how to end it. */
export async function startSuite(root) {
  await build({
    absWorkingDir: root,
    entryPoints: ['__tests__/support/litellm-suite.ts'],
    outfile: bundle,
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    logLevel: 'warning',
  });
  const child = spawn(process.execPath, [bundle], { cwd: root, stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const [line] = await Promise.race([once(createInterface(child.stdout), 'line'), exited.then(() => [undefined])]);
  // Node has read it by the time that it runs.
  await rm(path.join(root, bundle), { force: true });
  const stop = async () => {
    child.stdin.end();
    await exited;
  };
  const { addresses = null, failure = { message: 'it ended without a word' } } = line ? JSON.parse(line) : {};
  if (addresses === null) await stop();
  return { addresses, failure, stop };
}

export default async function setup(globalConfig, projectConfig) {
  const suite = await startSuite(projectConfig.rootDir);
  globalThis.stopLitellmSuite = suite.stop;
  const { addresses, failure } = suite;
  if (addresses !== null) {
    process.env.CLLM_TEST_LITELLM = JSON.stringify(addresses);
  } else if (failure.code === 'local_proxy_unavailable' && !process.env.CI) {
    process.env.CLLM_TEST_LITELLM_SKIPPED = failure.message;
    process.stderr.write(`litellm: the tests against a real LiteLLM are SKIPPED: ${failure.message}\n`);
  } else {
    throw new Error(`the tests against a real LiteLLM cannot run: ${failure.message}`);
  }
}
