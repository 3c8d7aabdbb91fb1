import { describe, expect, test } from '@jest/globals';
import { main } from '../../src/cli/main.ts';
import { memoryIo } from '../support/memory-io.ts';

describe('a mistake is told in the format that was asked for, wherever that stands', () => {
  test.each<[string, string[]]>([
    ['text', ['--foo', 'hi']],
    ['text', ['--foo', '--output-format', 'text', 'hi']],
    ['text', ['--foo', '--output-format', 'yaml', 'hi']],
    ['text', ['--foo', '--', '--output-format', 'json']],
    ['json', ['--foo', '--output-format', 'json', 'hi']],
    ['json', ['--output-format=json', 'hi', '--foo']],
    ['json', ['history', 'list', '--foo', '--output-format', 'json']],
    ['stream-json', ['--foo', '--output-format', 'stream-json']],
  ])('%s: %j', async (format, argv) => {
    const io = memoryIo();
    expect(await main(argv, io)).toBe(2);
    const types = io.stdout.text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => (JSON.parse(line) as { type: string }).type);
    expect(types).toEqual({ text: [], json: ['result'], 'stream-json': ['error', 'result'] }[format]);
    expect(io.stderr.text !== '').toBe(format === 'text');
  });
});

test('a bug in cllm is one line and where to go with it, not a stack trace', async () => {
  const env = new Proxy(
    {},
    {
      get: () => {
        throw new TypeError('oops');
      },
    },
  );
  const io = memoryIo();
  expect(await main(['history', 'list'], { ...io, env })).toBe(1);
  expect(io.stderr.text).toBe(
    'cllm: internal error: oops\n  this is a bug in cllm: please report it with the command that shows it, and --debug\n',
  );
});

describe('standard output', () => {
  test('that could not be written makes exit code 1 of success', async () => {
    const io = memoryIo();
    io.stdout.failure = new Error('ENOSPC: no space left on device, write');
    expect(await main(['help', 'exit-codes'], io)).toBe(1);
    expect(io.stderr.text).toContain('standard output could not be written: ENOSPC');
  });

  test('that nobody reads any more does not', async () => {
    const io = memoryIo();
    io.stdout.isClosed = true;
    expect(await main(['help', 'exit-codes'], io)).toBe(0);
    expect(io.stderr.text).toBe('');
  });
});

test.each<[string[], RegExp]>([
  [['--help'], /cllm \[ask\] \[prompt\.\.\]/],
  [['help'], /cllm \[ask\] \[prompt\.\.\]/],
  [['help', 'history'], /cllm history/],
  [['help', 'ask'], /--output-format/],
])('%j is help, on standard output', async (argv, text) => {
  const io = memoryIo();
  expect(await main(argv, io)).toBe(0);
  expect(io.stdout.text).toMatch(text);
  expect(io.stderr.text).toBe('');
});
