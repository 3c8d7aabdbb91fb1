import { describe, expect, test } from '@jest/globals';
import { errorFromResponse } from '../../../src/client/answer/error-response.ts';
import { exitNameOf } from '../../../src/outcome/exits.ts';

const url = 'http://proxy.test:4000/v1/chat/completions';
const key = 'sk-canary-0123456789';

function errorOf(
  status: number,
  body: unknown,
  {
    headers = {},
    hasKey = true,
    prompts = [] as string[],
  }: { headers?: Record<string, string>; hasKey?: boolean; prompts?: string[] } = {},
) {
  return errorFromResponse(
    { status, headers, body: typeof body === 'string' ? body : JSON.stringify(body) },
    { request: { method: 'POST', url }, hasKey, secrets: { keys: [key], prompts } },
  );
}

/** LiteLLM's form. */
const lite = (message: string, type: string | null = null, code?: string) => ({
  error: { message, type, param: 'None', code: code ?? '400' },
});
const group = "\n\nLiteLLM: model group 'openai' failed with the error above. Available fallbacks: []";

describe('LiteLLM’s errors are understood', () => {
  test.each([
    // status, body, what it means, exit code's name, whether to try again
    {
      name: 'no key',
      status: 401,
      body: lite('Authentication Error, No api key passed in.', 'auth_error'),
      hasKey: false,
      code: 'no_key',
      exit: 'auth',
      again: false,
    },
    {
      name: 'a malformed key',
      status: 401,
      body: lite('Authentication Error, Malformed API Key passed in. Ensure Key has `Bearer ` prefix.', 'auth_error'),
      code: 'key_rejected',
      exit: 'auth',
      again: false,
    },
    {
      name: 'not a virtual key',
      status: 401,
      body: lite("LiteLLM Virtual Key expected. Received=****, expected to start with 'sk-'.", 'auth_error'),
      code: 'key_rejected',
      exit: 'auth',
      again: false,
    },
    {
      name: 'an unknown key',
      status: 401,
      body: lite(
        'Authentication Error, Invalid proxy server token passed. Received API Key = sk-...1234',
        'token_not_found_in_db',
      ),
      code: 'key_rejected',
      exit: 'auth',
      again: false,
    },
    {
      name: 'a wrong key without a database',
      status: 400,
      body: lite('No connected db.', 'no_db_connection'),
      code: 'key_rejected',
      exit: 'auth',
      again: false,
    },
    {
      name: 'no key without a database',
      status: 400,
      body: lite('No connected db.', 'no_db_connection'),
      hasKey: false,
      code: 'no_key',
      exit: 'auth',
      again: false,
    },
    {
      name: 'an expired key',
      status: 401,
      body: lite('Authentication Error - Expired Key. Key Expiry time x', 'expired_key'),
      code: 'key_rejected',
      exit: 'auth',
      again: false,
    },
    { name: 'a 401 without words', status: 401, body: '', code: 'key_rejected', exit: 'auth', again: false },
    {
      name: 'a field that may not be sent',
      status: 401,
      body: lite('Authentication Error, Rejected Request: api_base is not allowed in request body. ', 'auth_error'),
      code: 'bad_request',
      exit: 'failed',
      again: false,
    },
    {
      name: 'a model not allowed',
      status: 403,
      body: lite("The requested model 'openai' is not available for this API key", 'key_model_access_denied'),
      code: 'model_not_allowed',
      exit: 'auth',
      again: false,
    },
    {
      name: 'a model not allowed for the team',
      status: 403,
      body: lite('x', 'team_model_access_denied'),
      code: 'model_not_allowed',
      exit: 'auth',
      again: false,
    },
    {
      name: 'a key’s budget',
      status: 422,
      body: lite(
        'Budget has been exceeded! Key=broke (sk-...8kRQ) Current cost: 2.0, Max budget: 1.0',
        'budget_exceeded',
      ),
      code: 'budget_exceeded',
      exit: 'budget',
      again: false,
    },
    {
      name: 'a key’s budget in 1.103',
      status: 429,
      body: lite('Budget has been exceeded!', 'budget_exceeded'),
      code: 'budget_exceeded',
      exit: 'budget',
      again: false,
    },
    {
      name: 'a key’s budget in 1.83',
      status: 400,
      body: lite('Budget has been exceeded!', 'budget_exceeded'),
      code: 'budget_exceeded',
      exit: 'budget',
      again: false,
    },
    {
      name: 'a provider’s budget',
      status: 429,
      body: lite(
        'No deployments available - crossed budget: Exceeded budget for provider openai: 2.16e-05 >= 2e-05\n',
        'internal_server_error',
      ),
      code: 'budget_exceeded',
      exit: 'budget',
      again: false,
    },
    {
      name: 'a key’s rate limit',
      status: 429,
      body: lite('Rate limit exceeded for api_key: x. Limit type: requests.', 'throttling_error'),
      code: 'rate_limited',
      exit: 'throttled',
      again: true,
    },
    {
      name: 'all deployments cooling',
      status: 429,
      body: lite('No deployments available for selected model, Try again in 5 seconds.', 'all_deployments_in_cooldown'),
      code: 'rate_limited',
      exit: 'throttled',
      again: true,
    },
    {
      name: 'a provider’s rate limit',
      status: 429,
      body: lite('litellm.RateLimitError: RateLimitError: OpenAIException - Rate limit reached', 'throttling_error'),
      code: 'rate_limited',
      exit: 'throttled',
      again: true,
    },
    {
      name: 'a provider’s unpaid bill',
      status: 429,
      body: lite(
        'litellm.RateLimitError: OpenAIException - You exceeded your current quota (insufficient_quota)',
        'throttling_error',
      ),
      code: 'rate_limited',
      exit: 'throttled',
      again: false,
    },
    {
      name: 'an unknown model',
      status: 400,
      body: lite(
        '/chat/completions: Invalid model name passed in model=nope. Call `/v1/models` to view available models for your key.',
        'invalid_request_error',
      ),
      code: 'model_not_found',
      exit: 'failed',
      again: false,
    },
    {
      name: 'a model that the provider does not know',
      status: 404,
      body: lite('litellm.NotFoundError: OpenAIException - The model `gpt-9` does not exist', 'invalid_request_error'),
      code: 'model_not_found',
      exit: 'failed',
      again: false,
    },
    {
      name: 'a missing field',
      status: 400,
      body: lite("/chat/completions: Missing required parameter: 'messages'.", 'invalid_request_error'),
      code: 'bad_request',
      exit: 'failed',
      again: false,
    },
    {
      name: 'an unsupported parameter',
      status: 400,
      body: lite(
        "litellm.UnsupportedParamsError: anthropic does not support parameters: ['n']",
        'invalid_request_error',
      ),
      code: 'bad_request',
      exit: 'failed',
      again: false,
    },
    {
      name: 'the context window, as LiteLLM says it',
      status: 400,
      body: lite(
        'litellm.ContextWindowExceededError: litellm.BadRequestError: ContextWindowExceededError',
        'invalid_request_error',
      ),
      code: 'context_window_exceeded',
      exit: 'failed',
      again: false,
    },
    {
      name: 'the context window, as OpenAI says it',
      status: 400,
      body: lite(
        "litellm.BadRequestError: OpenAIException - This model's maximum context length is 8192 tokens.",
        'invalid_request_error',
      ),
      code: 'context_window_exceeded',
      exit: 'failed',
      again: false,
    },
    {
      name: 'the context window, as Anthropic says it',
      status: 400,
      body: lite(
        'litellm.BadRequestError: AnthropicException - prompt is too long: 210000 tokens > 200000 maximum',
        'invalid_request_error',
      ),
      code: 'context_window_exceeded',
      exit: 'failed',
      again: false,
    },
    {
      name: 'the context window, as Gemini says it',
      status: 400,
      body: lite(
        'litellm.BadRequestError: GeminiException - The input token count (1200000) exceeds the maximum number of tokens allowed',
        'invalid_request_error',
      ),
      code: 'context_window_exceeded',
      exit: 'failed',
      again: false,
    },
    {
      name: 'a content policy',
      status: 400,
      body: lite(
        'litellm.BadRequestError: litellm.ContentPolicyViolationError: ContentPolicyViolationError: x',
        'invalid_request_error',
      ),
      code: 'content_policy',
      exit: 'failed',
      again: false,
    },
    {
      name: 'the provider’s own key',
      status: 401,
      body: lite(
        `litellm.AuthenticationError: AuthenticationError: OpenAIException - Incorrect API key provided: none.${group}`,
        'authentication_error',
      ),
      code: 'provider_auth',
      exit: 'failed',
      again: false,
    },
    {
      name: 'the provider’s own key, without a type',
      status: 401,
      body: lite('litellm.AuthenticationError: GeminiException - API key not valid'),
      code: 'provider_auth',
      exit: 'failed',
      again: false,
    },
    {
      name: 'a provider that forbids',
      status: 403,
      body: lite('litellm.PermissionDeniedError: OpenAIException - Country not supported', 'permission_error'),
      code: 'provider_auth',
      exit: 'failed',
      again: false,
    },
    {
      name: 'a provider’s failure',
      status: 500,
      body: lite(
        'litellm.InternalServerError: InternalServerError: OpenAIException - Connection error.',
        'internal_server_error',
      ),
      code: 'server_error',
      exit: 'unreachable',
      again: true,
    },
    {
      name: 'a timeout upstream',
      status: 408,
      body: lite('litellm.Timeout: APITimeoutError - Request timed out.', 'invalid_request_error'),
      code: 'server_error',
      exit: 'unreachable',
      again: true,
    },
    {
      name: 'an overloaded worker',
      status: 503,
      body: lite('x', 'overloaded_error'),
      code: 'server_error',
      exit: 'unreachable',
      again: true,
    },
    {
      name: 'Anthropic’s overload',
      status: 529,
      body: lite('Overloaded'),
      code: 'server_error',
      exit: 'unreachable',
      again: true,
    },
    {
      name: 'something not implemented',
      status: 501,
      body: lite('x'),
      code: 'server_error',
      exit: 'unreachable',
      again: false,
    },
    {
      name: 'an unhandled error',
      status: 500,
      body: { error: { message: 'Internal server error', type: 'internal_server_error' } },
      code: 'server_error',
      exit: 'unreachable',
      again: true,
    },
    {
      name: 'a missing database',
      status: 500,
      body: lite('Database not connected. Connect a database to your proxy - x', 'internal_server_error'),
      code: 'server_error',
      exit: 'unreachable',
      again: false,
    },
    {
      name: 'a text in place of JSON',
      status: 500,
      body: 'Internal Server Error',
      code: 'server_error',
      exit: 'unreachable',
      again: true,
    },
    {
      name: 'a route that is not there',
      status: 404,
      body: { detail: 'Not Found' },
      code: 'not_found',
      exit: 'failed',
      again: false,
    },
    {
      name: 'a method that is not there',
      status: 405,
      body: { detail: 'Method Not Allowed' },
      code: 'not_found',
      exit: 'failed',
      again: false,
    },
    {
      name: 'a page that is not there',
      status: 404,
      body: '<html><head><title>404 Not Found</title></head></html>',
      code: 'not_found',
      exit: 'failed',
      again: false,
    },
    {
      name: 'a firewall',
      status: 403,
      body: '<html><head><title>Blocked</title></head></html>',
      code: 'unexpected_response',
      exit: 'failed',
      again: false,
    },
    {
      name: 'a detail with an error',
      status: 400,
      body: { detail: { error: 'Could not map model=x' } },
      code: 'bad_request',
      exit: 'failed',
      again: false,
    },
    { name: 'too large', status: 413, body: '', code: 'bad_request', exit: 'failed', again: false },
    { name: 'JSON of nothing', status: 500, body: 'null', code: 'server_error', exit: 'unreachable', again: true },
    {
      name: 'plain HTTP on an HTTPS port',
      status: 400,
      body: 'Client sent an HTTP request to an HTTPS server.\n',
      code: 'bad_request',
      exit: 'failed',
      again: false,
    },
  ])('$name: $code', ({ status, body, hasKey, code, exit, again }) => {
    const error = errorOf(status, body, { ...(hasKey !== undefined && { hasKey }) });
    expect({ code: error.code, exit: exitNameOf(error), again: error.isRetryable, status: error.status }).toEqual({
      code,
      exit,
      again,
      status,
    });
    expect(error.message).toMatch(new RegExp(`\\(HTTP ${status}\\): POST ${url}$`));
    expect(error.message).not.toMatch(/\n|undefined|model group/);
  });
});

