import { getEventListeners } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { LiteLLMClient, type ClientOptions } from '../../../src/client/client.ts';
import type { ReplyTap, RetryNotice } from '../../../src/client/reply/completion-stream.ts';
import { ReplyReader } from '../../../src/protocol/reply-reader.ts';
import { CllmError, InterruptedError } from '../../../src/outcome/errors.ts';
import type { ChatCompletionChunk } from '../../../src/protocol/types.ts';
import {
  errorReply,
  finishChunk,
  startFakeUpstream,
  textChunk,
  textReply,
  type FakeUpstream,
} from '../../support/fake-upstream.ts';

let upstream: FakeUpstream;
const clients: LiteLLMClient[] = [];

/** `random` is 0: no wait between retries but the one that the proxy asks for. */
function clientWith(options: Partial<ClientOptions> = {}, random = () => 0): LiteLLMClient {
  const client = new LiteLLMClient({ baseUrl: upstream.baseUrl, ...options }, { random });
  clients.push(client);
  return client;
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const request = { model: 'fake', messages: 'hi' };
const deltaOf = (chunk: ChatCompletionChunk) => chunk.choices[0]?.delta.content ?? '';
const hello = { data: textChunk('Hello', { role: 'assistant' }) };

/** A promise that the test settles. */
function gate(): { promise: Promise<void>; open: () => void } {
  let open = () => {};
  const promise = new Promise<void>((resolve) => (open = resolve));
  return { promise, open };
}

beforeEach(async () => {
  upstream = await startFakeUpstream();
});

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  await upstream.close();
});

