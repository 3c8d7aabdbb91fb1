import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { LiteLLMClient } from '../../src/client/client.ts';
import { describeLitellm } from '../support/litellm.ts';
import { litellmClient } from './litellm-client.ts';
import { providers, requestFor, situationsOf } from './situations.ts';
import { comparable, differencesOf, streamDifferences } from './stream-differences.ts';

const cases = providers.flatMap((provider) => situationsOf[provider].map((situation) => ({ provider, situation })));

describeLitellm('the fold of a stream of the real LiteLLM', () => {
  let client: LiteLLMClient;
  const seen = new Set<string>();

  beforeAll(() => {
    client = litellmClient();
  });
  afterAll(() => client.close());

  test.each(cases)('equals its stream:false body: $provider, $situation', async ({ provider, situation }) => {
    const request = requestFor(provider, situation);
    const streamed = await client.stream(request).result();
    const whole = await client.stream({ ...request, stream: false }).result();

    const body = comparable(whole.completion);
    for (const difference of differencesOf(provider)) {
      const before = JSON.stringify(body);
      difference.apply(body);
      if (JSON.stringify(body) !== before) seen.add(difference.what);
    }
    expect(comparable(streamed.completion)).toEqual(body);
    // Whoever reads a stream cannot know of the refusal that LiteLLM dropped: it is told apart from success all the same.
    expect(streamed.verdict).toBe(situation === 'refusal' ? 'empty' : whole.verdict);
  });

  // A later LiteLLM may stop losing something: then the list is to be shortened.
  test('differs in nothing but what the list says, and the list says nothing that does not happen', () => {
    expect(streamDifferences.map(({ what }) => what).filter((what) => !seen.has(what))).toEqual([]);
  });
});
