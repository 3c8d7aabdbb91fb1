import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { LiteLLMClient, type ClientOptions } from '../../src/client/client.ts';
import {
  errorReply,
  finishChunk,
  startFakeUpstream,
  textChunk,
  textReply,
  type FakeUpstream,
} from '../support/fake-upstream.ts';
import { coded, event, head, lastChunk, startFaultServer } from '../support/fault-server.ts';

let upstream: FakeUpstream;
let client: LiteLLMClient;

const clientWith = (options: Partial<ClientOptions> = {}) =>
  new LiteLLMClient({ baseUrl: upstream.baseUrl, ...options });

beforeEach(async () => {
  upstream = await startFakeUpstream();
  client = clientWith({ apiKey: 'sk-test-key-0001' });
});

afterEach(async () => {
  await client.close();
  await upstream.close();
});

describe('stream', () => {
  test('gives the chunks of a reply, and then the completion with its receipt', async () => {
    upstream.reply(
      textReply('Hello, world.', { usage: { prompt_tokens: 4, completion_tokens: 5, total_tokens: 9, cost: 0.25 } }),
    );
    const stream = client.stream({ model: 'fake', messages: 'hi' });
    let text = '';
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
    const { completion, verdict, receipt, error } = await stream.result();
    expect(text).toBe('Hello, world.');
    expect(error).toBeNull();
    expect(verdict).toBe('complete');
    expect(completion?.choices[0]?.message.content).toBe('Hello, world.');
    expect(receipt).toMatchObject({
      modelRequested: 'fake',
      modelServed: 'fake',
      inputTokens: 4,
      outputTokens: 5,
      costUsd: 0.25,
      costSource: 'stream',
      proxyVersion: '1.104.2',
      retries: 0,
      keySpend: 0.5,
      keyMaxBudget: 10,
    });
    expect(receipt?.ttftMs).toBeLessThanOrEqual(receipt?.durationMs ?? 0);
  });

  test('sends the request as it was given, a string as the message of a user, and asks for usage', async () => {
    await client.complete({ model: 'fake', messages: 'hi', temperature: 0.5, metadata: { tags: ['a'] } });
    expect(upstream.requests[0]?.body).toEqual({
      model: 'fake',
      messages: [{ role: 'user', content: 'hi' }],
      temperature: 0.5,
      metadata: { tags: ['a'] },
      stream: true,
      stream_options: { include_usage: true },
    });
    expect(upstream.requests[0]?.headers).toMatchObject({
      authorization: 'Bearer sk-test-key-0001',
      'content-type': 'application/json',
      'accept-encoding': 'identity',
      'user-agent': 'cllm',
    });
  });

  test('does not ask for usage where the caller said no', async () => {
    await client.complete({ model: 'fake', messages: 'hi', stream_options: { include_usage: false } });
    expect(upstream.requests[0]?.body.stream_options).toEqual({ include_usage: false });
  });

  test('sends no Authorization header without a key', async () => {
    const keyless = clientWith();
    await keyless.complete({ model: 'fake', messages: 'hi' });
    await keyless.close();
    expect(upstream.requests[0]?.headers).not.toHaveProperty('authorization');
  });

  test('takes one JSON body through the same pipeline with stream: false', async () => {
    upstream.reply(textReply('Hello.', { headers: { 'x-litellm-response-cost': '1.2e-05' } }));
    const stream = client.stream({ model: 'fake', messages: 'hi', stream: false });
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    const { completion, receipt } = await stream.result();
    expect(upstream.requests[0]?.body).not.toHaveProperty('stream_options');
    expect(chunks).toHaveLength(1);
    expect(completion?.choices[0]?.message).toEqual({ role: 'assistant', content: 'Hello.' });
    expect(receipt).toMatchObject({ costUsd: 0.000012, costSource: 'header' });
  });
});

test('a refused key is an error with the proxy’s words', async () => {
  upstream.reply(errorReply(401, 'Authentication Error, Key is blocked.', { type: 'auth_error' }));
  await expect(client.complete({ model: 'fake', messages: 'hi' })).rejects.toMatchObject({
    code: 'key_rejected',
    message: `the proxy rejected the key: Authentication Error, Key is blocked. (HTTP 401): POST ${upstream.baseUrl}/v1/chat/completions`,
  });
});

