import type * as ChildProcess from 'node:child_process';

/** What `stty -g` says: figures between colons, or names with values on a BSD. */
const savedState = /^[\w:=,.-]+$/;
// In the background a change of the terminal would stop the process, and it would be the shell's terminal that changes.
const silent = `trap '' TTOU; stty -g && stty -echo`;

/** In milliseconds. */
const restoreAfter = 20;

/**
 * Whether the terminal shows what is typed. While rows are drawn over it must not: an Enter would move them, and letters
 * would stand among them. Everything else of the terminal stays as it is, so Ctrl-C works, and what is typed waits for
 * the shell. By `stty`, because Node knows raw mode alone, in which the keys would be ours to read and lost to the shell.
 *
 * Node puts the terminal back as it found it when the process ends, however it ends but by SIGKILL.
 */
export class TerminalEcho {
  readonly #isOurs: () => boolean;
  readonly #load: () => typeof ChildProcess;
  /** The terminal's file descriptor. */
  readonly #terminal: number;
  #isWanted = true;
  /** The terminal's state before; null while nothing was changed. */
  #saved: string | null = null;
  #restoring: NodeJS.Timeout | null = null;
  #child: ChildProcess.ChildProcess | null = null;

  /** @param isOurs whether the terminal's modes are nobody else's business: a line editor's raw mode, say */
  constructor(terminal: number, isOurs: () => boolean, load: () => typeof ChildProcess) {
    this.#terminal = terminal;
    this.#isOurs = isOurs;
    this.#load = load;
  }

  silence(): void {
    if (!this.#isOurs()) return;
    this.#cancel();
    this.#isWanted = false;
    this.#go();
  }

  /** A moment later: what draws next keeps it silent, and when the process ends meanwhile Node restores it. */
  restore(): void {
    this.#isWanted = true;
    this.#restoring ??= setTimeout(() => {
      this.#restoring = null;
      this.#go();
    }, restoreAfter).unref();
  }

  /** Before it returns. */
  restoreNow(): void {
    this.#cancel();
    this.#isWanted = true;
    if (this.#child === null && this.#saved === null) return;
    this.#child?.kill('SIGKILL');
    const state = this.#saved ?? 'echo';
    this.#saved = null;
    this.#load().spawnSync('stty', [state], { stdio: [this.#terminal, 'ignore', 'ignore'], timeout: 1000 });
  }

  #cancel(): void {
    if (this.#restoring !== null) clearTimeout(this.#restoring);
    this.#restoring = null;
  }

  #go(): void {
    if (this.#child !== null || this.#isWanted === (this.#saved === null)) return;
    const saved = this.#saved;
    const { spawn } = this.#load();
    const stdio: ChildProcess.StdioOptions = [this.#terminal, 'pipe', 'ignore'];
    const child = saved === null ? spawn('/bin/sh', ['-c', silent], { stdio }) : spawn('stty', [saved], { stdio });
    this.#child = child;
    let output = '';
    child.stdout?.on('data', (bytes: Buffer) => (output += bytes.toString()));
    let isOver = false;
    const end = (code: number | null): void => {
      if (isOver) return;
      isOver = true;
      if (this.#child === child) this.#child = null;
      const state = output.trim();
      if (saved !== null) this.#saved = null;
      else if (code === 0 && savedState.test(state)) this.#saved = state;
      // A terminal that can not be silenced is one that shows what is typed.
      else return;
      this.#go();
    };
    child.on('close', end);
    child.on('error', () => end(null));
  }
}
