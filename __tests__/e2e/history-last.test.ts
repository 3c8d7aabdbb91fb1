import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { clipboards } from '../../src/cli/commands/history/clipboard.ts';
import { clipboardCode, OwnText } from '../../src/terminal/own-text.ts';
import { OutgoingText } from '../../src/terminal/outgoing-text.ts';
import {
  errorReply,
  type FakeUpstream,
  finishChunk,
  startFakeUpstream,
  textChunk,
  textReply,
} from '../support/fake-upstream.ts';
import { CliHome } from '../support/run-cli.ts';
import { Terminal } from '../support/terminal.ts';

let upstream: FakeUpstream;
let home: CliHome;

beforeEach(async () => {
  upstream = await startFakeUpstream();
  home = new CliHome({ LITELLM_PROXY_URL: upstream.baseUrl });
});

afterEach(async () => {
  home.close();
  await upstream.close();
});

/** A program that keeps what it is given, in a folder of its own. */
function program(name: string, code = 0): string {
  mkdirSync(home.at('bin'), { recursive: true });
  writeFileSync(home.at('bin', name), `#!/bin/sh\nenv > ${home.at('env')}\ncat > ${home.at(name)}\nexit ${code}\n`);
  chmodSync(home.at('bin', name), 0o755);
  return `${home.at('bin')}:${process.env['PATH']}`;
}

test('history last prints the last reply again, of the latest conversation or of a named one', async () => {
  upstream.reply(textReply('**Paris**.\n'), textReply('Rome 🏛️'));
  await home.run(['-q', '-C', 'france', 'capital?']);
  await home.run(['-q', '-C', 'italy', 'capital?']);
  expect(await home.run(['history', 'last'])).toMatchObject({ code: 0, stdout: 'Rome 🏛️\n', stderr: '' });
  expect(await home.run(['history', 'last', 'france'])).toMatchObject({ code: 0, stdout: '**Paris**.\n' });
  const terminal = new Terminal(home, ['history', 'last', 'france']);
  expect(await terminal.exitCode).toBe(0);
  expect(terminal.rows).toEqual(['Paris.']);
  terminal.close();
});

test('a reply that was not whole is none now either', async () => {
  upstream.reply({ steps: [{ data: textChunk('Half a') }] });
  await home.run(['-q', '--retries', '0', 'x']);
  const cut = await home.run(['history', 'last']);
  expect(cut).toMatchObject({ code: 3, stdout: 'Half a\n' });
  expect(cut.stderr).toContain('that reply is not whole: it ended as cut');
  upstream.reply({ steps: [{ data: textChunk('Short') }, { data: finishChunk('length') }] });
  await home.run(['-q', 'x']);
  expect(await home.run(['history', 'last'])).toMatchObject({ code: 8, stdout: 'Short\n' });
  expect(await home.run(['history', 'last', '--allow-short'])).toMatchObject({ code: 0, stdout: 'Short\n' });
});

test('a turn without a reply is passed over, and named; where there is none, that is said', async () => {
  upstream.reply(errorReply(400, 'no'));
  await home.run(['-q', '-C', 'a', 'x']);
  expect(await home.run(['history', 'last'])).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringContaining('conversation a has no reply'),
  });
  upstream.reply(textReply('Yes.'), errorReply(400, 'no'));
  await home.run(['-q', '-C', 'a', 'y']);
  await home.run(['-q', '-C', 'a', 'z']);
  const { stdout, stderr } = await home.run(['history', 'last', 'a']);
  expect([stdout, stderr]).toEqual(['Yes.\n', 'cllm: turn 3 has no reply; this is the one of turn 2\n']);
});

test('-x prints the inside of its first block, or of the first one of a language', async () => {
  upstream.reply(textReply('Look:\n\n```sh\nls\n```\n\n```python\nprint(1)\n```\n'));
  await home.run(['-q', 'x']);
  expect(await home.run(['history', 'last', '-x'])).toMatchObject({ code: 0, stdout: 'ls\n', stderr: '' });
  expect(await home.run(['history', 'last', '--extract-lang', 'python'])).toMatchObject({
    code: 0,
    stdout: 'print(1)\n',
  });
  expect(await home.run(['history', 'last', '--extract-lang', 'rust'])).toMatchObject({ code: 9, stdout: '' });
  upstream.reply({ steps: [{ data: textChunk('```\nhalf\n```\n') }] });
  await home.run(['-q', '--retries', '0', 'x']);
  expect(await home.run(['history', 'last', '-x'])).toMatchObject({ code: 3, stdout: '' });
});

