import { CllmError, UsageError } from '../../errors.ts';
import type { ConversationSummary, History } from '../../history/history.ts';
import type { Context } from '../context.ts';
import { textFlag } from '../flag-values.ts';
import type { Flags } from '../flags.ts';
import type { OwnText } from '../render/own-text.ts';

export const reference = {
  type: 'string',
  describe: 'a name, an id, or the beginning of an id; default the latest',
} as const;
export const json = { json: { type: 'boolean', describe: 'as JSON' } } as const;
export const yes = { yes: { type: 'boolean', alias: 'y', describe: 'do not ask' } } as const;

/** The conversation that a command is about. */
export async function named(flags: Flags, context: Context): Promise<ConversationSummary> {
  const history = await context.history();
  const given = textFlag(flags, 'name');
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

export async function print({ io }: Context, text: string | OwnText): Promise<null> {
  await io.stdout.write(text);
  return null;
}