describe('iterating', () => {
  test('a delta is handed on before the upstream sends the next', async () => {
    const { promise, open } = gate();
    upstream.reply({
      steps: [hello, { gate: promise }, { data: textChunk(' world') }, { data: finishChunk() }, { data: '[DONE]' }],
    });
    let text = '';
    for await (const chunk of clientWith().stream(request)) {
      text += deltaOf(chunk);
      open();
    }
    expect(text).toBe('Hello world');
  });

  test('reads() gives the chunks of one read together, and an end without a throw', async () => {
    upstream.reply({ steps: [{ burst: [textChunk('a'), textChunk('b'), textChunk('c')] }, { reset: true }] });
    const stream = clientWith().stream(request);
    const reads: string[][] = [];
    for await (const chunks of stream.reads()) reads.push(chunks.map(deltaOf));
    expect(reads).toEqual([['a', 'b', 'c']]);
    expect((await stream.result()).error?.code).toBe('stream_cut');
  });

  test('consume() gives the chunks of one read together, and waits for who takes them', async () => {
    upstream.reply({ steps: [hello, { data: textChunk(' world') }, { data: finishChunk() }, { data: '[DONE]' }] });
    const stream = clientWith().stream(request);
    let [text, taking, most] = ['', 0, 0];
    await stream.consume(async (arrival) => {
      taking += 1;
      most = Math.max(most, taking);
      await new Promise((resolve) => setImmediate(resolve));
      text += arrival.chunks().map(deltaOf).join('');
      taking -= 1;
    });
    expect({ text, most }).toEqual({ text: 'Hello world', most: 1 });
    expect((await stream.result()).verdict).toBe('complete');
  });

  test.each([
    [
      'at once',
      () => {
        throw new Error('full');
      },
    ],
    ['later', () => Promise.reject(new Error('full'))],
  ])('what the function of consume() throws %s ends the reply and comes out of it', async (_when, take) => {
    upstream.reply({ steps: [hello, { stall: true }] });
    const stream = clientWith().stream(request);
    await expect(stream.consume(take)).rejects.toThrow('full');
    expect(await upstream.requests[0]?.hungUp).toBe(true);
    expect(await stream.result()).toMatchObject({
      verdict: 'interrupted',
      completion: { choices: [{ message: { content: 'Hello' } }] },
    });
    await expect(stream.consume(() => {})).rejects.toMatchObject({ code: 'usage' });
  });

  test('reads that are asked for at once come in their order, and an end to each', async () => {
    const { promise, open } = gate();
    upstream.reply({
      steps: [hello, { gate: promise }, { burst: [textChunk(' world'), finishChunk(), '[DONE]'] }],
    });
    const reads = clientWith().stream(request).reads()[Symbol.asyncIterator]();
    const asked = [reads.next(), reads.next(), reads.next(), reads.next()];
    await asked[0];
    open();
    const texts = (await Promise.all(asked)).map(({ value }) =>
      (value as ChatCompletionChunk[] | undefined)?.map(deltaOf).join(''),
    );
    expect(texts).toEqual(['Hello', ' world', undefined, undefined]);
  });

  test('chunks that are asked for at once come in their order, and then an end to each', async () => {
    upstream.reply({ steps: [{ burst: [textChunk('a'), textChunk('b'), finishChunk(), '[DONE]'] }] });
    const chunks = clientWith().stream(request)[Symbol.asyncIterator]();
    const asked = await Promise.all(Array.from({ length: 6 }, () => chunks.next()));
    expect(asked.map(({ value, done }) => (done === true ? null : deltaOf(value)))).toEqual([
      'a',
      'b',
      '',
      null,
      null,
      null,
    ]);
  });

  test('a chunk iteration that was left, or that has thrown, is over', async () => {
    upstream.reply({ steps: [{ burst: [textChunk('a'), textChunk('b')] }, { reset: true }] });
    const broken = clientWith().stream(request)[Symbol.asyncIterator]();
    await broken.next();
    await broken.next();
    await expect(broken.next()).rejects.toMatchObject({ code: 'stream_cut' });
    expect((await broken.next()).done).toBe(true);
    upstream.reply({ steps: [{ burst: [textChunk('a'), textChunk('b')] }, { stall: true }] });
    const left = clientWith().stream(request)[Symbol.asyncIterator]();
    await left.next();
    await left.return?.();
    expect((await left.next()).done).toBe(true);
  });

  test('nothing is read, tapped or shown once the reply was stopped at its head', async () => {
    const told: string[] = [];
    const tap: ReplyTap = {
      head: () => void told.push('head'),
      read: () => void told.push('read'),
      end: () => void told.push('end'),
    };
    let stop = () => {};
    const onDebug = (line: string): void => {
      if (line.startsWith('<')) stop();
    };
    const stream = clientWith({ onDebug }).stream(request, { taps: [tap] });
    stop = () => stream.abort();
    await stream.consume(() => void told.push('chunks'));
    expect((await stream.result()).verdict).toBe('interrupted');
    expect(told).toEqual([]);
  });

  test('the iteration throws the error of a break, with what came', async () => {
    upstream.reply({ steps: [hello] });
    const stream = clientWith().stream(request);
    let text = '';
    const iterate = async () => {
      for await (const chunk of stream) text += deltaOf(chunk);
    };
    await expect(iterate()).rejects.toMatchObject({
      code: 'stream_cut',
      completion: { choices: [{ message: { content: 'Hello' } }] },
    });
    expect(text).toBe('Hello');
  });

  test('a reply that is short by its limit does not throw', async () => {
    upstream.reply(
      { steps: [hello, { data: finishChunk('length') }] },
      { steps: [hello, { data: finishChunk('length') }] },
    );
    const stream = clientWith().stream(request);
    for await (const chunk of stream) expect(chunk.object).toBe('chat.completion.chunk');
    expect(await stream.result()).toMatchObject({ verdict: 'length', error: { code: 'reply_short' } });
    expect((await clientWith().complete(request)).choices[0]?.finish_reason).toBe('length');
  });

  test('a second iteration is refused', async () => {
    const stream = clientWith().stream(request);
    await stream.result();
    expect(() => stream.reads()).toThrow(expect.objectContaining({ code: 'usage' }));
  });

  test('asking for the result first takes no chunk from who iterates', async () => {
    const stream = clientWith().stream(request);
    const result = stream.result();
    let text = '';
    for await (const chunk of stream) text += deltaOf(chunk);
    expect(text).toBe('Hello.');
    expect((await result).verdict).toBe('complete');
  });

  test('a break closes the socket, and the verdict is interrupted', async () => {
    upstream.reply({ steps: [hello, { stall: true }] });
    const stream = clientWith().stream(request);
    for await (const chunk of stream) {
      expect(deltaOf(chunk)).toBe('Hello');
      break;
    }
    expect(await upstream.requests[0]?.hungUp).toBe(true);
    expect(await stream.result()).toMatchObject({
      verdict: 'interrupted',
      error: { code: 'interrupted', signal: null },
      completion: { choices: [{ message: { content: 'Hello' } }] },
    });
  });

  test('[DONE] ends the reply and closes the socket even if the server does not', async () => {
    upstream.reply({ steps: [hello, { data: finishChunk() }, { data: '[DONE]' }, { stall: true }] });
    expect((await clientWith().stream(request).result()).verdict).toBe('complete');
    expect(await upstream.requests[0]?.hungUp).toBe(true);
  });

  test('leaving at the last chunk of a whole reply does not interrupt it', async () => {
    upstream.reply({ steps: [{ burst: [textChunk('a'), finishChunk(), '[DONE]'] }] });
    const stream = clientWith().stream(request);
    const reads = stream.reads()[Symbol.asyncIterator]();
    await reads.next();
    await reads.return?.();
    expect((await stream.result()).verdict).toBe('complete');
  });

  test('a consumer that does not pull stops the server: nothing reads ahead', async () => {
    const size = 64 * 1024;
    const many = 2_000;
    let sent = 0;
    upstream.fallback = () => ({
      steps: Array.from({ length: many }, () => ({
        get raw() {
          sent += 1;
          return `data: ${JSON.stringify(textChunk('x'.repeat(size)))}\n\n`;
        },
      })),
    });
    const stream = clientWith({ idleTimeout: 0.05 }).stream(request);
    const reads = stream.reads()[Symbol.asyncIterator]();
    await reads.next();
    // Until full buffers hold the server up, which a busy machine does not: it waits for the drain, and goes on waiting.
    let [heldUp, before] = [0, -1];
    while (heldUp < 20 && before < many) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      heldUp = upstream.isHeldUp && before === sent ? heldUp + 1 : 0;
      before = sent;
    }
    expect(sent).toBeLessThan(many / 2);
    // The pause was longer than the idle timeout, which does not count it.
    expect((await reads.next()).done).toBe(false);
    await reads.return?.();
    expect((await stream.result()).error?.code).toBe('interrupted');
  });
});

