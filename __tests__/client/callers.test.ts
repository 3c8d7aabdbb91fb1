import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type CallOptions, type ClientOptions, LiteLLMClient, type RequestInput } from '../../src/client/client.ts';
import { UsageError } from '../../src/outcome/errors.ts';
import { useChildScript } from '../support/child-script.ts';
import {
  errorReply,
  type FakeUpstream,
  finishChunk,
  startFakeUpstream,
  textChunk,
  textReply,
} from '../support/fake-upstream.ts';
import { useClosing } from '../support/closed-after.ts';

const closing = useClosing();

let upstream: FakeUpstream;
beforeAll(async () => {
  upstream = await startFakeUpstream();
});
afterAll(() => upstream.close());

const request = { model: 'fake', messages: 'hi' };
const fail = (): never => {
  throw new Error('the callback is broken');
};
/** Typed as what takes its place in a program with types; what it gives rejects all the same. */
const failLater = (() => Promise.reject(new Error('the callback is broken'))) as () => never;

describe('a callback that throws', () => {
  test.each([
    ['at once', fail],
    ['later', failLater],
  ])('%s keeps neither the chunks nor the result from coming', async (_when, callback) => {
    const client = closing(new LiteLLMClient({ baseUrl: upstream.baseUrl, onDebug: callback }));
    const again = errorReply(500, 'once', { headers: { 'retry-after': '0' } });
    upstream.reply(again, textReply('whole'));
    const stream = client.stream(request, { onRetry: callback });
    let text = '';
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
    expect(text).toBe('whole');
    expect(await stream.result()).toMatchObject({ verdict: 'complete', error: null, receipt: { retries: 1 } });
    expect((await client.models({ onRetry: callback })).length).toBeGreaterThan(0);
    expect((await client.probe('/health/readiness')).status).toBe(200);
    upstream.reply(errorReply(401, 'no'));
    expect(await client.stream(request).result()).toMatchObject({ verdict: null, error: { code: 'no_key' } });
  });
});

describe('an iterator', () => {
  test('that is taken and never asked keeps nothing from the result', async () => {
    const client = closing(new LiteLLMClient({ baseUrl: upstream.baseUrl }));
    upstream.reply(textReply('whole'), textReply('whole'));
    const stream = client.stream(request);
    const iterator = stream[Symbol.asyncIterator]();
    expect((await stream.result()).completion?.choices[0]?.message.content).toBe('whole');
    await expect(iterator.next()).rejects.toMatchObject({ code: 'usage' });
    expect(await iterator.return?.()).toEqual({ value: undefined, done: true });
    expect((await stream.result()).verdict).toBe('complete');

    // Closed before it was asked: nobody wants the reply.
    const unwanted = client.stream(request);
    await unwanted[Symbol.asyncIterator]().return?.();
    expect((await unwanted.result()).verdict).toBe('interrupted');
  });

  test('is the only one: a second one is refused when it is asked', async () => {
    const client = closing(new LiteLLMClient({ baseUrl: upstream.baseUrl }));
    upstream.reply(textReply('whole'));
    const stream = client.stream(request);
    const [first, second] = [stream[Symbol.asyncIterator](), stream[Symbol.asyncIterator]()];
    expect((await first.next()).done).toBe(false);
    await expect(second.next()).rejects.toMatchObject({ code: 'usage' });
    // Leaving the one that was refused is no word about the reply.
    await second.return?.();
    while ((await first.next()).done !== true);
    expect((await stream.result()).verdict).toBe('complete');
  });

  const leave = useChildScript('client/leave-iterator.ts');

  test.each(['unasked', 'asked', 'beside another', 'slow work'])(
    'that is left without return() does not keep a program alive: %s',
    async (how) => {
      const open: (() => void)[] = [];
      const gate = new Promise<void>((resolve) => open.push(resolve));
      const still = { steps: [{ data: textChunk('a') }, { data: textChunk('b') }, { gate }, { data: finishChunk() }] };
      upstream.reply(still, textReply('the other'));
      const { exit } = await leave([upstream.baseUrl, how]);
      const { code, stdout } = await exit;
      open[0]?.();
      expect({ code, stdout }).toEqual({
        code: 0,
        stdout: {
          unasked: 'left\n',
          asked: 'left\n',
          'beside another': 'left\nthe other\n',
          'slow work': 'left\nworked\n',
        }[how],
      });
    },
    20_000,
  );
});

