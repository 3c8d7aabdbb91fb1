import { setTimeout as sleep } from 'node:timers/promises';
import { isSuccess } from '../../protocol/body-kind.ts';
import { CllmError, DeadlineError, InterruptedError } from '../../outcome/errors.ts';
import { Deadlines, type DeadlineLimits } from '../reply/deadlines.ts';
import { readErrorBody } from './error-body.ts';
import { errorFromResponse } from './error-response.ts';
import { retryDelay, type RetryNotice } from '../reply/retry.ts';
import type { Secrets } from '../safe-text.ts';
import type { HttpResponse, Transport } from '../http/transport.ts';
import { requestLines, responseLines, shownHeaders } from '../wire-log.ts';

/** What a small question to the proxy needs; the client makes it. */
export interface JsonPlan {
  transport: Pick<Transport, 'send'>;
  url: string;
  headers: Record<string, string>;
  hasKey: boolean;
  secrets: Secrets;
  limits: DeadlineLimits;
  retries: number;
  random: () => number;
  signal?: AbortSignal;
  onRetry?: (retry: RetryNotice) => void;
  onDebug?: (line: string) => void;
}

/** `/model/info` of a large proxy is a few megabytes. */
const longestAnswer = 64 * 1024 * 1024;

/**
 * GETs JSON, with the same errors, retries and deadlines as a reply has.
 *
 * @throws CllmError
 */
export async function getJson(plan: JsonPlan): Promise<unknown> {
  const controller = new AbortController();
  const deadlines = new Deadlines(
    plan.limits,
    () => performance.now(),
    (deadline, seconds) =>
      controller.abort(
        new DeadlineError(deadline, `no answer within ${seconds} s: GET ${plan.url}`, {
          hint: '`cllm doctor` looks at each step; --first-token-timeout waits longer.',
        }),
      ),
  );
  const onAbort = () => {
    const reason: unknown = plan.signal?.reason;
    controller.abort(
      reason instanceof InterruptedError ? reason : new InterruptedError(null, `interrupted: GET ${plan.url}`),
    );
  };
  if (plan.signal?.aborted) onAbort();
  plan.signal?.addEventListener('abort', onAbort);
  deadlines.startWaiting();
  try {
    for (let retries = 0; ; retries += 1) {
      deadlines.beginAttempt();
      try {
        return await getOnce(plan, controller.signal);
      } catch (thrown) {
        controller.signal.throwIfAborted();
        if (!(thrown instanceof CllmError)) throw thrown;
        const delay = retryDelay(thrown, retries, plan.retries, plan.random);
        if (delay === null) throw thrown;
        plan.onRetry?.({ attempt: retries + 1, maxRetries: plan.retries, delayMs: delay, error: thrown });
        deadlines.endAttempt();
        await sleep(delay, undefined, { signal: controller.signal }).catch(() => controller.signal.throwIfAborted());
      }
    }
  } finally {
    deadlines.stop();
    plan.signal?.removeEventListener('abort', onAbort);
  }
}

async function getOnce(plan: JsonPlan, signal: AbortSignal): Promise<unknown> {
  const { url, headers, secrets, hasKey, onDebug } = plan;
  const request = { method: 'GET', url } as const;
  if (onDebug) for (const line of requestLines('GET', url, headers)) onDebug(line);
  const response = await plan.transport.send({ ...request, headers, signal });
  const shown = shownHeaders(response.headers, secrets);
  if (onDebug) for (const line of responseLines(response.status, shown)) onDebug(line);
  const body = isSuccess(response.status) ? await readAnswer(response, url) : await readErrorBody(response);
  if (isSuccess(response.status)) {
    try {
      return JSON.parse(body);
    } catch {
      // Falls through: a page where JSON was expected.
    }
  }
  throw errorFromResponse({ status: response.status, headers: response.headers, body }, { request, hasKey, secrets });
}

async function readAnswer(response: HttpResponse, url: string): Promise<string> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  try {
    for (let read = await response.body.next(); !read.done; read = await response.body.next()) {
      length += read.value.length;
      if (length > longestAnswer) {
        throw new CllmError('unexpected_response', `the answer is longer than ${longestAnswer} bytes: GET ${url}`);
      }
      pieces.push(read.value);
    }
  } finally {
    response.destroy();
  }
  return Buffer.concat(pieces).toString();
}
