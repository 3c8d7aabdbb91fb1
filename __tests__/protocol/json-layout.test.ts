import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { denseJson, laidOutJson } from '../../src/protocol/json-layout.ts';
import { seed } from '../support/seed.ts';

describe('JSON in lines', () => {
  test('is what JSON.stringify makes of it, and says the same', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(undefined, 1, '\t'), (value, space) => {
        const text = JSON.stringify(value, null, space);
        // JSON.parse and back: -0 is 0 then.
        expect(laidOutJson(text)).toBe(JSON.stringify(JSON.parse(text), null, 2));
        expect(denseJson(text)).toBe(JSON.stringify(JSON.parse(text)));
      }),
      { seed },
    );
  });

  test('keeps every digit, every name and every escape', () => {
    const text = String.raw`{"a":12345678901234567890,"a":1.10,"b":"A\/ {,}:[]","c":[ ],"d":{ },"e":1E5}`;
    expect(denseJson(text)).toBe(text.replaceAll('[ ]', '[]').replaceAll('{ }', '{}'));
    expect(laidOutJson(text).split('\n')).toEqual([
      '{',
      '  "a": 12345678901234567890,',
      '  "a": 1.10,',
      String.raw`  "b": "A\/ {,}:[]",`,
      '  "c": [],',
      '  "d": {},',
      '  "e": 1E5',
      '}',
    ]);
  });

  test('grows with the text, however deep it is', () => {
    const depth = 400;
    const item = `${'['.repeat(depth)}1${']'.repeat(depth)}`;
    expect(laidOutJson(`[${Array(50).fill(item).join()}]`).length).toBeLessThan(50 * depth * 2 * 45);
  });
});
