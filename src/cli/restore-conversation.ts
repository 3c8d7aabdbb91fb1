import { recoverTurn } from '../conversation/recover.ts';
import type { Context } from './context.ts';

/** Restores what a crash left of one conversation, so that going on with it has all that was seen. */
export async function restoreConversation(context: Context, conversationId: string): Promise<void> {
  const journal = await context.journal();
  for (const turn of journal.unfinished().filter((each) => each.conversationId === conversationId)) {
    const { seq } = recoverTurn(turn, await context.history());
    journal.remove(turn.turnId);
    context.remark(`turn ${seq}, which a crash had left unfinished, was restored`);
  }
}
