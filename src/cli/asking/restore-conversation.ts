import { recoverTurn, type TurnStore } from '../../conversation/recover.ts';
import type { Journal } from '../../journal/journal.ts';

/** Restores what a crash left of one conversation, so that going on with it has all that was seen. */
export function restoreConversation(
  conversationId: string,
  { history, journal, remark }: { history: TurnStore; journal: Journal | null; remark: (text: string) => void },
): void {
  for (const turn of journal?.unfinished() ?? []) {
    if (turn.conversationId !== conversationId) continue;
    const { seq } = recoverTurn(turn, history);
    journal?.remove(turn.turnId);
    remark(`turn ${seq}, which a crash had left unfinished, was restored`);
  }
}
