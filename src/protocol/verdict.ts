import type { Deadline } from '../outcome/errors.ts';
import type { Verdict } from '../outcome/exits.ts';
import type { ErrorFrame } from './error/error-frame.ts';
import { meaningOf } from './finish-words.ts';
import { decidingChoice, hasBegun, hasReply } from './reply-content.ts';
import type { ReplyLimit } from './fold/reply-budget.ts';
import type { ChatCompletion } from './types.ts';

export { decidingChoice } from './reply-content.ts';

/** How the source of a stream ended. Plain JSON: a recording keeps it. */
export type StreamEnd =
  /** `[DONE]`. */
  | { type: 'done' }
  /** A clean end of the body without `[DONE]`. */
  | { type: 'end' }
  /** An error frame, or a data line that is no JSON. */
  | { type: 'error'; error: ErrorFrame }
  /** A clean end of the body in the middle of a data line. */
  | { type: 'torn' }
  /** The connection was lost: a reset, a FIN inside a chunked body, fewer bytes than were announced. */
  | { type: 'lost'; message: string }
  /** The reply passed `maxReplyBytes`, or one event `maxEventBytes`. */
  | { type: 'limit'; limit: 'reply' | 'event'; bytes: number }
  /** The reply had more of something than `most`: calls, choices, members; or took more than `most` bytes of memory. */
  | { type: 'limit'; limit: ReplyLimit; most: number }
  /** One of cllm's own deadlines fired, after so many seconds. */
  | { type: 'deadline'; deadline: Deadline; seconds: number }
  /** A signal; null: the program itself stopped (`abort()`, `break`, a closed pipe). */
  | { type: 'signal'; signal: 'SIGHUP' | 'SIGINT' | 'SIGTERM' | null };

/**
 * What came after a choice's finish_reason.
 *
 * - `final`: no content. There was one, or there was none at all.
 * - `doubtful`: content, and then a finish_reason once more, beside content. So the proxy puts one on chunks that are not
 *   the last: only its `[DONE]` tells which one is.
 * - `repeated`: content, and then a finish_reason on a chunk of its own: it is one, unless the connection was lost.
 * - `overtaken`: content, and no finish_reason since: there is none.
 */
export type FinishState = 'final' | 'doubtful' | 'repeated' | 'overtaken';

/**
 * How a stream ended, decided once, from what the fold saw and how the source ended.
 *
 * Several ends at once: signal, deadline, error, cut. Choice 0 decides, because with n > 1 LiteLLM finishes no other.
 * After its finish_reason a lost connection, a torn line or a missing `[DONE]` changes nothing; an error frame does, and
 * so does content: a finish_reason is final only if none follows it.
 */
export function verdict(fold: ChatCompletion | null, end: StreamEnd, finish: FinishState = 'final'): Verdict {
  switch (end.type) {
    case 'signal':
      return 'interrupted';
    case 'deadline':
      return 'timed_out';
    case 'error':
      // A rule of the proxy ended a reply that had begun; before that it is an error like any other.
      return end.error.guardrail !== undefined && fold !== null && hasBegun(fold) ? 'content_filter' : 'error';
    case 'limit':
      return end.limit === 'event' ? 'error' : 'cut';
    case 'done':
    case 'end':
    case 'torn':
    case 'lost':
      return isFinished(finish, end.type) ? verdictOfFold(fold) : 'cut';
  }
}

function isFinished(finish: FinishState, end: 'done' | 'end' | 'torn' | 'lost'): boolean {
  switch (finish) {
    case 'final':
      return true;
    case 'doubtful':
      return end === 'done';
    case 'repeated':
      return end === 'done' || end === 'end';
    case 'overtaken':
      return false;
  }
}

function verdictOfFold(fold: ChatCompletion | null): Verdict {
  const choice = decidingChoice(fold);
  // A proxy's own `chat.completion` may say anything.
  const finishReason: unknown = choice?.finish_reason ?? '';
  if (fold === null || finishReason === '') return 'cut';
  const meaning = typeof finishReason === 'string' ? meaningOf(finishReason) : 'error';
  if (meaning === 'unfinished') return 'cut';
  return meaning === 'complete' && !hasReply(fold) ? 'empty' : meaning;
}