describe('--copy', () => {
  beforeEach(async () => {
    upstream.reply(textReply('Zürich\nand more'));
    await home.run(['-q', 'x']);
  });

  test('gives the text to the program of the desktop, without our keys, and prints nothing', async () => {
    const env = { PATH: program('wl-copy'), WAYLAND_DISPLAY: 'wayland-0' };
    const result = await home.run(['history', 'last', '--copy'], { env });
    expect(result).toEqual({ code: 0, signal: null, stdout: '', stderr: 'cllm: copied with wl-copy\n' });
    expect(readFileSync(home.at('wl-copy'), 'utf8')).toBe('Zürich\nand more');
    expect(readFileSync(home.at('env'), 'utf8')).not.toContain('sk-test-key');
  });

  test('does not wait past Ctrl-C for a program that waits for its display', async () => {
    const env = { PATH: program('wl-copy'), WAYLAND_DISPLAY: 'wayland-0' };
    const started = home.at('started');
    writeFileSync(home.at('bin', 'wl-copy'), `#!/bin/sh\necho > ${started}\nexec sleep 60\n`);
    const cli = home.start(['history', 'last', '--copy'], { env });
    while (!existsSync(started)) await delay(20);
    cli.process.kill('SIGINT');
    expect(await cli.result).toMatchObject({ code: 130, stdout: '' });
  });

  test('is no success where a program ends without reading it', async () => {
    upstream.reply(textReply('x'.repeat(1_000_000)));
    await home.run(['-q', 'x']);
    const env = { PATH: program('wl-copy'), WAYLAND_DISPLAY: 'wayland-0', TMUX: undefined, DISPLAY: undefined };
    writeFileSync(home.at('bin', 'wl-copy'), '#!/bin/sh\nexit 0\n');
    expect(await home.run(['history', 'last', '--copy'], { env })).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('wl-copy (did not read all of it)'),
    });
  });

  test('goes on to the next way where one fails, and says each where none is left', async () => {
    const env = { PATH: program('wl-copy', 1), WAYLAND_DISPLAY: 'wayland-0', TMUX: undefined, DISPLAY: undefined };
    expect(await home.run(['history', 'last', '--copy'], { env })).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('nothing took the text: wl-copy (ended with 1)'),
    });
    const none = { WAYLAND_DISPLAY: undefined, TMUX: undefined, DISPLAY: undefined };
    expect(await home.run(['history', 'last', '--copy'], { env: none })).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('there is no clipboard here: no terminal, and no display'),
    });
  });

  test('sends OSC 52 to a terminal over SSH, and to no pipe', async () => {
    const env = { SSH_TTY: '/dev/pts/1', WAYLAND_DISPLAY: 'wayland-0', PATH: program('wl-copy') };
    const terminal = new Terminal(home, ['history', 'last', '--copy'], { env });
    expect(await terminal.exitCode).toBe(0);
    expect(terminal.output).toContain(`\u001b]52;c;${Buffer.from('Zürich\nand more').toString('base64')}\u0007`);
    expect(terminal.text).toContain('sent to the clipboard of the terminal (OSC 52)');
    terminal.close();
  });

  test.each([
    ['darwin', {}, false, [['pbcopy']]],
    ['darwin', { SSH_TTY: 'x' }, false, []],
    ['linux', { TMUX: 'x', SSH_TTY: 'x', TERM: 'tmux' }, true, [['tmux', 'load-buffer', '-w', '-'], 'terminal']],
    ['linux', { TERM: 'linux' }, true, []],
    ['linux', { TERM: 'dumb' }, true, []],
  ])('on %s with %j and a terminal (%s) the ways are %j', (platform, env, isTTY, ways) => {
    expect(clipboards({ platform, env, stdout: { isTTY }, stderr: { isTTY: false } })).toEqual(ways);
  });
});

test('no other text becomes a code for the clipboard', () => {
  const code = clipboardCode('x');
  const terminal = (): OutgoingText => new OutgoingText({ isTTY: true, isForPeople: false });
  expect(terminal().write(code)).toBe(String(code));
  expect(new OutgoingText({ isTTY: false, isForPeople: true }).write(code)).not.toContain('\u001b');
  expect(terminal().write(String(code))).not.toContain('\u001b');
  expect(terminal().write(new OwnText(String(code)))).not.toContain('\u001b');
  const extended = terminal().write(new OwnText(`${String(code)}\u001b[2J`, { isClipboard: true }));
  for (const control of ['\u001b]', '\u0007']) expect(extended).not.toContain(control);
});

test('history list --totals adds up what its rows have, and null is not 0', async () => {
  const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15, cost: 0.25 };
  upstream.reply(textReply('a', { usage }), textReply('b', { usage }));
  await home.run(['-q', '-C', 'one', 'x']);
  await home.run(['-q', '-C', 'two', 'x']);
  upstream.reply({ steps: [{ data: textChunk('Half') }] });
  await home.run(['-q', '--retries', '0', '-C', 'three', 'x']);
  const { totals, conversations } = JSON.parse((await home.run(['history', 'list', '--json', '--totals'])).stdout) as {
    totals: object;
    conversations: unknown[];
  };
  expect(totals).toEqual({
    conversations: 3,
    turn_count: 3,
    total_cost_usd: 0.5,
    input_tokens: 20,
    output_tokens: 10,
  });
  expect(conversations).toEqual(JSON.parse((await home.run(['history', 'list', '--json'])).stdout));
  const rows = (await home.run(['history', 'list', '--totals'])).stdout.trimEnd().split('\n');
  expect(rows.at(-1)).toBe('total\t\t\t3\t\t\t0.5\t20\t10');
  const one = await home.run(['history', 'list', '--totals', '--json', '--verdict', 'cut']);
  expect((JSON.parse(one.stdout) as { totals: object }).totals).toMatchObject({
    conversations: 1,
    total_cost_usd: null,
  });
  const terminal = new Terminal(home, ['history', 'list', '--totals'], { columns: 120 });
  expect(await terminal.exitCode).toBe(0);
  expect(terminal.rows.at(-1)).toMatch(/^total +3 +\$0\.50 +20 \+ 10 +3 conversations$/);
  terminal.close();
});
