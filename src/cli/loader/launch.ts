import path from 'node:path';
import { cachedDataVersionTag, setFlagsFromString } from 'node:v8';
import { version } from '../version.ts';
import { CodeLoader, type CodeSource, type Packs } from './code-loader.ts';
import type { CodeCacheOptions } from './code-cache.ts';

/** The part that holds `start.ts`, put in by the build. */
declare const __START_CHUNK__: string;

/** Tells this build's parts from those of another. Put in by the build. */
declare const __BUILD_ID__: string;

/** Which parts lie together. Put in by the build. */
declare const __PACKS__: Packs;

/** What the first part gives. */
interface StartPart {
  /** @returns the exit code */
  start(argv: readonly string[], cwd: string): Promise<number>;
}

/** Runs the command out of its parts. `--version` needs none of them. */
export function launch(
  host: NodeJS.Process,
  codeFor: (whose: Omit<CodeCacheOptions, 'installation'>) => CodeSource,
): void {
  const argv = host.argv.slice(2);
  if (argv.length === 1 && argv[0] === '--version') {
    host.stdout.once('error', (error: NodeJS.ErrnoException) => {
      // Who closed the pipe wanted no more.
      if (error.code === 'EPIPE') return;
      host.exitCode = 1;
      host.stderr.write(`cllm: standard output could not be written: ${error.message}\n`);
    });
    host.stdout.write(`${version}\n`);
    return;
  }
  // Node 20 optimises undici's WASM parser in the background and waits for that, about 180 ms, before it ends.
  if (host.versions.node.startsWith('20.')) setFlagsFromString('--liftoff-only');
  if (host.versions.node.startsWith('22.')) keepSqliteQuiet(host);
  const cwd = workingDirectory(host);
  const tag = `${cachedDataVersionTag().toString(16)}-${__BUILD_ID__}`;
  const loader = new CodeLoader(codeFor({ env: host.env, cwd, uid: host.getuid?.() ?? null, tag }), __PACKS__);
  // A promise that nothing settles any more ends the process as if all were well. Until the command has ended, nothing is.
  host.exitCode = 1;
  const unsettled = (): void => {
    host.stderr.write('cllm: internal error: nothing is left to wait for, and the command is not done\n');
    host.stderr.write('  this is a bug in cllm: please report it with the command that shows it, and --debug\n');
  };
  host.once('beforeExit', unsettled);
  void run();

  async function run(): Promise<void> {
    host.exitCode = await (loader.load(__START_CHUNK__) as StartPart).start(argv, cwd);
    host.off('beforeExit', unsettled);
    loader.keep();
  }
}

/** Node 22 says of its SQLite, when it is loaded, that it is experimental: nothing for people who ask a question. */
function keepSqliteQuiet(host: NodeJS.Process): void {
  const emitWarning = host.emitWarning.bind(host) as (...given: unknown[]) => void;
  host.emitWarning = (warning: unknown, ...rest: unknown[]): void => {
    if (typeof warning !== 'string' || !warning.startsWith('SQLite is an experimental')) emitWarning(warning, ...rest);
  };
}

/**
 * A deleted one has no name any more; what the shell called it is as good as any for saying that it is gone. Libraries
 * ask for it as they load, and then there has to be one.
 */
function workingDirectory(host: NodeJS.Process): string {
  try {
    return host.cwd();
  } catch {
    host.chdir('/');
    const { PWD: named = '' } = host.env;
    return path.isAbsolute(named) ? named : '/';
  }
}
