import { ProxyError } from '../../outcome/errors.ts';
import { errorOfBody } from '../../protocol/error/error-text.ts';
import { cleanErrorMessage, parallelLimitOf } from '../../protocol/error/error-message.ts';
import { classified } from '../../protocol/error/error-rules.ts';
import type { RequestLine } from '../http/network-error.ts';
import { retryAfterOf } from '../reply/retry.ts';
import { safeText, type Secrets } from '../safe-text.ts';
import { shellWord } from '../../protocol/shell-word.ts';

/** An answer that is no reply. */
export interface ErrorResponse {
  status: number;
  headers: Readonly<Record<string, string>>;
  /** What of the body was read; a piece is enough. */
  body: string;
}

export interface ErrorContext {
  request: RequestLine;
  /** Whether a key went with the request. */
  hasKey: boolean;
  secrets: Secrets;
}

/**
 * What an HTTP answer that is no reply means, as an error with the proxy's own words, cleaned, and with whose fault it is
 * as far as the answer tells.
 */
export function errorFromResponse(response: ErrorResponse, context: ErrorContext): ProxyError {
  const { status, headers } = response;
  if (status >= 300 && status < 400) return redirectError(response, context);
  const { frame, isForeign } = errorOfBody(response.body);
  const { hasKey } = context;
  const { code, what, hint, isRetryable } = classified({
    ...frame,
    status,
    isForeign,
    hasKey,
    url: new URL(context.request.url),
  });
  // Before the cleaning, which may cut a key in two, and after it, which may put a quotation together.
  const words = safeText(cleanErrorMessage(safeText(frame.message, context.secrets)), context.secrets);
  const callId = headers['x-litellm-call-id'];
  const parallelLimit = code === 'rate_limited' ? parallelLimitOf(frame.message) : null;
  return new ProxyError(code, titled(words === '' ? what : `${what}: ${words}`, status, context), {
    status,
    type: frame.type,
    callId: callId === undefined ? null : safeText(callId, context.secrets),
    retryAfterMs: parallelLimit === null ? retryAfterOf(headers) : null,
    parallelLimit,
    isRetryable,
    hint,
    guardrail: frame.guardrail,
  });
}

function redirectError({ status, headers }: ErrorResponse, context: ErrorContext): ProxyError {
  const { url } = context.request;
  const location = headers['location'];
  // The target's path and query may hold a token of a login page; its host is what has to be judged.
  const target = location !== undefined && URL.canParse(location, url) ? new URL(location, url) : null;
  const isElsewhere = target !== null && target.origin !== new URL(url).origin;
  const where =
    target === null ? 'to nowhere' : isElsewhere ? `to ${target.origin}` : 'to another path of the same host';
  return new ProxyError(
    'redirect_refused',
    titled(`the answer is a redirect ${where}, which is not followed`, status, context),
    {
      status,
      hint: isElsewhere
        ? `if that is your proxy, name it: --base-url ${shellWord(target.origin, 'URL')}; a login page there means that the key did not get through`
        : 'check the path in --base-url',
    },
  );
}

function titled(what: string, status: number, { request }: ErrorContext): string {
  return `${what} (HTTP ${status}): ${request.method} ${request.url}`;
}
