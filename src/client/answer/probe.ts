import { DeadlineError, InterruptedError, type CllmError } from '../../outcome/errors.ts';
import { readErrorBody } from './error-body.ts';
import { errorFromResponse } from './error-response.ts';
import { isSuccess } from '../../protocol/body-kind.ts';
import { safeText, type Secrets } from '../safe-text.ts';
import type { Transport } from '../http/transport.ts';
import { requestLines, responseLines, shownHeaders } from '../wire-log.ts';

/** An answer of any status, for those who look at the way and not at the reply. */
export interface ProbeAnswer {
  status: number;
  /** An allow-list, lower case: no keys, no cookies. */
  headers: Record<string, string>;
  /** The first 64 KiB, without keys. */
  body: string;
  /** What the status means; null for success. */
  error: CllmError | null;
  /** Milliseconds from the request to the head of the answer. */
  tookMs: number;
}

export interface ProbePlan {
  transport: Pick<Transport, 'send'>;
  method: 'GET' | 'POST';
  url: string;
  headers: Record<string, string>;
  body?: string;
  hasKey: boolean;
  secrets: Secrets;
  /** Seconds. */
  timeout: number;
  signal?: AbortSignal;
  onDebug?: (line: string) => void;
}

/**
 * Sends one request, once, and takes whatever answer comes.
 *
 * @throws CllmError when there is none
 */
export async function probe(plan: ProbePlan): Promise<ProbeAnswer> {
  const { transport, method, url, headers, secrets, hasKey, timeout, onDebug } = plan;
  const controller = new AbortController();
  const giveUp = (): void =>
    controller.abort(new DeadlineError('first-token', `no answer within ${timeout} s: ${method} ${url}`));
  const onAbort = (): void => {
    const reason: unknown = plan.signal?.reason;
    controller.abort(
      reason instanceof InterruptedError ? reason : new InterruptedError(null, `interrupted: ${method} ${url}`),
    );
  };
  const timer = setTimeout(giveUp, timeout * 1000);
  if (plan.signal?.aborted) onAbort();
  plan.signal?.addEventListener('abort', onAbort);
  const startedAt = performance.now();
  try {
    if (onDebug) for (const line of requestLines(method, url, headers)) onDebug(line);
    const response = await transport.send({
      method,
      url,
      headers,
      signal: controller.signal,
      ...(plan.body !== undefined && { body: plan.body }),
    });
    const tookMs = performance.now() - startedAt;
    const shown = shownHeaders(response.headers, secrets);
    if (onDebug) for (const line of responseLines(response.status, shown)) onDebug(line);
    const body = await readErrorBody(response);
    const answer = { status: response.status, headers: response.headers, body };
    const error = isSuccess(response.status)
      ? null
      : errorFromResponse(answer, { request: { method, url }, hasKey, secrets });
    return { status: response.status, headers: shown, body: safeText(body, secrets), error, tookMs };
  } finally {
    clearTimeout(timer);
    plan.signal?.removeEventListener('abort', onAbort);
  }
}
