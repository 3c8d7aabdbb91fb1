import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { stringify } from 'yaml';
import { LiteLLMClient } from '../../src/client/client.ts';
import type { StreamResult } from '../../src/client/reply/completion-stream.ts';
import type { CllmError } from '../../src/outcome/errors.ts';
import type { RunningProxy } from '../../src/local-proxy/run.ts';
import type { FakeProviders } from '../support/fake-providers.ts';
import { describeLitellm, litellmProxy, providersUrlForProxy, startLitellm } from '../support/litellm.ts';
import { fakeProviderModels } from '../support/litellm-overlay.ts';
import { litellmClient } from './litellm-client.ts';
import { providers, requestFor } from './situations.ts';

const noStream = { completion: null, verdict: null };

describeLitellm('an error of the real LiteLLM', () => {
  let client: LiteLLMClient;

  beforeAll(() => {
    client = litellmClient();
  });
  afterAll(() => client.close());

  test('no key was sent', async () => {
    const { baseUrl } = litellmProxy();
    const keyless = new LiteLLMClient({ baseUrl, retries: 0 });
    const result = await keyless.stream(requestFor('openai', 'text')).result();
    await keyless.close();
    expect(result).toMatchObject({ ...noStream, error: { code: 'no_key', status: 401 } });
  });

  test('a wrong key, at a proxy without a database', async () => {
    const wrong = litellmClient({ apiKey: 'sk-wrong' });
    const result = await wrong.stream(requestFor('openai', 'text')).result();
    await wrong.close();
    expect(result).toMatchObject({ ...noStream, error: { code: 'key_rejected', status: 400 } });
    expect(`${result.error?.message} ${result.error?.hint}`).not.toContain('sk-wrong');
  });

  test('an unknown model is named', async () => {
    const result = await client.stream({ model: 'no-such-model', messages: 'Hello' }).result();
    expect(result).toMatchObject({ ...noStream, error: { code: 'model_not_found', isRetryable: false } });
    expect(result.error?.message).toContain('no-such-model');
  });

  test.each(providers.map((provider) => ({ provider })))(
    "a 401 of the provider is not the caller's key: $provider",
    async ({ provider }) => {
      const result = await client.stream(requestFor(provider, 'text', 'status=401')).result();
      expect(result).toMatchObject({ ...noStream, error: { code: 'provider_auth', isRetryable: false } });
    },
  );

  test.each(providers.map((provider) => ({ provider })))(
    'a 429 of the provider says how long to wait: $provider',
    async ({ provider }) => {
      const result = await client.stream(requestFor(provider, 'text', 'status=429 retry-after=7')).result();
      expect(result).toMatchObject({
        ...noStream,
        error: { code: 'rate_limited', retryAfterMs: 7_000, isRetryable: true },
      });
    },
  );

  test.each(providers.map((provider) => ({ provider })))(
    'a 503 of the provider may pass: $provider',
    async ({ provider }) => {
      const result = await client.stream(requestFor(provider, 'text', 'status=503')).result();
      expect(result).toMatchObject({ ...noStream, error: { code: 'server_error', isRetryable: true } });
    },
  );

  test('a provider that nobody reaches', async () => {
    const result = await client.stream({ model: 'unreachable', messages: 'Hello' }).result();
    expect(result).toMatchObject({ ...noStream, error: { code: 'server_error' } });
  });

  test('a parameter that the provider does not support', async () => {
    const result = await client.stream({ ...requestFor('anthropic', 'text'), n: 2 }).result();
    expect(result).toMatchObject({ ...noStream, error: { code: 'bad_request', isRetryable: false } });
  });

  test('before the first token the fallback answers, and the receipt says which', async () => {
    const request = { model: 'falls-back', messages: '[text status=500] Hello' };
    const { verdict, completion, receipt } = await client.stream(request).result();
    expect(verdict).toBe('complete');
    expect(completion?.choices[0]?.message.content).toBe('Hello from the mock.');
    expect(receipt).toMatchObject({ modelRequested: 'falls-back', modelGroup: 'mock', attemptedFallbacks: 1 });
  });

  test('after text there is no fallback, and the reply is an error', async () => {
    const { provider } = litellmProxy();
    const stream = client.stream({ model: 'falls-back', messages: '[text hold=2 error=2 tag=after-text] Hello' });
    let text = '';
    for await (const chunks of stream.reads()) {
      text += chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('');
      if (text === 'Hello from ') await provider.release('after-text');
    }
    expect(text).toBe('Hello from ');
    expect((await stream.result()).verdict).toBe('error');
  });

  test.each(providers.map((provider) => ({ provider })))(
    'a client that leaves midway is seen by the upstream: $provider',
    async ({ provider }) => {
      const tag = `left-${provider}`;
      const stream = client.stream(requestFor(provider, 'text', `hold=2 tag=${tag}`));
      for await (const chunk of stream) if (chunk.choices[0]?.delta.content === 'from ') break;
      const request = await litellmProxy().provider.waitFor(tag, { state: 'left' });
      expect(request.pieces).toBe(2);
      expect((await stream.result()).verdict).toBe('interrupted');
    },
  );

  test('an unknown price is null in the receipt, and a known one is not', async () => {
    const unpriced = await client.stream({ model: 'unpriced', messages: 'Hello' }).result();
    const priced = await client.stream(requestFor('openai', 'text')).result();
    expect(unpriced.receipt).toMatchObject({ costUsd: null, costSource: 'unknown' });
    expect(priced.receipt?.costUsd).toBeGreaterThan(0);
    expect(priced.receipt?.costSource).toBe('stream');
  });
});

