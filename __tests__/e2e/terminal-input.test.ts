import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type FakeUpstream, startFakeUpstream, textChunk } from '../support/fake-upstream.ts';
import { CliHome } from '../support/run-cli.ts';
import { Terminal, type TerminalOptions } from '../support/terminal.ts';

let upstream: FakeUpstream;
let home: CliHome;
let terminal: Terminal;

beforeEach(async () => {
  upstream = await startFakeUpstream();
  home = new CliHome({ LITELLM_PROXY_URL: upstream.baseUrl });
});

afterEach(async () => {
  terminal.close();
  home.close();
  await upstream.close();
});

const open = (args: readonly string[], options?: TerminalOptions): Terminal =>
  (terminal = new Terminal(home, args, options));
const keys = { ctrlC: '\u0003', ctrlD: '\u0004' };

describe('at a terminal', () => {
  test('no prompt is a mistake that says how it is used', async () => {
    expect(await open([]).exitCode).toBe(2);
    expect(terminal.text).toContain('cllm: no prompt\n  usage: cllm "why is the sky blue?"');
    expect(upstream.requests).toEqual([]);
  });

  test('words are the prompt, and nothing is waited for', async () => {
    expect(await open(['-q', 'hi']).exitCode).toBe(0);
    expect(upstream.chatRequests[0]?.body.messages).toEqual([{ role: 'user', content: 'hi' }]);
  });

  test('- takes what is typed, up to Ctrl-D', async () => {
    open(['-q', '-']).type(`first line\rsecond line\r${keys.ctrlD}`);
    expect(await terminal.exitCode).toBe(0);
    expect(upstream.chatRequests[0]?.body.messages).toEqual([{ role: 'user', content: 'first line\nsecond line\n' }]);
  });

  test('Ctrl-C ends the reply; what came stays on the screen', async () => {
    upstream.reply({ steps: [{ data: textChunk('Half a', { role: 'assistant' }) }, { stall: true }] });
    open(['hi']);
    await terminal.until('Half a');
    terminal.type(keys.ctrlC);
    expect(await terminal.exitCode).toBe(130);
    expect(terminal.text).toContain('Half a');
    expect(terminal.text).toContain('cllm: interrupted');
    expect(await upstream.chatRequests[0]?.hungUp).toBe(true);
  });
});
