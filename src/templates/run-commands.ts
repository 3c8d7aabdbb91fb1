import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { CllmError, InterruptedError } from '../outcome/errors.ts';
import { foldLines } from '../protocol/fold-lines.ts';

/** A command with all that its words stand for. */
export interface RenderedCommand {
  name: string;
  argv: readonly string[];
  /** The command as its block and messages tell it. */
  shown: string;
  onFailure: 'fail' | 'warn' | 'ignore';
  /** Seconds. */
  timeout: number;
}

export interface CommandSurroundings {
  cwd: string;
  /** Without keys. */
  env: Readonly<Record<string, string | undefined>>;
  /** Signals a process group, a negative id; throws when there is none. */
  kill: (processId: number, signal: NodeJS.Signals) => void;
  signal: AbortSignal;
  say: (text: string) => void;
}

/** Bytes of a command's output that go with a prompt. */
const mostOutput = 1024 * 1024;
const mostErrorOutput = 4 * 1024;

interface Output {
  text: string;
  isCut: boolean;
}

interface End {
  output: Output;
  errors: string;
  /** Null for success. */
  failure: string | null;
}

/**
 * Runs commands at the same time, without a shell, and gives the output of each as a labelled block, in their order. All of
 * them, with whatever they started, are gone when this comes back.
 *
 * @throws CllmError `context_failed` for one that failed and must not
 * @throws InterruptedError after a signal
 */
export async function runCommands(
  commands: readonly RenderedCommand[],
  surroundings: CommandSurroundings,
): Promise<string[]> {
  const { signal, say } = surroundings;
  // One that fails, and must not, ends the others: nothing is asked anyway.
  const stop = new AbortController();
  const ends = await Promise.all(
    commands.map(async (command) => {
      const end = await run(command, { ...surroundings, signal: AbortSignal.any([signal, stop.signal]) });
      if (end.failure !== null && command.onFailure === 'fail' && !stop.signal.aborted)
        stop.abort(failed(command, end));
      return end;
    }),
  );
  if (signal.aborted) {
    const reason: unknown = signal.reason;
    throw new InterruptedError(
      reason instanceof InterruptedError ? reason.signal : null,
      'interrupted while the commands of the template ran: nothing was asked',
    );
  }
  if (stop.signal.aborted) throw stop.signal.reason;
  return commands.map((command, at) => blockOf(command, ends[at] as End, say));
}

async function run({ argv, timeout }: RenderedCommand, { cwd, env, kill, signal }: CommandSurroundings): Promise<End> {
  if (signal.aborted) return { output: { text: '', isCut: false }, errors: '', failure: 'was not started' };
  const [program = '', ...words] = argv;
  // A group of its own, so that what it starts ends with it.
  const child = spawn(program, words, { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const end = (): void => {
    if (child.pid === undefined) return;
    try {
      kill(-child.pid, 'SIGKILL');
    } catch {
      // It is gone already, with all of its group.
    }
  };
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    end();
  }, timeout * 1000);
  signal.addEventListener('abort', end);
  const output = collect(child.stdout, mostOutput);
  const errors = collect(child.stderr, mostErrorOutput);
  const failure = await new Promise<string | null>((resolve) => {
    child.once('error', (error) =>
      resolve(`could not be started (${(error as NodeJS.ErrnoException).code ?? error.message})`),
    );
    child.once('exit', (code, by) => {
      // What it left running holds the pipes open.
      end();
      resolve(code === 0 ? null : by === null ? `ended with exit code ${code}` : `was ended by ${by}`);
    });
  });
  const whole = { output: await output, errors: (await errors).text.trim() };
  clearTimeout(timer);
  signal.removeEventListener('abort', end);
  return { ...whole, failure: isLate ? `took longer than ${timeout} s, and was ended` : failure };
}

/** Read to its end, however long: a writer that nobody reads would wait for ever. */
async function collect(stream: Readable, most: number): Promise<Output> {
  const pieces: Buffer[] = [];
  let length = 0;
  try {
    for await (const piece of stream as AsyncIterable<Buffer>) {
      if (length < most) pieces.push(piece.subarray(0, most - length));
      length += piece.length;
    }
  } catch {
    // A program that could not be started has no output.
  }
  return { text: new TextDecoder().decode(Buffer.concat(pieces)), isCut: length > most };
}

function blockOf(command: RenderedCommand, { output, errors, failure }: End, say: (text: string) => void): string {
  const { name, shown, onFailure } = command;
  if (failure !== null && onFailure === 'warn') say(`${named(command)} ${failure}${told(errors)}`);
  if (output.isCut) say(`of the output of ${named(command)} only the first ${mostOutput} bytes are sent`);
  const attributes = [
    `name=${JSON.stringify(name)}`,
    `command=${JSON.stringify(shown)}`,
    ...(failure === null ? [] : [`failed=${JSON.stringify(failure)}`]),
    ...(output.isCut ? [`cut_after_bytes="${mostOutput}"`] : []),
  ];
  const body = failure === null ? output.text : [output.text, errors].filter((text) => text !== '').join('\n');
  return `<context ${attributes.join(' ')}>\n${body}${body === '' || body.endsWith('\n') ? '' : '\n'}</context>`;
}

function failed(command: RenderedCommand, { errors, failure }: End): CllmError {
  return new CllmError('context_failed', `${named(command)} ${failure}${told(errors)}: nothing was asked`);
}

function named({ name, shown }: RenderedCommand): string {
  return `the command ${name} (${shown.slice(0, 80)})`;
}

function told(errors: string): string {
  return errors === '' ? '' : `: ${foldLines(errors).slice(0, 400)}`;
}
