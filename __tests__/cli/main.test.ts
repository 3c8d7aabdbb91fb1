import { describe, expect, test } from '@jest/globals';
import { main } from '../../src/cli/main.ts';
import { freePort } from '../../src/local-proxy/free-port.ts';
import { memoryIo } from '../support/memory-io.ts';
import { useTemporaryDirectory } from '../support/temporary-directory.ts';

const directory = useTemporaryDirectory();

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

test.each<[string[], RegExp]>([
  [['history', 'search', '--', '-x'], /no turn has that/],
  [['history', 'search', 'a', '--', '--json'], /no turn has that/],
  [['history', 'show', '--', '-gone'], /there is no conversation "-gone"/],
  [['config', 'set', '--', 'system', '-brief'], /^$/],
  [['chat', '--', '-x'], /cllm chat does not take "-x"/],
  [['login', '--', 'sk-0123456789abcdef'], /a key never stands on the command line/],
])('what stands behind -- is words to a command that takes no prompt: %j', async (argv, said) => {
  const io = memoryIo({ env: { CLLM_HOME: directory() } });
  await main(argv, io);
  expect(io.stderr.text).toMatch(said);
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

  test.each<[boolean, string[]]>([
    [true, ['--demo', 'hi']],
    [false, ['--demo', '--ephemeral', 'hi']],
    [false, ['history', 'list']],
    [false, ['--help']],
  ])('that could not be written says that the reply is kept where one is: %s, %j', async (isKept, argv) => {
    const io = memoryIo({ env: { CLLM_HOME: directory() } });
    io.stdout.failure = new Error('ENOSPC: no space left on device, write');
    expect(await main(argv, io)).toBe(1);
    const hint = '\n  free some space or name another place for the output';
    expect(io.stderr.text).toContain(`${hint}${isKept ? '; the reply is kept: cllm history show' : ''}\n`);
  });

  test('that nobody reads any more does not', async () => {
    const io = memoryIo();
    io.stdout.isClosed = true;
    expect(await main(['help', 'exit-codes'], io)).toBe(0);
    expect(io.stderr.text).toBe('');
  });
});

test.each<[string[], string]>([
  [['hi', '--bogus', '-Q'], 'no such flag: --bogus, -Q'],
  [['--modle', 'x', 'hi'], 'no such flag: --modle\n  did you mean --model?'],
  [['history', 'prune'], 'something is missing: --older-than'],
])('%j: a flag is named as it is typed', async (argv, words) => {
  const io = memoryIo();
  expect(await main(argv, io)).toBe(2);
  expect(io.stderr.text).toContain(`cllm: ${words}`);
});

test('completion for a shell that has none lists those that have', async () => {
  const io = memoryIo({ env: { SHELL: '/bin/sh' } });
  expect(await main(['completion'], io)).toBe(2);
  expect(io.stderr.text).toBe('cllm: there is no completion for sh\n  name one of bash, zsh, fish\n');
});

test('without a model the hint is about the proxy where that is what cannot be reached', async () => {
  const io = memoryIo({ env: { CLLM_HOME: directory(), LITELLM_PROXY_URL: `http://127.0.0.1:${await freePort()}` } });
  expect(await main(['hi'], io)).toBe(2);
  expect(io.stderr.text).toMatch(/no model chosen, and the proxy could not be asked what it serves \(nothing listens/);
  expect(io.stderr.text).toMatch(/\n {2}.*`cllm proxy up`.*--base-url.*`cllm --demo`/);
  expect(io.stderr.text).not.toContain('config set model');
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
