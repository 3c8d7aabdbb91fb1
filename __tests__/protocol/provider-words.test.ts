import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { errorOfBody } from '../../src/protocol/error/error-text.ts';
import { cleanErrorMessage } from '../../src/protocol/error/error-message.ts';
import { ReplyReader } from '../../src/protocol/reply-reader.ts';
import { seed } from '../support/seed.ts';
import { dataLine, deltaChunk } from './chunks.ts';

const doneLine = 'data: [DONE]\n\n';

/** Every envelope that a provider or a gateway puts its error into; what it says is always the same. */
const words = 'Pool is empty';
const envelopes: Record<string, unknown> = {
  OpenAI: { error: { message: words, type: 'server_error', code: '500' } },
  'a text': { error: words },
  'a list of texts': { error: [words] },
  Anthropic: { type: 'error', error: { type: 'overloaded_error', message: words } },
  Gemini: [{ error: { code: 503, message: words, status: 'UNAVAILABLE', details: [{ reason: 'X_Y' }] } }],
  Cloudflare: { result: null, success: false, errors: [{ code: 7003, message: words }], messages: [] },
  GraphQL: { data: null, errors: [{ message: words, path: ['a'] }] },
  'JSON:API': { errors: [{ status: '503', title: 'Unavailable', detail: words }] },
  'ASP.NET': { type: 'https://tools.ietf.org/html/rfc9110', title: 'x', status: 400, errors: { pool: [words] } },
  'a list of errors': { errors: [words] },
  FastAPI: { detail: words },
  'FastAPI, nested': { detail: { error: words } },
  'FastAPI, validation': { detail: [{ loc: ['body', 'x'], msg: words, type: 'missing' }] },
  'RFC 9457': { type: 'about:blank', title: 'Service Unavailable', status: 503, detail: words },
  'RFC 9457 without detail': { type: 'about:blank', title: words, status: 503 },
  vLLM: { object: 'error', message: words, type: 'BadRequestError', code: 400 },
  Apigee: { fault: { faultstring: words, detail: { errorcode: 'x' } } },
  AWS: { Message: words },
  'AWS with a type': { __type: 'ThrottlingException', message: words },
  'Azure API management': { statusCode: 503, message: words },
  Baidu: { error_code: 17, error_msg: words },
  WeChat: { errcode: 5, errmsg: words },
  MiniMax: { base_resp: { status_code: 1004, status_msg: words }, choices: null },
  Volcengine: { ResponseMetadata: { Error: { Code: 'x', Message: words } } },
  Zhipu: { code: 1214, msg: words, success: false },
  TGI: { error: words, error_type: 'overloaded' },
  OAuth: { error: 'invalid_grant', error_description: words },
  Spring: {
    timestamp: 1,
    status: 500,
    error: 'Internal Server Error',
    message: `${words}, so nothing can be answered`,
  },
  'a member of its own': { choices: null, error_type: 'BadRequestError', error_message: words },
  'camel case': { errorCode: 5, errorMessage: words },
  twice: { error: { error: { message: words } } },
  'an object as message': { message: { message: words } },
  'an exception': { exception: { message: words }, status: 'error' },
};
const entries = Object.entries(envelopes).map(([name, value]) => ({ name, value }));

const eventStream = { status: 200, contentType: 'text/event-stream' };

function reply(body: string, head: ConstructorParameters<typeof ReplyReader>[0] = eventStream, size = body.length) {
  const bytes = Buffer.from(body);
  const reader = new ReplyReader(head);
  for (let from = 0; from < bytes.length; from += size) reader.push(bytes.subarray(from, from + size));
  return reader.finish({ type: 'end' }).reply;
}

/** What a body comes to; the same however it is cut. */
function outcome(body: string, head = eventStream) {
  const whole = reply(body, head);
  for (const size of [1, 2, 5, 17, 64]) expect(reply(body, head, size)).toEqual(whole);
  const { verdict, error, completion } = whole;
  return { verdict, code: error?.code, message: error?.message ?? '', text: completion?.choices[0]?.message.content };
}

