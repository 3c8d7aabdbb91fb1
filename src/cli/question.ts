import { createInterface } from 'node:readline/promises';
import { UsageError } from '../errors.ts';
import type { Io } from './io.ts';
import { foldLines } from '../protocol/fold-lines.ts';
import { terminalSafe } from './render/terminal-safe.ts';

/** Asks on a terminal before something is lost; elsewhere nobody can answer, so `--yes` has to say it. */
export async function isAgreed(question: string, isYes: boolean, io: Io): Promise<boolean> {
  if (isYes) return true;
  if (io.stdin.kind !== 'terminal' || !io.stderr.isTTY) {
    throw new UsageError(`${question.replace(/\?$/, '')}: nobody can be asked here`, {
      hint: 'say --yes if that is meant',
    });
  }
  const lines = createInterface({ input: io.stdin.stream(), output: io.stderr.stream() });
  try {
    return /^y(es)?$/i.test(
      (await lines.question(`${terminalSafe(foldLines(question))} [y/N] `, { signal: io.signal })).trim(),
    );
  } finally {
    lines.close();
  }
}
