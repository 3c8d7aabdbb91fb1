import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { LiteLLMClient } from '../../src/client/client.ts';
import { exitCodeOf } from '../../src/outcome/exits.ts';
import { resultObject } from '../../src/conversation/result-object.ts';
import {
  finishChunk,
  startFakeUpstream,
  textChunk,
  type FakeUpstream,
  type ScriptedReply,
} from '../support/fake-upstream.ts';

/** One error, in each place where a proxy may say it: what it is does not depend on the place. */
let upstream: FakeUpstream;
let client: LiteLLMClient;

beforeEach(async () => {
  upstream = await startFakeUpstream();
  client = new LiteLLMClient({ baseUrl: upstream.baseUrl, apiKey: 'sk-test' }, { random: () => 0 });
});

afterEach(async () => {
  await client.close();
  await upstream.close();
});

interface Case {
  name: string;
  status: number;
  error: Record<string, unknown>;
  code: string;
  exit: number;
  isTriedAgain?: boolean;
}

const cases: Case[] = [
  {
    name: 'a budget',
    status: 422,
    error: { type: 'budget_exceeded', message: 'Budget has been exceeded!' },
    code: 'budget_exceeded',
    exit: 7,
  },
  {
    name: 'a budget of old',
    status: 400,
    error: { type: 'budget_exceeded', message: 'x' },
    code: 'budget_exceeded',
    exit: 7,
  },
  {
    name: 'a deployment’s budget',
    status: 429,
    error: { message: 'No deployments available - crossed budget: x' },
    code: 'budget_exceeded',
    exit: 7,
  },
  {
    name: 'a limit',
    status: 429,
    error: { type: 'throttling_error', message: 'Rate limit exceeded' },
    code: 'rate_limited',
    exit: 6,
    isTriedAgain: true,
  },
  {
    name: 'a quota',
    status: 429,
    error: { message: 'You exceeded your current quota' },
    code: 'rate_limited',
    exit: 6,
  },
  { name: 'a bad key', status: 401, error: { type: 'auth_error', message: 'no' }, code: 'key_rejected', exit: 4 },
  { name: 'an expired key', status: 401, error: { type: 'expired_key', message: 'no' }, code: 'key_rejected', exit: 4 },
  {
    name: 'no database',
    status: 400,
    error: { type: 'no_db_connection', message: 'No connected db.' },
    code: 'key_rejected',
    exit: 4,
  },
  {
    name: 'a model',
    status: 403,
    error: { type: 'key_model_access_denied', message: 'no' },
    code: 'model_not_allowed',
    exit: 4,
  },
  {
    name: 'the provider’s key',
    status: 401,
    error: { type: 'authentication_error', message: 'litellm.AuthenticationError: x' },
    code: 'provider_auth',
    exit: 1,
  },
  {
    name: 'a context',
    status: 400,
    error: { message: 'litellm.ContextWindowExceededError: x' },
    code: 'context_window_exceeded',
    exit: 1,
  },
  {
    name: 'a policy',
    status: 400,
    error: { message: 'litellm.ContentPolicyViolationError: x' },
    code: 'content_policy',
    exit: 1,
  },
  {
    name: 'a bad request',
    status: 400,
    error: { type: 'invalid_request_error', message: 'temperature' },
    code: 'bad_request',
    exit: 1,
  },
  {
    name: 'a guardrail',
    status: 400,
    code: 'guardrail_blocked',
    exit: 12,
    error: {
      message: 'Content blocked',
      provider_specific_fields: { guardrail_name: 'nosecrets', guardrail_mode: 'pre_call' },
    },
  },
  {
    name: 'a guardrail with another status',
    status: 500,
    code: 'guardrail_blocked',
    exit: 12,
    error: {
      message: 'Violated guardrail policy',
      provider_specific_fields: { guardrail_name: 'nosecrets', guardrail_mode: ['pre_call', 'post_call'] },
    },
  },
  {
    name: 'a guardrail that raised',
    status: 400,
    error: { message: 'Guardrail raised an exception, Guardrail: nosecrets, Message: no' },
    code: 'guardrail_blocked',
    exit: 12,
  },
  {
    name: 'a guardrail for names',
    status: 400,
    error: {
      message:
        'Blocked entity detected: EMAIL by Guardrail: nosecrets. This entity is not allowed to be used in this request.',
    },
    code: 'guardrail_blocked',
    exit: 12,
  },
  {
    name: 'a pipeline',
    status: 400,
    code: 'guardrail_blocked',
    exit: 12,
    error: {
      message: 'Content blocked',
      type: 'guardrail_pipeline_error',
      pipeline_context: { policy: 'p', step_results: [{ guardrail: 'nosecrets' }] },
    },
  },
];

const sse = { 'content-type': 'text/event-stream' };

async function ask(scripted: ScriptedReply) {
  upstream.requests.length = 0;
  for (let attempt = 0; attempt < 3; attempt += 1) upstream.reply(scripted);
  const { error, verdict, completion, receipt } = await client.stream({ model: 'm', messages: 'hi' }).result();
  return {
    ...resultObject({ timestamp: '', error, verdict, completion, figures: receipt }),
    code: error?.code,
    message: error?.message ?? '',
    type: (error as { type?: string } | null)?.type ?? null,
    exit: exitCodeOf(error),
    requests: upstream.chatRequests.length,
  };
}