const text = dataLine(deltaChunk({ role: 'assistant', content: 'Hel' }));
const finish = dataLine(deltaChunk({}, 'stop')) + doneLine;

describe.each(entries)('the words of $name', ({ value }) => {
  const json = JSON.stringify(value);

  test('in an answer of its own', () => {
    const { frame, isForeign } = errorOfBody(json);
    expect(frame.message).toContain(words);
    expect(isForeign).toBe(false);
  });

  test('as a frame of such an answer', () => {
    for (const body of [
      `data: ${json}\n\ndata: [DONE]\n\n`,
      `event: error\ndata: ${json}\n\n`,
      `${json}\n\ndata: [DONE]`,
    ])
      expect(errorOfBody(body).frame.message).toContain(words);
  });

  test('in a stream, before and after some text', () => {
    for (const before of ['', ': ping\n\n', text]) {
      for (const after of ['', doneLine]) {
        const { verdict, message, text: kept } = outcome(`${before}data: ${json}\n\n${after}`);
        expect({ verdict, kept }).toEqual({ verdict: 'error', kept: before === text ? 'Hel' : undefined });
        expect(message).toContain(words);
      }
    }
  });

  test('in a JSON body in place of a stream', () => {
    const { verdict, message } = outcome(json, { status: 200, contentType: 'application/json' });
    expect(verdict).toBe('error');
    expect(message).toContain(words);
  });

  test('as a field, and without any', () => {
    for (const line of [`error: ${json}`, json, JSON.stringify(value, null, 2)]) {
      const { verdict, message, text: kept } = outcome(`${text}${line}\n\n${finish}`);
      expect({ line, verdict, kept }).toEqual({ line, verdict: 'error', kept: 'Hel' });
      expect(message).toContain(words);
    }
  });

  test.each(['datadata', 'data', 'x', 'foo: bar', ': a comment', 'id: 1', ' {'])(
    'after a line %j of its block, however the bytes are cut',
    (line) => {
      const body = `${text}${line}\r\nerror: ${json}\r\n\r\n${finish}`;
      for (const size of [body.length, 1, 2, 3, 5, 7, 64]) {
        const { verdict, error, completion } = reply(body, eventStream, size);
        expect({ size, verdict, kept: completion?.choices[0]?.message.content }).toEqual({
          size,
          verdict: 'error',
          kept: 'Hel',
        });
        expect(error?.message).toContain(words);
      }
    },
  );

  test('glued to the chunk before it', () => {
    const chunk = dataLine(deltaChunk({ role: 'assistant', content: 'Hel' })).trimEnd();
    // Whole and in its own line, torn in the middle of a line, and in a field of its own.
    for (const glued of [`error: ${json}`, json]) {
      const { verdict, message, text: kept } = outcome(`${chunk}\n${glued}\n\n${finish}`);
      expect({ verdict, kept }).toEqual({ verdict: 'error', kept: 'Hel' });
      expect(message).toContain(words);
    }
    for (const torn of [`${chunk.slice(0, 60)}\ndata: ${json}`, `${chunk.slice(0, 60)}\nevent: error\ndata: ${json}`]) {
      const { verdict, message } = outcome(`${text}${torn}\n\n${finish}`);
      expect(verdict).toBe('error');
      expect(message).toContain(words);
    }
  });
});

describe('an error in a choice', () => {
  test.each([
    { error: { code: 502, message: words } },
    { error: words },
    { finish_reason: 'error', error: { message: words } },
    { finish_reason: 'stop', error: { message: words } },
  ])('%j', (members) => {
    const choice = { index: 0, delta: { content: 'lo' }, ...members };
    const { verdict, message, text: kept } = outcome(`${text}${dataLine({ ...deltaChunk({}), choices: [choice] })}`);
    // What stands beside it is kept.
    expect({ verdict, kept }).toEqual({ verdict: 'error', kept: 'Hello' });
    expect(message).toContain(words);
  });
});

