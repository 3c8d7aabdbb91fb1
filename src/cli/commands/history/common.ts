import { CllmError, UsageError } from '../../../outcome/errors.ts';
import type { ConversationSummary, History } from '../../../history/history.ts';
import type { Output } from '../../../terminal/output.ts';
import { toggle } from '../../flags/flag.ts';
import type { OwnText } from '../../../terminal/own-text.ts';

export const reference = 'a name, an id, or the beginning of an id; default the latest';
export const yes = { yes: toggle('do not ask', { alias: 'y' }) };

/** The conversation that a command is about. */
export function named(given: string | undefined, history: History): ConversationSummary {
  const found = given === undefined ? history.latest() : history.find(given);
  if (found === null) throw new UsageError('the history is empty', { hint: 'ask something first: cllm "hello"' });
  return found;
}

/**
 * After the printing: each damaged turn was named when it was read.
 *
 * @throws CllmError `history_unusable` when what was printed lacks something
 */
export function assertWhole({ damagedTurns }: History): void {
  if (damagedTurns === 0) return;
  throw new CllmError(
    'history_unusable',
    `${damagedTurns === 1 ? 'a turn' : `${damagedTurns} turns`} could not be read whole`,
    { hint: 'cllm history verify looks at all of them; what could be read was printed' },
  );
}

export async function print(stdout: Output, text: string | OwnText): Promise<null> {
  await stdout.write(text);
  return null;
}
