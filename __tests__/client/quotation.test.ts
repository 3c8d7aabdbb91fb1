import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { withoutQuotations } from '../../src/client/quotation.ts';
import { seed } from '../support/seed.ts';

describe('a passage of a prompt', () => {
  test.each<[string, string[], string[], string[]]>([
    ['of sixteen letters is a quotation', ['said "abcdefghijklmnop", no?'], ['abcdefghijklmnop!'], ['said "…", no?']],
    ['of fifteen is none', ['abcdefghijklmno'], ['abcdefghijklmnop!'], ['abcdefghijklmno']],
    ['is taken out whole', ['x the whole of the prompt y'], ['see: the whole of the prompt z'], ['x…y']],
    ['of eight letters is one when it is all', ['say please me'], ['please me'], ['say …']],
    ['of seven is none', ['say please'], ['please!', 'please'], ['say please']],
    ['may stand in each text', ['aaaaaaaaaaaaaaaaaa', 'b', 'baaaaaaaaaaaaaaaab'], ['a'.repeat(20)], ['…', 'b', 'b…b']],
    ['may stand at the end', ['no such user: 0123456789abcdefg'], ['I am 0123456789abcdefg'], ['no such user:…']],
  ])('%s', (_name, texts, prompts, masked) => {
    expect(withoutQuotations(texts, prompts)).toEqual(masked);
  });

  test('of sixteen letters is never left, and what is no part of a prompt always is', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'é'), maxLength: 60 });
    fc.assert(
      fc.property(letters, letters, letters, (before, prompt, after) => {
        const [masked = ''] = withoutQuotations([`${before}${prompt}${after}`], [prompt]);
        const pieces = Array.from({ length: Math.max(0, masked.length - 15) }, (_, at) => masked.slice(at, at + 16));
        expect(pieces.filter((piece) => !piece.includes('…') && prompt.includes(piece))).toEqual([]);
        expect(masked === `${before}${prompt}${after}` || prompt.length >= 8).toBe(true);
      }),
      { seed },
    );
  });
});

test.each<[string, string, readonly string[]]>([
  ['one letter', ('b' + 'a'.repeat(15)).repeat(4000), ['a'.repeat(1_000_000)]],
  ['its own pieces', 'ab'.repeat(30_000), ['ba'.repeat(500_000)]],
  ['many messages', 'xyz '.repeat(15_000), Array.from({ length: 100 }, (_, at) => `message ${at} `.repeat(1000))],
  ['many short messages', 'word 123'.repeat(7500), Array.from({ length: 10_000 }, (_, at) => `word ${100 + at}`)],
])('prompts of %s are looked through once, whatever the text: 60,000 letters of it', (_name, text, prompts) => {
  // Of the processor's time, not of the clock's: a search for each place of the text takes a minute.
  const before = process.cpuUsage();
  withoutQuotations([text], prompts);
  const { user } = process.cpuUsage(before);
  expect(user / 1e6).toBeLessThan(4);
});
