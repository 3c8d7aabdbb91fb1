import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  type FakeUpstream,
  finishChunk,
  lastText,
  startFakeUpstream,
  textChunk,
  textReply,
} from '../support/fake-upstream.ts';
import { builtCli, CliHome, node } from '../support/run-cli.ts';
import { Terminal, type TerminalOptions } from '../support/terminal.ts';

let upstream: FakeUpstream;
let home: CliHome;
let terminals: Terminal[];

beforeEach(async () => {
  upstream = await startFakeUpstream();
  const others = upstream.fallback;
  upstream.fallback = (request) =>
    request.path.includes('/chat/completions') ? textReply(`you said ${lastText(request)}.`)(request) : others(request);
  home = new CliHome({ LITELLM_PROXY_URL: upstream.baseUrl });
  terminals = [];
});

afterEach(async () => {
  for (const terminal of terminals) terminal.close();
  home.close();
  await upstream.close();
});

async function chat(args: readonly string[] = [], options: TerminalOptions = {}): Promise<Terminal> {
  const terminal = new Terminal(home, ['chat', ...args], { rows: 60, ...options });
  terminals.push(terminal);
  await prompted(terminal);
  return terminal;
}

/** An empty prompt stands at the end. */
async function prompted(terminal: Terminal): Promise<void> {
  await terminal.until(({ screen }) => screen.at(-1) === '>');
}

/** Types, and waits for the next prompt. */
async function say(terminal: Terminal, keys: string): Promise<void> {
  const promptCount = (): number => terminal.rows.filter((row) => row.startsWith('>')).length;
  const before = promptCount();
  terminal.type(keys);
  await terminal.until(({ screen }) => screen.at(-1) === '>' && promptCount() > before);
}

const prompts = (): (string | undefined)[] => upstream.chatRequests.map((request) => lastText(request));

