import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { errorCode } from '../files/file-error.ts';
import { CllmError } from '../outcome/errors.ts';
import { redactSecrets } from '../protocol/redact-secrets.ts';
import type { Environment } from './paths.ts';
import { readKey } from './credentials.ts';

/** Vaults answer in a moment, people who are asked for a fingerprint in half a minute. */
const patienceMs = 60_000;
/** After its end, for what is in the pipes. */
const graceMs = 500;
/** Far more than any key, and what a program says of its failure. */
const mostBytes = 65_536;

/**
 * The key that a program of the user's own tells: the first thing on its standard output, alone. It runs without a shell and
 * without standard input, in a folder that is not the repository's; it may ask at the terminal by itself.
 *
 * @throws CllmError `no_key` when it can not be run, fails, takes too long, or tells something else than one key
 */
export async function keyFromCommand(
  words: readonly string[],
  { env, cwd, signal }: { env: Environment; cwd: string; signal: AbortSignal },
  patience = patienceMs,
): Promise<string> {
  const [program = '', ...args] = words;
  const { code, output, said, failure } = await run(program, args, { env, cwd, signal, patience });
  signal.throwIfAborted();
  if (failure !== null) throw failed(program, failure);
  if (code !== 0) {
    const reason = redactSecrets(said.trim()).slice(0, 300);
    throw failed(program, `ended with ${code ?? 'a signal'}${reason === '' ? '' : `: ${reason}`}`);
  }
  try {
    return readKey(output, 'its output');
  } catch (error) {
    // The output may be a key and more: it is not quoted.
    throw failed(program, error instanceof CllmError ? `told no key: ${error.message}` : 'told no key');
  }
}

interface Ended {
  code: number | null;
  output: string;
  said: string;
  failure: string | null;
}

function run(
  program: string,
  args: readonly string[],
  { env, cwd, signal, patience }: { env: Environment; cwd: string; signal: AbortSignal; patience: number },
): Promise<Ended> {
  return new Promise((resolve) => {
    let failure: string | null = null;
    let child: ChildProcessByStdio<null, Readable, Readable>;
    try {
      child = spawn(program, args, { cwd, env: { ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    } catch (error) {
      // Most failures come as an event; words that no program can be given come so.
      return resolve({ code: null, output: '', said: '', failure: `can not be run (${String(errorCode(error))})` });
    }
    let afterwards: NodeJS.Timeout | undefined;
    const letGo = (): void => {
      child.stdout.destroy();
      child.stderr.destroy();
    };
    const stop = (reason: string): void => {
      failure ??= reason;
      child.kill('SIGKILL');
      // What it started may hold the pipes open for ever.
      letGo();
    };
    const onAbort = (): void => stop('was interrupted');
    const timer = setTimeout(() => stop(`gave no key within ${patience / 1000} s`), patience);
    signal.addEventListener('abort', onAbort);
    const texts = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        if (texts[name].length < mostBytes) texts[name] += text;
        else if (name === 'stdout') stop('told more than a key');
      });
    }
    child.on(
      'error',
      (error: NodeJS.ErrnoException) => (failure ??= `can not be run (${error.code ?? error.message})`),
    );
    // An agent that it leaves behind holds the pipes as well, and is no reason to wait.
    child.on('exit', () => (afterwards = setTimeout(letGo, graceMs)));
    child.on('close', (code) => {
      clearTimeout(timer);
      clearTimeout(afterwards);
      signal.removeEventListener('abort', onAbort);
      resolve({ code, output: texts.stdout, said: texts.stderr, failure });
    });
  });
}

function failed(program: string, what: string): CllmError {
  return new CllmError('no_key', `the program of key_command, ${program}, ${what}`, {
    hint: 'try it by itself; cllm config get key_command shows it, cllm config unset key_command takes it away',
  });
}
