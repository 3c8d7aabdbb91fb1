import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type FakeUpstream, finishChunk, type Step, startFakeUpstream, textChunk } from '../support/fake-upstream.ts';
import { builtCli, CliHome, node } from '../support/run-cli.ts';
import { Terminal, type TerminalOptions } from '../support/terminal.ts';

const words = Array.from({ length: 60 }, (_, at) => `word${at}`);

let upstream: FakeUpstream;
let home: CliHome;
let terminal: Terminal;
let goOn: () => void;

beforeEach(async () => {
  upstream = await startFakeUpstream();
  home = new CliHome({ LITELLM_PROXY_URL: upstream.baseUrl });
});

afterEach(async () => {
  terminal.close();
  home.close();
  await upstream.close();
});

/** A reply whose second half waits for `goOn`. */
function halves(text: string): Step[] {
  const gate = new Promise<void>((resolve) => (goOn = resolve));
  const half = text.indexOf('word30');
  return [
    { data: textChunk(text.slice(0, half)) },
    { gate },
    ...(text.slice(half).match(/[^]{1,11}/g) ?? []).map((piece) => ({ data: textChunk(piece) })),
    { data: finishChunk() },
    { data: '[DONE]' },
  ];
}

const open = (args: readonly string[], options?: TerminalOptions): Terminal =>
  (terminal = new Terminal(home, args, options));

const shell = (): Terminal =>
  open(['--norc', '--noprofile', '-i'], { command: ['bash'], rows: 40, env: { PS1: '$ ' } });

const command = `${node} ${builtCli}`;
const found = (): string[] | null => terminal.text.match(/word\d+/g);

/** Settles when the terminal of that shell shows nothing that is typed. */
async function silenced(processId: number): Promise<void> {
  for (;;) {
    const state = await new Promise<string>((resolve) => {
      execFile('stty', ['-a', '-F', `/proc/${processId}/fd/1`], (_error, stdout) => resolve(stdout));
    });
    if (/ -echo /.test(state)) return;
  }
}

describe('a reply that is still being drawn', () => {
  test('is taken away by Ctrl-Z and comes back with fg, below what others wrote; the shell has its terminal as it was', async () => {
    upstream.reply({ steps: halves(words.join(' ')) });
    shell().type(`stty -a > before\r${command} -q hi\r`);
    await terminal.until('word29');
    terminal.type('\u001a');
    await terminal.until('Stopped');
    expect(found()).toBeNull();
    terminal.type('stty -a > between; echo others\r');
    await terminal.until(/^others$/m);
    terminal.type('fg\r');
    await terminal.until('word29');
    goOn();
    await terminal.until(/word59\n+\$/);
    expect(found()).toEqual(words);
    expect(terminal.text).toMatch(/^others$/m);
    terminal.type('stty -a > after; exit\r');
    await terminal.exitCode;
    const before = readFileSync(home.at('before'), 'utf8');
    expect(before).toMatch(/ echo /);
    expect(readFileSync(home.at('between'), 'utf8')).toBe(before);
    expect(readFileSync(home.at('after'), 'utf8')).toBe(before);
  });

  test('in the background writes what is finished, and leaves the line that is being typed alone', async () => {
    upstream.reply({ steps: halves(`${words.slice(0, 29).join(' ')}\n\nword29 ${words.slice(30).join(' ')}`) });
    shell().type(`${command} -q hi &\r`);
    await terminal.until('word28');
    terminal.type('echo typed');
    await terminal.until('echo typed');
    expect(terminal.text).not.toContain('word29');
    goOn();
    await terminal.until('word59');
    expect(found()).toEqual(words);
    expect(terminal.text).toContain('echo typed');
  });

  test.each([
    ['Enter', '\r\r\r'],
    ['letters', 'abc\r'],
  ])('does not move or show what is typed meanwhile: %s', async (_name, keys) => {
    upstream.reply({ steps: halves(words.join(' ')) });
    open(['-c', `stty -a > before; "$0" "$1" -q hi; stty -a > after`, node, builtCli], { command: ['/bin/sh'] });
    await terminal.until('word29');
    await silenced(terminal.pid);
    terminal.type(keys);
    goOn();
    await terminal.exitCode;
    expect(found()).toEqual(words);
    expect(terminal.text).not.toContain('abc');
    expect(readFileSync(home.at('after'), 'utf8')).toBe(readFileSync(home.at('before'), 'utf8'));
  });

  test('gives the terminal back after a second Ctrl-C too', async () => {
    upstream.reply({ steps: halves(words.join(' ')) });
    open(['-c', `trap : INT; stty -a > before; "$0" "$1" -q hi; stty -a > after`, node, builtCli], {
      command: ['/bin/sh'],
    });
    await terminal.until('word29');
    terminal.type('\u0003\u0003');
    await terminal.exitCode;
    expect(readFileSync(home.at('after'), 'utf8')).toBe(readFileSync(home.at('before'), 'utf8'));
  });

  test.each([
    [100, 50, 20],
    [100, 37, 20],
    [60, 100, 20],
    [80, 20, 20],
    [30, 30, 6],
  ])('is there once when %i columns become %i and the rows %i', async (before, after, rows) => {
    upstream.reply({ steps: halves(words.join(' ')) });
    open(['-q', 'hi'], { columns: before, rows: 20 });
    await terminal.until('word29');
    const written = terminal.output.length;
    terminal.resize(after, rows);
    await terminal.until(({ output }) => output.length > written);
    goOn();
    await terminal.exitCode;
    expect(found()).toEqual(words);
  });
});