describe('aborting', () => {
  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    '%s as the reason of a signal ends the reply and is named',
    async (signal) => {
      upstream.reply({ steps: [hello, { stall: true }] });
      const controller = new AbortController();
      const stream = clientWith().stream(request, { signal: controller.signal });
      for await (const chunks of stream.reads()) {
        expect(chunks).toHaveLength(1);
        controller.abort(new InterruptedError(signal));
      }
      expect(await stream.result()).toMatchObject({
        verdict: 'interrupted',
        error: { signal },
        completion: { choices: [{}] },
      });
      expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
    },
  );

  test('before the answer came: the verdict is interrupted and nothing is left', async () => {
    upstream.reply({ gate: new Promise(() => {}) });
    const controller = new AbortController();
    const stream = clientWith().stream(request, { signal: controller.signal });
    const result = stream.result();
    while (upstream.requests.length === 0) await new Promise((resolve) => setImmediate(resolve));
    controller.abort();
    expect(await result).toMatchObject({
      completion: null,
      verdict: 'interrupted',
      receipt: null,
      error: { code: 'interrupted' },
    });
    expect(await upstream.requests[0]?.hungUp).toBe(true);
  });

  test('before the request: nothing is sent', async () => {
    const stream = clientWith().stream(request, { signal: AbortSignal.abort(new InterruptedError('SIGINT')) });
    expect(await stream.result()).toMatchObject({ verdict: 'interrupted', error: { signal: 'SIGINT' } });
    expect(upstream.connectionCount).toBe(0);
  });

  test('while the consumer holds the stream: the result is there at once', async () => {
    upstream.reply({ steps: [hello, { stall: true }] });
    const stream = clientWith().stream(request);
    const reads = stream.reads()[Symbol.asyncIterator]();
    await reads.next();
    stream.abort(new InterruptedError('SIGINT'));
    expect(await stream.result()).toMatchObject({ verdict: 'interrupted', error: { signal: 'SIGINT' } });
    expect(await upstream.requests[0]?.hungUp).toBe(true);
    expect((await reads.next()).done).toBe(true);
  });

  test('an abort during the wait for a retry ends it at once', async () => {
    upstream.reply(errorReply(429, 'slow down', { headers: { 'retry-after': '50' } }));
    const controller = new AbortController();
    const stream = clientWith().stream(request, {
      signal: controller.signal,
      onRetry: () => controller.abort(new InterruptedError('SIGINT')),
    });
    expect(await stream.result()).toMatchObject({ verdict: 'interrupted', error: { signal: 'SIGINT' } });
    expect(upstream.requests).toHaveLength(1);
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
  });

  test('one signal for a hundred calls collects no listeners', async () => {
    const controller = new AbortController();
    const client = clientWith();
    for (let call = 0; call < 100; call += 1) await client.complete(request, { signal: controller.signal });
    await client.models({ signal: controller.signal });
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
    // All over one connection, which was kept, and another while the end of a body was still on its way.
    expect(upstream.connectionCount).toBeLessThanOrEqual(2);
  });
});