test('the small questions are answered', async () => {
  expect((await client.models()).map(({ id }) => id)).toEqual(['fake', 'other']);
  expect((await client.modelInfo())[0]?.model_info['mode']).toBe('chat');
  expect(await client.readiness()).toEqual({ status: 'healthy', db: 'Not connected' });
  await expect(client.keyInfo()).rejects.toMatchObject({ code: 'server_error' });
});

test('the connection is kept when the end of the body comes after [DONE]', async () => {
  const server = await startFaultServer([
    head(),
    coded(event(textChunk('Hello.')) + event(finishChunk()) + event('[DONE]')),
    { wait: 20 },
    lastChunk,
  ]);
  const kept = new LiteLLMClient({ baseUrl: server.baseUrl });
  expect((await kept.stream({ model: 'fake', messages: 'hi' }).result()).verdict).toBe('complete');
  while (server.isPlaying) await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
  expect((await kept.stream({ model: 'fake', messages: 'hi' }).result()).verdict).toBe('complete');
  expect(server.requests.map(({ connection }) => connection)).toEqual([0, 0]);
  await kept.close();
  await server.close();
});

describe('bad input', () => {
  test.each([
    { name: 'a base URL with a typo', options: { baseUrl: 'htp://x' }, code: 'base_url_invalid' },
    { name: 'a time that is none', options: { timeout: Number.NaN }, code: 'config_invalid' },
    { name: 'a negative number of retries', options: { retries: -1 }, code: 'config_invalid' },
    { name: 'a key with a line break in it', options: { apiKey: 'sk-canary\n0123' }, code: 'config_invalid' },
    { name: 'a key with letters that no header carries', options: { apiKey: 'sk-canary…' }, code: 'config_invalid' },
    {
      name: 'a header that would split the request',
      options: { headers: { 'x-a': 'sk-canary\r\nx-b: 1' } },
      code: 'config_invalid',
    },
    { name: 'a header that is no name', options: { headers: { 'x a': '1' } }, code: 'config_invalid' },
    { name: 'a header that is ours', options: { headers: { Host: 'other.test' } }, code: 'config_invalid' },
  ])('$name is refused before anything is sent', ({ options, code }) => {
    let thrown: unknown;
    try {
      clientWith(options);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({ code });
    expect(String(thrown)).not.toContain('canary');
  });

  test('a request that is no JSON', () => {
    expect(() => client.stream({ model: 'fake', messages: 'hi', metadata: { big: 1n } })).toThrow(
      expect.objectContaining({ code: 'input_invalid' }),
    );
  });

  test('a call after close()', async () => {
    await client.close();
    await expect(client.complete({ model: 'fake', messages: 'hi' })).rejects.toMatchObject({ code: 'usage' });
  });

  test('a deadline longer than the timers of Node is no short one', async () => {
    const patient = clientWith({ connectTimeout: 3e6, firstTokenTimeout: 3e9, idleTimeout: 3e9, timeout: 1e300 });
    expect(await patient.models()).toHaveLength(2);
    await patient.close();
  });

  test('a key with blanks around it is sent without them', async () => {
    const padded = clientWith({ apiKey: ' sk-padded-key\n' });
    await padded.models();
    await padded.close();
    expect(upstream.requests[0]?.headers.authorization).toBe('Bearer sk-padded-key');
  });

  test.each<[string, string, string]>([
    ['null', 'null', ''],
    ['a number', '5', ''],
    ['a list', '[]', ''],
    ['an error', '{"error": {"message": "the key is gone", "code": "401"}}', 'the key is gone'],
    ['another object', '{"data": {"a": 1}, "info": [1]}', ''],
  ])('JSON that is not what was asked for, in a 200: %s', async (_name, body, words) => {
    upstream.fallback = () => ({ body, headers: { 'content-type': 'application/json' } });
    for (const asked of [() => client.models(), () => client.modelInfo(), () => client.keyInfo()]) {
      await expect(asked()).rejects.toMatchObject({
        code: expect.stringMatching(/^(unexpected_response|key_rejected)$/),
        message: expect.stringContaining(words),
      });
    }
  });

  test('a page where JSON was expected', async () => {
    upstream.fallback = () => ({
      body: '<html><title>Sign in</title></html>',
      headers: { 'content-type': 'text/html' },
    });
    await expect(client.models()).rejects.toMatchObject({
      code: 'unexpected_response',
      message: expect.stringContaining('Sign in'),
    });
  });
});
