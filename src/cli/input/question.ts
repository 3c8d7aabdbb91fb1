import { UsageError } from '../../outcome/errors.ts';
import { isConfirmed } from './confirm.ts';
import type { Io } from '../io.ts';

/** Asks on a terminal before something is lost; elsewhere nobody can answer, so `--yes` has to say it. */
export async function isAgreed(question: string, isYes: boolean, io: Io): Promise<boolean> {
  if (isYes) return true;
  if (io.stdin.kind === 'terminal' && io.stderr.isTTY) return isConfirmed(question, io);
  throw new UsageError(`${question.replace(/\?$/, '')}: nobody can be asked here`, {
    hint: 'say --yes if that is meant',
  });
}
