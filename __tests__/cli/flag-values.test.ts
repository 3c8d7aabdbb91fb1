import { describe, expect, test } from '@jest/globals';
import { inputMark, numberFlag, pairsFlag, unmarked } from '../../src/cli/flag-values.ts';

describe('a number', () => {
  test.each<[string, number]>([
    ['0', 0],
    ['2.5', 2.5],
    ['.5', 0.5],
    ['1e3', 1000],
    ['-1', -1],
  ])('may be %s', (value, number) => {
    expect(numberFlag({ x: value }, 'x')).toBe(number);
  });

  test.each(['', 'abc', '1.2.3', '0x10', 'Infinity', 'NaN', '1,5', ' 1', '1e999', '--'])('may not be %j', (value) => {
    expect(() => numberFlag({ x: value }, 'x')).toThrow(expect.objectContaining({ code: 'usage' }));
  });

  test.each([
    ['-1', { least: 0 }],
    ['0.5', { isWhole: true }],
    ['9007199254740993', { isWhole: true }],
  ])('%s is none for %j', (value, limits) => {
    expect(() => numberFlag({ x: value }, 'x', limits)).toThrow(`--x ${value} is not a`);
  });

  test('that was not given is none', () => {
    expect(numberFlag({}, 'x')).toBeUndefined();
  });
});

test('a lone - stands for standard input in the prompt, and for itself elsewhere', () => {
  const flags = {
    prompt: ['a', inputMark],
    '--': [inputMark],
    system: inputMark,
    file: ['x', inputMark],
    stream: true,
  };
  expect(unmarked(flags)).toEqual({
    prompt: ['a', inputMark],
    '--': ['-'],
    system: '-',
    file: ['x', '-'],
    stream: true,
  });
});

test('the value of a pair may hold further =', () => {
  expect(pairsFlag({ m: ['a=b=c', 'd='] }, 'm')).toEqual([
    ['a', 'b=c'],
    ['d', ''],
  ]);
  expect(() => pairsFlag({ m: ['=x'] }, 'm')).toThrow('is not KEY=VALUE');
});
