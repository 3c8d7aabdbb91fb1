import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { LiteLLMClient, type ClientOptions, type RequestInput } from '../../src/client/client.ts';
import { type FakeUpstream, startFakeUpstream } from '../support/fake-upstream.ts';
import { seed } from '../support/seed.ts';

/** What the library says of a request before it is sent. */
const key = 'sk-test-key-0001';
let upstream: FakeUpstream;
let client: LiteLLMClient;

const clientWith = (options: Partial<ClientOptions> = {}) =>
  new LiteLLMClient({ baseUrl: upstream.baseUrl, apiKey: key, ...options });

beforeEach(async () => {
  upstream = await startFakeUpstream();
  client = clientWith();
});

afterEach(async () => {
  await client.close();
  await upstream.close();
});

describe('preview', () => {
  test('is the request that stream() sends, but for the key', async () => {
    await client.close();
    client = clientWith({ headers: { 'x-team': 'blue' }, allowFallbacks: false });
    const request = { model: 'fake', messages: 'hi', temperature: 0.5, response_format: { type: 'json_object' } };
    const preview = client.preview(request, { sessionId: 'talk' });
    expect(upstream.requests).toEqual([]);
    await client.stream(request, { sessionId: 'talk' }).result();
    const [sent] = upstream.requests;
    expect(preview).toMatchObject({ method: 'POST', url: `${upstream.baseUrl}${sent?.path ?? ''}`, body: sent?.body });
    expect(preview.body).toEqual(sent?.body);
    const { authorization, ...headers } = preview.headers;
    expect(authorization).toBe('****');
    expect(sent?.headers).toMatchObject(headers);
    expect(headers).toMatchObject({ 'x-team': 'blue', 'x-litellm-session-id': 'talk' });
    expect(sent?.headers['authorization']).toBe(`Bearer ${key}`);
  });

  test('has the body of any request as it goes out, and leaves the given one alone', async () => {
    const body = fc.dictionary(
      fc.constantFrom('temperature', 'stop', 'metadata', 'tools', 'stream', 'stream_options', '__proto__', 'n'),
      fc.jsonValue({ maxDepth: 2 }),
      { maxKeys: 3, noNullPrototype: true },
    );
    await fc.assert(
      fc.asyncProperty(body, fc.string(), async (given, prompt) => {
        const request = { ...given, model: 'fake', messages: prompt } as RequestInput;
        const before = structuredClone(request);
        const shown = previewOf(request);
        expect(request).toEqual(before);
        const sent = await sendingOf(request);
        expect(shown).toEqual(sent);
      }),
      { seed, numRuns: 30 },
    );
  });

  const codeOf = (error: unknown): string => (error as { code: string }).code;

  function previewOf(request: RequestInput): unknown {
    try {
      return client.preview(request).body;
    } catch (error) {
      return codeOf(error);
    }
  }

  /** The body that came, or why none was sent. */
  async function sendingOf(request: RequestInput): Promise<unknown> {
    try {
      await client.stream(request).result();
      return upstream.requests.at(-1)?.body;
    } catch (error) {
      return codeOf(error);
    }
  }

  test('shows no key, wherever it stands, and leaves files as they are', async () => {
    await client.close();
    client = clientWith({ headers: { 'x-api-key': 'other', 'x-note': `for ${key}` } });
    const file = `data:application/pdf;base64,${Buffer.alloc(400, 7).toString('base64')}`;
    const preview = client.preview({
      model: 'fake',
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: `my key is ${key}` },
            { type: 'file', file: { file_data: file } },
          ],
        },
      ],
      metadata: { [`a`]: 'Bearer abcdefghijklmnopqrstuvwxyz' },
    });
    const text = JSON.stringify(preview);
    expect(text).not.toMatch(/sk-test-key|other|abcdefghijkl/);
    expect(text).toContain(file);
  });

  test.each<[string, unknown]>([
    ['no object', 'hi'],
    ['no model', { messages: 'hi' }],
    ['no messages', { model: 'm' }],
    ['messages that are none', { model: 'm', messages: ['hi'] }],
    ['a circle', Object.assign({ model: 'm', messages: 'hi' }, { self: [] as unknown[] })],
    ['a number that JSON has not', { model: 'm', messages: 'hi', n: 1n }],
  ])('refuses %s as stream() does', (name, request) => {
    if (name === 'a circle') (request as { self: unknown[] }).self.push(request);
    const refused = expect.objectContaining({ code: 'input_invalid' });
    expect(() => client.preview(request as RequestInput)).toThrow(refused);
    expect(() => client.stream(request as RequestInput)).toThrow(refused);
    expect(upstream.requests).toEqual([]);
  });

  test('refuses what is nested deeper than the stack, and says so', () => {
    let deep: unknown = 'x';
    for (let level = 0; level < 100_000; level += 1) deep = [deep];
    expect(() => client.preview({ model: 'm', messages: 'hi', deep })).toThrow(/the request is nested too deeply/);
  });
});

