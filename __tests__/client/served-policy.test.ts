import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { LiteLLMClient, type ClientOptions } from '../../src/client/client.ts';
import { ServedPolicy } from '../../src/client/served-policy.ts';
import {
  chunk,
  finishChunk,
  liteLLMHeaders,
  startFakeUpstream,
  textChunk,
  textReply,
  type FakeUpstream,
} from '../support/fake-upstream.ts';

let upstream: FakeUpstream;
let client: LiteLLMClient;

beforeEach(async () => {
  upstream = await startFakeUpstream();
});

afterEach(async () => {
  await client.close();
  await upstream.close();
});

function ask(options: Partial<ClientOptions>) {
  client = new LiteLLMClient({ baseUrl: upstream.baseUrl, apiKey: 'sk-test', ...options });
  return client.stream({ model: 'gpt', messages: 'hi' }).result();
}

const served = (headers: Record<string, string>) =>
  textReply('Hello.', { headers: { ...liteLLMHeaders('gpt'), ...headers } });
const fallback = { 'x-litellm-model-group': 'rescue', 'x-litellm-attempted-fallbacks': '1' };

test('nothing is asked of the proxy, and nothing refused, unless somebody says so', async () => {
  upstream.reply(served({ ...fallback, 'x-litellm-cache-hit': 'True' }));
  expect(await ask({})).toMatchObject({ verdict: 'complete', error: null });
  expect(upstream.chatRequests[0]?.body).not.toHaveProperty('disable_fallbacks');
  expect(upstream.chatRequests[0]?.body).not.toHaveProperty('cache');
});

test('the proxy is asked for no fallback and no cache', async () => {
  expect(await ask({ allowFallbacks: false, allowCache: false })).toMatchObject({ error: null });
  expect(upstream.chatRequests[0]?.body).toMatchObject({ disable_fallbacks: true, cache: { 'no-cache': true } });
});

describe('the model that answers', () => {
  test.each([
    { glob: 'gpt', headers: {} },
    { glob: 'g*', headers: {} },
    { glob: 'g?t', headers: {} },
    { glob: 'openai/gpt-4o*', headers: { 'x-litellm-model-name': 'openai/gpt-4o-mini' } },
    { glob: 'gpt-4o-mini', headers: { 'x-litellm-model-name': 'openai/gpt-4o-mini' } },
  ])('is allowed by $glob', async ({ glob, headers }) => {
    upstream.reply(served(headers));
    expect(await ask({ requireModel: glob })).toMatchObject({ error: null, verdict: 'complete' });
  });

  test.each(['claude*', 'gp', 'g.t', 'pt', 'GPT'])(
    'is not allowed by %s: the reply ends before its first word',
    async (glob) => {
      upstream.reply(served({}));
      const { error, completion } = await ask({ requireModel: glob });
      expect(error).toMatchObject({
        code: 'served_elsewhere',
        message: `gpt answered, and require_model ${glob} does not allow it`,
      });
      expect(completion).toBeNull();
    },
  );

  test('is known from the stream where a keep-alive came before the headers', async () => {
    const silent = { 'x-litellm-model-group': '', 'x-litellm-model-id': '' };
    upstream.reply(textReply('Hello.', { headers: silent }), textReply('Hello.', { headers: silent }));
    expect(await ask({ requireModel: 'gpt' })).toMatchObject({ error: null });
    await client.close();
    const { error, verdict, completion } = await ask({ requireModel: 'claude' });
    expect(error?.code).toBe('served_elsewhere');
    // It was complete, and is kept; it only is not what was asked for.
    expect({ verdict, text: completion?.choices[0]?.message.content }).toEqual({ verdict: 'complete', text: 'Hello.' });
  });
});

test('a fallback is refused by its header', async () => {
  upstream.reply(served(fallback));
  expect((await ask({ allowFallbacks: false })).error).toMatchObject({
    code: 'served_elsewhere',
    message: 'a fallback (rescue) answered, although the request asked for none',
  });
});

test('a fallback that only the stream tells of is refused at the end', async () => {
  const notice = chunk([], {
    id: 'litellm-fallback-metadata',
    model: 'rescue',
    litellm_fallback: { fallback_model: 'rescue', errors: [] },
  });
  const steps = [
    { data: textChunk('Hello.', { role: 'assistant' }) },
    { data: notice },
    { data: finishChunk() },
    { data: '[DONE]' },
  ];
  upstream.reply({ headers: liteLLMHeaders('gpt'), steps }, { headers: liteLLMHeaders('gpt'), steps });
  expect((await ask({ allowFallbacks: false })).error?.code).toBe('served_elsewhere');
  await client.close();
  expect((await ask({ requireModel: 'gpt' })).error?.message).toContain('rescue answered');
});

test('a cached reply is refused', async () => {
  upstream.reply(served({ 'x-litellm-cache-hit': 'True' }));
  expect((await ask({ allowCache: false })).error?.message).toContain("the proxy's cache");
});

test('a refused reply is not asked for again, and closes its connection', async () => {
  upstream.reply({ headers: liteLLMHeaders('gpt'), steps: [{ data: textChunk('Hello.') }, { stall: true }] });
  await ask({ requireModel: 'claude', retries: 2 });
  expect(upstream.chatRequests).toHaveLength(1);
  expect(await upstream.chatRequests[0]?.hungUp).toBe(true);
});

test('an empty glob is a mistake', () => {
  client = new LiteLLMClient({ baseUrl: upstream.baseUrl });
  expect(() => new ServedPolicy({ requireModel: '' })).toThrow('the glob of the required model is empty');
});
