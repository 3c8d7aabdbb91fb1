import { UsageError } from '../../outcome/errors.ts';
import type { Io } from '../io.ts';
import { terminalSafe } from '../../terminal/terminal-safe.ts';
import { askLine } from './secret.ts';

/** Whether a person sits here who can be asked: at a terminal, outside of CI, and not under `--no-stdin`. */
export function mayAsk(io: Pick<Io, 'stdin' | 'stderr' | 'env'>, isInputIgnored: boolean): boolean {
  return !isInputIgnored && io.stdin.kind === 'terminal' && io.stderr.isTTY && !io.env['CI'];
}

/** A yes of a person at the terminal. Enter alone, Ctrl-D and anything else are a no. */
export async function isConfirmed(question: string, io: Io): Promise<boolean> {
  try {
    return /^y(es)?$/i.test(await askLine(io, `${terminalSafe(question.replaceAll(/\s+/g, ' '))} [y/N] `));
  } catch (error) {
    if (error instanceof UsageError) return false;
    throw error;
  }
}