describe('retries', () => {
  const rateLimit = errorReply(429, 'Rate limit exceeded', { type: 'throttling_error' });
  const lost = { steps: [{ data: textChunk('', { role: 'assistant' }) }, { reset: true as const }] };

  test.each([
    { name: '429', first: rateLimit, code: 'rate_limited' },
    { name: '503', first: errorReply(503, 'overloaded'), code: 'server_error' },
    { name: '500', first: errorReply(500, 'litellm.InternalServerError: Connection error.'), code: 'server_error' },
    { name: '408', first: errorReply(408, 'litellm.Timeout'), code: 'server_error' },
    {
      name: 'a page of nginx',
      first: { status: 502, body: '<html><title>502 Bad Gateway</title></html>' },
      code: 'server_error',
    },
    { name: 'a connection lost before the first content', first: lost, code: 'stream_cut' },
    { name: 'a stream that ends before its first content', first: { steps: [] }, code: 'stream_cut' },
    {
      name: 'an error frame before the first content',
      first: { steps: [{ data: { error: { message: 'x', code: '500' } } }] },
      code: 'stream_error',
    },
  ])('$name is tried again, and told', async ({ first, code }) => {
    upstream.reply(first);
    const notices: RetryNotice[] = [];
    const stream = clientWith().stream(request, { onRetry: (notice) => notices.push(notice) });
    let text = '';
    let roles = 0;
    for await (const chunk of stream) {
      text += deltaOf(chunk);
      if (chunk.choices[0]?.delta.role) roles += 1;
    }
    expect(text).toBe('Hello.');
    // What the first attempt had sent without content is not handed on twice.
    expect(roles).toBe(1);
    expect(notices).toMatchObject([{ attempt: 1, maxRetries: 2, delayMs: 0, error: { code } }]);
    expect((await stream.result()).receipt?.retries).toBe(1);
  });

  test.each([
    {
      name: 'a budget',
      first: errorReply(422, 'Budget has been exceeded!', { type: 'budget_exceeded' }),
      code: 'budget_exceeded',
    },
    {
      name: 'a budget in an old proxy',
      first: errorReply(429, 'Budget has been exceeded!', { type: 'budget_exceeded' }),
      code: 'budget_exceeded',
    },
    {
      name: 'a deployment’s budget',
      first: errorReply(429, 'No deployments available - crossed budget: x'),
      code: 'budget_exceeded',
    },
    { name: 'a bad key', first: errorReply(401, 'x', { type: 'auth_error' }), code: 'no_key' },
    { name: 'a bad request', first: errorReply(400, 'x'), code: 'bad_request' },
    {
      name: 'a budget in an error frame',
      first: { steps: [{ data: { error: { message: 'crossed budget', code: '429' } } }] },
      code: 'budget_exceeded',
    },
    {
      name: 'a wrong request in an error frame',
      first: { steps: [{ data: { error: { message: 'x', code: '400' } } }] },
      code: 'bad_request',
    },
    {
      name: 'a finish without content',
      first: { steps: [{ data: finishChunk() }, { data: '[DONE]' }] },
      code: 'reply_empty',
    },
    { name: 'a break after text', first: { steps: [hello, { reset: true as const }] }, code: 'stream_cut' },
    {
      name: 'a wait of more than a minute',
      first: errorReply(429, 'x', { headers: { 'retry-after': '61' } }),
      code: 'rate_limited',
    },
  ])('$name is not tried again', async ({ first, code }) => {
    upstream.reply(first);
    const { error } = await clientWith().stream(request).result();
    expect(error?.code).toBe(code);
    expect(upstream.requests).toHaveLength(1);
  });

  test('a deadline is not tried again', async () => {
    upstream.reply({ steps: [{ stall: true }] });
    const { error, verdict } = await clientWith({ firstTokenTimeout: 0.1 }).stream(request).result();
    expect([verdict, error?.code]).toEqual(['timed_out', 'first_token_timeout']);
    expect(upstream.requests).toHaveLength(1);
  });

  test('the proxy’s own wish is waited for, to the millisecond', async () => {
    upstream.reply(
      { ...rateLimit, headers: { 'retry-after-ms': '7' } },
      { ...rateLimit, headers: { 'llm_provider-retry-after': '0.02' } },
    );
    const delays: number[] = [];
    await clientWith({}, () => 0.99).complete(request, { onRetry: ({ delayMs }) => delays.push(delayMs) });
    expect(delays).toEqual([7, 20]);
  });

  test('the last error is the one that is told, after as many retries as allowed', async () => {
    upstream.reply(rateLimit, rateLimit, errorReply(503, 'the last'));
    const { error, receipt, verdict } = await clientWith().stream(request).result();
    expect(error).toMatchObject({ code: 'server_error', message: expect.stringContaining('the last') });
    expect([verdict, receipt]).toEqual([null, null]);
    expect(upstream.requests).toHaveLength(3);
  });

  test('retries: 0 tries once', async () => {
    upstream.reply(rateLimit);
    await expect(clientWith({ retries: 0 }).complete(request)).rejects.toMatchObject({ code: 'rate_limited' });
  });

  test('the small questions are tried again too', async () => {
    let calls = 0;
    const { fallback } = upstream;
    upstream.fallback = (recorded) => {
      calls += 1;
      return calls === 1 ? errorReply(503, 'x') : fallback(recorded);
    };
    const told: RetryNotice[] = [];
    expect(await clientWith().models({ onRetry: (notice) => told.push(notice) })).toHaveLength(2);
    expect(told).toHaveLength(1);
  });
});