describe('countTokens', () => {
  const answering = (reply: { status?: number; body: unknown }): void => {
    upstream.fallback = () => reply;
  };

  test('asks the counter of the proxy once, and sends it what is counted alone', async () => {
    answering({
      body: { total_tokens: 12, model_used: 'gpt-4o', tokenizer_type: 'openai_tokenizer', request_model: 'x' },
    });
    const tools = [{ type: 'function', function: { name: 'f' } }];
    const count = await client.countTokens({
      model: 'fake',
      messages: 'hi',
      tools,
      temperature: 1,
      metadata: { a: 1 },
    });
    expect(count).toEqual({ tokens: 12, modelUsed: 'gpt-4o', tokenizerType: 'openai_tokenizer' });
    expect(upstream.requests).toHaveLength(1);
    expect(upstream.requests[0]).toMatchObject({ method: 'POST', path: '/utils/token_counter' });
    expect(upstream.requests[0]?.body).toEqual({ model: 'fake', messages: [{ role: 'user', content: 'hi' }], tools });
    expect(upstream.requests[0]?.headers['authorization']).toBe(`Bearer ${key}`);
    await client.countTokens({ model: 'fake', messages: 'hi', tools: [] });
    expect(upstream.requests[1]?.body).not.toHaveProperty('tools');
  });

  test('knows nothing of the tokenizer where the proxy does not say', async () => {
    answering({ body: { total_tokens: 0 } });
    expect(await client.countTokens({ model: 'm', messages: '' })).toEqual({
      tokens: 0,
      modelUsed: null,
      tokenizerType: null,
    });
  });

  test.each([
    [{}],
    [null],
    [[]],
    ['12'],
    [{ total_tokens: '12' }],
    [{ total_tokens: -1 }],
    [{ total_tokens: 1.5 }],
    [{ total_tokens: 1e300 }],
    [{ total_tokens: 12, error: true }],
  ])('takes %j for no count, instead of making one up', async (body) => {
    answering({ body: JSON.stringify(body) });
    await expect(client.countTokens({ model: 'm', messages: 'hi' })).rejects.toMatchObject({
      code: 'unexpected_response',
    });
  });

  test.each([
    [401, 'unauthorized'],
    [404, 'model_not_found'],
    [429, 'rate_limited'],
    [500, 'server_error'],
  ])('does not try again after %d: a figure is not worth a wait', async (status) => {
    answering({ status, body: { error: { message: `no, ${key}`, type: 'x' } } });
    const error = (await client
      .countTokens({ model: 'm', messages: 'hi' })
      .catch((thrown: unknown) => thrown)) as Error;
    expect(error).toMatchObject({ code: expect.stringMatching(/^[a-z_]+$/) });
    expect(error.message).not.toContain(key);
    expect(upstream.requests).toHaveLength(1);
  });

  test('ends with its signal', async () => {
    upstream.fallback = () => ({ steps: [{ stall: true }] });
    const stop = new AbortController();
    const counting = client.countTokens({ model: 'm', messages: 'hi' }, { signal: stop.signal });
    stop.abort();
    await expect(counting).rejects.toMatchObject({ code: 'interrupted' });
  });

  test('refuses what is no request, and asks nobody', async () => {
    await expect(client.countTokens({ model: 'm' } as RequestInput)).rejects.toMatchObject({ code: 'input_invalid' });
    expect(upstream.requests).toEqual([]);
  });
});
