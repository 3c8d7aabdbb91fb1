import type { History } from '../history/history.ts';
import type { CallOutcome, ToolDecider } from '../history/tool-runs.ts';
import type { CallKeeper } from './answer-calls.ts';

/**
 * Keeps what becomes of calls with their turn in the history; of a turn that has no place there, in memory. Every write is
 * durable when it returns.
 */
export class ToolRunKeeper implements CallKeeper {
  readonly #history: History | null;
  readonly #conversationId: () => string | null;
  readonly #isWritten: boolean;
  readonly #granted = new Set<string>();
  /** Of turns that nothing is written to: what this run has begun. */
  readonly #begun = new Set<string>();

  /** @param conversationId of the conversation under way; null as long as it has no place in the history */
  constructor(history: History | null, conversationId: () => string | null, { isWritten = true } = {}) {
    this.#isWritten = isWritten;
    this.#history = history;
    this.#conversationId = conversationId;
  }

  outcomes(turnId: string | null): ReadonlyMap<number, CallOutcome> {
    return (turnId === null ? null : this.#history?.callOutcomes(turnId)) ?? new Map<number, CallOutcome>();
  }

  begin(turnId: string | null, place: number, decidedBy: ToolDecider): boolean {
    if (turnId === null || this.#history === null) return true;
    if (this.#isWritten) return this.#history.beginToolRun(turnId, place, decidedBy);
    const key = `${turnId} ${place}`;
    const isFirst = !this.#begun.has(key);
    this.#begun.add(key);
    return isFirst;
  }

  end(turnId: string | null, place: number, end: { isError: boolean; content: string }): void {
    if (turnId !== null && this.#isWritten) this.#history?.endToolRun(turnId, place, end);
  }

  isGranted(subject: string): boolean {
    const id = this.#conversationId();
    return this.#granted.has(subject) || (id !== null && (this.#history?.toolGrants(id).includes(subject) ?? false));
  }

  grant(subject: string): void {
    this.#granted.add(subject);
    const id = this.#conversationId();
    if (id !== null && this.#isWritten) this.#history?.grantTool(id, subject);
  }
}
