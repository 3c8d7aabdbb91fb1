import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { platform } from 'node:os';
import type { Readable } from 'node:stream';

/** What a program is run with. */
export interface ProgramRun {
  argv: readonly string[];
  cwd: string;
  /** Without keys. */
  env: Readonly<Record<string, string | undefined>>;
  /** Signals a process group, a negative id; throws when there is none. */
  kill: (processId: number, signal: NodeJS.Signals) => void;
  signal: AbortSignal;
  /** Seconds. */
  timeout: number;
  output: Kept;
  errors: Kept;
  /** What left the group, and holds the pipes open, is waited for this long. */
  graceMs?: number;
}

/** Bytes of a stream that are kept: its first ones, and of what is longer its last ones. */
interface Kept {
  first: number;
  last?: number;
}

export interface Output {
  text: string;
  /** Of a text that was cut, its end; empty when none was kept. */
  rest: string;
  isCut: boolean;
  /** Bytes that came. */
  length: number;
}

export interface ProgramEnd {
  output: Output;
  errors: Output;
  /** Null for one that did not end by itself. */
  exitCode: number | null;
  /** Null for success. */
  failure: string | null;
}

const nothing: Output = { text: '', rest: '', isCut: false, length: 0 };

/**
 * Runs a program without a shell, its standard input empty, in a group of its own, so that what it starts ends with it.
 * All of the group is gone when this comes back.
 */
export async function runProgram({
  argv,
  cwd,
  env,
  kill,
  signal,
  timeout,
  output: keptOutput,
  errors: keptErrors,
  graceMs = 2000,
}: ProgramRun): Promise<ProgramEnd> {
  if (signal.aborted) return { output: nothing, errors: nothing, exitCode: null, failure: 'was not started' };
  const [program = '', ...words] = argv;
  let child: ChildProcessByStdio<null, Readable, Readable>;
  try {
    child = spawn(program, words, { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (error) {
    // Most failures come as an event; too long a command comes so.
    return { output: nothing, errors: nothing, exitCode: null, failure: notStarted(error) };
  }
  const end = (): void => {
    if (child.pid === undefined) return;
    try {
      kill(-child.pid, 'SIGKILL');
    } catch {
      // It is gone already, with all of its group.
    }
  };
  const unwatch = child.pid === undefined ? null : watched(child.pid);
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    end();
  }, timeout * 1000);
  signal.addEventListener('abort', end);
  const output = collect(child.stdout, keptOutput);
  const errors = collect(child.stderr, keptErrors);
  const ended = await new Promise<Pick<ProgramEnd, 'exitCode' | 'failure'>>((resolve) => {
    child.once('error', (error) => resolve({ exitCode: null, failure: notStarted(error) }));
    child.once('exit', (code, by) => {
      // What it left running holds the pipes open.
      end();
      const failure = by === null ? `ended with exit code ${code}` : `was ended by ${by}`;
      resolve({ exitCode: code, failure: code === 0 ? null : failure });
    });
  });
  unwatch?.();
  clearTimeout(timer);
  signal.removeEventListener('abort', end);
  const grace = setTimeout(() => {
    child.stdout.destroy();
    child.stderr.destroy();
  }, graceMs);
  const whole = { output: await output, errors: await errors };
  clearTimeout(grace);
  // Told by itself: what a program makes of a signal says nothing.
  return isLate
    ? { ...whole, exitCode: null, failure: `took longer than ${timeout} s, and was ended` }
    : { ...whole, ...ended };
}

/**
 * Has a shell wait for the end of this process, however it comes, and then end the group: after `kill -9` nobody else
 * would, and nothing would keep to its timeout. It reads a pipe that only this process holds open, outside of the
 * terminal's group, so that Ctrl-C does not end it first.
 */
function watched(group: number): (() => void) | null {
  if (platform() === 'win32') return null;
  const script = 'read -r _; kill -KILL "-$1"';
  const stdio: ['pipe', 'ignore', 'ignore'] = ['pipe', 'ignore', 'ignore'];
  const watcher = spawn('/bin/sh', ['-c', script, 'sh', String(group)], { cwd: '/', env: {}, detached: true, stdio });
  // Without one a program runs as well as before.
  watcher.on('error', () => {});
  watcher.stdin?.on('error', () => {});
  watcher.unref();
  return () => void watcher.kill('SIGKILL');
}

function notStarted(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return `could not be started (${code ?? message})`;
}

/** Read to its end, however long: a writer that nobody reads would wait for ever. */
async function collect(stream: Readable, { first, last = 0 }: Kept): Promise<Output> {
  const pieces: Buffer[] = [];
  const tail: Buffer[] = [];
  let length = 0;
  let tailLength = 0;
  try {
    for await (const piece of stream as AsyncIterable<Buffer>) {
      const room = Math.max(0, first - length);
      if (room > 0) pieces.push(piece.subarray(0, room));
      length += piece.length;
      if (last === 0 || piece.length <= room) continue;
      tail.push(piece.subarray(room));
      tailLength += piece.length - room;
      while (tailLength - (tail[0]?.length ?? 0) >= last) tailLength -= tail.shift()?.length ?? 0;
    }
  } catch {
    // A program that could not be started has no output, and one that is not waited for any longer has no more.
  }
  const isCut = length > first + last;
  const kept = Buffer.concat(tail);
  return isCut || last === 0
    ? {
        text: decoded(Buffer.concat(pieces)),
        rest: decoded(kept.subarray(Math.max(0, kept.length - last))),
        isCut,
        length,
      }
    : { text: decoded(Buffer.concat([...pieces, kept])), rest: '', isCut, length };
}

function decoded(bytes: Buffer): string {
  return new TextDecoder().decode(bytes);
}
