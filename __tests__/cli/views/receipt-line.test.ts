import { describe, expect, test } from '@jest/globals';
import { receiptLine } from '../../../src/cli/views/receipt-line.ts';
import { remark, reportError } from '../../../src/cli/views/report.ts';
import type { Receipt } from '../../../src/client/receipt.ts';
import { CllmError } from '../../../src/outcome/errors.ts';
import type { Verdict } from '../../../src/outcome/exits.ts';
import { memoryIo } from '../../support/memory-io.ts';

const bare: Receipt = {
  modelRequested: 'gpt',
  modelServed: null,
  modelId: null,
  modelGroup: null,
  apiBase: null,
  callId: null,
  sessionId: null,
  proxyVersion: null,
  inputTokens: null,
  outputTokens: null,
  cachedInputTokens: null,
  reasoningTokens: null,
  costUsd: null,
  costSource: 'unknown',
  keySpend: null,
  keyMaxBudget: null,
  attemptedRetries: null,
  attemptedFallbacks: null,
  retries: 0,
  isCacheHit: null,
  guardrails: [],
  maskedPassages: null,
  durationMs: 1234,
  ttftMs: null,
};

async function line(
  receipt: Partial<Receipt>,
  facts: { verdict?: Verdict | null; conversationId?: string | null; keptIn?: string | null } = {},
): Promise<string> {
  const { stderr } = memoryIo({ isTTY: true });
  await stderr.write(receiptLine({ receipt: { ...bare, ...receipt }, conversationId: null, ...facts }));
  return stderr.text;
}

describe('the receipt', () => {
  test.each<[string, Partial<Receipt>, string]>([
    ['what nobody told is left out', {}, 'gpt · 1.2 s in all'],
    ['who served', { modelServed: 'gpt' }, 'gpt · 1.2 s in all'],
    ['another one served', { modelServed: 'claude' }, 'gpt → claude · 1.2 s in all'],
    ['no tokens', { inputTokens: 0, outputTokens: 0 }, 'gpt · 0 tokens in · 0 tokens out · 1.2 s in all'],
    ['one token', { inputTokens: 1, outputTokens: 1 }, 'gpt · 1 token in · 1 token out · 1.2 s in all'],
    [
      'parts of tokens',
      { inputTokens: 9, cachedInputTokens: 4, outputTokens: 7, reasoningTokens: 5 },
      'gpt · 9 tokens in (4 cached) · 7 tokens out (5 reasoning) · 1.2 s in all',
    ],
    [
      'parts that are none',
      { inputTokens: 9, cachedInputTokens: 0, outputTokens: 7, reasoningTokens: 0 },
      'gpt · 9 tokens in · 7 tokens out · 1.2 s in all',
    ],
    ['what it cost', { costUsd: 0.0123, costSource: 'header' }, 'gpt · $0.0123 (header) · 1.2 s in all'],
    ['that it cost nothing', { costUsd: 0, costSource: 'stream' }, 'gpt · $0.00 (stream) · 1.2 s in all'],
    ['when it began', { ttftMs: 310 }, 'gpt · first token 0.31 s · 1.2 s in all'],
    ['at once', { ttftMs: 0, durationMs: 994 }, 'gpt · first token 0.00 s · 0.99 s in all'],
    ['a second', { durationMs: 995 }, 'gpt · 1.0 s in all'],
    [
      'how fast',
      { outputTokens: 50, ttftMs: 234 },
      'gpt · 50 tokens out · first token 0.23 s · 1.2 s in all · 50 tokens/s',
    ],
    [
      'how fast, at its shortest',
      { outputTokens: 5, ttftMs: 1184 },
      'gpt · 5 tokens out · first token 1.2 s · 1.2 s in all · 100 tokens/s',
    ],
    ['too short to tell', { outputTokens: 5, ttftMs: 1185 }, 'gpt · 5 tokens out · first token 1.2 s · 1.2 s in all'],
    [
      'tries',
      { retries: 1, attemptedRetries: 1, attemptedFallbacks: 1 },
      'gpt · 1.2 s in all · 1 retry · 1 retry by the proxy · 1 fallback',
    ],
    [
      'more tries',
      { retries: 2, attemptedRetries: 3, attemptedFallbacks: 4 },
      'gpt · 1.2 s in all · 2 retries · 3 retries by the proxy · 4 fallbacks',
    ],
    ['no tries', { attemptedRetries: 0, attemptedFallbacks: 0 }, 'gpt · 1.2 s in all'],
    ['a cache', { isCacheHit: true }, 'gpt · 1.2 s in all · from the cache'],
    ['no cache', { isCacheHit: false }, 'gpt · 1.2 s in all'],
  ])('%s', async (_name, receipt, said) => {
    expect(await line(receipt)).toBe(said);
  });

  test.each<[Verdict | null, number | null, string[], string]>([
    ['complete', null, ['pii'], 'guardrail pii (passed, or masked)'],
    ['length', null, ['pii', 'words'], 'guardrails pii, words (passed, or masked)'],
    ['cut', null, ['pii'], 'guardrail pii'],
    ['complete', 2, ['pii'], 'guardrail pii (masked 2)'],
    ['cut', 0, ['pii'], 'guardrail pii (masked 0)'],
  ])('of %s with %s passages masked says of %j: %s', async (verdict, maskedPassages, guardrails, said) => {
    expect(await line({ guardrails, maskedPassages }, { verdict })).toMatch(
      new RegExp(`${said.replace(/[()]/g, '\\$&')}$`),
    );
  });

  test('says first why a reply is not complete', async () => {
    expect(await line({}, { verdict: 'complete' })).toBe('gpt · 1.2 s in all');
    expect(await line({}, { verdict: null })).toBe('gpt · 1.2 s in all');
    expect(await line({}, { verdict: 'timed_out' })).toBe('timed out · gpt · 1.2 s in all');
    expect(await line({}, { verdict: 'content_filter' })).toBe('content filter · gpt · 1.2 s in all');
  });

  test('says where it is kept', async () => {
    expect(await line({}, { conversationId: 'abc', keptIn: '/h' })).toBe(
      'gpt · 1.2 s in all · conversation abc · kept in /h',
    );
  });
});

