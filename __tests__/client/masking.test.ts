import { inspect } from 'node:util';
import { expect, test } from '@jest/globals';
import { Masking } from '../../src/client/masking.ts';
import type { Receipt } from '../../src/client/receipt.ts';
import { ProxyError } from '../../src/outcome/errors.ts';
import type { ChatCompletion } from '../../src/protocol/types.ts';

/** Of a form that nobody knows a key by. */
const key = 'Plain/key+0123456789';
const masking = new Masking([key]);

test('an error keeps its class, its code and its facts, and loses the key wherever it holds it', () => {
  const cause = Object.assign(new AggregateError([new Error(`inner ${key}`)], `outer ${key}`), { data: key });
  const error = new ProxyError('key_rejected', `no such key: ${key}`, {
    status: 401,
    type: key,
    callId: key,
    hint: `not ${key}`,
    cause: new Error('x', { cause }),
  });
  const masked = masking.error(error);
  expect(masked).toBe(error);
  expect(masked).toMatchObject({ code: 'key_rejected', status: 401, message: 'no such key: ****', hint: 'not ****' });
  expect(inspect(masked, { depth: 9, showHidden: true })).not.toContain(key.slice(0, 8));
});

test('a key is found as a URL and as JSON write it, in small letters too', () => {
  const forms = [key, key.toLowerCase(), encodeURIComponent(key), JSON.stringify({ key })];
  for (const form of forms) expect(masking.text(form)).not.toMatch(/plain/i);
  expect(new Masking(['a"b\\c']).text('{"x":"a\\"b\\\\c"}')).toBe('{"x":"****"}');
});

test('of a completion the key goes, and what the model said stays as it came', () => {
  const completion = {
    id: key,
    model: `x ${key}`,
    system_fingerprint: 'f'.repeat(64),
    usage: { provider: key },
    choices: [{ index: 0, finish_reason: key, message: { role: 'assistant', content: `the key is ${key}` } }],
  } as unknown as ChatCompletion;
  expect(masking.completion(completion)).toEqual({
    id: '****',
    model: 'x ****',
    system_fingerprint: 'f'.repeat(64),
    usage: { provider: '****' },
    choices: [{ index: 0, finish_reason: '****', message: { role: 'assistant', content: `the key is ${key}` } }],
  });
});

test('an answer that is nested deeper than the stack is walked through', () => {
  const root: { inner?: unknown } = {};
  let at = root;
  for (let depth = 0; depth < 50_000; depth += 1) at.inner = at = {};
  Object.assign(at, { id: key });
  masking.answer(root);
  expect(at).toEqual({ id: '****' });
});

test('a receipt keeps the id of a deployment, which is a hash', () => {
  const receipt = { modelId: 'a'.repeat(64), modelServed: `m ${key}`, apiBase: 'sk-1234567890', durationMs: 1 };
  expect(masking.receipt(receipt as unknown as Receipt)).toEqual({
    modelId: 'a'.repeat(64),
    modelServed: 'm ****',
    apiBase: 'sk-****',
    durationMs: 1,
  });
});

test('of a request all but files goes without what looks like a key, whatever it is called', () => {
  const ours = new Masking(['known-key-0123']);
  const file = Buffer.from('x'.repeat(300)).toString('base64');
  const shown = ours.copy(
    JSON.stringify({
      image: `data:image/png;base64,${file}AKIAABCDEFGHIJKLMNOP`,
      audio: { data: `${file.replaceAll('=', '')}AKIAABCDEFGHIJKLMNOP`, format: 'wav' },
      x: { data: 'AKIAABCDEFGHIJKLMNOP' },
      prompt: 'data:text/plain;base64,the key is sk-0123456789abcdef',
      known: `data:image/png;base64,known-key-0123`,
    }),
  );
  expect(shown).toEqual({
    image: expect.stringContaining('AKIAABCDEFGHIJKLMNOP'),
    audio: { data: expect.stringContaining('AKIAABCDEFGHIJKLMNOP'), format: 'wav' },
    x: { data: 'AKIA****' },
    prompt: 'data:text/plain;base64,the key is sk-****',
    known: 'data:image/png;base64,****',
  });
});
