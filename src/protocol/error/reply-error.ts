import { CllmError, DeadlineError, InterruptedError, ProxyError } from '../../outcome/errors.ts';
import type { Verdict } from '../../outcome/exits.ts';
import type { ErrorFrame } from './error-frame.ts';
import { cleanErrorMessage, isBudgetRefusal } from './error-message.ts';
import { classified, statusOfFrame } from './error-rules.ts';
import { guardrailTitle } from './guardrail.ts';
import type { ChatCompletion } from '../types.ts';
import { decidingChoice, type StreamEnd } from '../verdict.ts';

/** A word that came from the network, as it may be shown in a message. */
const longestWord = 80;

/** What the error of a reply depends on beside its end. */
export interface ReplyFacts {
  /** Whether any of the message had come. */
  hasContent: boolean;
  /** Whether a key went with the request. */
  hasKey: boolean;
  /** The guardrails that ran, as the head names them. */
  guardrails: readonly string[];
}

/** The error of a reply that did not end well; null for `complete`. It carries what had arrived. */
export function replyError(
  verdict: Verdict,
  end: StreamEnd,
  completion: ChatCompletion | null,
  facts: ReplyFacts,
): CllmError | null {
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
      return cutError(end, completion, facts);
    case 'error':
      return streamError(end, completion, facts);
    case 'empty':
      return new CllmError('reply_empty', 'the reply finished without any content', { completion });
    case 'content_filter':
      return new CllmError('reply_filtered', filterMessage(end, completion), {
        completion,
        guardrail: end.type === 'error' ? end.error.guardrail : null,
      });
    case 'length':
      return new CllmError('reply_short', `the reply was cut short by its length limit (${finishReason(completion)})`, {
        completion,
        hint: 'raise --max-tokens, or accept short replies with --allow-short',
      });
  }
}

/**
 * A guardrail that blocks a stream breaks the connection: LiteLLM says nothing, but that it ran. Sent again, the reply
 * would be paid for again and blocked again.
 */
function cutError(
  end: StreamEnd,
  completion: ChatCompletion | null,
  { hasContent, guardrails }: ReplyFacts,
): CllmError {
  if (end.type === 'limit') {
    return new CllmError('stream_cut', cutMessage(end), { completion, hint: limitHint(end) });
  }
  if (hasContent || guardrails.length === 0) {
    return new CllmError('stream_cut', cutMessage(end), { completion, isRetryable: true });
  }
  const names = guardrails.join(', ');
  return new CllmError('stream_cut', `${cutMessage(end)}; perhaps blocked by ${names}`, {
    completion,
    hint: `the proxy ran ${guardrails.length === 1 ? 'this guardrail' : 'these guardrails'}, and does not say what came of it: it was not sent again; change the prompt, or ask the proxy's admin`,
  });
}

function filterMessage(end: StreamEnd, completion: ChatCompletion | null): string {
  const block = end.type === 'error' ? end.error.guardrail : undefined;
  if (block === undefined || end.type !== 'error')
    return `a content filter ended the reply (${finishReason(completion)})`;
  return `the guardrail ${guardrailTitle(block)} ended the reply: ${cleanErrorMessage(end.error.message)}`;
}

function cutMessage(end: StreamEnd): string {
  switch (end.type) {
    case 'lost':
      return `the connection was lost before the reply was complete: ${end.message}`;
    case 'torn':
      return 'the stream ended in the middle of a chunk, before the reply was complete';
    case 'limit':
      return `the reply passed the limit of ${limitOf(end)} and was cut`;
    case 'done':
      return 'the stream ended without a finish_reason: the reply may be cut';
    default:
      return 'the stream ended before the reply was complete: no finish_reason came';
  }
}

function limitOf(end: StreamEnd & { type: 'limit' }): string {
  switch (end.limit) {
    case 'calls':
      return `${end.most} calls`;
    case 'choices':
      return `${end.most} choices`;
    case 'members':
      return `${end.most} members of one object`;
    case 'memory':
      return `${end.most} bytes of memory`;
    default:
      return `${end.bytes} bytes`;
  }
}

function limitHint(end: StreamEnd & { type: 'limit' }): string {
  const isOfSize = end.limit === 'reply' || end.limit === 'memory';
  return isOfSize
    ? 'allow more with --max-reply-bytes'
    : 'no model replies like this: see what answers with cllm doctor';
}

function streamError(end: StreamEnd, completion: ChatCompletion | null, facts: ReplyFacts): CllmError {
  if (end.type === 'error') return frameError(end.error, completion, facts);
  if (end.type === 'limit') {
    return new CllmError('event_too_large', `one event of the stream passed the limit of ${limitOf(end)}`, {
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

/**
 * As the first thing of a stream an error is what it would have been in an answer of its own, when the head was not out
 * yet. After some text the reply is broken, whatever the reason; only a budget is told apart, since no other try helps. A
 * status of 5xx in a frame says no more than that.
 */
function frameError(frame: ErrorFrame, completion: ChatCompletion | null, facts: ReplyFacts): CllmError {
  const words = cleanErrorMessage(frame.message);
  const status = statusOfFrame(frame);
  const { hasContent, hasKey } = facts;
  const { code, what, hint, isRetryable } = classified({ ...frame, status, isForeign: false, hasKey, url: null });
  const isTold = hasContent ? isBudgetRefusal(frame) : code !== 'server_error';
  if (!isTold) {
    return new CllmError('stream_error', `the stream ended in an error: ${words}`, { completion, isRetryable: true });
  }
  const message = hasContent ? `the stream ended in an error: ${words}` : `${what}: ${words}`;
  return new ProxyError(code, message, {
    completion,
    status,
    type: frame.type,
    hint,
    isRetryable,
    guardrail: frame.guardrail,
  });
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
    hint: `allow more time with ${flag} SECONDS; 0 waits for ever`,
  });
}

function finishReason(completion: ChatCompletion | null): string {
  const word = decidingChoice(completion)?.finish_reason ?? '';
  return JSON.stringify(word.length > longestWord ? `${word.slice(0, longestWord)}…` : word);
}