describe('what a program without types may give', () => {
  test.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['a text', 'http://h'],
    ['no base URL', {}],
    ['a number for a base URL', { baseUrl: 5 }],
    ['a list for a base URL', { baseUrl: ['http://h'] }],
    ...[5, {}, [], true].map((value): [string, unknown] => ['a key', { baseUrl: 'http://h', apiKey: value }]),
    ...['3', Number.NaN, -1, null, {}].map((value): [string, unknown] => [
      'retries',
      { baseUrl: 'http://h', retries: value },
    ]),
    ['headers', { baseUrl: 'http://h', headers: 'a: b' }],
    ['a header', { baseUrl: 'http://h', headers: { a: 5 } }],
    ['certificates', { baseUrl: 'http://h', ca: 5 }],
    ['a certificate', { baseUrl: 'http://h', ca: [5] }],
    ['a client certificate', { baseUrl: 'http://h', cert: {} }],
    ['a user agent', { baseUrl: 'http://h', userAgent: 5 }],
    ['a glob', { baseUrl: 'http://h', requireModel: /a/ }],
    ['fallbacks', { baseUrl: 'http://h', allowFallbacks: 'no' }],
    ['an HTTP proxy', { baseUrl: 'http://h', httpProxy: 'http://p' }],
    ['a callback', { baseUrl: 'http://h', onDebug: 'log' }],
  ])('%s as options of a client is a usage error', (_what, options) => {
    expect(() => new LiteLLMClient(options as ClientOptions)).toThrow(UsageError);
  });

  test('an error about it does not repeat it', () => {
    const secret = 'sk-secret-0123456789';
    for (const options of [
      secret,
      { baseUrl: [secret] },
      { baseUrl: 'http://h', headers: { a: [secret] } },
      { baseUrl: 'http://h', apiKey: { secret } },
    ]) {
      let message = '';
      try {
        message = new LiteLLMClient(options as unknown as ClientOptions).baseUrl;
      } catch (error) {
        ({ message } = error as Error);
      }
      expect(message).toContain('it has to be');
      expect(message).not.toContain(secret);
    }
  });

  test.each<[string, unknown, unknown?]>([
    ['nothing', undefined],
    ['null', null],
    ['a text', 'hi'],
    ['no model', { messages: 'hi' }],
    ['a model', { model: 5, messages: 'hi' }],
    ['no messages', { model: 'm' }],
    ['messages', { model: 'm', messages: { role: 'user', content: 'hi' } }],
    ['a message', { model: 'm', messages: ['hi'] }],
    ['a missing message', { model: 'm', messages: [null] }],
    ['stream', { model: 'm', messages: 'hi', stream: 'yes' }],
    ['stream options', { model: 'm', messages: 'hi', stream_options: 'usage' }],
    ['what is no JSON', { model: 'm', messages: 'hi', metadata: { n: 5n } }],
    ['options', request, 'now'],
    ['null options', request, null],
    ['a signal', request, { signal: {} }],
    ['a callback', request, { onRetry: 'log' }],
    ['taps', request, { taps: {} }],
    ['a tap', request, { taps: [{}] }],
  ])('%s of a request is a usage error', async (_what, body, options = {}) => {
    const client = closing(new LiteLLMClient({ baseUrl: upstream.baseUrl }));
    expect(() => client.stream(body as RequestInput, options as CallOptions)).toThrow(UsageError);
    await expect(client.complete(body as RequestInput, options as CallOptions)).rejects.toBeInstanceOf(UsageError);
  });

  test.each([null, 'now', { signal: {} }])('%j as options of a question is a usage error', async (options) => {
    const client = closing(new LiteLLMClient({ baseUrl: upstream.baseUrl }));
    for (const asked of [client.models(options as CallOptions), client.probe('/', options as CallOptions)])
      await expect(asked).rejects.toBeInstanceOf(UsageError);
  });
});
