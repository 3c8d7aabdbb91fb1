import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readEnd, readHead } from '../../src/journal/recorded-facts.ts';
import { seed } from '../support/seed.ts';

/** What a recording says may have been written by anybody; what decides how a reply ended is taken in its own forms alone. */
const frame = { message: 'x', type: null, code: null, param: null };

describe('the end of a stream', () => {
  test.each<[unknown]>([
    [{ type: 'done' }],
    [{ type: 'end' }],
    [{ type: 'torn' }],
    [{ type: 'error', error: frame }],
    [{ type: 'error', error: { ...frame, type: 'a', code: '429', param: 'p' } }],
    [{ type: 'error', error: { ...frame, guardrail: { name: 'g', mode: null } } }],
    [{ type: 'error', error: { ...frame, guardrail: { name: null, mode: 'pre' } } }],
    [{ type: 'lost', message: 'reset' }],
    [{ type: 'lost', message: '' }],
    [{ type: 'limit', limit: 'reply', bytes: 0 }],
    [{ type: 'limit', limit: 'event', bytes: 9 }],
    ...['connect', 'first-token', 'idle', 'total'].map((deadline): [unknown] => [
      { type: 'deadline', deadline, seconds: 0.5 },
    ]),
    [{ type: 'deadline', deadline: 'idle', seconds: 0 }],
    ...['SIGHUP', 'SIGINT', 'SIGTERM', null].map((signal): [unknown] => [{ type: 'signal', signal }]),
  ])('is taken as it was written: %j', (end) => {
    expect(readEnd(end)).toEqual(end);
  });

  test.each([
    [null],
    ['done'],
    [['done']],
    [{}],
    [{ type: 'Done' }],
    [{ type: 'complete' }],
    [{ type: 'error' }],
    [{ type: 'error', error: null }],
    [{ type: 'error', error: 'x' }],
    [{ type: 'error', error: { ...frame, message: null } }],
    [{ type: 'error', error: { ...frame, type: 5 } }],
    [{ type: 'error', error: { ...frame, code: 429 } }],
    [{ type: 'error', error: { ...frame, param: [] } }],
    [{ type: 'error', error: { message: 'x' } }],
    [{ type: 'error', error: { ...frame, guardrail: null } }],
    [{ type: 'error', error: { ...frame, guardrail: 'g' } }],
    [{ type: 'error', error: { ...frame, guardrail: { name: 'g' } } }],
    [{ type: 'error', error: { ...frame, guardrail: { name: 1, mode: 'm' } } }],
    [{ type: 'lost' }],
    [{ type: 'lost', message: 5 }],
    [{ type: 'limit', limit: 'all', bytes: 1 }],
    [{ type: 'limit', limit: 'reply' }],
    [{ type: 'limit', limit: 'reply', bytes: -1 }],
    [{ type: 'limit', limit: 'event', bytes: '1' }],
    [{ type: 'deadline', deadline: 'never', seconds: 1 }],
    [{ type: 'deadline', deadline: 'idle', seconds: -1 }],
    [{ type: 'deadline', deadline: 'idle' }],
    [{ type: 'signal' }],
    [{ type: 'signal', signal: 'SIGKILL' }],
  ])('is none that a stream has: %j', (end) => {
    expect(readEnd(end)).toBeNull();
  });
});

describe('the head of a response', () => {
  const head = { status: 200, headers: { a: 'b' }, url: 'http://x/' };

  test.each([
    [head],
    [{ ...head, status: 100 }],
    [{ ...head, status: 999 }],
    [{ ...head, headers: {} }],
    [{ ...head, limits: { maxReplyBytes: 5 }, session: 's' }],
  ])('is taken as it was written: %j', (value) => {
    expect(readHead(value)).toEqual(value);
  });

  test('without what is no limit, no session and none of its members', () => {
    expect(readHead({ ...head, limits: 5, session: 5, other: 1 })).toEqual(head);
  });

  test.each([
    [null],
    [[head]],
    [{ ...head, headers: null }],
    [{ ...head, headers: ['a'] }],
    [{ ...head, headers: { a: 'b', c: 5 } }],
    [{ ...head, status: 99 }],
    [{ ...head, status: 1000 }],
    [{ ...head, status: 200.5 }],
    [{ ...head, status: '200' }],
    [{ ...head, url: null }],
  ])('is none that a response had: %j', (value) => {
    expect(readHead(value)).toBeNull();
  });
});

test('whatever JSON stands there, nothing is thrown, and what is taken is an object', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      for (const found of [readEnd(value), readHead(value)]) expect(typeof found).toBe('object');
    }),
    { seed },
  );
});
