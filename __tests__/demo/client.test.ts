import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { LiteLLMClient } from '../../src/client/client.ts';
import { startDemoProxy, type DemoProxy } from '../../src/demo/demo-proxy.ts';
import { useClosing } from '../support/closed-after.ts';

const closing = useClosing();

let proxy: DemoProxy;
let client: LiteLLMClient;
beforeEach(async () => {
  proxy = await startDemoProxy({ pace: 0 });
  client = new LiteLLMClient({ baseUrl: proxy.baseUrl, apiKey: proxy.apiKey });
});
afterEach(async () => {
  await client.close();
  await proxy.close();
});

const messages = [
  { role: 'user', content: 'first' },
  { role: 'assistant', content: 'reply' },
  { role: 'user', content: 'What is SSE?' },
];

describe('the demo through the real client', () => {
  test('a stream is complete, folds to its deltas and has a receipt without a cost', async () => {
    const stream = client.stream({ model: proxy.model, messages });
    let text = '';
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
    const { completion, verdict, receipt, error } = await stream.result();
    expect({ verdict, error }).toEqual({ verdict: 'complete', error: null });
    expect(completion).toMatchObject({
      object: 'chat.completion',
      model: 'demo',
      choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: text } }],
      usage: { prompt_tokens: 5, completion_tokens: text.match(/\S+/g)?.length },
    });
    expect(text).toContain('2 earlier messages of this conversation');
    expect(receipt).toMatchObject({
      modelRequested: 'demo',
      modelServed: 'demo',
      proxyVersion: '1.104.2-cllm-demo',
      inputTokens: 5,
      costUsd: null,
      costSource: 'unknown',
      attemptedRetries: 0,
    });
  });

  test('one JSON body gives a completion of the same shape', async () => {
    const streamed = await client.complete({ model: proxy.model, messages });
    const whole = await client.complete({ model: proxy.model, messages, stream: false });
    const shape = (value: unknown): unknown =>
      typeof value === 'object' && value !== null
        ? Object.fromEntries(
            Object.entries(value)
              .toSorted(([left], [right]) => (left < right ? -1 : 1))
              .map(([name, inner]) => [name, shape(inner)]),
          )
        : typeof value;
    expect(shape(whole)).toEqual(shape(streamed));
  });

  test('models are listed', async () => {
    expect((await client.models()).map(({ id }) => id)).toEqual(['demo']);
  });

  test.each([
    ['an unknown model', { model: 'gpt-4o' }, 'model_not_found'],
    ['max_tokens', { model: 'demo', max_tokens: 3 }, 'reply_short'],
  ])('%s gives the same code as from a real proxy', async (_, request, code) => {
    const { error } = await client.stream({ messages: 'hi', ...request }).result();
    expect(error).toMatchObject({ code });
  });

  test('a wrong key is rejected', async () => {
    const stranger = new LiteLLMClient({ baseUrl: proxy.baseUrl, apiKey: 'sk-wrong' });
    const { error } = await stranger.stream({ model: 'demo', messages: 'hi' }).result();
    await stranger.close();
    expect(error).toMatchObject({ code: 'key_rejected' });
  });

  test('a break closes the socket, and the demo answers on', async () => {
    const slow = closing(await startDemoProxy({ pace: 5 }));
    const reader = closing(new LiteLLMClient({ baseUrl: slow.baseUrl, apiKey: slow.apiKey }));
    const stream = reader.stream({ model: 'demo', messages: 'hi' });
    for await (const chunk of stream) if (chunk.choices[0]?.delta.content) break;
    expect(await stream.result()).toMatchObject({ verdict: 'interrupted' });
    expect((await reader.models()).length).toBe(1);
  });
});