describe('taps', () => {
  class Recorder implements ReplyTap {
    readonly calls: string[] = [];
    head({ status, headers, url }: Parameters<ReplyTap['head']>[0]) {
      this.calls.push(
        `head ${status} ${new URL(url).pathname} ${headers['x-litellm-call-id'] === undefined ? '' : 'id'} ${'set-cookie' in headers}`,
      );
    }
    read(bytes: Uint8Array) {
      this.calls.push(`read ${Buffer.from(bytes).toString().trim().slice(-12)}`);
    }
    end(end: Parameters<ReplyTap['end']>[0]) {
      this.calls.push(`end ${end.type}`);
    }
  }

  test('see each read before its chunks are handed on, and the end', async () => {
    const { promise, open } = gate();
    upstream.reply({
      headers: { 'x-litellm-call-id': 'a', 'set-cookie': 'session=secret' },
      steps: [hello, { gate: promise }, { burst: [finishChunk(), '[DONE]'] }],
    });
    const tap = new Recorder();
    const stream = clientWith().stream(request, { taps: [tap] });
    for await (const chunks of stream.reads()) {
      tap.calls.push(`chunks ${chunks.length}`);
      open();
    }
    expect(tap.calls.map((call) => call.replace(/(read).*/, '$1'))).toEqual([
      'head 200 /v1/chat/completions id false',
      'read',
      'chunks 1',
      'read',
      'end done',
      'chunks 1',
    ]);
  });

  test('get a new head for a retry, and one end', async () => {
    upstream.reply({ steps: [] });
    const tap = new Recorder();
    await clientWith().complete(request, { taps: [tap] });
    expect(tap.calls.filter((call) => !call.startsWith('read'))).toEqual([
      expect.stringContaining('head 200'),
      expect.stringContaining('head 200'),
      'end done',
    ]);
  });

  test('get an end also when a later attempt brings no reply', async () => {
    upstream.reply({ steps: [] }, errorReply(401, 'x'));
    const tap = new Recorder();
    const { error } = await clientWith()
      .stream(request, { taps: [tap] })
      .result();
    expect(error?.code).toBe('no_key');
    expect(tap.calls).toEqual([expect.stringContaining('head 200'), 'end lost']);
  });

  test('get nothing where there was no reply', async () => {
    upstream.reply(errorReply(401, 'x'));
    const tap = new Recorder();
    await clientWith()
      .stream(request, { taps: [tap] })
      .result();
    expect(tap.calls).toEqual([]);
  });

  test('a tap that throws ends the reply with its error', async () => {
    upstream.reply({ steps: [hello, { stall: true }] });
    const tap = new Recorder();
    tap.read = () => {
      throw new CllmError('output_failed', 'full');
    };
    const { error } = await clientWith()
      .stream(request, { taps: [tap] })
      .result();
    expect(error?.code).toBe('output_failed');
    expect(await upstream.requests[0]?.hungUp).toBe(true);
  });
});

