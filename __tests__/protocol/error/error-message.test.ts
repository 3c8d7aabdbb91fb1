import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { cleanErrorMessage, isBudgetRefusal } from '../../../src/protocol/error/error-message.ts';
import { redactSecrets } from '../../../src/protocol/redact-secrets.ts';
import { ReplyReader } from '../../../src/protocol/reply-reader.ts';
import { seed } from '../../support/seed.ts';

describe('an error text is reduced to what it says', () => {
  test.each([
    {
      name: 'LiteLLM’s paragraph about model groups',
      text: "litellm.APIError: boom\n\nLiteLLM: model group 'x' failed with the error above. Fallbacks: none",
      clean: 'litellm.APIError: boom',
    },
    {
      name: 'the older one',
      text: 'litellm.APIError: boom. Received Model Group=x\nAvailable Model Group Fallbacks=None LiteLLM Retried: 1 times',
      clean: 'litellm.APIError: boom',
    },
    {
      name: 'Python’s bytes around JSON',
      text: `b'{\\n  "error": {\\n    "code": 400,\\n    "message": "API key not valid.",\\n    "status": "INVALID_ARGUMENT"\\n  }\\n}\\n'`,
      clean: 'API key not valid.',
    },
    {
      name: 'Python’s bytes behind a prefix',
      text: `litellm.BadRequestError: GeminiException - b'{"error": {"message": "Gr\\xc3\\xbc\\xc3\\x9fe, it\\'s wrong"}}'`,
      clean: "litellm.BadRequestError: GeminiException - Grüße, it's wrong",
    },
    { name: 'Python’s bytes that are no JSON', text: 'b"upstream\\n timed out"', clean: 'upstream timed out' },
    { name: 'Python’s bytes cut short', text: `b'{"error": {"message": "too long", "det`, clean: 'too long' },
    {
      name: 'JSON inside the message',
      text: 'litellm.BadRequestError: OpenAIException - {"error": {"message": "Unknown \\"thing\\"", "type": "x"}}',
      clean: 'litellm.BadRequestError: OpenAIException - Unknown "thing"',
    },
    {
      name: 'a traceback',
      text: 'Traceback (most recent call last):\n  File "/app/litellm/main.py", line 1, in x\n    raise ValueError("no")\n    ^^^^^\nValueError: no such thing\n',
      clean: 'ValueError: no such thing',
    },
    {
      name: 'a traceback behind a message',
      text: 'litellm.APIConnectionError: it broke\nTraceback (most recent call last):\n  File "/app/x.py", line 2\nKeyError: \'a\'',
      clean: "litellm.APIConnectionError: it broke: KeyError: 'a'",
    },
    {
      name: 'a page',
      text: '<!DOCTYPE html><html><head><title>502  Bad\nGateway</title></head><body>x</body></html>',
      clean: '502 Bad Gateway',
    },
    {
      name: 'a page with entities',
      text: '<html><title>A &amp; B &#8211; &lt;x&gt;</title></html>',
      clean: 'A & B – <x>',
    },
    { name: 'control characters', text: 'a\u001B[31mb\u0000c\u202Ed\r\ne', clean: 'a [31mb c d e' },
    { name: 'nothing', text: '  \n ', clean: '' },
    { name: 'plain words', text: 'The model `x` does not exist', clean: 'The model `x` does not exist' },
    { name: 'words that only look like bytes', text: "Grab'n'go failed", clean: "Grab'n'go failed" },
  ])('$name', ({ text, clean }) => {
    expect(cleanErrorMessage(text)).toBe(clean);
  });

  test('a long one is cut', () => {
    expect(cleanErrorMessage('x'.repeat(10_000))).toHaveLength(500);
    expect(cleanErrorMessage(`<html><title>${'x'.repeat(5000)}</title>`).length).toBeLessThanOrEqual(200);
  });

  test('whatever comes, one line without control characters comes out, and cleaning it again changes nothing much', () => {
    const piece = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom(
        "b'",
        '{"error":',
        '"message":"',
        '\\x',
        'Traceback (most recent call last)',
        '<html>',
        '<title>',
        '\n\nLiteLLM: model group ',
      ),
    );
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        const clean = cleanErrorMessage(pieces.join(''));
        expect(clean.length).toBeLessThanOrEqual(500);
        expect(clean).not.toMatch(/[\p{Cc}\p{Cf}]/u);
      }),
      { seed },
    );
  });

  test('time does not explode on a hostile text', () => {
    for (const text of [
      "b'".repeat(20_000),
      '{"'.repeat(20_000),
      '\\x41'.repeat(20_000),
      '<'.repeat(40_000),
      `<title>${'<title'.repeat(9_000)}`,
    ]) {
      expect(cleanErrorMessage(text).length).toBeLessThanOrEqual(500);
    }
  });
});

test.each([
  { text: 'key sk-abcdefgh1234 is bad', safe: 'key sk-**** is bad' },
  { text: 'Received API Key = sk-...1234', safe: 'Received API Key = sk-...1234' },
  { text: 'Authorization: Bearer abcdef123456', safe: 'Authorization: Bearer ****' },
  { text: `Key Hash (Token) =${'0123456789abcdef'.repeat(4)}.`, safe: 'Key Hash (Token) =****.' },
  { text: 'AIzaSyA1234567890abcdefghijklmnop', safe: 'AIza****' },
  { text: 'ghp_0123456789abcdef0123', safe: 'ghp_****' },
  { text: 'a task-force of risk-takers', safe: 'a task-force of risk-takers' },
])('$text is shown as $safe', ({ text, safe }) => {
  expect(redactSecrets(text)).toBe(safe);
});

test.each([
  { message: 'x', type: 'budget_exceeded', isBudget: true },
  {
    message: 'No deployments available - crossed budget: Exceeded budget for provider',
    type: 'internal_server_error',
    isBudget: true,
  },
  { message: 'Budget has been exceeded! Key=a', type: null, isBudget: true },
  { message: 'Rate limit exceeded', type: 'throttling_error', isBudget: false },
])('$message ($type) is a budget refusal: $isBudget', ({ message, type, isBudget }) => {
  expect(isBudgetRefusal({ message, type })).toBe(isBudget);
});

test('an error frame is cleaned in the same way', () => {
  const message = `b'{"error": {"message": "quota for sk-abcdefgh1234 is gone"}}'\n\nLiteLLM: model group 'x' failed with the error above`;
  const traceback = `Traceback (most recent call last):\n${'  File "/app/x.py", line 1, in x\n'.repeat(200)}ValueError: no such thing`;
  const errorOf = (text: string) => {
    const reader = new ReplyReader({ status: 200, contentType: 'text/event-stream' });
    reader.push(new TextEncoder().encode(`data: ${JSON.stringify({ error: { message: text, code: '500' } })}\n\n`));
    return reader.finish({ type: 'end' }).reply.error?.message;
  };
  expect(errorOf(message)).toBe('the stream ended in an error: quota for sk-**** is gone');
  expect(errorOf(traceback)).toBe('the stream ended in an error: ValueError: no such thing');
});
