import { describe, expect, test } from '@jest/globals';
import { classified, type ErrorFacts, statusOfFrame } from '../../../src/protocol/error/error-rules.ts';
import { ReplyReader } from '../../../src/protocol/reply-reader.ts';
import { dataLine, deltaChunk } from '../chunks.ts';

/** What an error frame inside of a stream is: it has a code or a type, and no status line. */

const frame = (code: string | null, type: string | null = null) => ({ message: '', param: null, code, type });

const words: Readonly<Record<string, number>> = {
  throttling_error: 429,
  rate_limit_error: 429,
  rate_limit_exceeded: 429,
  rate_limited: 429,
  insufficient_quota: 429,
  RESOURCE_EXHAUSTED: 429,
  auth_error: 401,
  authentication_error: 401,
  invalid_api_key: 401,
  UNAUTHENTICATED: 401,
  permission_error: 403,
  PERMISSION_DENIED: 403,
  key_model_access_denied: 403,
  team_model_access_denied: 403,
  user_model_access_denied: 403,
  model_not_found: 404,
  not_found_error: 404,
  context_length_exceeded: 400,
};

describe('the status of a frame', () => {
  test.each(Object.entries(words))('%s is %i, as a code and as a type', (word, status) => {
    expect(statusOfFrame(frame(word))).toBe(status);
    expect(statusOfFrame(frame(null, word))).toBe(status);
    expect(statusOfFrame(frame('some_code', word))).toBe(status);
  });

  test.each<[string | null, string | null, number]>([
    ['400', null, 400],
    ['599', null, 599],
    ['429', 'auth_error', 429],
    ['399', null, 500],
    ['600', null, 500],
    ['200', 'auth_error', 401],
    ['429.5', null, 500],
    ['', null, 500],
    [null, null, 500],
    ['nothing known', 'nothing known', 500],
    ['toString', null, 500],
    ['constructor', '__proto__', 500],
    ['constructor', 'auth_error', 401],
    ['auth_error', 'rate_limit_error', 401],
  ])('with code %j and type %j is %i', (code, type, status) => {
    expect(statusOfFrame(frame(code, type))).toBe(status);
  });
});

describe('a frame as the first thing of a stream is what its answer would have been', () => {
  test.each<[object, string, boolean]>([
    [{ code: '429', message: 'slow down' }, 'rate_limited', true],
    [{ type: 'rate_limit_error', message: 'slow down' }, 'rate_limited', true],
    [{ code: '429', message: 'You exceeded your current quota' }, 'rate_limited', false],
    [{ code: '400', type: 'budget_exceeded', message: 'Budget has been exceeded! x' }, 'budget_exceeded', false],
    [{ code: '401', type: 'auth_error', message: 'no' }, 'key_rejected', false],
    [{ code: '401', type: 'authentication_error', message: 'AnthropicException - no' }, 'provider_auth', false],
    [{ code: '403', type: 'key_model_access_denied', message: 'no' }, 'model_not_allowed', false],
    [{ code: '400', message: "This model's maximum context length is 9" }, 'context_window_exceeded', false],
    [{ code: '400', message: 'ContentPolicyViolationError' }, 'content_policy', false],
    [{ code: '404', message: 'The model `x` does not exist' }, 'model_not_found', false],
    [{ code: '400', message: 'no' }, 'bad_request', false],
    [{ code: '503', message: 'no' }, 'stream_error', true],
    [{ message: 'no' }, 'stream_error', true],
  ])('%j is %s', (error, code, isRetryable) => {
    const reader = new ReplyReader({ status: 200, contentType: 'text/event-stream' });
    reader.push(Buffer.from(dataLine({ error })));
    const { reply } = reader.finish({ type: 'end' });
    expect({ verdict: reply.verdict, code: reply.error?.code, isRetryable: reply.error?.isRetryable }).toEqual({
      verdict: 'error',
      code,
      isRetryable,
    });
  });

  test.each<[object, string]>([
    [{ code: '429', message: 'slow down' }, 'stream_error'],
    [{ code: '401', message: 'no' }, 'stream_error'],
    [{ code: '400', type: 'budget_exceeded', message: 'Budget has been exceeded! x' }, 'budget_exceeded'],
  ])('%j after some text is %s', (error, code) => {
    const reader = new ReplyReader({ status: 200, contentType: 'text/event-stream' });
    reader.push(Buffer.from(dataLine(deltaChunk({ content: 'Hel' })) + dataLine({ error })));
    const { reply } = reader.finish({ type: 'end' });
    expect({
      verdict: reply.verdict,
      code: reply.error?.code,
      text: reply.completion?.choices[0]?.message.content,
    }).toEqual({
      verdict: 'error',
      code,
      text: 'Hel',
    });
  });
});

describe('by its status alone', () => {
  const facts = (status: number, more: Partial<ErrorFacts> = {}): ErrorFacts => ({
    ...frame(null),
    status,
    isForeign: false,
    hasKey: true,
    url: new URL('http://proxy/v1/chat/completions'),
    ...more,
  });

  test.each<[number, string, boolean]>([
    [400, 'bad_request', false],
    [401, 'key_rejected', false],
    [402, 'bad_request', false],
    [403, 'key_rejected', false],
    [404, 'not_found', false],
    [405, 'not_found', false],
    [407, 'http_proxy_failed', false],
    [408, 'server_error', true],
    [409, 'bad_request', false],
    [413, 'bad_request', false],
    [422, 'bad_request', false],
    [429, 'rate_limited', true],
    [499, 'bad_request', false],
    [500, 'server_error', true],
    [501, 'server_error', false],
    [502, 'server_error', true],
    [503, 'server_error', true],
    [504, 'server_error', true],
    [505, 'server_error', false],
    [519, 'server_error', false],
    [520, 'server_error', true],
    [529, 'server_error', true],
    [599, 'server_error', true],
    [304, 'unexpected_response', false],
  ])('%i is %s, tried again: %s', (status, code, isRetryable) => {
    expect(classified(facts(status))).toMatchObject({ code, isRetryable });
  });

  test('without a key, or from somebody before the proxy, some are another', () => {
    expect(classified(facts(401, { hasKey: false })).code).toBe('no_key');
    expect(classified(facts(403, { isForeign: true })).code).toBe('unexpected_response');
    expect(classified(facts(404, { url: null })).code).toBe('bad_request');
    expect(classified(facts(500, { hasKey: false, isForeign: true, message: 'Internal Server Error' })).hint).toContain(
      'cllm login',
    );
    expect(classified(facts(502, { isForeign: true })).what).toContain('in front of the proxy');
    expect(classified(facts(502)).what).not.toContain('in front of the proxy');
  });
});
