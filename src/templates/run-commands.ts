import { type ProgramEnd, type ProgramRun, runProgram } from '../files/run-program.ts';
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

export interface CommandSurroundings extends Pick<ProgramRun, 'cwd' | 'env' | 'kill' | 'signal'> {
  say: (text: string) => void;
}

/** Bytes of a command's output that go with a prompt. */
const mostOutput = 1024 * 1024;
const mostErrorOutput = 4 * 1024;

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
  return commands.map((command, at) => blockOf(command, ends[at] as ProgramEnd, say));
}

async function run(
  { argv, timeout }: RenderedCommand,
  { cwd, env, kill, signal }: CommandSurroundings,
): Promise<ProgramEnd> {
  const kept = { output: { first: mostOutput }, errors: { first: mostErrorOutput } };
  return runProgram({ argv, timeout, cwd, env, kill, signal, ...kept });
}

function blockOf(
  command: RenderedCommand,
  { output, errors: { text: written }, failure }: ProgramEnd,
  say: (text: string) => void,
): string {
  const { name, shown, onFailure } = command;
  const errors = written.trim();
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

function failed(command: RenderedCommand, { errors, failure }: ProgramEnd): CllmError {
  return new CllmError('context_failed', `${named(command)} ${failure}${told(errors.text.trim())}: nothing was asked`);
}

function named({ name, shown }: RenderedCommand): string {
  return `the command ${name} (${shown.slice(0, 80)})`;
}

function told(errors: string): string {
  return errors === '' ? '' : `: ${foldLines(errors).slice(0, 400)}`;
}
