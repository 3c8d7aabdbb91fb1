import { UsageError } from '../../errors.ts';
import { recoverTurn } from '../../conversation/recover.ts';
import type { UnfinishedTurn } from '../../journal/journal.ts';
import type { Command } from '../command.ts';
import { isSet, textFlag } from '../flag-values.ts';
import { table } from '../render/table.ts';

export const recover: Command = {
  usage: 'recover [id]',
  describe: 'turns that a crash left in flight; restores one, or all with --yes',
  configure: (parser) =>
    parser
      .positional('id', { type: 'string', describe: 'the turn to restore, or the beginning of its id' })
      .options({ yes: { type: 'boolean', alias: 'y', describe: 'restore all' } }),
  async run(flags, context) {
    const journal = await context.journal();
    const unfinished = journal.unfinished();
    const id = textFlag(flags, 'id');
    if (id === undefined && unfinished.length === 0) {
      context.remark('no turn is unfinished');
      return null;
    }
    if (id === undefined && !isSet(flags, 'yes')) {
      await context.io.stdout.write(
        table(context.io.stdout, ['turn', 'conversation', 'started', 'bytes'], unfinished.map(row)),
      );
      context.remark('cllm recover ID restores one, cllm recover --yes all of them');
      return null;
    }
    for (const turn of id === undefined ? unfinished : [chosen(unfinished, id)]) {
      const { conversationId, seq, verdict } = recoverTurn(turn, await context.history());
      journal.remove(turn.turnId);
      await context.io.stdout.write(`${[turn.turnId, conversationId, seq, verdict ?? ''].join('\t')}\n`);
    }
    return null;
  },
};

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
