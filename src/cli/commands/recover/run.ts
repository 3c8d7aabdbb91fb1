import { CllmError, UsageError } from '../../../outcome/errors.ts';
import { recoverTurn, type TurnStore, UnreadableJournal } from '../../../conversation/recover.ts';
import type { Journal, UnfinishedTurn } from '../../../journal/journal.ts';
import type { Context } from '../../context.ts';
import { table } from '../../views/table.ts';

/** The turns that a crash left: listed, or restored into the history. */
export async function runRecover(
  { id, yes }: { readonly id: string | undefined; readonly yes: boolean },
  context: Context,
): Promise<CllmError | null> {
  const journal = await context.journal();
  const unfinished = journal.unfinished();
  if (id === undefined && unfinished.length === 0) {
    context.remark('no turn is unfinished');
    return null;
  }
  if (id === undefined && !yes) {
    await context.io.stdout.write(
      table(context.io.stdout, ['turn', 'conversation', 'started', 'bytes'], unfinished.map(row)),
    );
    context.remark('cllm recover ID restores one, cllm recover --yes all of them');
    return null;
  }
  const turns = id === undefined ? unfinished : [chosen(unfinished, id)];
  const unreadable: string[] = [];
  for (const turn of turns) {
    const restored = restore(turn, journal, await context.history());
    if (typeof restored === 'string') {
      unreadable.push(restored);
      context.remark(restored);
    } else if (restored !== null) {
      const { conversationId, seq, verdict } = restored;
      await context.io.stdout.write(`${[turn.turnId, conversationId, seq, verdict ?? ''].join('\t')}\n`);
    }
  }
  if (unreadable.length === 0) return null;
  throw new CllmError('history_unusable', `${unreadable.length} of ${turns.length} turns could not be restored`, {
    hint: 'the files named above are as they were found: cllm replay FILE shows what can be made of one',
  });
}

/**
 * What one file is like keeps no other turn from being restored. What can not be read is moved aside, so that it is not
 * met again at each start; a history that can not be written ends it all, with every journal in its place.
 *
 * @returns Why it could not be, or null when another process was faster.
 */
function restore(
  turn: UnfinishedTurn,
  journal: Journal,
  history: TurnStore,
): ReturnType<typeof recoverTurn> | string | null {
  try {
    const restored = recoverTurn(turn, history);
    journal.remove(turn.turnId);
    return restored;
  } catch (error) {
    if (!(error instanceof UnreadableJournal)) throw error;
    const aside = journal.setAside(turn.turnId);
    return aside === null ? null : `${turn.file} ${error.message}: it was moved to ${aside}`;
  }
}

function row(turn: UnfinishedTurn): (string | number | null)[] {
  return [turn.turnId, turn.conversationId, turn.startedAt, turn.byteLength];
}

function chosen(unfinished: readonly UnfinishedTurn[], id: string): UnfinishedTurn {
  const found = unfinished.filter((turn) => turn.turnId.startsWith(id));
  if (found.length === 1 && found[0] !== undefined) return found[0];
  throw new UsageError(
    found.length === 0 ? `no unfinished turn is called ${id}` : `${found.length} unfinished turns begin with ${id}`,
    {
      hint: 'cllm recover lists them',
    },
  );
}