describe.each(cases)('$name', ({ status, error: members, code, exit, isTriedAgain = false }) => {
  const error = { param: null, code: String(status), ...members };
  const words = String(members['message']).slice(0, 20);
  const requests = isTriedAgain ? 3 : 1;
  const wanted = { code, exit, exit_code: exit, is_error: true, requests, type: members['type'] ?? null };

  test('in a body', async () => {
    const ended = await ask({ status, body: { error } });
    expect(ended).toMatchObject({ ...wanted, verdict: null });
    expect(ended.message).toContain(words);
  });

  test('as a frame under its own status', async () => {
    const body = `data: ${JSON.stringify({ error })}\n\ndata: [DONE]\n\n`;
    const ended = await ask({ status, headers: sse, body });
    expect(ended).toMatchObject({ ...wanted, verdict: null });
    expect(ended.message).toContain(words);
    expect(ended.message).not.toMatch(/data:|DONE/);
  });

  test('as the first frame of a 200, after a comment or a role', async () => {
    const ended = await ask({
      steps: [{ data: textChunk('', { role: 'assistant' }) }, { data: { error } }, { data: '[DONE]' }],
    });
    expect(ended).toMatchObject({ ...wanted, verdict: 'error' });
    expect(ended.message).toContain(words);
  });

  test('in a JSON body under 200', async () => {
    expect(await ask({ body: { error } })).toMatchObject({ ...wanted, verdict: 'error' });
  });

  test('after some text the reply is kept, and broken', async () => {
    const ended = await ask({ steps: [{ data: textChunk('Hello') }, { data: { error } }] });
    const isBlocked = code === 'guardrail_blocked';
    expect(ended).toMatchObject({
      verdict: isBlocked ? 'content_filter' : 'error',
      result: 'Hello',
      exit: code === 'budget_exceeded' ? 7 : 3,
      code: isBlocked ? 'reply_filtered' : code === 'budget_exceeded' ? code : 'stream_error',
      requests: 1,
    });
    expect(ended.message).toContain(words);
  });
});

test.each(['500', '502', '503', '529', '408', null, 'server_error', '200', '7003'])(
  'a first frame with the code %j says no more than that the stream failed',
  async (code) => {
    const ended = await ask({ steps: [{ data: { error: { message: 'Pool is empty', code } } }] });
    expect(ended).toMatchObject({ verdict: 'error', code: 'stream_error', exit: 3, requests: 3 });
  },
);

describe('guardrails', () => {
  const ran = { 'x-litellm-applied-guardrails': 'nosecrets,polite' };
  const cut: ScriptedReply = { headers: ran, steps: [{ data: textChunk('') }, { reset: true }] };

  test('a block is named, with its mode', async () => {
    const fields = { guardrail_name: 'no\u001B[31msecrets', guardrail_mode: 'pre_call' };
    const ended = await ask({
      status: 400,
      headers: ran,
      body: { error: { message: 'no', provider_specific_fields: fields } },
    });
    expect(ended.message).toContain('blocked by the guardrail no [31msecrets (pre_call): no');
    expect(ended.guardrails).toEqual([{ name: 'no [31msecrets', mode: 'pre_call', action: 'blocked' }]);
  });

  test('words alone prove nothing', async () => {
    const error = { message: 'Violated guardrail policy', type: 'None', code: '403' };
    expect(await ask({ status: 403, body: { error } })).toMatchObject({
      code: 'key_rejected',
      exit: 4,
      guardrails: null,
    });
  });

  test.each([
    { name: 'a reset', scripted: cut },
    { name: 'an end', scripted: { headers: ran, steps: [{ data: textChunk('') }] } },
    { name: 'an end before anything', scripted: { headers: ran, steps: [] } },
    { name: 'a [DONE] without a finish', scripted: { headers: ran, steps: [{ data: '[DONE]' }] } },
  ])('a connection that breaks with $name under them is not asked again', async ({ scripted }) => {
    const ended = await ask(scripted);
    expect(ended).toMatchObject({ verdict: 'cut', code: 'stream_cut', exit: 3, requests: 1 });
    expect(ended.message).toContain('perhaps blocked by nosecrets, polite');
    expect(ended.guardrails?.map(({ name, action }) => `${name} ${action}`)).toEqual(['nosecrets ran', 'polite ran']);
  });

  test('without them, or after some text, nobody guesses', async () => {
    expect(await ask({ ...cut, headers: {} })).toMatchObject({ verdict: 'cut', requests: 3 });
    const ended = await ask({ ...cut, steps: [{ data: textChunk('Hello') }, { reset: true }] });
    expect(ended).toMatchObject({ verdict: 'cut', result: 'Hello', requests: 1 });
    expect(ended.message).not.toContain('perhaps');
  });

  test.each([
    { text: 'to [EMAIL_REDACTED] or [US_SSN_REDACTED]', action: 'masked' },
    // A prompt that was masked, too, is told of by nothing.
    { text: 'to you', action: 'ran' },
  ])('a reply of $text under one that ran: $action', async ({ text, action }) => {
    const ended = await ask({
      headers: { 'x-litellm-applied-guardrails': 'nosecrets' },
      steps: [{ data: textChunk(text) }, { data: finishChunk() }],
    });
    expect(ended).toMatchObject({ verdict: 'complete', guardrails: [{ name: 'nosecrets', mode: null, action }] });
  });
});
