import type { ReplyTap, ResponseHead } from '../client/reply/completion-stream.ts';
import { receiptToJson } from '../client/receipt.ts';
import { type ConversationContext, contextOf } from './conversation-context.ts';
import { CllmError } from '../outcome/errors.ts';
import type { History, NewTurn, Turn } from '../history/history.ts';
import type { JournalWriter } from '../journal/journal.ts';
import { leadingAnswers } from '../protocol/answerable-calls.ts';
import type { ChatMessage } from '../protocol/types.ts';
import type { StreamEnd } from '../protocol/verdict.ts';
import type { ConversationState, Store, TurnRequest, TurnResult } from './turn.ts';

/**
 * Keeps one turn: in the history when it starts and when it ends, in the journal in between. The first thing that goes
 * wrong is kept as the reason why the turn is not saved; the reply goes on all the same.
 */
export class TurnKeeper implements ReplyTap {
  readonly context: ConversationContext;
  readonly #history: History | null;
  /** Null for a turn that has no place in the history. */
  readonly turnId: string | null = null;
  #journal: JournalWriter | null = null;
  #failure: CllmError | null = null;

  /** @throws CllmError `history_unsaved` for answers to the calls of a conversation that is no longer there */
  constructor(store: Store, state: ConversationState, turn: TurnRequest, baseUrl: string) {
    const { history } = store;
    const { model, ...request } = turn.body;
    const { template = null } = turn;
    let earlier: Turn[] = [];
    if (state.isReadOnly) {
      this.#history = null;
      if (history !== null && state.id !== null) earlier = history.turns(state.id);
      this.context = contextFor(earlier, state, turn, history);
      return;
    }
    this.#history = history;
    this.#failure = store.problem;
    if (history !== null) {
      try {
        const begun = history.beginTurn({
          conversation: conversationOf(state),
          messages: turn.messages,
          model,
          request,
          baseUrl,
          template,
        });
        state.id = begun.conversationId;
        state.hasNewSystem = false;
        this.turnId = begun.turnId;
        // Others may write to the conversation too: what came before this prompt is its context.
        if (begun.seq > 1) earlier = history.turns(begun.conversationId).filter((each) => each.seq < begun.seq);
      } catch (error) {
        this.#failure = asProblem(error);
        // The calls are gone with it, and no provider takes answers without.
        if (this.#failure.code === 'not_in_history' && leadingAnswers(turn.messages).length > 0) {
          throw deletedError(this.#failure, 'while its tools ran: nothing more was asked');
        }
        // Reads work where writes do not (a lock, a full disk): the reply shall at least know what was said before.
        if (state.id !== null) earlier = history.turns(state.id);
      }
    }
    this.context = contextFor(earlier, state, turn, history);
    try {
      this.#journal =
        store.journal?.begin({
          conversationId: state.id,
          turnId: this.turnId,
          // What a row of the history holds, for a history that can not be written or is lost meanwhile.
          turn: {
            name: state.name,
            system: state.system,
            messages: turn.messages,
            model,
            request,
            baseUrl,
            ...(template !== null && { template }),
          },
        }) ?? null;
    } catch (error) {
      this.#failure ??= asProblem(error);
    }
  }

  head(head: ResponseHead): void {
    this.#journaled((journal) => journal.head(head));
  }

  read(bytes: Uint8Array): void {
    this.#journaled((journal) => journal.read(bytes));
  }

  end(end: StreamEnd): void {
    this.#journaled((journal) => journal.end(end));
  }

  commit(end: Pick<TurnResult, 'completion' | 'verdict' | 'receipt' | 'error'>): CllmError | null {
    if (this.#history !== null && this.turnId !== null) {
      try {
        this.#history.endTurn(this.turnId, {
          completion: end.completion,
          verdict: end.verdict,
          error: end.error && { code: end.error.code, message: end.error.message },
          receipt: end.receipt && receiptToJson(end.receipt),
        });
        this.#journal?.discard();
        // The reply is in the history, so nothing is lost with a journal that failed on the way.
        return null;
      } catch (error) {
        this.#failure = asProblem(error);
        // Deleted is deleted: what comes after must not come back from the journal.
        if (this.#failure.code === 'not_in_history') {
          this.#journal?.discard();
          return deletedError(this.#failure, 'while the reply came');
        }
      }
    }
    this.#journal?.close();
    return this.#failure && unsavedError(this.#failure, this.#journal?.file ?? null);
  }

  #journaled(append: (journal: JournalWriter) => void): void {
    if (this.#journal === null) return;
    try {
      append(this.#journal);
    } catch (error) {
      this.#failure ??= asProblem(error);
      this.#journal.close();
      this.#journal = null;
    }
  }
}

/** What goes along with a turn: up to the one whose calls it answers, or all of it. */
export function contextFor(
  earlier: readonly Turn[],
  { system }: Pick<ConversationState, 'system'>,
  { messages, body, answers = null }: Pick<TurnRequest, 'body' | 'answers'> & { messages: readonly ChatMessage[] },
  history: History | null,
): ConversationContext {
  const answered = answers === null ? -1 : earlier.findIndex(({ id }) => id === answers);
  return contextOf(answered === -1 ? earlier : earlier.slice(0, answered + 1), {
    system,
    model: body.model,
    next: messages,
    ...(history !== null && { outcomes: (turnId) => history.callOutcomes(turnId) }),
  });
}

function conversationOf({ id, name, system, hasNewSystem }: ConversationState): NewTurn['conversation'] {
  if (id === null) return { name, system };
  return hasNewSystem ? { id, system } : { id };
}

function asProblem(thrown: unknown): CllmError {
  if (thrown instanceof CllmError) return thrown;
  const reason = thrown instanceof Error ? thrown.message : 'unknown reason';
  return new CllmError('history_unusable', reason, { cause: thrown, hint: 'cllm history path says where it is' });
}

function deletedError(problem: CllmError, when: string): CllmError {
  return new CllmError('history_unsaved', `the turn is not kept: its conversation was deleted ${when}`, {
    cause: problem,
    hint: 'what was shown is all there is of it; ask again to have it in a conversation',
  });
}

/** @param journal The file that holds the turn all the same; null when it could be put nowhere. */
function unsavedError(problem: CllmError, journal: string | null): CllmError {
  return new CllmError('history_unsaved', `the turn could not be saved: ${problem.message}`, {
    cause: problem,
    hint:
      journal === null
        ? `${problem.hint ?? 'cllm history path says where the history is'}; --ephemeral asks without it`
        : `what came is in ${journal}: cllm recover restores it once the history can be written`,
  });
}
