import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { attach, detach, references } from '../../src/history/detached-text.ts';
import { seed } from '../support/seed.ts';

const bytes = (length: number, fill = 7): Buffer => Buffer.alloc(length, fill);
const messagesOf = (...parts: unknown[]): string => JSON.stringify([{ role: 'user', content: parts }]);
const pdf = (data: string): unknown => ({ type: 'file', file: { filename: 'a.pdf', file_data: data } });

/** What came out, put back: the very same text. */
function roundTrip(json: string): { text: string; kept: number[] } {
  const detached = detach(json);
  if (detached === null) return { text: json, kept: [] };
  const kept = detached.bytes;
  expect(attach(detached.text, (digest) => kept.get(digest)?.toString('base64') ?? null)).toBe(json);
  expect([...references(detached.text)]).toEqual([...kept.keys()]);
  return { text: detached.text, kept: [...kept.values()].map(({ length }) => length) };
}

describe('what is detached', () => {
  const long = bytes(6000).toString('base64');
  test.each([
    ['a PDF', pdf(`data:application/pdf;base64,${long}`), [6000]],
    ['an image', { type: 'image_url', image_url: { url: `data:image/png;base64,${long}` } }, [6000]],
    ['a recording', { type: 'input_audio', input_audio: { data: long, format: 'wav' } }, [6000]],
    ["Anthropic's form", { type: 'image', source: { type: 'base64', data: long } }, [6000]],
    ['one with parameters', pdf(`data:text/plain;name=a,b;charset=x;base64,${long}`), []],
    ['a short one', pdf(`data:application/pdf;base64,${bytes(3000).toString('base64')}`), []],
    ['a text', { type: 'text', text: 'word '.repeat(5000) }, []],
    ['a text with an image in it', { type: 'text', text: `look: data:image/png;base64,${long} there` }, []],
    ['base64 for URLs', { type: 'input_audio', input_audio: { data: '-_'.repeat(4000) } }, []],
    ['base64 with bits too many', pdf(`data:a/b;base64,${bytes(6000).toString('base64').slice(0, -2)}B=`), []],
    ['base64 with line ends', pdf(`data:a/b;base64,${long.slice(0, 76)}\n${long}`), []],
  ])('%s', (_name, part, kept) => expect(roundTrip(messagesOf(part)).kept).toEqual(kept));

  test('is kept once, however often a turn has it', () => {
    const { text, kept } = roundTrip(messagesOf(pdf(`data:a/b;base64,${long}`), { data: long }, { data: long }));
    expect(kept).toEqual([6000]);
    expect(text.length).toBeLessThan(600);
  });

  test('is replaced by what is no JSON', () => {
    const { text } = roundTrip(messagesOf(pdf(`data:a/b;base64,${long}`)));
    expect(() => JSON.parse(text)).toThrow(SyntaxError);
  });

  test('of nothing that was sent can a reference be forged', () => {
    const forged = `\nsha256:${'0'.repeat(64)}\n`;
    const json = messagesOf({ type: 'text', text: forged }, pdf(forged), { data: long });
    expect(roundTrip(json).kept).toEqual([6000]);
    expect(attach(json, () => 'x')).toBe(json);
  });
});

test('a reference whose bytes are lost stays, and is no JSON', () => {
  const detached = detach(messagesOf({ data: bytes(6000).toString('base64') }));
  expect(() => JSON.parse(attach(detached?.text ?? '', () => null))).toThrow(SyntaxError);
});

test('any JSON comes back as it was', () => {
  const base64 = fc
    .tuple(fc.integer({ min: 3060, max: 3090 }), fc.nat(255))
    .map(([length, fill]) => bytes(length, fill).toString('base64'));
  const text = fc.oneof(
    base64,
    base64.map((each) => `data:application/pdf;base64,${each}`),
    fc
      .tuple(fc.string({ unit: 'grapheme' }), base64, fc.constantFrom('', '"', '\\', '\n', 'é'))
      .map((each) => each.join('')),
    fc.string({ unit: 'binary' }),
  );
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof({ depthSize: 'small' }, text, fc.array(tie('tree')), fc.dictionary(text, tie('tree'))),
  }));
  fc.assert(
    fc.property(tree, (value) => {
      roundTrip(JSON.stringify(value));
    }),
    { seed, numRuns: 300 },
  );
});

test('takes time that grows with the length of the text', () => {
  // Each of these has many places at which an attachment could begin.
  for (const text of [
    'data:;base64,'.repeat(400_000),
    '"'.repeat(2_000_000),
    'data:'.repeat(800_000),
    'A'.repeat(8_000_000),
  ])
    expect(roundTrip(messagesOf({ data: text }, { text })).text.length).toBeGreaterThan(100);
}, 20_000);