/** LiteLLM's own limiter and checks, without its database: keys come from this hook instead. */
const customAuth = `import os
from litellm.proxy._types import UserAPIKeyAuth
from litellm.proxy.auth import auth_checks as checks

KEYS = {
    "sk-good": {},
    "sk-rpm": {"rpm_limit": 1},
    "sk-parallel": {"max_parallel_requests": 1},
    "sk-broke": {"spend": 2.0, "max_budget": 1.0, "key_alias": "broke"},
    "sk-mock-only": {"models": ["mock"]},
}

async def user_api_key_auth(request, api_key):
    from litellm.proxy import proxy_server as proxy
    if api_key == os.environ["LITELLM_MASTER_KEY"]:
        return UserAPIKeyAuth(api_key=api_key, user_role="proxy_admin")
    if api_key not in KEYS:
        raise Exception("unknown key")
    key = UserAPIKeyAuth(api_key=api_key, token=api_key, **KEYS[api_key])
    if request.url.path.endswith("/completions"):
        if key.models:
            model = (await request.json()).get("model")
            await checks.can_key_call_model(
                model=model, llm_model_list=proxy.llm_model_list, valid_token=key, llm_router=proxy.llm_router
            )
        await checks._virtual_key_max_budget_check(
            valid_token=key, proxy_logging_obj=proxy.proxy_logging_obj, user_obj=None
        )
    return key
`;

describeLitellm('a key of the real LiteLLM', () => {
  let proxy: RunningProxy & { provider: FakeProviders };
  const clients: LiteLLMClient[] = [];

  beforeAll(async () => {
    const { openai } = fakeProviderModels(providersUrlForProxy());
    const mock = { model: 'openai/mock', api_key: 'none', mock_response: 'Hello from the mock.' };
    const config = {
      model_list: [
        { model_name: 'openai', litellm_params: openai },
        { model_name: 'mock', litellm_params: mock },
        { model_name: 'once-a-minute', litellm_params: { ...openai, rpm: 1 } },
        { model_name: 'poor', litellm_params: { ...openai, max_budget: 0.00001, budget_duration: '1d' } },
      ],
      router_settings: { num_retries: 0, optional_pre_call_checks: ['enforce_model_rate_limits'] },
      general_settings: {
        master_key: 'os.environ/LITELLM_MASTER_KEY',
        custom_auth: 'custom_auth.user_api_key_auth',
      },
    };
    proxy = await startLitellm({ config: stringify(config), files: { 'custom_auth.py': customAuth } });
  }, 200_000);

  afterAll(async () => {
    await Promise.all(clients.map((client) => client.close()));
    await proxy?.stop();
  }, 30_000);

  function withKey(apiKey: string): LiteLLMClient {
    const client = new LiteLLMClient({ baseUrl: proxy.baseUrl, apiKey, retries: 0 });
    clients.push(client);
    return client;
  }

  function ask(client: LiteLLMClient, model = 'openai', prompt = 'Hello'): Promise<StreamResult> {
    return client.stream({ model, messages: prompt }).result();
  }

  test('that is good is answered', async () => {
    expect(await ask(withKey('sk-good'))).toMatchObject({ verdict: 'complete', error: null });
  });

  test('that is unknown is rejected', async () => {
    expect(await ask(withKey('sk-unknown'))).toMatchObject({
      ...noStream,
      error: { code: 'key_rejected', status: 401 },
    });
  });

  test('whose budget is spent: the refusal names it and is not retried', async () => {
    const { error } = await ask(withKey('sk-broke'));
    expect(error).toMatchObject({ code: 'budget_exceeded', status: 422, type: 'budget_exceeded', isRetryable: false });
    expect(error?.message).toContain('broke');
  });

  test('past its requests a minute: the refusal says how long to wait', async () => {
    const client = withKey('sk-rpm');
    await ask(client);
    const { error } = await ask(client);
    expect(error).toMatchObject({ code: 'rate_limited', status: 429, isRetryable: true });
    expect((error as CllmError & { retryAfterMs: number }).retryAfterMs).toBeGreaterThan(0);
  });

  test('past its parallel requests', async () => {
    const client = withKey('sk-parallel');
    const first = client.stream({ model: 'openai', messages: '[text hold=1 tag=parallel] Hello' });
    const reply = first.result();
    await proxy.provider.waitFor('parallel', { pieces: 1 });
    expect((await ask(client)).error).toMatchObject({ code: 'rate_limited', status: 429 });
    await proxy.provider.release('parallel');
    expect((await reply).verdict).toBe('complete');
  });

  test('that may not use the model', async () => {
    const client = withKey('sk-mock-only');
    expect((await ask(client)).error).toMatchObject({ code: 'model_not_allowed', status: 403, isRetryable: false });
    expect(await ask(client, 'mock')).toMatchObject({ verdict: 'complete' });
    expect((await client.models()).map(({ id }) => id)).toEqual(['mock']);
  });

  test('at a model past its own requests a minute', async () => {
    const client = withKey('sk-good');
    await ask(client, 'once-a-minute');
    expect((await ask(client, 'once-a-minute')).error).toMatchObject({ code: 'rate_limited', isRetryable: true });
  });

  test('at a model whose budget is spent: a budget, though it is a 429', async () => {
    const client = withKey('sk-good');
    let result = await ask(client, 'poor');
    for (let call = 0; call < 20 && result.error === null; call += 1) result = await ask(client, 'poor');
    expect(result.error).toMatchObject({ code: 'budget_exceeded', status: 429, isRetryable: false });
  });
});
