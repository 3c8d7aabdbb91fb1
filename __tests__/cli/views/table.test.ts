import { describe, expect, test } from '@jest/globals';
import { table } from '../../../src/cli/views/table.ts';
import { memoryIo } from '../../support/memory-io.ts';

const heading = ['id', 'title'];
const rows = [
  ['a', 'the quick brown fox jumps over the lazy dog'],
  ['bcd', 'short'],
];

describe('a table', () => {
  test.each([
    [40, 'id   title\na    the quick brown fox jumps over the\n     lazy dog\nbcd  short\n'],
    [80, 'id   title\na    the quick brown fox jumps over the lazy dog\nbcd  short\n'],
    [16, 'id   title\na    the quick brown fox jumps over the lazy dog\nbcd  short\n'],
  ])('whose last column is text goes on below it where it has room, on %i columns', (columns, shown) => {
    const output = { ...memoryIo({ isTTY: true }).stdout, columns, isStyled: false };
    expect(String(table(output, heading, rows, { isTextLast: true }))).toBe(shown);
  });

  test('without rows is nothing', () => {
    expect(table(memoryIo({ isTTY: true }).stdout, heading, [])).toBe('');
  });

  test('in a pipe has a line a row, however long', () => {
    expect(table(memoryIo().stdout, heading, rows, { isTextLast: true })).toBe(
      'a\tthe quick brown fox jumps over the lazy dog\nbcd\tshort\n',
    );
  });

  test('may have more rows than a function can have arguments', () => {
    const many = Array.from({ length: 200_000 }, () => ['a', 'b']);
    expect(String(table(memoryIo({ isTTY: true }).stdout, heading, many))).toMatch(/^.*id.*title.*\na {3}b\n/);
  });
});
