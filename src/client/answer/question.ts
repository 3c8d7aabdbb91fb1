import { setTimeout as sleep } from 'node:timers/promises';
import { CllmError, DeadlineError, InterruptedError } from '../../outcome/errors.ts';
import { isSuccess } from '../../protocol/body-kind.ts';
import { parseJson } from '../../protocol/json.ts';
import type { HttpResponse, Transport } from '../http/transport.ts';
import { Deadlines, type DeadlineLimits, longestTimer } from '../reply/deadlines.ts';
import { retryDelay, type RetryNotice } from '../reply/retry.ts';
import { safeText, type Secrets } from '../safe-text.ts';
import { requestLines, responseLines, shownHeaders } from '../wire-log.ts';
import { readErrorBody } from './error-body.ts';
import { errorFromResponse } from './error-response.ts';

/** A small question to the proxy: anything but a prompt. */
export interface Question {
  transport: Pick<Transport, 'send'>;
  method: 'GET' | 'POST';
  url: string;
  headers: Record<string, string>;
  body?: string;
  hasKey: boolean;
  secrets: Secrets;
  signal?: AbortSignal;
  onDebug?: (line: string) => void;
}

export interface RetriedQuestion extends Question {
  limits: DeadlineLimits;
  retries: number;
  /** Of what must not be done twice: whether it was certainly not done. Default: whatever may pass is asked again. */
  mayRepeat?: (error: CllmError) => boolean;
  random: () => number;
  /** Whether the JSON is what was asked for. Anything else is no answer, an error in a 200 among it. */
  isAnswer: (value: unknown) => boolean;
  onRetry?: (retry: RetryNotice) => void;
}

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

/** `/model/info` of a large proxy is a few megabytes. */
const longestAnswer = 64 * 1024 * 1024;

/**
 * Asks for JSON, with the same errors, retries and deadlines as a reply has.
 *
 * @throws CllmError
 */
export async function getJson(question: RetriedQuestion): Promise<unknown> {
  const { limits, retries: most, random, mayRepeat = () => true, onRetry } = question;
  const stopping = stoppable(question);
  const deadlines = new Deadlines(
    limits,
    () => performance.now(),
    (deadline, seconds) =>
      stopping.stop(
        new DeadlineError(deadline, `no answer within ${seconds} s: ${nameOf(question)}`, {
          hint: `\`cllm doctor\` looks at each step; ${deadline === 'total' ? '--timeout' : '--first-token-timeout'} waits longer`,
        }),
      ),
  );
  deadlines.startWaiting();
  try {
    for (let retries = 0; ; retries += 1) {
      deadlines.beginAttempt();
      try {
        return await jsonOnce(question, stopping.signal);
      } catch (thrown) {
        stopping.signal.throwIfAborted();
        if (!(thrown instanceof CllmError)) throw thrown;
        const delay = mayRepeat(thrown) ? retryDelay(thrown, retries, most, random) : null;
        if (delay === null) throw thrown;
        onRetry?.({ attempt: retries + 1, maxRetries: most, delayMs: delay, error: thrown });
        deadlines.endAttempt();
        await sleep(delay, undefined, { signal: stopping.signal }).catch(() => stopping.signal.throwIfAborted());
      }
    }
  } finally {
    deadlines.stop();
    stopping.end();
  }
}

/**
 * Asks once, and takes whatever answer comes.
 *
 * @param timeout seconds
 * @throws CllmError when there is none
 */
export async function probe(question: Question, timeout: number): Promise<ProbeAnswer> {
  const stopping = stoppable(question);
  const giveUp = (): void =>
    stopping.stop(new DeadlineError('first-token', `no answer within ${timeout} s: ${nameOf(question)}`));
  const timer = setTimeout(giveUp, Math.min(timeout * 1000, longestTimer));
  const startedAt = performance.now();
  try {
    const { response, shown } = await send(question, stopping.signal);
    const tookMs = performance.now() - startedAt;
    const body = await readErrorBody(response);
    const error = isSuccess(response.status) ? null : errorOf(question, response, body);
    return { status: response.status, headers: shown, body: safeText(body, question.secrets), error, tookMs };
  } finally {
    clearTimeout(timer);
    stopping.end();
  }
}

async function jsonOnce(question: RetriedQuestion, signal: AbortSignal): Promise<unknown> {
  const { response } = await send(question, signal);
  const isAnswer = isSuccess(response.status);
  const body = isAnswer ? await readAnswer(response, nameOf(question)) : await readErrorBody(response);
  if (isAnswer) {
    try {
      const value = parseJson(body);
      if (question.isAnswer(value)) return value;
    } catch (error) {
      if ((error as Error).message === 'nested too deeply') {
        throw new CllmError('unexpected_response', `the answer is nested too deeply: ${nameOf(question)}`, {
          hint: 'what the proxy passes on there, a schema of a tool say, has no end to speak of',
        });
      }
      // Falls through: a page where JSON was expected.
    }
  }
  throw errorOf(question, response, body);
}

/** Sends it once, and tells of it under `--debug`. */
async function send(
  { transport, method, url, headers, body, secrets, onDebug }: Question,
  signal: AbortSignal,
): Promise<{ response: HttpResponse; shown: Record<string, string> }> {
  if (onDebug) for (const line of requestLines(method, url, headers)) onDebug(line);
  const response = await transport.send({ method, url, headers, signal, ...(body !== undefined && { body }) });
  const shown = shownHeaders(response.headers, secrets);
  if (onDebug) for (const line of responseLines(response.status, shown)) onDebug(line);
  return { response, shown };
}

function errorOf(
  { method, url, hasKey, secrets }: Question,
  { status, headers }: HttpResponse,
  body: string,
): CllmError {
  return errorFromResponse({ status, headers, body }, { request: { method, url }, hasKey, secrets });
}

/** A signal that the caller's own stops, as does whoever calls `stop`; `end` lets go of the caller's. */
function stoppable(question: Question): { signal: AbortSignal; stop: (reason: CllmError) => void; end: () => void } {
  const controller = new AbortController();
  const given = question.signal;
  const onAbort = (): void => {
    const reason: unknown = given?.reason;
    controller.abort(
      reason instanceof InterruptedError ? reason : new InterruptedError(null, `interrupted: ${nameOf(question)}`),
    );
  };
  if (given?.aborted) onAbort();
  given?.addEventListener('abort', onAbort);
  return {
    signal: controller.signal,
    stop: (reason) => controller.abort(reason),
    end: () => given?.removeEventListener('abort', onAbort),
  };
}

function nameOf({ method, url }: Question): string {
  return `${method} ${url}`;
}

async function readAnswer(response: HttpResponse, name: string): Promise<string> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  try {
    for (let read = await response.body.next(); !read.done; read = await response.body.next()) {
      length += read.value.length;
      if (length > longestAnswer) {
        throw new CllmError('unexpected_response', `the answer is longer than ${longestAnswer} bytes: ${name}`);
      }
      pieces.push(read.value);
    }
  } finally {
    response.destroy();
  }
  return Buffer.concat(pieces).toString();
}