describe('cllm chat at a terminal', () => {
  test('keeps one conversation, over one connection, that ask -c goes on with', async () => {
    const terminal = await chat();
    await say(terminal, 'one\r');
    expect(terminal.text).toContain('you said one.');
    await say(terminal, 'two\r');
    expect(upstream.connectionCount).toBe(1);
    terminal.type('\u0004');
    expect(await terminal.exitCode).toBe(0);
    await home.run(['-c', 'three']);
    expect(upstream.chatRequests.map(({ body }) => body.messages?.length)).toEqual([1, 3, 5]);
  });

  test('goes on with -c where an earlier command stopped', async () => {
    await home.run(['first']);
    const terminal = await chat(['-c']);
    expect(terminal.text).toMatch(/going on with .* \(first\), 1 turns? so far/);
    await say(terminal, 'second\r');
    expect(upstream.chatRequests[1]?.body.messages).toHaveLength(3);
  });

  test('Ctrl-C stops the reply and keeps the chat; at an empty prompt it leaves', async () => {
    upstream.reply({ steps: [{ data: textChunk('begun') }, { stall: true }] });
    const terminal = await chat();
    terminal.type('go on for ever\r');
    await terminal.until('begun');
    await say(terminal, '\u0003');
    expect(terminal.text).toContain('interrupted');
    await say(terminal, 'next\r');
    expect(terminal.text).toContain('you said next.');
    // What came of the stopped reply is in the conversation.
    expect(upstream.chatRequests[1]?.body.messages?.[1]).toEqual({ role: 'assistant', content: 'begun' });
    terminal.type('\u0003');
    expect(await terminal.exitCode).toBe(0);
  });

  test('Ctrl-C gives up a line that is being typed', async () => {
    const terminal = await chat();
    terminal.type('not this');
    await terminal.until('> not this');
    terminal.type('\u0003');
    await prompted(terminal);
    await say(terminal, 'but this\r');
    expect(prompts()).toEqual(['but this']);
  });

  test('edits a line with the keys of a shell', async () => {
    const terminal = await chat();
    // Home, Ctrl-K and Ctrl-Y, a word back, backspace over a wide character and over one of two code points.
    await say(terminal, 'world\u0001hello \u0005!\u0017\u0019 漢e\u0301\u007f\u007fok\r');
    expect(prompts()).toEqual(['hello world! ok']);
  });

  test('takes several lines: Alt-Enter, a backslash before Enter, and a paste as it is', async () => {
    const terminal = await chat();
    await say(terminal, 'one\u001b\rtwo\\\rthree\r');
    await say(terminal, '\u001b[200~a\r\nb\n\tc\u001b[201~\r');
    expect(prompts()).toEqual(['one\ntwo\nthree', 'a\nb\n\tc']);
  });

  test('keeps what is typed while a reply comes for the next prompt', async () => {
    let go = (): void => {};
    upstream.reply({
      gate: new Promise<void>((resolve) => (go = resolve)),
      steps: [{ data: textChunk('here') }, { data: finishChunk() }, { data: '[DONE]' }],
    });
    const terminal = await chat();
    terminal.type('one\r');
    await terminal.until(() => upstream.chatRequests.length === 1 || terminal.text.includes('waiting'));
    terminal.type('two\r');
    go();
    await terminal.until('you said two.');
    expect(prompts()).toEqual(['one', 'two']);
  });

  test('keeps a paste during a reply as one draft, and sends nothing', async () => {
    let go = (): void => {};
    upstream.reply({
      steps: [
        { data: textChunk('here') },
        { gate: new Promise<void>((resolve) => (go = resolve)) },
        { data: finishChunk() },
        { data: '[DONE]' },
      ],
    });
    const terminal = await chat();
    terminal.type('one\r');
    await terminal.until('here');
    expect(terminal.output.lastIndexOf('\u001b[?2004h')).toBeGreaterThan(terminal.output.lastIndexOf('\u001b[?2004l'));
    terminal.type('\u001b[200~two\rlines\r\u001b[201~');
    go();
    await terminal.until(/^> two\n {2}lines/m);
    await say(terminal, '!\r');
    expect(prompts().map((prompt) => prompt?.trimEnd())).toEqual(['one', expect.stringMatching(/^two\nlines\n?!$/)]);
  });

  test.each([
    ['CSI 27;2;13~', '\u001b[27;2;13~'],
    ['CSI 13;2u', '\u001b[13;2u'],
  ])('Shift-Enter as %s begins a new line', async (_name, keys) => {
    const terminal = await chat();
    await say(terminal, `one${keys}two\r`);
    expect(prompts()).toEqual(['one\ntwo']);
  });

  test('Ctrl-Z suspends at the prompt and in a reply, and fg goes on', async () => {
    let go = (): void => {};
    upstream.reply({
      steps: [
        { data: textChunk('begun ') },
        { gate: new Promise<void>((resolve) => (go = resolve)) },
        { data: textChunk('and done') },
        { data: finishChunk() },
        { data: '[DONE]' },
      ],
    });
    const terminal = new Terminal(home, ['--norc', '--noprofile', '-i'], {
      command: ['bash'],
      rows: 40,
      env: { PS1: '$ ' },
    });
    terminals.push(terminal);
    const stops = (): number => terminal.text.split('Stopped').length - 1;
    terminal.type(`${node} ${builtCli} chat\r`);
    await prompted(terminal);
    terminal.type('abc');
    await terminal.until('> abc');
    terminal.type('\u001a');
    await terminal.until(() => stops() === 1);
    terminal.type('echo others\r');
    await terminal.until(/^others$/m);
    terminal.type('fg\r');
    await terminal.until(/> abc$/);
    terminal.type('\r');
    await terminal.until('begun');
    terminal.type('\u001a');
    await terminal.until(() => stops() === 2);
    terminal.type('fg\r');
    await terminal.until('begun');
    go();
    await terminal.until('begun and done');
    await prompted(terminal);
    expect(terminal.text.match(/begun/g)).toHaveLength(1);
    expect(prompts()).toEqual(['abc']);
  });

  test.each(['exit', 'quit'])('%s alone leaves, with a word, and is not sent', async (word) => {
    const terminal = await chat();
    terminal.type(`${word}\r`);
    expect(await terminal.exitCode).toBe(0);
    expect(terminal.text).toContain(`"${word}" alone leaves the chat`);
    expect(prompts()).toEqual([]);
  });

  test('on a dumb terminal is a chat in lines: a greeting, a prompt, commands, and no codes', async () => {
    const terminal = await chat([], { env: { TERM: 'dumb' } });
    expect(terminal.text).toContain('/help');
    await say(terminal, '/model other\r');
    await say(terminal, 'one\\\rtwo\r');
    terminal.type('exit\r');
    expect(await terminal.exitCode).toBe(0);
    expect(upstream.chatRequests.map(({ body }) => [body.model, body.messages?.[0]?.content])).toEqual([
      ['other', 'one\ntwo'],
    ]);
    expect(terminal.output).not.toContain('\u001b');
  });

  test('a torn line of earlier prompts loses itself, and a left-over of a rewriting nothing', async () => {
    mkdirSync(home.at('cllm'), { recursive: true, mode: 0o700 });
    const many = Array.from({ length: 2100 }, (_, at) => `"prompt ${at}"\n`).join('');
    writeFileSync(home.at('cllm', 'prompts.jsonl'), `${many}"to\n"alpha"\n"bet`, { mode: 0o600 });
    writeFileSync(home.at('cllm', 'prompts.jsonl.new'), 'left over', { mode: 0o600 });
    const first = await chat();
    await say(first, 'gamma\r');
    first.type('\u0004');
    await first.exitCode;
    const second = await chat();
    await say(second, '\u001b[A\u001b[A\u001b[A\r');
    expect(prompts()).toEqual(['gamma', 'prompt 2099']);
  });

  test('the arrow keys bring earlier prompts back, from earlier chats too, out of a file of one owner', async () => {
    const first = await chat();
    await say(first, 'alpha\r');
    await say(first, 'beta\r');
    first.type('\u0004');
    await first.exitCode;
    const file = home.at('cllm', 'prompts.jsonl');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const second = await chat();
    await say(second, '\u001b[A\u001b[A\r');
    expect(prompts().at(-1)).toBe('alpha');
  });

  test('with --ephemeral remembers its turns and keeps nothing', async () => {
    const terminal = await chat(['--ephemeral']);
    await say(terminal, 'one\r');
    await say(terminal, 'two\r');
    expect(upstream.chatRequests[1]?.body.messages).toHaveLength(3);
    terminal.type('/quit\r');
    expect(await terminal.exitCode).toBe(0);
    expect(existsSync(home.at('cllm', 'prompts.jsonl'))).toBe(false);
    expect(existsSync(home.at('cllm', 'history.db'))).toBe(false);
  });

  test('an error is shown and the chat goes on', async () => {
    upstream.reply({
      status: 400,
      body: { error: { message: 'no \u001b[2J such thing', type: 'invalid_request_error', code: '400' } },
    });
    const terminal = await chat();
    await say(terminal, 'one\r');
    expect(terminal.text).toMatch(/no .*such thing/);
    expect(terminal.output).not.toContain('\u001b[2J');
    await say(terminal, 'two\r');
    expect(terminal.text).toContain('you said two.');
  });

  test('gives the terminal back as it was', async () => {
    const terminal = new Terminal(home, ['-c', `stty -a > before; "$0" "$1" chat; stty -a > after`, node, builtCli], {
      command: ['/bin/sh'],
    });
    terminals.push(terminal);
    await prompted(terminal);
    terminal.type('\u0004');
    await terminal.exitCode;
    expect(readFileSync(home.at('after'), 'utf8')).toBe(readFileSync(home.at('before'), 'utf8'));
    expect(terminal.output.lastIndexOf('\u001b[?2004l')).toBeGreaterThan(terminal.output.lastIndexOf('\u001b[?2004h'));
  });
});

