import type { RetryNotice } from '../../client/completion-stream.ts';
import type { TurnObserver, TurnResult } from '../../turn.ts';
import type { CllmError } from '../../errors.ts';

/** How a turn ended, all things considered. */
export interface TurnOutcome extends TurnResult {
  /** The error that decides the exit code; null is success. */
  decisive: CllmError | null;
  /** Everything that went wrong, the decisive one among it. */
  errors: readonly CllmError[];
}

/** One way to show a turn: text, one JSON object, or events. */
export interface View extends TurnObserver {
  retry(retry: RetryNotice): void;
  /** The end of every turn that began, whatever became of it: exactly once. */
  end(outcome: TurnOutcome): Promise<void> | void;
}
