import { CllmError, DeadlineError, InterruptedError, type ErrorCode } from '../errors.ts';
import type { Verdict } from '../outcome.ts';
import { cleanErrorMessage, isBudgetRefusal } from './error-message.ts';
import type { ChatCompletion } from './types.ts';
import { decidingChoice, type StreamEnd } from './verdict.ts';

/** A word that came from the network, as it may be shown in a message. */
const longestWord = 80;

/** The error of a reply that did not end well; null for `complete`. It carries what had arrived. */
export function replyError(verdict: Verdict, end: StreamEnd, completion: ChatCompletion | null): CllmError | null {
  switch (verdict) {
    case 'complete':
      return null;
    case 'interrupted': {
      const signal = end.type === 'signal' ? end.signal : null;
      return new InterruptedError(signal, undefined, { completion });
    }
    case 'timed_out':
      return deadlineError(end, completion);
    case 'cut':
      return new CllmError('stream_cut', cutMessage(end), {
        completion,
        isRetryable: end.type !== 'limit',
        hint: end.type === 'limit' ? 'Allow more with --max-reply-bytes.' : undefined,
      });
    case 'error':
      return streamError(end, completion);
    case 'empty':
      return new CllmError('reply_empty', 'the reply finished without any content', { completion });
    case 'content_filter':
      return new CllmError('reply_filtered', `a content filter ended the reply (${finishReason(completion)})`, {
        completion,
      });
    case 'length':
      return new CllmError('reply_short', `the reply was cut short by its length limit (${finishReason(completion)})`, {
        completion,
        hint: 'Raise --max-tokens, or accept short replies with --allow-short.',
      });
  }
}

function cutMessage(end: StreamEnd): string {
  switch (end.type) {
    case 'lost':
      return `the connection was lost before the reply was complete: ${end.message}`;
    case 'torn':
      return 'the stream ended in the middle of a chunk, before the reply was complete';
    case 'limit':
      return `the reply passed the limit of ${end.bytes} bytes and was cut`;
    case 'done':
      return 'the stream ended without a finish_reason: the reply may be cut';
    default:
      return 'the stream ended before the reply was complete: no finish_reason came';
  }
}

function streamError(end: StreamEnd, completion: ChatCompletion | null): CllmError {
  if (end.type === 'error') {
    const code: ErrorCode = isBudgetRefusal(end.error) ? 'budget_exceeded' : 'stream_error';
    return new CllmError(code, `the stream ended in an error: ${cleanErrorMessage(end.error.message)}`, {
      completion,
      isRetryable: code === 'stream_error',
    });
  }
  if (end.type === 'limit') {
    return new CllmError('event_too_large', `one event of the stream passed the limit of ${end.bytes} bytes`, {
      completion,
    });
  }
  return new CllmError(
    'stream_error',
    `the reply finished for a reason that is not known: ${finishReason(completion)}`,
    {
      completion,
    },
  );
}

function deadlineError(end: StreamEnd, completion: ChatCompletion | null): DeadlineError {
  const { deadline, seconds } = end.type === 'deadline' ? end : ({ deadline: 'total', seconds: 0 } as const);
  const messages = {
    connect: `no connection within ${seconds} s`,
    'first-token': `no content within ${seconds} s`,
    idle: `nothing more came for ${seconds} s`,
    total: `the reply took longer than ${seconds} s`,
  };
  const flag = deadline === 'total' ? '--timeout' : `--${deadline}-timeout`;
  return new DeadlineError(deadline, `${messages[deadline]} (the ${deadline} deadline)`, {
    completion,
    isRetryable: true,
    hint: `Allow more time with ${flag} SECONDS; 0 waits for ever.`,
  });
}

function finishReason(completion: ChatCompletion | null): string {
  const word = decidingChoice(completion)?.finish_reason ?? '';
  return JSON.stringify(word.length > longestWord ? `${word.slice(0, longestWord)}…` : word);
}
