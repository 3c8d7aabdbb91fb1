import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type CallOptions, type ClientOptions, LiteLLMClient } from '../../../src/client/client.ts';
import type { RetryNotice, StreamResult } from '../../../src/client/reply/completion-stream.ts';
import { InterruptedError, type ProxyError } from '../../../src/outcome/errors.ts';
import { errorReply, type FakeUpstream, startFakeUpstream, textChunk, textReply } from '../../support/fake-upstream.ts';

/** Deadlines and waits over several tries of one request, by a real clock: what is short here is far from what is long. */

let upstream: FakeUpstream;
const clients: LiteLLMClient[] = [];

beforeEach(async () => {
  upstream = await startFakeUpstream();
});
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  await upstream.close();
});

/** Milliseconds in which nothing here should take long, on a busy machine too. */
const soon = 20_000;

async function ask(
  options: Partial<ClientOptions>,
  call: CallOptions = {},
): Promise<{ result: StreamResult; retries: RetryNotice[]; elapsedMs: number }> {
  const client = new LiteLLMClient({ baseUrl: upstream.baseUrl, apiKey: 'sk-test-key', ...options });
  clients.push(client);
  const retries: RetryNotice[] = [];
  const beganAt = performance.now();
  const result = await client
    .stream({ model: 'fake', messages: 'hi' }, { onRetry: (notice) => retries.push(notice), ...call })
    .result();
  return { result, retries, elapsedMs: performance.now() - beganAt };
}

const busy = (wait: Record<string, string>) => errorReply(503, 'busy', { headers: wait });

describe('the wait before another try', () => {
  test('is inside --timeout, which ends it', async () => {
    upstream.reply(busy({ 'retry-after': '50' }), textReply('late'));
    const { result, elapsedMs } = await ask({ timeout: 0.5 });
    expect(result).toMatchObject({ error: { code: 'total_timeout' }, completion: null });
    expect(elapsedMs).toBeLessThan(soon);
    expect(upstream.chatRequests).toHaveLength(1);
  });

  test('is outside of the first-token deadline, which begins anew with each try', async () => {
    const slowly = { delay: 400 };
    upstream.reply({ ...busy({ 'retry-after-ms': '1500' }), ...slowly }, (request) => ({
      ...textReply('Hello.')(request),
      ...slowly,
    }));
    // Longer than each try, shorter than the wait, and than both tries on a machine that is not busy.
    const { result, retries } = await ask({ firstTokenTimeout: 0.9 });
    expect(result).toMatchObject({ verdict: 'complete', error: null });
    expect(retries.map(({ delayMs }) => delayMs)).toEqual([1500]);
  });

  test('ends with a signal', async () => {
    upstream.reply(busy({ 'retry-after': '50' }));
    const stopping = new AbortController();
    const { result, elapsedMs } = await ask(
      {},
      { signal: stopping.signal, onRetry: () => stopping.abort(new InterruptedError('SIGINT', 'x')) },
    );
    expect(result.error).toMatchObject({ code: 'interrupted' });
    expect(elapsedMs).toBeLessThan(soon);
    expect(upstream.chatRequests).toHaveLength(1);
  });

  test('is what the last answer asked for, shorter or longer than the one before', async () => {
    upstream.reply(busy({ 'retry-after-ms': '30' }), busy({ 'retry-after-ms': '7' }), textReply('Hello.'));
    const { result, retries } = await ask({ retries: 2 });
    expect(result.verdict).toBe('complete');
    expect(
      retries.map(({ attempt, maxRetries, delayMs, error }) => [attempt, maxRetries, delayMs, error.code]),
    ).toEqual([
      [1, 2, 30, 'server_error'],
      [2, 2, 7, 'server_error'],
    ]);
  });

  test('of an hour is none: the caller is told what was asked for', async () => {
    upstream.reply(errorReply(429, 'closed', { headers: { 'retry-after': '3600' } }), textReply('late'));
    const { result, retries, elapsedMs } = await ask({ retries: 5 });
    expect(result.error).toMatchObject({ code: 'rate_limited' });
    expect((result.error as ProxyError).retryAfterMs).toBe(3_600_000);
    expect({ retries, isSoon: elapsedMs < soon, asked: upstream.chatRequests.length }).toEqual({
      retries: [],
      isSoon: true,
      asked: 1,
    });
  });
});

