import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { askItem, Holds, type ItemDefaults, type ItemEnd } from '../../src/batch/ask-item.ts';
import type { BatchItem, ItemRequest } from '../../src/batch/batch-item.ts';
import { LiteLLMClient } from '../../src/client/client.ts';
import { CllmError, InterruptedError } from '../../src/outcome/errors.ts';
import { errorReply, type FakeUpstream, startFakeUpstream, textReply } from '../support/fake-upstream.ts';

let upstream: FakeUpstream;
let client: LiteLLMClient;

beforeAll(async () => {
  upstream = await startFakeUpstream();
  client = new LiteLLMClient({ baseUrl: upstream.baseUrl, apiKey: 'sk-test-key', retries: 2 });
});
afterAll(async () => {
  await client.close();
  await upstream.close();
});
afterEach(() => {
  upstream.requests.length = 0;
});

const defaults: ItemDefaults = {
  model: 'usual',
  resolveModel: (name) => (name === 'short' ? 'the-long-name' : name),
  system: 'be brief',
  params: { temperature: 0.5, max_tokens: 9 },
  isShortAllowed: false,
  template: null,
  form: null,
  schemaRetries: 0,
  refuseModel: null,
  refuseRequest: null,
  withTools: null,
  complete: (body) => body,
};

function itemOf(request: Partial<ItemRequest> | null = {}, more: Partial<BatchItem> = {}): BatchItem {
  return {
    line: 7,
    customId: null,
    digest: 'd1g35t',
    request: request && { messages: [{ role: 'user', content: 'hi' }], system: null, params: {}, ...request },
    error: null,
    ...more,
  };
}

async function ask(
  item: BatchItem = itemOf(),
  changed: Partial<ItemDefaults> = {},
  { mayWait = true, signal = new AbortController().signal }: { mayWait?: boolean; signal?: AbortSignal } = {},
): Promise<ItemEnd> {
  const holds = new Holds(signal);
  return askItem(
    client,
    item,
    { ...defaults, ...changed },
    { holds, timestamp: () => '2026-01-01T00:00:00Z', sessionId: 'run-1', mayWait, mayGoOn: () => true },
  );
}

const sent = (): Record<string, unknown> => upstream.chatRequests[0]?.body ?? {};

describe('what is asked for', () => {
  test('is the item’s, and the batch’s where the item says nothing', async () => {
    await ask(itemOf({ params: { max_tokens: 5, top_k: 1 } }));
    expect(sent()).toMatchObject({ model: 'usual', temperature: 0.5, max_tokens: 5, top_k: 1 });
    expect(sent()['messages']).toEqual([
      { role: 'system', content: 'be brief' },
      { role: 'user', content: 'hi' },
    ]);
  });

  test.each<[string, Partial<ItemRequest>, unknown[]]>([
    ['the item’s own', { system: 'be long' }, [{ role: 'system', content: 'be long' }]],
    ['a message of the item', { messages: [{ role: 'system', content: 'own' }] }, []],
    ['a message of the item for a developer', { messages: [{ role: 'developer', content: 'own' }] }, []],
  ])('the system prompt is %s', async (_name, request, before) => {
    await ask(itemOf(request));
    expect(sent()['messages']).toEqual([...before, ...(request.messages ?? itemOf().request?.messages ?? [])]);
  });

  test('of a model is what its name stands for, the batch’s as it is', async () => {
    await ask(itemOf({ params: { model: 'short' } }));
    expect(sent()['model']).toBe('the-long-name');
    upstream.requests.length = 0;
    await ask(itemOf(), { model: 'short' });
    expect(sent()['model']).toBe('short');
  });

  test('gets a last look', async () => {
    await ask(itemOf({ params: { tags: ['a'] } }), {
      complete: (body) => ({ ...body, tags: [...(body['tags'] as []), 'b'] }),
    });
    expect(sent()['tags']).toEqual(['a', 'b']);
  });
});

describe('what is asked for by nobody', () => {
  test.each<[string, BatchItem, Partial<ItemDefaults>, string]>([
    [
      'a line that makes no sense',
      itemOf(null, { error: new CllmError('input_invalid', 'line 7 is no JSON') as never }),
      {},
      'input_invalid',
    ],
    ['one without a reason', itemOf(null), {}, 'input_invalid'],
    ['no model', itemOf(), { model: null }, 'no_model'],
    [
      'a model that may not be asked',
      itemOf({ params: { model: 'dear' } }),
      { refuseModel: (name) => (name === 'dear' ? new CllmError('usage', 'dear') : null) },
      'usage',
    ],
  ])('%s', async (_name, item, changed, code) => {
    const { result, error, throttled, receipt } = await ask(item, changed);
    expect(error).toMatchObject({ code });
    expect(result).toMatchObject({ is_error: true, completion: null, verdict: null, total_cost_usd: null, line: 7 });
    expect({ throttled, receipt, requests: upstream.requests }).toEqual({
      throttled: null,
      receipt: null,
      requests: [],
    });
  });

  test('a model that names itself is asked for though the batch has none', async () => {
    const { error } = await ask(itemOf({ params: { model: 'own' } }), { model: null });
    expect({ error, model: sent()['model'] }).toEqual({ error: null, model: 'own' });
  });
});