describe('the words', () => {
  test('the proxy’s own follow ours', () => {
    expect(
      errorOf(
        422,
        lite('Budget has been exceeded! Key=ci (sk-...8kRQ) Current cost: 2.0, Max budget: 1.0', 'budget_exceeded'),
      ).message,
    ).toBe(
      `the budget is used up: Budget has been exceeded! Key=ci (sk-...8kRQ) Current cost: 2.0, Max budget: 1.0 (HTTP 422): POST ${url}`,
    );
  });

  test('keys and passages of the prompt are taken out', () => {
    const prompt = 'my very secret business plan for the coming year';
    const error = errorOf(
      400,
      lite(`Received ${key} Bearer ${key} sk-other-key-123456: 1 validation error: input_value='${prompt.slice(3)}'`),
      { prompts: [prompt] },
    );
    expect(error.message).toBe(
      `the proxy refused the request: Received **** Bearer **** sk-****: 1 validation error: input_value='…' (HTTP 400): POST ${url}`,
    );
  });

  test.each<[string, string]>([
    ['a line break', 'the quick brown\nfox jumps over\nthe lazy dog'],
    ['a line break of another system', 'the quick brown\r\nfox jumps over\r\nthe lazy dog'],
    ['many blanks', 'the quick brown     fox jumps over     the lazy dog'],
    ['a tab', 'the quick brown\tfox jumps over\tthe lazy dog'],
    ['JSON in JSON', JSON.stringify({ error: { message: 'the quick brown\nfox jumps over\nthe lazy dog' } })],
    ['the bytes of Python', "b'the quick brown\\nfox jumps over\\nthe lazy dog'"],
  ])('a quotation of the prompt that only cleaning joins is taken out: %s', (_name, message) => {
    const { message: said } = errorFromResponse(
      { status: 400, headers: {}, body: JSON.stringify({ error: { message: `no model takes ${message}` } }) },
      {
        request: { method: 'POST', url: 'http://proxy/v1/chat/completions' },
        hasKey: true,
        secrets: { keys: [], prompts: ['the quick brown fox jumps over the lazy dog'] },
      },
    );
    expect(said).toContain('no model takes');
    expect(said).not.toMatch(/quick brown fox|jumps over the lazy/);
  });

  test('a key of another form is taken out even where the message is cut', () => {
    const own = 'corp-0123456789-abcdefghij';
    const error = errorFromResponse(
      { status: 400, headers: {}, body: JSON.stringify(lite(`${'x'.repeat(490)} ${own}`)) },
      { request: { method: 'POST', url }, hasKey: true, secrets: { keys: [own], prompts: [] } },
    );
    expect(error.message).not.toContain('corp');
  });

  test('what an admin needs to find the call is kept', () => {
    const error = errorOf(500, lite('x', 'internal_server_error'), {
      headers: { 'x-litellm-call-id': 'abc-1', 'retry-after': '3' },
    });
    expect(error).toMatchObject({ callId: 'abc-1', retryAfterMs: 3000, type: 'internal_server_error' });
  });

  test('a hint names the next command', () => {
    expect(errorOf(400, lite('Invalid model name passed in model=x')).hint).toContain('cllm models');
    expect(errorOf(401, lite('x', 'auth_error')).hint).toContain('cllm login');
    expect(errorOf(500, 'Internal Server Error', { hasKey: false }).hint).toContain('no key was sent');
    expect(errorOf(404, { detail: 'Not Found' }).hint).toContain('http://proxy.test:4000');
  });
});

test.each([
  { location: 'https://login.example.com/sso?token=hush', words: 'to https://login.example.com,' },
  { location: '//other.test/x', words: 'to http://other.test,' },
  { location: '/v1/chat/completions/', words: 'to another path of the same host,' },
  { location: undefined, words: 'to nowhere,' },
])('a redirect $words is refused', ({ location, words }) => {
  const error = errorOf(302, '', { headers: location === undefined ? {} : { location } });
  expect(error.code).toBe('redirect_refused');
  expect(error.message).toContain(words);
  expect(error.message + error.hint).not.toContain('hush');
  expect(error.isRetryable).toBe(false);
});
