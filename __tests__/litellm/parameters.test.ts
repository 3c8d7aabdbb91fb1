import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { LiteLLMClient, RequestInput } from '../../src/client/client.ts';
import type { ProviderRequest } from '../support/fake-providers.ts';
import { describeLitellm, litellmProxy } from '../support/litellm.ts';
import { litellmClient } from './litellm-client.ts';

describeLitellm('what a request says reaches the upstream through the real LiteLLM', () => {
  let client: LiteLLMClient;
  let tags = 0;

  beforeAll(() => {
    client = litellmClient();
  });
  afterAll(() => client.close());

  async function received(request: Omit<RequestInput, 'messages'> & { model: string }): Promise<ProviderRequest> {
    const tag = `parameters-${(tags += 1)}`;
    const { error } = await client.stream({ ...request, messages: `[text tag=${tag}] Please.` }).result();
    expect(error).toBeNull();
    const requests = await litellmProxy().provider.requests(tag);
    expect(requests).toHaveLength(1);
    return requests[0]!;
  }

  test.each([
    ['temperature', 0.25],
    ['max_tokens', 77],
    ['top_p', 0.5],
    ['seed', 42],
    ['stop', ['END', 'FIN']],
    ['presence_penalty', -0.5],
    ['logit_bias', { '50256': -100 }],
    ['user', 'someone'],
    ['response_format', { type: 'json_object' }],
    ['tools', [{ type: 'function', function: { name: 'now', parameters: { type: 'object', properties: {} } } }]],
    ['parallel_tool_calls', false],
    ['a_field_that_nobody_knows', { deep: [1, 'two', null] }],
  ])('unchanged to OpenAI: %s', async (name, value) => {
    const tools = name === 'parallel_tool_calls' ? { tools: [{ type: 'function', function: { name: 'now' } }] } : {};
    const { body } = await received({ model: 'fake-openai', ...tools, [name]: value });
    expect(body[name]).toEqual(value);
  });

  test('in the words of Anthropic', async () => {
    const { body } = await received({ model: 'fake-anthropic', temperature: 0.25, max_tokens: 77, stop: ['END'] });
    expect(body).toMatchObject({ temperature: 0.25, max_tokens: 77, stop_sequences: ['END'], stream: true });
  });

  test('in the words of Gemini', async () => {
    const { body, path } = await received({
      model: 'fake-gemini',
      temperature: 0.25,
      max_tokens: 77,
      stop: ['END'],
      top_p: 0.5,
    });
    expect(body['generationConfig']).toMatchObject({
      temperature: 0.25,
      max_output_tokens: 77,
      stop_sequences: ['END'],
      top_p: 0.5,
    });
    expect(path).toContain(':streamGenerateContent');
  });

  test('messages arrive as they were written, in their order', async () => {
    const tag = 'parameters-messages';
    const messages = [
      { role: 'system', content: 'Answer in Grüße 🦜.' },
      { role: 'user', content: 'First\n\tline' },
      { role: 'assistant', content: 'An "answer".' },
      { role: 'user', content: [{ type: 'text', text: `[text tag=${tag}] and then?` }] },
    ];
    await client.stream({ model: 'fake-openai', messages }).result();
    const [request] = await litellmProxy().provider.requests(tag);
    expect(request?.body['messages']).toEqual(messages);
  });

  test('with stream:false no stream is asked for', async () => {
    const { body } = await received({ model: 'fake-openai', stream: false });
    expect(body['stream']).not.toBe(true);
  });

  test('what is said to the proxy alone does not reach the provider', async () => {
    const { body, headers } = await received({
      model: 'fake-openai',
      metadata: { tags: ['team-a'], spend_logs_metadata: { job: '7' } },
      litellm_session_id: 'session-1',
      num_retries: 0,
    });
    expect(Object.keys(body)).not.toEqual(expect.arrayContaining(['litellm_session_id']));
    expect(JSON.stringify({ body, headers })).not.toContain('team-a');
    expect(JSON.stringify({ body, headers })).not.toContain(litellmProxy().masterKey);
  });

  test('LiteLLM attributes the call to what it was told', async () => {
    const { receipt } = await client
      .stream({
        model: 'fake-openai',
        messages: 'Hello',
        user: 'someone',
        metadata: { tags: ['team-a'], spend_logs_metadata: { job: '7' } },
      })
      .result();
    const { attribution } = litellmProxy();
    // Its callback runs after the reply has ended.
    const deadline = AbortSignal.timeout(4_000);
    let row = attribution(receipt?.callId ?? '');
    for (; row === null && !deadline.aborted; row = attribution(receipt?.callId ?? '')) await wait(20);
    expect(row).toMatchObject({
      model_group: 'fake-openai',
      end_user: 'someone',
      request_tags: expect.arrayContaining(['team-a']),
      spend_metadata: { job: '7' },
      cost: receipt?.costUsd,
    });
  });
});
