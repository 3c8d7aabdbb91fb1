import { CllmError, UsageError } from '../outcome/errors.ts';

/** Whatever was thrown, as an error with a code. What is none of ours is a bug in cllm, but for yargs' own. */
export function asCllmError(thrown: unknown): CllmError {
  if (thrown instanceof CllmError) return thrown;
  // Errors of Node are of another realm under jest, so by name.
  const { name, message } = (thrown ?? {}) as Partial<Error>;
  // yargs gives what libraries throw at its parser a name of their own: a mistake in the command line.
  if (name === 'YError') {
    const [, flag] = /^Not enough arguments following: (.+)$/.exec(String(message)) ?? [];
    const words = flag === undefined ? String(message) : `${flag.length === 1 ? '-' : '--'}${flag} needs a value`;
    return new UsageError(words, { hint: 'see cllm --help' });
  }
  const reason = typeof message === 'string' ? message : typeof thrown === 'string' ? thrown : typeof thrown;
  return new CllmError('internal', `internal error: ${reason}`, { cause: thrown });
}
