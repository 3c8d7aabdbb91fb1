import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { LiteLLMClient } from '../../src/client/client.ts';
import type { StreamResult } from '../../src/client/reply/completion-stream.ts';
import { describeLitellm, litellmProxy } from '../support/litellm.ts';
import { litellmClient } from './litellm-client.ts';
import { providers, requestFor } from './situations.ts';

describeLitellm('a stream of the real LiteLLM that ends', () => {
  let client: LiteLLMClient;
  let tags = 0;

  beforeAll(() => {
    client = litellmClient();
  });
  afterAll(() => client.close());

  /** Reads two pieces of a held stream, then lets the upstream go on to its fault: so the fault comes after text. */
  async function readAcross(
    provider: (typeof providers)[number],
    fault: string,
    model = `fake-${provider}`,
  ): Promise<StreamResult> {
    const tag = `ending-${provider}-${(tags += 1)}`;
    const stream = client.stream({ ...requestFor(provider, 'text', `hold=2 ${fault}=2 tag=${tag}`), model });
    let text = '';
    for await (const chunks of stream.reads()) {
      text += chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('');
      if (text === 'Hello from ') await litellmProxy().provider.release(tag);
    }
    return stream.result();
  }

  const everyProvider = providers.map((provider) => ({ provider }));

  test.each(everyProvider)('whole is complete: $provider', async ({ provider }) => {
    const { verdict, error } = await client.stream(requestFor(provider, 'text')).result();
    expect({ verdict, error }).toEqual({ verdict: 'complete', error: null });
  });

  test("without the upstream's [DONE] is complete, since LiteLLM sends its own", async () => {
    const { verdict } = await client.stream(requestFor('openai', 'text', 'unmarked=1')).result();
    expect(verdict).toBe('complete');
  });

  test.each(everyProvider)(
    "because the upstream's connection was cut midway is an error: $provider",
    async ({ provider }) => {
      const { verdict, completion, error } = await readAcross(provider, 'cut');
      expect(verdict).toBe('error');
      expect(error).toMatchObject({ code: 'stream_error' });
      expect(completion?.choices[0]).toMatchObject({ finish_reason: null, message: { content: 'Hello from ' } });
    },
  );

  test.each(everyProvider)("with the provider's error frame midway is an error: $provider", async ({ provider }) => {
    const { verdict, completion } = await readAcross(provider, 'error');
    expect(verdict).toBe('error');
    expect(completion?.choices[0]?.message.content).toBe('Hello from ');
  });

  // Gemini's streams know no stream_timeout: below.
  test.each([{ provider: 'openai' as const }, { provider: 'anthropic' as const }])(
    "because the upstream stalled longer than the proxy's stream_timeout is an error: $provider",
    async ({ provider }) => {
      const { verdict, completion } = await readAcross(provider, 'stall', `fake-${provider}-impatient`);
      expect(verdict).toBe('error');
      expect(completion?.choices[0]?.message.content).toBe('Hello from ');
    },
  );

  test('nowhere, where the proxy knows no timeout for it, is ended by the idle deadline of ours', async () => {
    const impatient = litellmClient({ idleTimeout: 1 });
    const request = { ...requestFor('gemini', 'text', 'stall=2'), model: 'fake-gemini-impatient' };
    const { verdict, completion, error } = await impatient.stream(request).result();
    await impatient.close();
    expect(verdict).toBe('timed_out');
    expect(error).toMatchObject({ code: 'idle_timeout' });
    expect(completion?.choices[0]?.message.content).toBe('Hello from ');
  });

  // LiteLLM makes up the finish_reason, the usage and [DONE]: nothing on the wire tells it from a whole reply. This test
  // holds what docs and README admit; when it fails, LiteLLM has become better.
  test.each(everyProvider)(
    'clean but without a finish_reason can not be told from success: $provider',
    async ({ provider }) => {
      const { verdict, completion } = await readAcross(provider, 'end');
      expect(verdict).toBe('complete');
      expect(completion?.choices[0]).toMatchObject({ finish_reason: 'stop', message: { content: 'Hello from ' } });
    },
  );

  test('with a junk line is an error behind OpenAI', async () => {
    const { verdict } = await readAcross('openai', 'junk');
    expect(verdict).toBe('error');
  });

  test.each([{ provider: 'anthropic' as const }, { provider: 'gemini' as const }])(
    'with a junk line can not be told from success behind $provider',
    async ({ provider }) => {
      const { verdict, completion } = await readAcross(provider, 'junk');
      expect(verdict).toBe('complete');
      expect(completion?.choices[0]?.message.content).toBe('Hello from ');
    },
  );

  test.each(everyProvider)(
    'before it began, with an error frame, is an HTTP error without a verdict: $provider',
    async ({ provider }) => {
      const { verdict, completion, error } = await client.stream(requestFor(provider, 'text', 'error=0')).result();
      expect({ verdict, completion }).toEqual({ verdict: null, completion: null });
      expect(error).toMatchObject({ name: 'ProxyError' });
    },
  );

  test.each(everyProvider)('clean before it began is empty: $provider', async ({ provider }) => {
    const { verdict } = await client.stream(requestFor(provider, 'text', 'end=0')).result();
    expect(verdict).toBe('empty');
  });

  test.each([
    { situation: 'empty', verdict: 'empty' },
    { situation: 'length', verdict: 'length' },
    { situation: 'content-filter', verdict: 'content_filter' },
    { situation: 'parallel-tools', verdict: 'complete' },
  ])('as the model says: $situation is $verdict behind every provider', async ({ situation, verdict }) => {
    const results = await Promise.all(
      providers.map((provider) => client.stream(requestFor(provider, situation)).result()),
    );
    expect(results.map((result) => result.verdict)).toEqual([verdict, verdict, verdict]);
  });

  test("before any answer, after the proxy's own timeout, is an HTTP error", async () => {
    const request = { ...requestFor('openai', 'text', 'delay=20000'), model: 'fake-openai-impatient' };
    const { verdict, error } = await client.stream(request).result();
    expect(verdict).toBeNull();
    expect(error).toMatchObject({ name: 'ProxyError', status: 408 });
  });

  test('with more than a hundred equal pieces is an error, since LiteLLM ends it', async () => {
    const { verdict, error } = await client.stream(requestFor('openai', 'repeat')).result();
    expect(verdict).toBe('error');
    expect(error?.message).toContain('repeating the same chunk');
  });
});