describe('another try', () => {
  test.each([0, 1, 3])('comes %i times at most, and then the last failure is the result', async (retries) => {
    upstream.reply(
      ...Array.from({ length: 5 }, (_, at) => errorReply(503, `busy ${at}`, { headers: { 'retry-after': '0' } })),
    );
    const { result } = await ask({ retries });
    expect(result.error?.message).toContain(`busy ${retries}`);
    expect(upstream.chatRequests).toHaveLength(retries + 1);
  });

  test.each<[string, Parameters<FakeUpstream['reply']>[0], number]>([
    ['before anything came', { steps: [{ reset: true }] }, 2],
    [
      'after a role and no content',
      { steps: [{ data: textChunk('', { role: 'assistant' }) }, { wait: 20 }, { reset: true }] },
      2,
    ],
    ['after content', { steps: [{ data: textChunk('Hel') }, { wait: 20 }, { reset: true }] }, 1],
  ])('of a stream that broke %s', async (_when, broken, asked) => {
    upstream.reply(broken);
    const { result } = await ask({ retries: 1 });
    expect(upstream.chatRequests).toHaveLength(asked);
    expect(result.verdict).toBe(asked === 2 ? 'complete' : 'cut');
  });

  test.each([400, 401, 403, 404, 422])('of HTTP %i comes never', async (status) => {
    upstream.reply(errorReply(status, 'no', { headers: { 'retry-after': '0' } }));
    const { retries } = await ask({ retries: 2 });
    expect({ retries, asked: upstream.chatRequests.length }).toEqual({ retries: [], asked: 1 });
  });

  test.each([408, 429, 500, 502, 503, 504])('of HTTP %i comes', async (status) => {
    upstream.reply(errorReply(status, 'no', { headers: { 'retry-after': '0' } }));
    const { result } = await ask({ retries: 1 });
    expect({ verdict: result.verdict, asked: upstream.chatRequests.length }).toEqual({ verdict: 'complete', asked: 2 });
  });
});

describe('of two deadlines', () => {
  test.each<[Partial<ClientOptions>, string]>([
    [{ timeout: 0.3, firstTokenTimeout: 60 }, 'total_timeout'],
    [{ timeout: 60, firstTokenTimeout: 0.3 }, 'first_token_timeout'],
    [{ timeout: 0.3, firstTokenTimeout: 0.3 }, 'total_timeout'],
  ])('%j before the first content: %s', async (limits, code) => {
    upstream.reply({ steps: [{ stall: true }] });
    const { result } = await ask({ retries: 3, ...limits });
    expect(result.error).toMatchObject({ code });
    // A deadline is the caller's own: no other try may outlive it.
    expect(upstream.chatRequests).toHaveLength(1);
  });

  test.each<[Partial<ClientOptions>, string]>([
    [{ timeout: 0.4, idleTimeout: 60 }, 'total_timeout'],
    [{ timeout: 60, idleTimeout: 0.3 }, 'idle_timeout'],
  ])('%j after it: %s, with what came', async (limits, code) => {
    upstream.reply({ steps: [{ data: textChunk('Hel') }, { stall: true }] });
    const { result } = await ask({ retries: 3, ...limits });
    expect(result).toMatchObject({
      error: { code },
      verdict: 'timed_out',
      completion: { choices: [{ message: { content: 'Hel' } }] },
    });
    expect(upstream.chatRequests).toHaveLength(1);
  });

  test('comments and empty deltas are no content: they keep neither of them from coming', async () => {
    const beats = Array.from({ length: 100 }, () => [
      { comment: 'ping' },
      { data: textChunk('') },
      { wait: 20 },
    ]).flat();
    upstream.reply({ steps: beats }, { steps: [{ data: textChunk('Hel') }, ...beats] });
    expect((await ask({ retries: 0, firstTokenTimeout: 0.3 })).result.error).toMatchObject({
      code: 'first_token_timeout',
    });
    expect((await ask({ retries: 0, idleTimeout: 0.3 })).result.error).toMatchObject({ code: 'idle_timeout' });
  });

  test('content moves the idle one, and not the total', async () => {
    const words = Array.from({ length: 100 }, () => [{ data: textChunk('a') }, { wait: 20 }]).flat();
    upstream.reply({ steps: words });
    const { result } = await ask({ retries: 0, idleTimeout: 1.5, timeout: 0.6 });
    expect(result.error).toMatchObject({ code: 'total_timeout' });
  });
});

describe('a place among those that are under way at a time', () => {
  const full = errorReply(
    429,
    'Rate limit exceeded. Limit type: max_parallel_requests. Current limit: 4, Remaining: 0.',
    {
      headers: { 'retry-after': '60' },
    },
  );

  test('is waited for shortly and often, whatever retry-after says, and told once', async () => {
    upstream.reply(full, full, full, full, full, textReply('Hello.'));
    const { result, retries, elapsedMs } = await ask({ retries: 1 });
    expect(result).toMatchObject({ verdict: 'complete', receipt: { retries: 0 } });
    expect(retries).toHaveLength(1);
    expect(retries[0]?.error).toMatchObject({ code: 'rate_limited', parallelLimit: 4, retryAfterMs: null });
    expect(elapsedMs).toBeLessThan(soon);
    expect(upstream.chatRequests).toHaveLength(6);
  });

  test('is not waited for with --retries 0', async () => {
    upstream.reply(full, textReply('Hello.'));
    expect((await ask({ retries: 0 })).result).toMatchObject({ error: { code: 'rate_limited', parallelLimit: 4 } });
    expect(upstream.chatRequests).toHaveLength(1);
  });
});