test('--debug tells the wire without key, prompt and reply', async () => {
  const lines: string[] = [];
  upstream.reply(
    errorReply(503, 'x'),
    textReply('the reply', { headers: { 'set-cookie': 'a=b', 'x-litellm-model-api-base': 'http://user:pass@up/v1' } }),
  );
  const client = clientWith({
    apiKey: 'sk-canary-000111',
    headers: { 'X-Team': 'secret-team' },
    onDebug: (line) => lines.push(line),
  });
  await client.complete({ model: 'fake', messages: 'the prompt' });
  const all = lines.join('\n');
  expect(all).toContain(`> POST ${upstream.baseUrl}/v1/chat/completions`);
  expect(all).toContain('> authorization: (not shown)');
  expect(all).toContain('< HTTP 503');
  expect(all).toContain('again in 0 ms (server_error)');
  expect(all).toContain('< x-litellm-version: 1.104.2');
  expect(all).toContain('< x-litellm-model-api-base: http://****@up/v1');
  expect(all).toContain('* complete');
  expect(all).not.toMatch(/canary|secret-team|the prompt|the reply|cookie|user:pass/);
});

test('a client keeps nothing of its calls, good and bad', async () => {
  const client = clientWith();
  const calls: WeakRef<object>[] = [];
  const call = async (number: number): Promise<void> => {
    if (number % 4 === 0) upstream.reply({ steps: [hello, { reset: true }] });
    if (number % 4 === 1) upstream.reply(errorReply(401, 'x'));
    const stream = client.stream(request, { signal: new AbortController().signal });
    const result = await stream.result();
    calls.push(new WeakRef(stream), new WeakRef(result));
  };
  for (let number = 0; number < 200; number += 1) await call(number);
  // The last connection may still hold the last call; a weak reference that was made or asked in this turn is strong.
  for (let turn = 0; turn < 10; turn += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    collectGarbage();
  }
  expect(calls.filter((each) => each.deref() !== undefined).length).toBeLessThanOrEqual(4);
}, 60_000);

test('what fails while it is folded, and again while it is given up, ends the stream all the same', async () => {
  const finish = jest.spyOn(ReplyReader.prototype, 'finish').mockImplementation(() => {
    throw new TypeError('no fold takes this');
  });
  try {
    upstream.reply({ steps: [hello, { data: finishChunk() }, { data: '[DONE]' }] });
    const result = await clientWith().stream(request).result();
    expect(result).toMatchObject({ verdict: null, completion: null, error: { code: 'internal' } });
  } finally {
    finish.mockRestore();
  }
});

describe('a proxy that takes no tags from its clients', () => {
  const refusal = errorReply(
    400,
    "Client-side 'metadata.tags' not allowed in request. Tags can only be set via API key metadata.",
  );
  const tags = (): unknown[] => upstream.chatRequests.map(({ headers }) => headers['x-litellm-tags'] ?? null);

  test('is asked once more without those of the job, and from then on, and that is told once', async () => {
    let told = 0;
    const client = clientWith({
      headers: { 'x-litellm-tags': 'ci:x', 'x-own': '1' },
      untaggedHeaders: { 'x-own': '1' },
      onTagsRefused: () => (told += 1),
      retries: 0,
    });
    upstream.reply(refusal, refusal, textReply('one'), textReply('two'), textReply('three'));
    const results = await Promise.all([client.stream(request).result(), client.stream(request).result()]);
    results.push(await client.stream(request).result());
    expect(results.map(({ verdict, receipt }) => [verdict, receipt?.retries])).toEqual([
      ['complete', 0],
      ['complete', 0],
      ['complete', 0],
    ]);
    expect({ told, tags: tags() }).toEqual({ told: 1, tags: ['ci:x', 'ci:x', null, null, null] });
    expect(upstream.chatRequests.every(({ headers }) => headers['x-own'] === '1')).toBe(true);
  });

  test('says so of tags that somebody asked for', async () => {
    const client = clientWith({
      headers: { 'x-litellm-tags': 'mine,ci:x' },
      untaggedHeaders: { 'x-litellm-tags': 'mine' },
    });
    upstream.reply(refusal, refusal);
    expect((await client.stream(request).result()).error).toMatchObject({
      code: 'bad_request',
      message: expect.stringContaining("'metadata.tags' not allowed"),
    });
    expect(tags()).toEqual(['mine,ci:x', 'mine']);
    upstream.reply(refusal);
    expect(
      (
        await clientWith({ headers: { 'x-litellm-tags': 'mine' } })
          .stream(request)
          .result()
      ).error?.code,
    ).toBe('bad_request');
    expect(upstream.chatRequests).toHaveLength(3);
  });
});
