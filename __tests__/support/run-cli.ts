import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { checkEvents } from './check-events.ts';

/** The Node that runs the command; another one than the tests' own in the run for Node 24. */
export const node = process.env['CLLM_TEST_NODE'] ?? process.execPath;

/** The built command: `npm test` builds before it runs the tests. CLLM_TEST_BIN names another build to be tested. */
export const builtCli =
  process.env['CLLM_TEST_BIN'] ?? fileURLToPath(new URL('../../dist/cli/bin.js', import.meta.url));

export interface CliResult {
  /** Null when a signal ended the process. */
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface CliOptions {
  /** Standard input: text or bytes written and closed, or `none` (/dev/null, the default). */
  stdin?: string | Uint8Array;
  env?: Record<string, string | undefined>;
  cwd?: string;
  /** The test keeps the program from ending as it wants to (a second Ctrl-C, a pipe that it closes). */
  isCutShort?: boolean;
}

/** A running command, for tests that act while it does. */
export interface RunningCli {
  readonly process: ChildProcess;
  readonly pid: number;
  /** What stdout and stderr hold so far. */
  readonly output: { stdout: string; stderr: string };
  /** Settles when stdout holds the text; rejects when the process ends before. */
  untilStdout(text: string): Promise<void>;
  untilStderr(text: string): Promise<void>;
  readonly result: Promise<CliResult>;
}

/** What is done before a command is run, for tests that run a second time under other circumstances. */
let prepareRun: ((home: CliHome, args: readonly string[]) => Promise<void>) | null = null;

/** Whether workers ask, whose keys and budgets are not those of the batch. */
export const isAskedByOthers = (): boolean => prepareRun !== null;

export function beforeEachRun(prepare: NonNullable<typeof prepareRun>): void {
  prepareRun = prepare;
}

/** One user of cllm: a home of its own, a default proxy and key, and the commands it runs. */
export class CliHome {
  readonly directory = mkdtempSync(path.join(tmpdir(), 'cllm-test-'));
  readonly #running = new Set<ChildProcess>();
  env: Record<string, string | undefined>;

  constructor(env: Record<string, string | undefined> = {}) {
    this.env = {
      PATH: process.env['PATH'],
      HOME: this.directory,
      CLLM_HOME: path.join(this.directory, 'cllm'),
      LITELLM_PROXY_API_KEY: 'sk-test-key',
      CLLM_MODEL: 'test-model',
      ...env,
    };
  }

  /** A file or folder in the home. */
  at(...parts: string[]): string {
    return path.join(this.directory, ...parts);
  }

  start(args: readonly string[], options: CliOptions & { stdio?: ('pipe' | 'ignore' | number)[] } = {}): RunningCli {
    const child = spawn(node, [builtCli, ...args], {
      cwd: options.cwd ?? this.directory,
      env: { ...this.env, ...options.env },
      stdio: options.stdio ?? [options.stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    });
    this.#running.add(child);
    const output = { stdout: '', stderr: '' };
    let changed: (() => void)[] = [];
    for (const name of ['stdout', 'stderr'] as const) {
      child[name]?.setEncoding('utf8').on('data', (text: string) => {
        output[name] += text;
        for (const tell of changed) tell();
      });
    }
    if (options.stdin !== undefined) {
      child.stdin?.on('error', () => {});
      child.stdin?.end(options.stdin);
    }
    const result = new Promise<CliResult>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, signal) => {
        this.#running.delete(child);
        for (const tell of changed) tell();
        try {
          const format = child.stdout === null ? 'text' : formatOf(args);
          const isCutShort = options.isCutShort ?? false;
          if (format !== 'text') checkEvents({ format, stdout: output.stdout, code, isCutShort });
          resolve({ code, signal, ...output });
        } catch (error) {
          reject(error);
        }
      });
    });
    const until = async (name: 'stdout' | 'stderr', text: string): Promise<void> => {
      while (!output[name].includes(text)) {
        if (child.exitCode !== null || child.signalCode !== null) {
          await result;
          if (output[name].includes(text)) break;
          throw new Error(`the command ended before ${name} held ${JSON.stringify(text)}: ${JSON.stringify(output)}`);
        }
        await new Promise<void>((resolve) => {
          const tell = (): void => {
            changed = changed.filter((each) => each !== tell);
            resolve();
          };
          changed.push(tell);
        });
      }
    };
    return {
      process: child,
      pid: child.pid as number,
      output,
      untilStdout: (text) => until('stdout', text),
      untilStderr: (text) => until('stderr', text),
      result,
    };
  }

  async run(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
    return (await this.begin(args, options)).result;
  }

  /** As `start`; a batch is asked for by workers, where the tests say so. */
  async begin(args: readonly string[], options: CliOptions = {}): Promise<RunningCli> {
    await prepareRun?.(this, args);
    return this.start(args, options);
  }

  /** Runs a shell line in which `cllm` is the built command. */
  async shell(line: string, options: CliOptions = {}): Promise<CliResult> {
    const script = `cllm() { ${JSON.stringify(node)} ${JSON.stringify(builtCli)} "$@"; }; ${line}`;
    const child = spawn('bash', ['-c', script], {
      cwd: options.cwd ?? this.directory,
      env: { ...this.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#running.add(child);
    const output = { stdout: '', stderr: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
    return new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, signal) => {
        this.#running.delete(child);
        resolve({ code, signal, ...output });
      });
    });
  }

  /** Ends what still runs, by its id, and removes the home. */
  close(): void {
    for (const child of this.#running) child.kill('SIGKILL');
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** The format that a run's output must keep to; a chat has a result for each of its turns, and help none. */
function formatOf(args: readonly string[]): 'text' | 'json' | 'stream-json' {
  const flags = args.includes('--') ? args.slice(0, args.indexOf('--')) : args;
  const format = flags.includes('--output-format')
    ? flags[flags.lastIndexOf('--output-format') + 1]
    : flags.findLast((flag) => flag.startsWith('--output-format='))?.slice('--output-format='.length);
  const isOther =
    ['chat', 'compare'].includes(flags[0] ?? '') || flags.includes('--help') || flags.includes('--version');
  return !isOther && (format === 'json' || format === 'stream-json') ? format : 'text';
}
