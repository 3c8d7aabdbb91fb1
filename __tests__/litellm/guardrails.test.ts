import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { LiteLLMClient } from '../../src/client/client.ts';
import { exitCodeOf } from '../../src/outcome/exits.ts';
import { resultObject } from '../../src/conversation/result-object.ts';
import { describeLitellm, litellmProxy } from '../support/litellm.ts';
import { litellmClient } from './litellm-client.ts';

describeLitellm('a guardrail of the real LiteLLM', () => {
  let client: LiteLLMClient;
  let tags = 0;

  beforeAll(() => {
    // With retries: a reply that was blocked must not be paid for again.
    client = litellmClient({ retries: 2 });
  });
  afterAll(() => client.close());

  async function ask(guardrail: string, words: string, stream: boolean) {
    const tag = `guardrail-${(tags += 1)}`;
    const messages = `[text tag=${tag}] ${words}`;
    const request = { model: 'fake-openai', messages, guardrails: [guardrail], stream };
    const { verdict, error, completion, receipt } = await client.stream(request).result();
    const { guardrails, result } = resultObject({ timestamp: '', error, verdict, completion, figures: receipt });
    const calls = (await litellmProxy().provider.requests(tag)).length;
    return {
      verdict,
      code: error?.code ?? null,
      exit: exitCodeOf(error),
      message: error?.message ?? '',
      guardrails,
      result,
      calls,
      receipt,
    };
  }

  const blocked = (name: string, mode: string | null) => [{ name, mode, action: 'blocked' }];

  test.each([
    { mode: 'pre_call', stream: true },
    { mode: 'pre_call', stream: false },
    { mode: 'during_call', stream: true },
    { mode: 'during_call', stream: false },
  ])('refuses a prompt: $mode, streamed: $stream', async ({ mode, stream }) => {
    const ended = await ask(`blocks-${mode}`, 'a kumquat', stream);
    expect(ended).toMatchObject({ verdict: null, code: 'guardrail_blocked', exit: 12 });
    expect(ended.guardrails).toEqual(blocked(`blocks-${mode}`, mode));
    expect(ended.message).toContain(`blocked by the guardrail blocks-${mode} (${mode}): Content blocked: keyword`);
    expect(ended.calls).toBeLessThanOrEqual(1);
  });

  test('refuses a reply that is not streamed', async () => {
    const ended = await ask('blocks-post_call', 'Please.', false);
    expect(ended).toMatchObject({ verdict: null, code: 'guardrail_blocked', exit: 12, calls: 1 });
    expect(ended.guardrails).toEqual(blocked('blocks-post_call', 'post_call'));
  });

  test('breaks a stream before any content, which is paid for once', async () => {
    const ended = await ask('blocks-post_call', 'Please.', true);
    expect(ended).toMatchObject({ verdict: 'cut', code: 'stream_cut', exit: 3, calls: 1, result: '' });
    expect(ended.message).toContain('perhaps blocked by blocks-post_call');
  });

  test('refuses at the first chunk, under a status of its own', async () => {
    const ended = await ask('rule', 'refuse-first', true);
    expect(ended).toMatchObject({ verdict: null, code: 'guardrail_blocked', exit: 12, calls: 1 });
    expect(ended.message).toContain('rule (post_call): Violated guardrail policy (HTTP 500)');
  });

  test('ends a reply after some text, which is kept', async () => {
    const ended = await ask('rule', 'refuse-later', true);
    expect(ended).toMatchObject({ verdict: 'content_filter', code: 'reply_filtered', exit: 3, calls: 1 });
    expect(ended.result).toContain('Hello');
    expect(ended.guardrails).toEqual(blocked('rule', null));
    expect(ended.message).toContain('no more of this');
  });

  test.each([{ stream: true }, { stream: false }])('masks a reply, streamed: $stream', async ({ stream }) => {
    const ended = await ask('masks-post_call', 'Please.', stream);
    expect(ended).toMatchObject({ verdict: 'complete', code: null, exit: 0 });
    expect(ended.result).toContain('_REDACTED]');
    expect(ended.guardrails).toEqual([{ name: 'masks-post_call', mode: null, action: 'masked' }]);
  });

  test.each([{ stream: true }, { stream: false }])(
    'masks a prompt, of which the proxy tells no more than that it ran, streamed: $stream',
    async ({ stream }) => {
      const ended = await ask('masks-pre_call', 'Write to joe@example.com', stream);
      expect(ended).toMatchObject({ verdict: 'complete', exit: 0, receipt: { guardrails: ['masks-pre_call'] } });
      expect(ended.guardrails).toEqual([{ name: 'masks-pre_call', mode: null, action: 'ran' }]);
    },
  );
});
