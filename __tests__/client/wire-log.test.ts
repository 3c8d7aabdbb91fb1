import { describe, expect, test } from '@jest/globals';
import { safeText, safeTexts, secretValues } from '../../src/client/safe-text.ts';
import { requestLines, responseLines, shownHeaders } from '../../src/client/wire-log.ts';

const none = { keys: [], prompts: [] };

/** Headers that hold a secret, as gateways and clouds name them. */
const secretHeaders = [
  'authorization',
  'proxy-authorization',
  'x-goog-api-key',
  'api-key',
  'x-api-key',
  'ocp-apim-subscription-key',
  'x-amz-security-token',
  'x-auth-token',
  'x-csrf-token',
  'cookie',
  'set-cookie',
  'client-secret',
  'x-client-secret',
  'x-vault-token',
  'x-password',
  'cf-access-client-secret',
  'x-litellm-api-key',
  'x-litellm-key',
];

/** What explains a reply. */
const shownOfAnswers = [
  'content-type',
  'content-length',
  'content-encoding',
  'transfer-encoding',
  'connection',
  'cache-control',
  'date',
  'server',
  'via',
  'retry-after',
  'retry-after-ms',
  'x-accel-buffering',
  'x-request-id',
  'rate_limit_type',
  'reset_at',
  'llm_provider-retry-after',
  'llm_provider-retry-after-ms',
  'x-litellm-call-id',
  'x-litellm-model-id',
  'x-litellm-response-cost',
  'x-ratelimit-remaining-requests',
];

describe('a header that is a secret', () => {
  test.each(secretHeaders)('%s: its value is masked wherever it stands', (name) => {
    const [value = ''] = secretValues({ [name]: 'Bearer s3cr3t-value' });
    expect(value).toBe('s3cr3t-value');
    expect(safeText('it said s3cr3t-value twice: s3cr3t-value', { keys: [value], prompts: [] })).not.toContain(
      's3cr3t',
    );
  });

  test.each(['accept', 'content-type', 'user-agent', 'x-litellm-tags', 'x-trace-id', 'x-litellm-end-user-id'])(
    '%s is none',
    (name) => {
      expect(secretValues({ [name]: 'value' })).toEqual([]);
    },
  );

  test.each(['Basic dXNlcjpwdw==', 'bearer dXNlcjpwdw==', 'BEARER  dXNlcjpwdw==', 'dXNlcjpwdw=='])(
    '%s: the scheme is no part of it',
    (value) => {
      expect(secretValues({ authorization: value })).toEqual(['dXNlcjpwdw==']);
    },
  );
});

describe('under --debug, and in a recording', () => {
  test.each([...secretHeaders, 'x-anything', 'referer', 'x-litellm-tags'])(
    '%s of a request is named without its value',
    (name) => {
      expect(requestLines('POST', 'http://p/v1', { [name]: 'the value' })).toEqual([
        '> POST http://p/v1',
        `> ${name}: (not shown)`,
      ]);
    },
  );

  test('what says nothing of anybody stands with its value', () => {
    const headers = { accept: 'a/b', 'content-type': 'c/d', 'user-agent': 'cllm/1' };
    expect(requestLines('GET', 'http://p', headers)).toEqual([
      '> GET http://p',
      '> accept: a/b',
      '> content-type: c/d',
      '> user-agent: cllm/1',
    ]);
  });

  test('of an answer those are shown that explain it, and no other', () => {
    const names = [
      ...shownOfAnswers,
      ...secretHeaders.slice(0, 16),
      'x-litellm-fallback-errors',
      'x-litellm-cache-key',
      'x-powered-by',
      'location',
      'etag',
    ];
    const headers = Object.fromEntries(names.map((name) => [name, 'value']));
    expect(Object.keys(shownHeaders(headers, none))).toEqual(shownOfAnswers);
    expect(responseLines(200, shownHeaders({ date: 'now', etag: 'x' }, none))).toEqual(['< HTTP 200', '< date: now']);
  });

  test.each(shownOfAnswers)('a key in the value of %s is masked', (name) => {
    const shown = shownHeaders(
      { [name]: 'before my-own-key after sk-abcdefghijklmnopqrstuvwx' },
      { keys: ['my-own-key'], prompts: [] },
    );
    expect(shown[name]).toContain('before');
    expect(shown[name]).not.toMatch(/my-own-key|sk-abcdefghijklmnopqrstuvwx/);
  });

  test('a quotation of the prompt in a value is taken out', () => {
    const prompt = 'a prompt that is long enough to be known again';
    const shown = shownHeaders({ via: `no model for ${prompt}` }, { keys: [], prompts: [prompt] });
    expect(shown['via']).not.toContain('long enough to be known');
  });

  test.each([
    ['http://user:pw@host/v1', 'http://****@host/v1'],
    ['https://token@host', 'https://****@host'],
    ['http://host/a@b', 'http://host/a@b'],
  ])('%s in a value is shown as %s', (value, shown) => {
    expect(shownHeaders({ 'x-litellm-model-api-base': value }, none)).toEqual({ 'x-litellm-model-api-base': shown });
  });

  test('the id of a deployment is no key, though it looks like the hash of one', () => {
    const hash = 'ab'.repeat(32);
    expect(shownHeaders({ 'x-litellm-model-id': hash }, none)).toEqual({ 'x-litellm-model-id': hash });
    expect(shownHeaders({ via: hash }, none)['via']).not.toBe(hash);
  });
});

describe('a text of a stranger', () => {
  test('is cut at 64 KiB, and every part is looked through', () => {
    const key = 'my-own-key';
    const [first = '', second = ''] = safeTexts([`${'x'.repeat(65_526)}${key}`, `${'x'.repeat(70_000)}${key}`], {
      keys: [key],
      prompts: [],
    });
    expect({ first: first.length, hasKey: first.includes(key), second: second.length }).toEqual({
      first: first.length,
      hasKey: false,
      second: 65_536,
    });
  });

  test('a word of three characters is no key, one of four is', () => {
    expect(safeText('the abc and the abcd', { keys: ['abc'], prompts: [] })).toBe('the abc and the abcd');
    expect(safeText('the abc and the abcd', { keys: ['abcd'], prompts: [] })).not.toContain('abcd');
  });
});
