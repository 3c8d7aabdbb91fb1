import { readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type FakeUpstream, finishChunk, startFakeUpstream, textChunk, textReply } from '../support/fake-upstream.ts';
import { CliHome } from '../support/run-cli.ts';
import { Terminal, type TerminalOptions } from '../support/terminal.ts';

const reply = readFileSync(new URL('../fixtures/terminal/reply.md', import.meta.url), 'utf8');

let upstream: FakeUpstream;
let home: CliHome;
let terminals: Terminal[];

beforeEach(async () => {
  upstream = await startFakeUpstream();
  home = new CliHome({ LITELLM_PROXY_URL: upstream.baseUrl });
  terminals = [];
});

afterEach(async () => {
  for (const terminal of terminals) terminal.close();
  home.close();
  await upstream.close();
});

function open(args: readonly string[], options: TerminalOptions = {}): Terminal {
  const terminal = new Terminal(home, args, options);
  terminals.push(terminal);
  return terminal;
}

/** Runs to the end, and gives the rows without the figures that differ from run to run. */
async function shown(args: readonly string[], options: TerminalOptions = {}): Promise<string[]> {
  const terminal = open(args, options);
  await terminal.exitCode;
  return terminal.rows;
}

describe('a reply on a terminal', () => {
  test.each([40, 80, 200])('at %i columns', async (columns) => {
    upstream.reply(textReply(reply, { pieceLength: 7 }));
    expect((await shown(['-q', 'hi'], { columns, rows: 24 })).join('\n')).toMatchSnapshot();
  });

  test.each([
    ['in pieces of one character', 1],
    ['all at once', 10_000],
  ])('is the same %s', async (_name, pieceLength) => {
    upstream.reply(textReply(reply, { pieceLength }), textReply(reply, { pieceLength: 7 }));
    const rows = await shown(['-q', 'hi'], { columns: 60, rows: 12 });
    expect(rows).toEqual(await shown(['-q', 'hi'], { columns: 60, rows: 200 }));
  });

  test('redraws the open line only, and never the screen: no alternate screen, nothing cleared above', async () => {
    upstream.reply(textReply(reply, { pieceLength: 3, pace: 1 }));
    const terminal = open(['-q', 'hi']);
    await terminal.exitCode;
    // oxlint-disable-next-line no-control-regex -- the terminal's codes are what this is about
    const sequences = terminal.output.split('\u001b').slice(1);
    for (const sequence of sequences) expect(sequence).toMatch(/^\[(\d+m|\d*[AB]|J|K|\?2026[hl])/);
    expect(terminal.output).not.toContain('\u001b[?1049h');
  });

  test('code copies as it is: no frame, no indentation, a long line unbroken', async () => {
    const code = `def f():\n    return "${'x'.repeat(100)}"\n\n\tprint(1)`;
    upstream.reply(textReply(`Look:\n\n\`\`\`python\n${code}\n\`\`\`\n`));
    const terminal = open(['-q', 'hi'], { columns: 50 });
    await terminal.exitCode;
    expect(terminal.lines.join('\n')).toContain(code.replace('\t', '        '));
  });

  test('what is taller than the screen is all there, once', async () => {
    const words = Array.from({ length: 300 }, (_, at) => `word${at}`);
    const rows = Array.from({ length: 40 }, (_, at) => `| row${at} | cell${at} |`);
    const items = Array.from({ length: 40 }, (_, at) => `   - item${at}`);
    const text = `${words.join(' ')}\n\n| a | b |\n|---|---|\n${rows.join('\n')}\n\n1. top\n${items.join('\n')}\n`;
    upstream.reply(textReply(text, { pieceLength: 11, pace: 1 }));
    const terminal = open(['-q', 'hi'], { columns: 40, rows: 8 });
    await terminal.exitCode;
    const found = terminal.text.match(/word\d+|row\d+|cell\d+|item\d+/g);
    expect(found).toEqual([
      ...words,
      ...rows.flatMap((_, at) => [`row${at}`, `cell${at}`]),
      ...items.map((_, at) => `item${at}`),
    ]);
  });

  test('a resize in the middle loses nothing', async () => {
    let go = (): void => {};
    const resized = new Promise<void>((resolve) => (go = resolve));
    const words = Array.from({ length: 60 }, (_, at) => `word${at}`);
    upstream.reply({
      steps: [
        { data: textChunk(`${words.slice(0, 20).join(' ')} `) },
        { gate: resized },
        { data: textChunk(words.slice(20).join(' ')) },
        { data: finishChunk() },
        { data: '[DONE]' },
      ],
    });
    const terminal = open(['-q', 'hi'], { columns: 70, rows: 20 });
    await terminal.until('word19');
    const before = terminal.output.length;
    terminal.resize(30, 20);
    await terminal.until(({ output }) => output.length > before);
    go();
    await terminal.exitCode;
    expect(terminal.text.match(/word\d+/g)).toEqual(words);
  });

  test.each<[string, string[], Record<string, string>]>([
    ['NO_COLOR', [], { NO_COLOR: '1' }],
    ['TERM=dumb', [], { TERM: 'dumb' }],
    ['--render plain', ['--render', 'plain', '--reasoning', 'hide', '-q'], {}],
  ])('with %s comes as it is, without any code', async (_name, flags, env) => {
    upstream.reply(textReply('# One **two**\n\n- three\n'));
    const terminal = open([...flags, 'hi'], { env });
    await terminal.exitCode;
    expect(terminal.lines.slice(0, 3)).toEqual(['# One **two**', '', '- three']);
    expect(terminal.output).not.toContain('\u001b');
  });

  test('in a pipe is raw, and rendered there when asked for, without codes', async () => {
    upstream.reply(textReply('# One **two**\n'), textReply('One **two**\n\n- three\n'));
    expect((await home.run(['hi'])).stdout).toBe('# One **two**\n');
    expect((await home.run(['--render', 'markdown', 'hi'])).stdout).toBe('One two\n\n• three\n');
  });

  test('is rendered as the settings say', async () => {
    await home.run(['config', 'set', 'render', 'plain']);
    upstream.reply(textReply('**two**\n'), textReply('**two**\n'));
    expect(await shown(['-q', 'hi'])).toEqual(['**two**']);
    expect(await shown(['-q', '--render', 'markdown', 'hi'])).toEqual(['two']);
  });

  test('can not drive the terminal', async () => {
    const hostile =
      'a\u001b[2Jb \u001b]0;title\u0007 \u009b31m \u202e **\u001b[31m** `\u0007`\n\n```sh\n\u001b]52;c;eA==\u0007\n```\n&#27;[2J';
    upstream.reply(textReply(hostile, { pieceLength: 2 }));
    const terminal = open(['hi']);
    await terminal.exitCode;
    expect(terminal.text).toContain('a\\x1b[2Jb');
    for (const code of ['\u001b]0;', '\u001b]52;', '\u001b[2J', '\u009b', '\u202e', '\u0007']) {
      expect(terminal.output).not.toContain(code);
    }
  });
});

describe('the end of a reply', () => {
  test('Ctrl-C keeps what was shown, in red says why it is not whole, and exits 130', async () => {
    upstream.reply({ steps: [{ data: textChunk('one **two** three') }, { stall: true }] });
    const terminal = open(['hi']);
    await terminal.until('three');
    terminal.type('\u0003');
    expect(await terminal.exitCode).toBe(130);
    expect(terminal.text).toContain('one two three');
    expect(terminal.output).toContain('\u001b[31minterrupted\u001b[39m');
    const { stdout } = await home.run(['history', 'show']);
    expect(stdout).toContain('one **two** three');
  });

  test('a cut in the middle of a block leaves it on the screen', async () => {
    upstream.reply({ steps: [{ data: textChunk('# Title\n\n- one\n- tw') }, { reset: true }] });
    const terminal = open(['--retries', '0', 'hi']);
    expect(await terminal.exitCode).toBe(3);
    expect(terminal.lines.slice(0, 4)).toEqual(['# Title', '', '• one', '• tw']);
    expect(terminal.output).toContain('\u001b[31mcut\u001b[39m');
  });

  test('the receipt is one dim line on stderr, and leaves out what nobody knows', async () => {
    upstream.reply(
      textReply('hello', {
        model: 'served-model',
        usage: {
          prompt_tokens: 12,
          completion_tokens: 5,
          total_tokens: 17,
          cost: 0.00042,
          prompt_tokens_details: { cached_tokens: 4 },
        },
      }),
      textReply('hello', { usage: null }),
      textReply('hello'),
    );
    const { stderr } = await home.run(['hi']);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(stderr).toMatch(
      /^test-model → served-model · 12 tokens in \(4 cached\) · 5 tokens out · \$0\.00042 \(stream\) · first token [\d.]+ s · /,
    );
    expect((await home.run(['hi'])).stderr).not.toMatch(/tokens? (in|out)|\$|cost/);
    expect((await home.run(['-q', 'hi'])).stderr).toBe('');
  });

  test('with --demo names the file that the turn is kept in', async () => {
    const { stderr } = await home.run(['--demo', 'hi']);
    expect(stderr).toContain(`kept in ${home.at('cllm', 'history.db')}`);
  });

  test('while nothing comes a spinner counts the seconds, and leaves no trace', async () => {
    let go = (): void => {};
    upstream.reply({
      gate: new Promise<void>((resolve) => (go = resolve)),
      steps: [{ data: textChunk('here') }, { data: finishChunk() }, { data: '[DONE]' }],
    });
    const terminal = open(['-m', 'x', 'hi']);
    await terminal.until(/waiting [01] s/);
    go();
    await terminal.exitCode;
    expect(terminal.rows[0]).toBe('here');
    expect(terminal.text).not.toContain('waiting');
  });

  test('reasoning is shown dim before the reply, and hidden when asked', async () => {
    const steps = [
      {
        data: {
          ...textChunk(''),
          choices: [{ index: 0, delta: { role: 'assistant', reasoning_content: 'let me\nsee' } }],
        },
      },
      { data: textChunk('done') },
      { data: finishChunk() },
      { data: '[DONE]' },
    ];
    upstream.reply({ steps }, { steps });
    const terminal = open(['-q', 'hi']);
    await terminal.exitCode;
    expect(terminal.rows).toEqual(['let me', 'see', '', 'done']);
    expect(terminal.output).toContain('\u001b[2mlet me');
    expect(await shown(['-q', '--reasoning', 'hide', 'hi'])).toEqual(['done']);
  });
});

describe('what goes with a prompt, and what a model asks for', () => {
  test('a text file is a named block, an image a data URL by its content', async () => {
    writeFileSync(home.at('notes.txt'), 'line one\n');
    writeFileSync(home.at('picture.txt'), Buffer.from('89504e470d0a1a0a0000', 'hex'));
    await home.run(['look', '-f', 'notes.txt', '-f', 'picture.txt']);
    expect(upstream.chatRequests[0]?.body.messages?.[0]?.content).toEqual([
      { type: 'text', text: 'look\n\n<file name="notes.txt">\nline one\n</file>' },
      { type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0KGgoAAA==' } },
    ]);
  });

  test.each<[string, Buffer | null, RegExp]>([
    [
      'a file that is nothing that can be sent',
      Buffer.from([0x80, 0, 3, 4, 0xff, 0xfe]),
      /neither UTF-8 text nor an image, a PDF or a recording/,
    ],
    [
      'an image that is too large',
      Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), Buffer.alloc(20 * 1024 * 1024)]),
      /the limit is 20971520/,
    ],
    ['a file that is not there', null, /cannot be read \(ENOENT\)/],
  ])('%s is refused before anything is sent', async (_name, bytes, message) => {
    if (bytes !== null) writeFileSync(home.at('a.bin'), bytes);
    const { code, stderr } = await home.run(['look', '-f', 'a.bin']);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
    expect(upstream.chatRequests).toHaveLength(0);
  });

  test('tool calls are shown with their arguments laid out', async () => {
    const call = (id: string, name: string, input: object): object => ({
      index: Number(id),
      id: `call_${id}`,
      type: 'function',
      function: { name, arguments: JSON.stringify(input) },
    });
    const calls = [
      call('0', 'get_weather', { city: 'Paris' }),
      call('1', 'write_file', { path: '/tmp/a.txt', content: 'a text that is long enough to need lines of its own' }),
    ];
    upstream.reply({
      steps: [
        { data: { ...textChunk(''), choices: [{ index: 0, delta: { role: 'assistant', tool_calls: calls } }] } },
        { data: finishChunk('tool_calls') },
        { data: '[DONE]' },
      ],
    });
    const { code, stdout, stderr } = await home.run(['-q', 'hi']);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
    expect(stderr.split('\n')).toEqual([
      'tool call get_weather {"city":"Paris"} (call_0)',
      'tool call write_file (call_1)',
      '  {',
      '    "path": "/tmp/a.txt",',
      '    "content": "a text that is long enough to need lines of its own"',
      '  }',
      '',
    ]);
  });
});
