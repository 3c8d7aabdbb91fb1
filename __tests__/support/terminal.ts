import { type IPty, spawn } from '@lydell/node-pty';
// oxlint-disable-next-line import/default -- CommonJS: the whole module is its default export
import unicode11 from '@xterm/addon-unicode11';
import headless from '@xterm/headless';
import { builtCli, type CliHome, node } from './run-cli.ts';

export interface TerminalOptions {
  columns?: number;
  rows?: number;
  env?: Record<string, string | undefined>;
  /** Default: the home. */
  cwd?: string;
  /** Another program than the built command. */
  command?: readonly string[];
}

/** Past this the program will never show it, and a test that waits on would keep its program for ever. */
const longestWait = 50_000;

/** A program in a real pseudo-terminal, and the screen that its user would see. */
export class Terminal {
  /** All that the program wrote, as it wrote it. */
  output = '';
  readonly exitCode: Promise<number>;
  readonly #pty: IPty;
  readonly #screen: headless.Terminal;
  #changed: (() => void)[] = [];
  #hasEnded = false;

  constructor(home: CliHome, args: readonly string[], options: TerminalOptions = {}) {
    const { columns = 80, rows = 24, command = [node, builtCli] } = options;
    this.#screen = new headless.Terminal({ cols: columns, rows, scrollback: 100_000, allowProposedApi: true });
    this.#screen.loadAddon(new unicode11.Unicode11Addon());
    this.#screen.unicode.activeVersion = '11';
    const [file = node, ...before] = command;
    this.#pty = spawn(file, [...before, ...args], {
      cols: columns,
      rows,
      cwd: options.cwd ?? home.directory,
      env: { TERM: 'xterm-256color', LANG: 'C.UTF-8', ...home.env, ...options.env },
    });
    this.#pty.onData((data) => {
      this.output += data;
      this.#screen.write(data, () => this.#tell());
    });
    this.exitCode = new Promise((resolve) => {
      this.#pty.onExit(({ exitCode }) => {
        this.#hasEnded = true;
        this.#screen.write('', () => {
          this.#tell();
          resolve(exitCode);
        });
      });
    });
  }

  get pid(): number {
    return this.#pty.pid;
  }

  /** Types. */
  type(keys: string): void {
    this.#pty.write(keys);
  }

  resize(columns: number, rows: number): void {
    this.#screen.resize(columns, rows);
    this.#pty.resize(columns, rows);
  }

  /** What stands on the screen now, row by row, without empty rows at the end. */
  get screen(): string[] {
    return this.#read(this.#screen.buffer.active.baseY, false);
  }

  /** Every row from the first on, what scrolled away included. */
  get rows(): string[] {
    return this.#read(0, false);
  }

  /** The same as who selects and copies it gets it: what the terminal itself broke is one line. */
  get lines(): string[] {
    return this.#read(0, true);
  }

  get text(): string {
    return this.lines.join('\n');
  }

  /** Settles when the screen, scrollback included, holds what is asked for. */
  async until(wanted: string | RegExp | ((terminal: Terminal) => boolean)): Promise<void> {
    const holds = (): boolean => {
      if (typeof wanted === 'function') return wanted(this);
      return typeof wanted === 'string' ? this.text.includes(wanted) : wanted.test(this.text);
    };
    let isOver = false;
    const limit = setTimeout(() => {
      isOver = true;
      this.#tell();
    }, longestWait);
    try {
      while (!holds()) {
        if (this.#hasEnded)
          throw new Error(`the program ended before the screen held ${String(wanted)}:\n${this.text}`);
        if (isOver) throw new Error(`the screen does not hold ${String(wanted)}:\n${this.text}`);
        await new Promise<void>((resolve) => this.#changed.push(resolve));
      }
    } finally {
      clearTimeout(limit);
    }
  }

  /** Ends the program if it still runs. */
  close(): void {
    if (!this.#hasEnded) this.#pty.kill('SIGKILL');
    this.#screen.dispose();
  }

  #read(from: number, isJoined: boolean): string[] {
    const buffer = this.#screen.buffer.active;
    const lines: string[] = [];
    for (let at = from; at < buffer.length; at += 1) {
      const line = buffer.getLine(at);
      if (line === undefined) continue;
      if (isJoined && line.isWrapped && lines.length > 0) lines[lines.length - 1] += line.translateToString(true);
      else lines.push(line.translateToString(true));
    }
    const trimmed = lines.map((line) => line.trimEnd());
    while (trimmed.at(-1) === '') trimmed.pop();
    return trimmed;
  }

  #tell(): void {
    for (const tell of this.#changed.splice(0)) tell();
  }
}
