import type { Turn } from '../history/history.ts';
import { type AnswerableCall, answerableCalls, leadingAnswers } from '../protocol/answerable-calls.ts';
import type { ChatCompletion } from '../protocol/types.ts';

/** Calls that no later turn answers. */
export interface PendingCalls {
  turnId: string;
  completion: ChatCompletion;
  calls: readonly AnswerableCall[];
  /** What the request said beside its messages: its tools, for one. */
  request: Turn['request'];
}

/** The calls that the conversation stopped at; null when it did not stop at calls. */
export function pendingCalls(turns: readonly Turn[]): PendingCalls | null {
  const at = turns.findLastIndex(({ completion }) => completion !== null);
  const turn = turns[at];
  if (turn === undefined || turn.completion === null || turn.verdict !== 'complete') return null;
  const calls = answerableCalls(turn.completion);
  const isAnswered = turns.slice(at + 1).some(({ messages }) => leadingAnswers(messages).length > 0);
  if (calls.length === 0 || isAnswered) return null;
  return { turnId: turn.id, completion: turn.completion, calls, request: turn.request };
}

/**
 * Whether there is something to go on from without a prompt: calls, or their answers, to which no reply came. One that broke
 * off after its first words is a reply: to go on from those takes a prompt.
 */
export function isUnfinished(turns: readonly Turn[]): boolean {
  if (pendingCalls(turns) !== null) return true;
  const last = turns.at(-1);
  if (last === undefined || last.verdict === 'complete' || leadingAnswers(last.messages).length === 0) return false;
  const { content = null, refusal = null } = last.completion?.choices[0]?.message ?? {};
  return !content && !refusal;
}
