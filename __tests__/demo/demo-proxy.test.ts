import { connect } from 'node:net';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { startDemoProxy, type DemoProxy } from '../../src/demo/demo-proxy.ts';
import type { ChatCompletion, ChatCompletionChunk } from '../../src/protocol/types.ts';
import { useClosing } from '../support/closed-after.ts';

const closing = useClosing();

let proxy: DemoProxy;
beforeEach(async () => {
  proxy = await startDemoProxy({ pace: 0 });
});
afterEach(async () => {
  await proxy.close();
});

function post(body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${proxy.baseUrl}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${proxy.apiKey}`, ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
}

function get(path: string, key = proxy.apiKey): Promise<Response> {
  return fetch(proxy.baseUrl + path, { headers: { authorization: `Bearer ${key}` } });
}

const messages = [{ role: 'user', content: 'Explain server-sent events in two sentences' }];

/** The data of each event, the way that LiteLLM frames them: one `data:` line and a blank one. */
async function dataOf(response: Response): Promise<string[]> {
  const text = await response.text();
  const blocks = text.split('\n\n');
  expect(blocks.pop()).toBe('');
  expect(blocks.every((block) => /^data: [^\n]+$/.test(block))).toBe(true);
  return blocks.map((block) => block.slice('data: '.length));
}

async function chunksOf(response: Response): Promise<ChatCompletionChunk[]> {
  const data = await dataOf(response);
  expect(data.pop()).toBe('[DONE]');
  return data.map((text) => JSON.parse(text) as ChatCompletionChunk);
}

describe('a stream', () => {
  test('comes in LiteLLM’s order: role, deltas, finish, usage with one empty choice, [DONE]', async () => {
    const chunks = await chunksOf(
      await post({ model: 'demo', messages, stream: true, stream_options: { include_usage: true } }),
    );
    const choices = chunks.map((chunk) => chunk.choices[0]);
    expect(choices[0]).toEqual({ index: 0, delta: { content: '', role: 'assistant' } });
    expect(choices.at(-2)).toEqual({ index: 0, finish_reason: 'stop', delta: {} });
    expect(choices.at(-1)).toEqual({ index: 0, delta: {} });
    expect(chunks.slice(0, -1).every((chunk) => !('usage' in chunk))).toBe(true);
    const deltas = choices.slice(1, -2);
    expect(deltas.every((choice) => /^\s*\S+$/.test(choice?.delta.content ?? ''))).toBe(true);
    expect(chunks.at(-1)?.usage).toEqual({
      prompt_tokens: 6,
      completion_tokens: deltas.length,
      total_tokens: 6 + deltas.length,
    });
    expect(new Set(chunks.map(({ id }) => id)).size).toBe(1);
    expect(chunks.every(({ model, object }) => model === 'demo' && object === 'chat.completion.chunk')).toBe(true);
    expect(textOf(chunks)).toContain(`in ${deltas.length} delta chunks`);
  });

  test('has no usage chunk unless it was asked for, and says so', async () => {
    const chunks = await chunksOf(await post({ model: 'demo', messages, stream: true }));
    expect(chunks.at(-1)?.choices[0]?.finish_reason).toBe('stop');
    expect(textOf(chunks)).toContain('the request did not ask for usage');
  });

  test('has the headers of a LiteLLM stream, marked as the demo’s, and no cost', async () => {
    const response = await post({ model: 'demo', messages, stream: true }, { 'x-litellm-call-id': 'call-1' });
    const headers = Object.fromEntries(response.headers);
    expect(headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      'x-accel-buffering': 'no',
      'transfer-encoding': 'chunked',
      'x-litellm-call-id': 'call-1',
      'x-litellm-model-group': 'demo',
      'x-litellm-version': '1.104.2-cllm-demo',
      'x-litellm-attempted-retries': '0',
    });
    expect(Object.keys(headers).filter((name) => name.includes('cost'))).toEqual([]);
    await response.text();
  });

  test('stops at max_tokens with finish_reason length', async () => {
    const chunks = await chunksOf(await post({ model: 'demo', messages, stream: true, max_tokens: 5 }));
    expect(textOf(chunks)).toBe('Server-sent events are a one-way');
    expect(chunks.at(-1)?.choices[0]?.finish_reason).toBe('length');
  });

  test('ends at once when the proxy is closed', async () => {
    const slow = await startDemoProxy({ pace: 60_000 });
    const response = await fetch(`${slow.baseUrl}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${slow.apiKey}` },
      body: JSON.stringify({ model: 'demo', messages, stream: true }),
    });
    const text = response.text().catch(() => 'cut');
    await slow.close();
    await slow.close();
    await expect(text).resolves.toBe('cut');
    await expect(fetch(slow.baseUrl)).rejects.toThrow('fetch failed');
  });

  test('that its client leaves does no harm', async () => {
    const slow = closing(await startDemoProxy({ pace: 60_000 }));
    const aborter = new AbortController();
    const response = await fetch(`${slow.baseUrl}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${slow.apiKey}` },
      body: JSON.stringify({ model: 'demo', messages, stream: true }),
      signal: aborter.signal,
    });
    expect(response.status).toBe(200);
    aborter.abort();
    await response.text().catch(() => 'left');
    await expect(fetch(`${slow.baseUrl}/health/liveliness`).then((alive) => alive.json())).resolves.toBe("I'm alive!");
  });
});

describe('one JSON body', () => {
  test('is a chat.completion with usage', async () => {
    const response = await post({ model: 'demo', messages });
    expect(response.headers.get('content-type')).toBe('application/json');
    const completion = (await response.json()) as ChatCompletion;
    expect(completion).toMatchObject({
      object: 'chat.completion',
      model: 'demo',
      choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant' } }],
      usage: { prompt_tokens: 6 },
    });
    const text = completion.choices[0]?.message.content ?? '';
    expect(completion.usage?.completion_tokens).toBe(text.split(/\s+/).length);
    expect(text).toContain('one JSON body, because the request did not ask for a stream');
  });
});

describe('what it refuses, in LiteLLM’s words', () => {
  test.each([
    ['no JSON', '{"model": ', 400, 'Invalid JSON payload', 'invalid_request_error'],
    ['an empty body', '', 400, "Missing required parameter: 'messages'", 'invalid_request_error'],
    ['no messages', { model: 'demo' }, 400, "Missing required parameter: 'messages'", 'invalid_request_error'],
    ['a message that is none', { model: 'demo', messages: ['hi'] }, 400, 'must be an object', 'invalid_request_error'],
    [
      'another model',
      { model: 'gpt-4o', messages },
      400,
      'Invalid model name passed in model=gpt-4o. Call `/v1/models`',
      'invalid_request_error',
    ],
    ['no model', { messages }, 400, 'Invalid model name passed in model=None', 'invalid_request_error'],
    ['a list', '[]', 500, 'Internal server error', 'internal_server_error'],
  ])('%s', async (_, body, status, message, type) => {
    const response = await post(body);
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({
      error: { message: expect.stringContaining(message), type, code: String(status) },
    });
  });

  test.each([
    ['no key', '', 401, 'auth_error'],
    ['a wrong key', 'sk-wrong', 400, 'no_db_connection'],
  ])('%s', async (_, key, status, type) => {
    const response = await post({ model: 'demo', messages }, { authorization: `Bearer ${key}` });
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ error: { type, param: 'None' } });
  });

  test.each([
    ['GET', '/v1/chat/completions', 405, { detail: 'Method Not Allowed' }],
    ['GET', '/v1/nothing', 404, { detail: 'Not Found' }],
    ['GET', '/constructor', 404, { detail: 'Not Found' }],
  ])('%s %s', async (method, path, status, body) => {
    const response = await fetch(proxy.baseUrl + path, { method });
    expect(response.status).toBe(status);
    expect(await response.json()).toEqual(body);
  });

  test('bytes that are no HTTP, and goes on', async () => {
    const socket = connect(Number(new URL(proxy.baseUrl).port), '127.0.0.1');
    socket.write('not HTTP at all\r\n\r\n');
    socket.resume();
    await once(socket, 'close');
    await expect(get('/health/liveliness').then((response) => response.status)).resolves.toBe(200);
  });
});

describe('the other routes', () => {
  test.each([
    ['/v1/models', { object: 'list', data: [{ id: 'demo', object: 'model' }] }],
    ['/models', { data: [{ id: 'demo' }] }],
    ['/model/info', { data: [{ model_name: 'demo', model_info: { mode: 'chat' } }] }],
    ['/health/readiness', { status: 'healthy' }],
  ])('%s answers', async (path, body) => {
    expect(await (await get(path)).json()).toMatchObject(body);
  });

  test('/health/liveliness needs no key', async () => {
    expect(await (await get('/health/liveliness', '')).json()).toBe("I'm alive!");
  });

  test('/v1/models needs one', async () => {
    expect((await get('/v1/models', '')).status).toBe(401);
  });

  test('/key/info fails as it does without a database', async () => {
    expect(await (await get('/key/info')).json()).toMatchObject({
      error: { message: expect.stringContaining('Database not connected'), code: '500' },
    });
  });
});

test('each run has a port and a key of its own', async () => {
  const other = await startDemoProxy();
  try {
    expect(other.baseUrl).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(other.baseUrl).not.toBe(proxy.baseUrl);
    expect(other.apiKey).not.toBe(proxy.apiKey);
  } finally {
    await other.close();
  }
});

function textOf(chunks: readonly ChatCompletionChunk[]): string {
  return chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('');
}
