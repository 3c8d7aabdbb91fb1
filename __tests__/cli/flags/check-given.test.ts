import { beforeEach, describe, expect, test } from '@jest/globals';
import { ask } from '../../../src/cli/commands/ask/command.ts';
import type { Command } from '../../../src/cli/command.ts';
import { commandTable } from '../../../src/cli/command-table.ts';
import { checkGivenFlags } from '../../../src/cli/flags/check-given.ts';
import type { Flag } from '../../../src/cli/flags/flag.ts';
import { main } from '../../../src/cli/main.ts';
import { memoryIo, type MemoryIo } from '../../support/memory-io.ts';
import { useTemporaryDirectory } from '../../support/temporary-directory.ts';

const directory = useTemporaryDirectory();
let io: MemoryIo;
beforeEach(() => {
  // Nothing listens there: a flag that is let through fails otherwise than with exit code 2.
  io = memoryIo({ env: { CLLM_HOME: directory(), LITELLM_PROXY_URL: 'http://127.0.0.1:9' } });
});

interface Declared {
  path: string;
  command: Command;
}

async function allCommands(): Promise<Declared[]> {
  const found: Declared[] = [];
  const add = (command: Command, path: string): void => {
    found.push({ path, command });
    for (const each of command.subcommands) add(each, `${path} ${each.usage.split(' ')[0]}`);
  };
  add(ask, 'ask');
  for (const entry of commandTable) add(await entry.load(), entry.usage.split(' ')[0] ?? '');
  return found;
}

/** What is given wrongly, and the words that refuse it. */
function misuses(flag: string, { kind, alias, choices }: Flag<unknown>): [argv: string[], words: string][] {
  const name = `--${flag}`;
  const twice = `${name} was given 2 times`;
  if (kind === 'toggle') {
    return [
      [[name, name], twice],
      [[`--no-${flag}`, name], twice],
      [[`${name}=maybe`], `${name} takes no value`],
      ...(alias !== null ? [[[`-${alias}${alias}`], twice] satisfies [string[], string]] : []),
    ];
  }
  const value = choices?.[0] ?? '1';
  const ofOne: [string[], string][] = [
    [[name, value, name, value], twice],
    [[`${name}=${value}`, `${name}=${value}`], twice],
    [[`${name}=${value}`, name, value, name, value], `${name} was given 3 times`],
    ...(alias !== null ? [[[`-${alias}`, value, name, value], twice] satisfies [string[], string]] : []),
  ];
  return [
    [[`${name}=`], `${name} needs a value`],
    [[`--no-${flag}`], `${name} needs a value`],
    ...(kind === 'list' ? [] : ofOne),
  ];
}

test('every flag of every command is refused when it is given twice, empty, or as another kind than it is', async () => {
  let count = 0;
  for (const { command } of await allCommands()) {
    for (const [name, flag] of Object.entries(command.flags)) {
      for (const [argv, words] of misuses(name, flag)) {
        expect(() => checkGivenFlags(['a', ...argv, 'b'], command, '')).toThrow(words);
        expect(() => checkGivenFlags(['a', '--', ...argv], command, '')).not.toThrow();
        count += 1;
      }
    }
  }
  expect(count).toBeGreaterThan(800);
});

/** The words and flags that a command needs before it looks at others. */
const needed: Readonly<Record<string, readonly string[]>> = {
  batch: ['x.txt'],
  'batch merge': ['x.jsonl', '-o', 'y.jsonl'],
  replay: ['x.rec'],
  'config get': ['model'],
  'config set': ['model', 'x'],
  'config unset': ['model'],
  'mcp call': ['x/y'],
  'admin apply': ['x.yaml'],
  'admin keys block': ['x'],
  'admin keys rotate': ['x'],
  'templates show': ['x'],
  'templates new': ['x'],
  'templates trust': ['x'],
  'history show': ['x'],
  'history search': ['x'],
  'history rename': ['x', 'y'],
  'history fork': ['x'],
  'history delete': ['x'],
  'history prune': ['--older-than', '1d'],
  'history import': ['x'],
  'history replay': ['x.rec'],
};

async function refusal(path: string, flags: readonly string[]): Promise<string> {
  const code = await main([...path.split(' '), ...(needed[path] ?? []), ...flags], io);
  const { text } = io.stderr;
  io.stderr.text = '';
  return code === 2 ? text : `exit code ${code}: ${text}`;
}

test('every command asks for that, and exits with code 2', async () => {
  for (const { path, command } of await allCommands()) {
    const last = Object.entries(command.flags).findLast(([, { isNeeded }]) => !isNeeded);
    if (last === undefined) continue;
    for (const [argv, words] of misuses(...last)) expect(await refusal(path, argv)).toMatch(`cllm: ${words}\n`);
  }
});

describe('what is given once, or may be given often, is none of them', () => {
  test.each<[string[]]>([
    [['config', 'path']],
    [['history', 'list', '--json', '-n', '3']],
    [['help', 'exit-codes']],
    [['config', 'set', 'tags', '["a"]']],
    [['--retries', '0', '--ephemeral', '-q', '--tag', 'a', '--tag', 'b', '--stop', '-1', 'hi']],
    [['--retries', '0', '--ephemeral', '-qm', 'demo', '--temperature', '-0', '--', '--model', '-m', '-q', '-q']],
    [['--retries', '0', '--ephemeral', '--stream=false', '-m', 'demo', '-p', 'a=-m', '-p', 'b=-m', 'hi']],
  ])('%j', async (argv) => {
    await main(argv, io);
    expect(io.stderr.text).not.toMatch(/was given|needs a value|takes no value/);
  });
});

test('the values are not repeated, for they may be secret', async () => {
  expect(await refusal('ask', ['-m', 'sk-1', '-m', 'sk-2', 'hi'])).toBe(
    'cllm: --model was given 2 times\n  give --model once; see cllm ask --help\n',
  );
});

test('a word may not be given twice as a flag of its name either', async () => {
  expect(await refusal('recover', ['--id', 'a', '--id', 'b'])).toContain('--id was given 2 times');
});
