import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { LiteLLMClient } from '../../src/client/client.ts';
import { chunk, finishChunk, textChunk } from '../support/fake-upstream.ts';
import { startFaultServer, type Act, type FaultServer } from '../support/fault-server.ts';

/** Statuses and codings of answers that are replies, and of those that are none. */
let server: FaultServer;
let client: LiteLLMClient;

beforeEach(async () => {
  server = await startFaultServer();
  client = new LiteLLMClient({ baseUrl: server.baseUrl, retries: 0 });
});

afterEach(async () => {
  await client.close();
  await server.close();
});

const event = (data: unknown) => `data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`;
const events = [textChunk('Hello', { role: 'assistant' }), finishChunk(), '[DONE]'].map(event).join('');
const completion = JSON.stringify({
  ...chunk([]),
  object: 'chat.completion',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Hello' }, finish_reason: 'stop' }],
});

function answer(status: number, headers: readonly string[], body: string | Uint8Array): Act[] {
  const bytes = Buffer.from(body);
  const lines = [`HTTP/1.1 ${status} X`, ...headers, `Content-Length: ${bytes.length}`];
  return [`${lines.join('\r\n')}\r\n\r\n`, ...(bytes.length > 0 ? [bytes] : [])];
}

async function ask() {
  const { verdict, error, completion: reply } = await client.stream({ model: 'm', messages: 'hi' }).result();
  return { verdict, code: error?.code ?? null, message: error?.message, text: reply?.choices[0]?.message.content };
}

const eventStream = 'Content-Type: text/event-stream';
const json = 'Content-Type: application/json';

describe.each([200, 201, 202, 203, 206, 207, 226, 299])('status %i', (status) => {
  test.each([
    { name: 'events', headers: [eventStream], body: events },
    { name: 'a completion', headers: [json], body: completion },
    { name: 'events under another type', headers: ['Content-Type: text/plain'], body: events },
  ])('with $name is a reply', async ({ headers, body }) => {
    server.script = answer(status, headers, body);
    expect(await ask()).toMatchObject({ verdict: 'complete', code: null, text: 'Hello' });
  });

  test('with something else is none', async () => {
    server.script = answer(status, [json], '{"status":"accepted"}');
    expect(await ask()).toMatchObject({ verdict: null, code: 'unexpected_response' });
  });

  test('lists the models', async () => {
    server.script = answer(status, [json], '{"data":[{"id":"m"}]}');
    expect(await client.models()).toEqual([{ id: 'm' }]);
  });
});

test.each([204, 205])('status %i has no body, and so no reply', async (status) => {
  server.script = [`HTTP/1.1 ${status} X\r\n${eventStream}\r\n${status === 205 ? 'Content-Length: 0\r\n' : ''}\r\n`];
  expect(await ask()).toMatchObject({ verdict: null, code: 'unexpected_response' });
});

describe('a coding that says nothing about the bytes', () => {
  test.each([
    'none',
    'UTF-8',
    'utf8',
    '',
    'Identity',
    'text',
    'chunked',
    'null',
    '*',
    'identity, identity',
    'none,utf-8',
    ', ,',
    '"identity"',
    'x'.repeat(2000),
  ])('%j', async (coding) => {
    server.script = answer(200, [eventStream, `Content-Encoding: ${coding}`], events);
    expect(await ask()).toMatchObject({ verdict: 'complete', text: 'Hello' });
  });

  test.each(['gzip', 'GZIP', 'gzip, identity', 'none, gzip', '"gzip"', 'x-gzip'])('%j is gzip', async (coding) => {
    server.script = answer(200, [eventStream, `Content-Encoding: ${coding}`], gzipSync(events));
    expect(await ask()).toMatchObject({ verdict: 'complete', text: 'Hello' });
  });

  test.each(['zstd', 'compress', 'gzip, br', 'gzip, gzip'])('%j is not read', async (coding) => {
    server.script = answer(200, [eventStream, `Content-Encoding: ${coding}`], events);
    const { code, message } = await ask();
    expect({ code, message }).toMatchObject({ code: 'unexpected_response', message: expect.stringContaining(coding) });
  });
});

describe('the status counts before the coding', () => {
  test.each([
    [429, 'rate_limited'],
    [503, 'server_error'],
    [401, 'no_key'],
    [400, 'bad_request'],
    [302, 'redirect_refused'],
  ])('%i is %s', async (status, code) => {
    for (const coding of ['zstd', 'gzip, br', 'gzip', 'none', 'utf-8']) {
      server.script = answer(status, [json, `Content-Encoding: ${coding}`], 'x');
      expect(await ask()).toMatchObject({ verdict: null, code });
    }
  });

  test('its words are read where they can be', async () => {
    const body = gzipSync('{"error":{"message":"Pool is empty","code":"429"}}');
    server.script = answer(429, [json, 'Content-Encoding: gzip'], body);
    expect((await ask()).message).toContain('Pool is empty');
  });
});
