import { describe, expect, test } from '@jest/globals';
import { command, type Command } from '../../../src/cli/command.ts';
import { commandTable } from '../../../src/cli/command-table.ts';
import { ask } from '../../../src/cli/commands/ask/command.ts';
import type { Context } from '../../../src/cli/context.ts';
import {
  choice,
  file,
  filesOf,
  inputMark,
  list,
  neededWord,
  number,
  optionalWord,
  pairs,
  promptWords,
  readValues,
  restWords,
  reworded,
  sharedValues,
  text,
  toggle,
  wordList,
} from '../../../src/cli/flags/flag.ts';
import { contextFlags } from '../../../src/cli/flags/flags.ts';

describe('a number', () => {
  test.each<[string, number]>([
    ['0', 0],
    ['2.5', 2.5],
    ['.5', 0.5],
    ['1e3', 1000],
    ['-1', -1],
  ])('may be %s', (given, value) => {
    expect(number('').read(given, 'x')).toBe(value);
  });

  test.each(['', 'abc', '1.2.3', '0x10', 'Infinity', 'NaN', '1,5', ' 1', '1e999', '--'])('may not be %j', (given) => {
    expect(() => number('').read(given, 'x')).toThrow(expect.objectContaining({ code: 'usage' }));
  });

  test.each([
    ['-1', { least: 0 }],
    ['0.5', { isWhole: true }],
    ['9007199254740993', { isWhole: true }],
  ])('%s is none for %j', (given, limits) => {
    expect(() => number('', limits).read(given, 'x')).toThrow(`--x ${given} is not a`);
  });

  test('at its least is one', () => {
    expect(number('', { least: 1, isWhole: true }).read('1', 'x')).toBe(1);
  });
});

test('what was not given has the value that it stands for', () => {
  const flags = {
    'one-text': text(''),
    several: list(''),
    off: toggle(''),
    on: toggle('', { isOnByDefault: true }),
    figure: number(''),
    'key-values': pairs(''),
    either: choice('', ['a', 'b']),
  };
  expect(readValues(flags, {}, [])).toEqual({
    oneText: undefined,
    several: [],
    off: false,
    on: true,
    figure: undefined,
    keyValues: [],
    either: undefined,
  });
  expect(readValues(flags, { off: true, on: false }, [])).toMatchObject({ off: true, on: false });
});

test('a lone - stands for standard input in the prompt, and for itself elsewhere', () => {
  const declared = {
    prompt: promptWords(''),
    system: text(''),
    file: list(''),
    one: neededWord(''),
    other: optionalWord(''),
    more: wordList(''),
    line: restWords(),
  };
  const given = {
    prompt: ['a', inputMark],
    system: inputMark,
    file: ['x', inputMark],
    one: inputMark,
    other: inputMark,
    more: [inputMark, 'y'],
  };
  expect(readValues(declared, given, [inputMark, 'z'])).toEqual({
    prompt: { words: ['a', '-', 'z'], isInputNamed: true },
    system: '-',
    file: ['x', '-'],
    one: '-',
    other: '-',
    more: ['-', 'y'],
    line: ['-', 'z'],
  });
});

test('the value of a pair may hold further =', () => {
  expect(pairs('').read(['a=b=c', 'd='], 'm')).toEqual([
    ['a', 'b=c'],
    ['d', ''],
  ]);
  expect(() => pairs('').read(['=x'], 'm')).toThrow('--m =x is not KEY=VALUE');
});

test('the files that a flag reads are those that it names', () => {
  const system = filesOf(text(''), (value) => (value.startsWith('@') ? value.slice(1) : undefined));
  expect(file('').files(inputMark)).toEqual(['-']);
  expect(file('').files(undefined)).toEqual([]);
  expect(filesOf(list(''), (name) => name).files(['a', inputMark])).toEqual(['a', '-']);
  expect(system.files('@b')).toEqual(['b']);
  expect(system.files('be short')).toEqual([]);
  expect(text('').files('a')).toEqual([]);
});

test('a flag of the same name that means something else is not taken for the shared one', () => {
  const shared = { model: text(''), profile: text('') };
  const declared = { model: list(''), profile: reworded(shared.profile, { describe: 'in other words' }) };
  const values = readValues(declared, { model: ['a', 'b'], profile: 'p' }, []);
  expect(sharedValues(shared, declared, values)).toEqual({ profile: 'p' });
});

describe('the flags of all commands', () => {
  test('that are called like one which settings, client or history read are that one, but for the models of compare, those that a history is looked through for, and what a worker streams', async () => {
    const strangers: string[] = [];
    const look = ({ usage, flags, subcommands }: Command): void => {
      for (const [name, { meaning }] of Object.entries(flags)) {
        const shared = (contextFlags as Readonly<Record<string, { meaning: symbol }>>)[name];
        if (shared !== undefined && shared.meaning !== meaning) strangers.push(`${usage} --${name}`);
      }
      subcommands.forEach(look);
    };
    look(ask);
    for (const { load } of commandTable) look(await load());
    expect(strangers).toEqual([
      'worker --stream',
      'compare [prompt..] --model',
      'list --model',
      'search <query..> --model',
      'spend [why] [call] --tag',
    ]);
  });

  test('have the types of their declarations, and a name that is misspelt does not compile', () => {
    const run = async (_values: unknown, _context: Context): Promise<null> => null;
    const declared = command({
      usage: 'x <file>',
      describe: '',
      flags: { 'max-tokens': number(''), quiet: toggle(''), 'output-format': choice('', ['text', 'json']) },
      words: { file: neededWord('') },
      async run(values, context) {
        const tokens: number | undefined = values.maxTokens;
        const format: 'text' | 'json' | undefined = values.outputFormat;
        const quiet: boolean = values.quiet;
        const name: string = values.file;
        // @ts-expect-error -- no flag is called so
        const misspelt: unknown = values.maxToken;
        // @ts-expect-error -- not as it is typed
        const dashed: unknown = values['max-tokens'];
        // @ts-expect-error -- a number, not a text
        const wrong: string | undefined = values.maxTokens;
        return run({ tokens, format, quiet, name, misspelt, dashed, wrong }, context);
      },
    });
    expect(Object.keys(declared.flags)).toEqual(['max-tokens', 'quiet', 'output-format']);
  });
});