test('a chat from a pipe says once that each line is a prompt, unless it is to be quiet', async () => {
  const { stderr } = await home.run(['chat'], { stdin: 'one\ntwo\n' });
  expect(stderr.match(/each line of standard input is a prompt of its own/g)).toHaveLength(1);
  expect((await home.run(['chat', '-q'], { stdin: 'one\n' })).stderr).toBe('');
});

describe('commands of a chat', () => {
  test('/model, /system and /usage', async () => {
    const terminal = await chat();
    await say(terminal, '/model other\r');
    await say(terminal, '/system be brief\r');
    await say(terminal, 'one\r');
    expect(upstream.chatRequests[0]?.body).toMatchObject({
      model: 'other',
      messages: [{ role: 'system', content: 'be brief' }, { content: 'one' }],
    });
    await say(terminal, '/system off\r');
    await say(terminal, 'two\r');
    expect(upstream.chatRequests[1]?.body.messages?.map(({ role }) => role)).toEqual(['user', 'assistant', 'user']);
    await say(terminal, '/usage\r');
    expect(terminal.text).toContain('2 turns · 18 tokens in · 6 tokens out · cost of 2 unknown');
  });

  test('/model tells of a model that the list of the proxy does not have', async () => {
    const terminal = await chat();
    await say(terminal, '/model\r');
    expect(terminal.text).toContain('the proxy serves: fake');
    await say(terminal, '/model fake\r');
    expect(terminal.text).not.toContain("the proxy's list has no");
    await say(terminal, '/model nope\r');
    expect(terminal.text).toContain("the proxy's list has no nope");
  });

  test('/retry asks the last prompt again without its reply, and keeps that reply', async () => {
    const terminal = await chat(['-C', 'work']);
    await say(terminal, 'one\r');
    await say(terminal, 'two\r');
    upstream.reply(textReply('another answer'));
    await say(terminal, '/retry\r');
    expect(upstream.chatRequests[2]?.body.messages).toEqual(upstream.chatRequests[1]?.body.messages);
    const { stdout } = await home.run(['history', 'show', 'work', '--format', 'json']);
    const replies = JSON.parse(stdout).turns.map((turn: any) => turn.completion.choices[0].message.content);
    expect(replies).toEqual(['you said one.', 'another answer']);
    expect((await home.run(['history', 'list'])).stdout.trim().split('\n')).toHaveLength(2);
  });

  test('/edit sends what the editor leaves', async () => {
    writeFileSync(home.at('editor.sh'), '#!/bin/sh\nprintf " and more\\nlines\\n" >> "$1"\n', { mode: 0o755 });
    const terminal = await chat([], { env: { EDITOR: home.at('editor.sh') } });
    await say(terminal, '/edit a draft\r');
    expect(prompts()).toEqual(['a draft and more\nlines']);
  });

  test('/help lists them, an unknown one is named with its neighbour, and // begins a prompt', async () => {
    const terminal = await chat();
    await say(terminal, '/help\r');
    for (const name of ['/model', '/system', '/retry', '/edit', '/usage', '/help', '/quit'])
      expect(terminal.text).toContain(name);
    await say(terminal, '/modle x\r');
    expect(terminal.text).toContain('there is no command /modle; did you mean /model?');
    await say(terminal, '//etc\r');
    expect(prompts()).toEqual(['/etc']);
  });

  test('Tab completes commands and models', async () => {
    const terminal = await chat();
    terminal.type('/us\t');
    await terminal.until('> /usage');
    expect(terminal.screen.at(-1)).toBe('> /usage');
    terminal.type('\u0015/model fa\t');
    await terminal.until(/> \/model fa\w+/);
  });
});
