import type { RetryNotice } from '../../client/reply/completion-stream.ts';
import type { TakenReply } from '../../conversation/taken-reply.ts';
import type { CallRecord, TurnObserver, TurnResult } from '../../conversation/turn.ts';
import type { ReplyCall } from '../../protocol/reply-content.ts';
import type { CllmError } from '../../outcome/errors.ts';

/** How a turn ended, all things considered. */
export interface TurnOutcome extends TurnResult {
  /** The error that decides the exit code; null is success. */
  decisive: CllmError | null;
  /** Everything that went wrong, the decisive one among it. */
  errors: readonly CllmError[];
  /** What was taken out of the reply, where a form was wanted of it. */
  taken?: TakenReply | null;
  /** Where the reply's images and recordings were written, by their place in `mediaOf()`. */
  files?: readonly (string | null)[];
}

/** One way to show a turn: text, one JSON object, or events. */
export interface View extends TurnObserver {
  retry(retry: RetryNotice): void;
  /** With tools: a reply that calls something is whole, and its calls are decided on next. */
  stepEnd(result: TurnResult, calls: readonly ReplyCall[]): Promise<void> | void;
  /** With tools: the next request goes out. */
  stepBegin(): Promise<void> | void;
  /** With tools: what was decided on a call. */
  approval(record: CallRecord): Promise<void> | void;
  /** With tools: what a call came to. */
  toolResult(record: CallRecord): Promise<void> | void;
  /** The end, whatever became of the turn, also when it never began: exactly once. */
  end(outcome: TurnOutcome): Promise<void> | void;
}

/** The outcome of a turn that an error kept from beginning, or broke off in the middle of our own work. */
export function failedOutcome(error: CllmError): TurnOutcome {
  return {
    conversationId: null,
    completion: error.completion,
    verdict: null,
    receipt: null,
    error,
    unsaved: null,
    decisive: error,
    errors: [error],
  };
}
