import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * Writes texts to the terminal that it runs in, and asks after each where the cursor is: what was written before is on the
 * screen when the answer comes. The columns go into a file.
 */
const writer = `
const { readFileSync, writeFileSync } = require('node:fs');
const [textsFile, columnsFile] = process.argv.slice(1);
const texts = JSON.parse(readFileSync(textsFile, 'utf8'));
const columns = [];
process.stdin.setRawMode(true);
let answer = '';
const ask = () => process.stdout.write(texts[columns.length] + '\\x1b[6n');
process.stdin.on('data', (bytes) => {
  answer += bytes;
  const found = /\\x1b\\[\\d+;(\\d+)R/.exec(answer);
  if (found === null) return;
  answer = '';
  columns.push(Number(found[1]) - 1);
  if (columns.length < texts.length) ask();
  else {
    writeFileSync(columnsFile, JSON.stringify(columns));
    require('node:child_process').execFileSync('tmux', ['wait-for', '-S', 'shown']);
  }
});
ask();`;

export interface Shown {
  /** Every row, what scrolled away included. */
  rows: string[];
  /** Of the cursor after each text. */
  columns: number[];
}

/** What a real tmux makes of texts that are written to it one after the other. */
export async function shownInTmux(texts: readonly string[], screen: { columns: number; rows: number }): Promise<Shown> {
  const directory = mkdtempSync(path.join(tmpdir(), 'cllm-tmux-'));
  const at = (name: string): string => path.join(directory, name);
  const tmux = async (...parameters: string[]): Promise<string> => {
    const { stdout } = await run('tmux', ['-u', '-S', at('socket'), '-f', at('tmux.conf'), ...parameters], {
      env: { ...process.env, LANG: 'C.UTF-8', TMUX: undefined },
      maxBuffer: 1e8,
    });
    return stdout;
  };
  try {
    writeFileSync(at('tmux.conf'), 'set -g status off\nset -g history-limit 100000\n');
    // A raw terminal makes no line ends of newlines.
    writeFileSync(at('texts'), JSON.stringify(texts.map((text) => text.replaceAll('\n', '\r\n'))));
    const command = [process.execPath, '-e', writer, at('texts'), at('columns')];
    const size = ['-x', `${screen.columns}`, '-y', `${screen.rows}`];
    await tmux('new-session', '-d', ...size, command.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' '));
    await tmux('wait-for', 'shown');
    const rows = (await tmux('capture-pane', '-p', '-S', '-', '-E', '-')).split('\n').map((row) => row.trimEnd());
    while (rows.at(-1) === '') rows.pop();
    return { rows, columns: JSON.parse(readFileSync(at('columns'), 'utf8')) as number[] };
  } finally {
    await tmux('kill-server').catch(() => undefined);
    rmSync(directory, { recursive: true, force: true });
  }
}
