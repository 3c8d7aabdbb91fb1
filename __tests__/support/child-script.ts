import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, afterEach } from '@jest/globals';
import { build } from 'esbuild';

const root = resolve(import.meta.dirname, '../..');

/** Node 22 says at each start that its SQLite is experimental; the command itself keeps that from people. */
const quiet = '--disable-warning=ExperimentalWarning';

export interface ChildRun {
  child: ChildProcess;
  /** Lines of stdout as they come. */
  stdout: () => string;
  exit: Promise<{ code: number | null; signal: NodeJS.Signals | null; stdout: string; stderr: string }>;
}

/**
 * Runs TypeScript of this repository as processes of their own: several writers at once, or one to kill. Bundled once a
 * file, beside the packages that the bundle loads. Processes that still run after a test are ended, each by its own id.
 */
export function useChildScript(
  entry: string,
): (args: string[], shell?: (command: string) => string[]) => Promise<ChildRun> {
  const folder = join(root, 'node_modules', '.cache', 'cllm-tests');
  const bundle = join(folder, `${entry.replaceAll(/\W/g, '-')}-${process.pid}.mjs`);
  const running = new Set<ChildProcess>();
  let built: Promise<unknown> | undefined;

  afterEach(() => {
    for (const child of running) child.kill('SIGKILL');
    running.clear();
  });
  afterAll(() => rmSync(bundle, { force: true }));

  return async (args, shell) => {
    mkdirSync(folder, { recursive: true });
    built ??= build({
      entryPoints: [join(root, '__tests__', entry)],
      outfile: bundle,
      bundle: true,
      platform: 'node',
      format: 'esm',
      packages: 'external',
      logLevel: 'error',
    });
    await built;
    const [file = '', ...rest] = shell?.([process.execPath, quiet, bundle, ...args].map(quoted).join(' ')) ?? [
      process.execPath,
      quiet,
      bundle,
      ...args,
    ];
    const child = spawn(file, rest, { stdio: ['pipe', 'pipe', 'pipe'], env: { PATH: process.env['PATH'] } });
    running.add(child);
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    const exit = new Promise<Awaited<ChildRun['exit']>>((fulfil, reject) => {
      child.on('error', reject);
      child.on('close', (code, signal) => {
        running.delete(child);
        fulfil({ code, signal, stdout, stderr });
      });
    });
    return { child, stdout: () => stdout, exit };
  };
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