describe('the result', () => {
  test('has the item’s name, or its line with what it said', async () => {
    expect((await ask()).result).toMatchObject({
      custom_id: null,
      line: 7,
      input_digest: 'd1g35t',
      is_error: false,
      result: 'Hello.',
    });
    expect((await ask(itemOf({}, { customId: 'x' }))).result).toMatchObject({
      custom_id: 'x',
      line: 7,
      input_digest: null,
    });
  });

  test.each([
    [true, null, 0],
    [false, 'reply_short', 8],
  ])('of a short reply where short ones are allowed: %s', async (isShortAllowed, code, exitCode) => {
    upstream.reply(textReply('Hel', { finishReason: 'length' }));
    const { error, result } = await ask(itemOf(), { isShortAllowed });
    expect({ code: error?.code ?? null, exit: result.exit_code, text: result.result }).toEqual({
      code,
      exit: exitCode,
      text: 'Hel',
    });
  });

  test('of a reply that does not match is an error with the reply', async () => {
    const { error, result } = await ask(itemOf(), {
      form: { take: () => ({ taken: null, error: new CllmError('schema_mismatch', 'no'), complaint: 'no' }) },
    });
    expect({ code: error?.code, exit: result.exit_code, text: result.result }).toEqual({
      code: 'schema_mismatch',
      exit: 9,
      text: 'Hello.',
    });
  });
});

describe('a refusal for lack of room', () => {
  const busy = (seconds?: string) =>
    errorReply(429, 'too many', seconds === undefined ? {} : { headers: { 'retry-after': seconds } });

  test.each<[string | undefined, number | null]>([
    ['3', 3000],
    ['0', 0],
    [undefined, null],
    // Longer than the client itself would wait.
    ['3600', 3_600_000],
  ])('with retry-after %s gives its place back at once', async (seconds, retryAfterMs) => {
    upstream.reply(busy(seconds));
    const { throttled, error, result } = await ask();
    expect({ throttled, code: error?.code, completion: result.completion }).toEqual({
      throttled: { retryAfterMs, parallelLimit: null },
      code: 'rate_limited',
      completion: null,
    });
    expect(upstream.chatRequests).toHaveLength(1);
  });

  test('is a failure like any other where it may not wait', async () => {
    upstream.reply(busy('3600'));
    const { throttled, error } = await ask(itemOf(), {}, { mayWait: false });
    expect({ throttled, code: error?.code }).toEqual({ throttled: null, code: 'rate_limited' });
  });

  test('by a quota that is used up is none: waiting does not help', async () => {
    upstream.reply(errorReply(429, 'You exceeded your current quota, please check your plan'));
    const { throttled, error } = await ask();
    expect({ throttled, code: error?.code }).toEqual({ throttled: null, code: 'rate_limited' });
  });

  test('by a budget is none', async () => {
    upstream.reply(
      errorReply(429, 'Budget has been exceeded! Current cost: 1, Max budget: 1', { type: 'budget_exceeded' }),
    );
    const { throttled, error } = await ask();
    expect({ throttled, code: error?.code }).toEqual({ throttled: null, code: 'budget_exceeded' });
  });

  test('a server’s error is tried again by the client', async () => {
    upstream.reply(errorReply(503, 'down', { headers: { 'retry-after': '0' } }), textReply('Hello.'));
    const { throttled, error } = await ask();
    expect({ throttled, error, asked: upstream.chatRequests.length }).toEqual({
      throttled: null,
      error: null,
      asked: 2,
    });
  });
});

describe('a signal', () => {
  test('ends every item that is in flight, and each later one at once', async () => {
    const stopping = new AbortController();
    upstream.reply({ steps: [{ stall: true }] }, { steps: [{ stall: true }] });
    const holds = new Holds(stopping.signal);
    const options = {
      holds,
      timestamp: () => '2026-01-01T00:00:00Z',
      sessionId: 'run-1',
      mayWait: true,
      mayGoOn: () => true,
    };
    const asking = [1, 2].map(() => askItem(client, itemOf(), defaults, options));
    while (upstream.chatRequests.length < 2) await new Promise((resolve) => setTimeout(resolve, 1));
    stopping.abort(new InterruptedError('SIGINT', 'stopped'));
    const ends = [...(await Promise.all(asking)), await askItem(client, itemOf(), defaults, options)];
    expect(ends.map(({ error, throttled }) => ({ code: error?.code, throttled }))).toEqual(
      Array.from({ length: 3 }, () => ({ code: 'interrupted', throttled: null })),
    );
    expect(upstream.chatRequests).toHaveLength(2);
  });

  test('during a refusal wins over it', async () => {
    const stopping = new AbortController();
    upstream.reply(() => {
      stopping.abort(new InterruptedError('SIGTERM', 'stopped'));
      return errorReply(429, 'too many', { headers: { 'retry-after': '60' } });
    });
    const { error, throttled } = await ask(itemOf(), {}, { signal: stopping.signal });
    expect({ code: error?.code, throttled }).toEqual({ code: 'interrupted', throttled: null });
  });
});