describe('what is no error', () => {
  const beside: Record<string, unknown>[] = [
    { error: null },
    { error: {} },
    { error: '' },
    { error: false },
    { error: [] },
    { errors: [] },
    { error: 0 },
    { error: 'None' },
    { error: { code: null, message: null } },
    { error: { code: 0, message: 'success' } },
    { error_message: '' },
    { base_resp: { status_code: 0, status_msg: 'success' } },
    { fault: null },
  ];
  test.each(beside)('%j beside content', (members) => {
    const chunk = { ...deltaChunk({ role: 'assistant', content: 'Hel' }), ...members };
    expect(outcome(dataLine(chunk) + finish)).toMatchObject({ verdict: 'complete', text: 'Hel' });
    const choice = { index: 0, delta: { content: 'Hel' }, ...members };
    expect(outcome(dataLine({ ...deltaChunk({}), choices: [choice] }) + finish)).toMatchObject({ verdict: 'complete' });
  });

  test.each(['errors: 0', 'error', 'error:', 'error: ', '{}', '{"a":1}', '{', 'errand: {"x":1}', 'foo: bar'])(
    'a stray line %j',
    (line) => {
      expect(outcome(`${text}${line}\n\n${finish}`)).toMatchObject({ verdict: 'complete', text: 'Hel' });
      expect(outcome(`${text.trimEnd()}\n${line}\n\n${finish}`)).toMatchObject({ verdict: 'complete', text: 'Hel' });
    },
  );

  test('words of a model that look like one', () => {
    const content = 'data: {"error":{"message":"x"}}\n{"error":1}\nerror: {"message":"no"}';
    expect(outcome(dataLine(deltaChunk({ content })) + finish)).toMatchObject({ verdict: 'complete', text: content });
  });
});

describe('what a message holds', () => {
  test('is one safe and short line, whatever comes in whichever envelope', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 3000 }), fc.constantFrom(...entries), (said, { value }) => {
        const json = JSON.stringify(value).replaceAll(words, () => JSON.stringify(said).slice(1, -1));
        const { error } = reply(`data: ${json}\n\n`);
        expect(error?.message ?? '').not.toMatch(/[\p{Cc}\p{Cf}]/u);
        expect((error?.message ?? '').length).toBeLessThan(700);
      }),
      { seed, numRuns: 300 },
    );
  });

  const page =
    '<!DOCTYPE html>\n<html lang="en"><head><title>api.example.com | 502: Bad gateway</title></head><body><div class="w-1/2"><h2>What can I do?</h2></div></body></html>';

  test.each([
    [`litellm.BadGatewayError: OpenAIException - ${page}`, 'OpenAIException - api.example.com | 502: Bad gateway'],
    [`upstream said: ${page} (try later)`, 'upstream said: api.example.com | 502: Bad gateway (try later)'],
    [`failed: <html><body><h1>504 Gateway Time-out</h1></body></html>`, 'failed: 504 Gateway Time-out'],
    [`failed: <html><body><p>Nothing here</p></body></html>`, 'failed: Nothing here'],
    [`b'${page.replaceAll('\n', String.raw`\n`)}'`, 'api.example.com | 502: Bad gateway'],
    [page, 'api.example.com | 502: Bad gateway'],
  ])('a page in %j is told by its title', (message, told) => {
    for (const clean of [cleanErrorMessage(message), reply(dataLine({ error: { message } })).error?.message ?? '']) {
      expect(clean).toContain(told);
      expect(clean).not.toMatch(/<|class=/);
    }
  });

  test.each([
    'cohere raised a streaming error - finish_reason: error, no content string given. Received Chunk={"text":"SECRET"}',
    'Error parsing chunk: Expecting value: line 1,\nReceived chunk: {"text":"SECRET"}',
    'Failed to decode JSON from chunk: SECRET words of the reply',
    "Failed to parse v2 chunk: bad, chunk: b'SECRET'",
  ])('what LiteLLM quotes of the reply is not in it: %j', (message) => {
    const clean = cleanErrorMessage(`litellm.APIError: ${message}`);
    expect(clean).toMatch(/^litellm\.APIError: \w/);
    expect(clean).not.toContain('SECRET');
  });
});