const hostile = 'x\u001b]0;title\u0007\u001b[2J\u202ey\r\nz\u2028w';

describe('hostile words', () => {
  test.each<[string, Partial<Receipt>, object]>([
    ['as the model that was asked for', { modelRequested: hostile }, {}],
    ['as the one that served', { modelServed: hostile }, {}],
    ['as a guardrail', { guardrails: [hostile] }, { verdict: 'complete' }],
    ['as a conversation', {}, { conversationId: hostile }],
    ['as a file', {}, { keptIn: hostile }],
  ])('%s drive no terminal', async (_name, receipt, facts) => {
    const said = await line(receipt, facts);
    expect(said).toContain('\\x1b]0;title\\x07\\x1b[2J\\u{202e}y');
    // oxlint-disable-next-line no-control-regex -- the very ones
    expect(said).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
  });

  test('in an error and in a remark they are one line each', async () => {
    const { stderr } = memoryIo({ isTTY: true });
    await reportError(stderr, new CllmError('bad_request', hostile, { hint: hostile }));
    await remark(stderr, hostile);
    const lines = stderr.text.split('\n');
    expect(lines).toHaveLength(4);
    expect(lines[0]).toMatch(/^cllm: x.*y z w$/);
    expect(lines[1]).toMatch(/^ {2}x.*y z w$/);
    expect(lines[2]).toMatch(/^cllm: x.*y z w$/);
    // oxlint-disable-next-line no-control-regex -- the very ones
    expect(stderr.text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
  });

  test('a key in them is masked', async () => {
    const io = memoryIo({ env: { LITELLM_PROXY_API_KEY: 'my-own-secret-key' } });
    await reportError(
      io.stderr,
      new CllmError('bad_request', 'no my-own-secret-key', { hint: 'try my-own-secret-key' }),
    );
    await remark(io.stderr, 'it was my-own-secret-key');
    expect(io.stderr.text).not.toContain('my-own-secret-key');
    expect(io.stderr.text.split('\n')).toHaveLength(4);
  });
});
