import { isUtf8 } from 'node:buffer';
import type * as ChildProcess from 'node:child_process';
import { setMaxListeners } from 'node:events';
import { fstatSync, readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { isatty } from 'node:tty';
import { InterruptedError, UsageError } from '../outcome/errors.ts';
import { KnownSecrets } from './process/known-secrets.ts';
import { watchInterrupts } from './process/interrupt-watch.ts';
import { OutgoingText } from '../terminal/outgoing-text.ts';
import type { Output } from '../terminal/output.ts';
import type { OwnText } from '../terminal/own-text.ts';
import { TerminalEcho } from './process/terminal-echo.ts';
import { type HeldProcess, type Hold, TerminalHold } from './process/terminal-hold.ts';

/** Where standard input comes from; `none` is a closed one or a device such as /dev/null. */
export type InputKind = 'terminal' | 'pipe' | 'file' | 'none';

export interface Input {
  readonly kind: InputKind;
  /** Who reads it, in words for a message; null as long as nobody does. */
  readonly reader: string | null;
  /**
   * Makes `reader` the one who reads it: what two readers share, neither gets whole.
   *
   * @throws UsageError when somebody else does
   */
  claim(reader: string): void;
  /** Whether this is the file's name for it: `/dev/stdin`, or the file that it was redirected from. */
  isNamed(file: string): boolean;
  /** The bytes of it, read on demand. */
  bytes(): AsyncIterable<Uint8Array>;
  /** The stream itself, for line editing at a terminal. */
  stream(): NodeJS.ReadStream;
  /** Ends the reading, an iteration under way included, so that an idle pipe does not keep the process alive. */
  close(): void;
}

/** Everything a command sees of the process. Tests pass one of their own. */
export interface Io {
  readonly stdin: Input;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The keys that nothing the command says may hold; both outputs mask them. */
  readonly secrets: KnownSecrets;
  /** Absolute. It may have been deleted. */
  readonly cwd: string;
  /** Whether an argument holds bytes that are no UTF-8, in whose place Node puts U+FFFD. */
  hasTornArguments(): boolean;
  readonly homeDirectory: string;
  readonly pid: number;
  /** The user that the process runs as; null where the platform has none. */
  readonly uid: number | null;
  readonly platform: string;
  /** Of the Node that runs this, for reports: `v20.19.0`. */
  readonly nodeVersion: string;
  /** Signals another process, or a group of them (a negative id); 0 only asks whether it is there. Throws when it is not. */
  kill(processId: number, signal: NodeJS.Signals | 0): void;
  /** Aborted, with an InterruptedError as reason, by a signal or when the reader of stdout goes away. */
  readonly signal: AbortSignal;
  /**
   * From here on a second Ctrl-C ends the process even while its one thread computes. It comes by itself a moment after
   * the start; a command that may compute before that asks for it.
   */
  watchInterrupts(): void;
  /** Takes the terminal for something that draws over itself; what it gives back lets go of it. */
  readonly hold: Hold;
  /** Stops the process, as Ctrl-Z does where the terminal is in raw mode. */
  suspend(): void;
  /** Milliseconds of a clock that only goes forward. */
  readonly now: () => number;
}

type Env = Io['env'];

class StreamOutput implements Output {
  readonly isTTY: boolean;
  readonly reflows: boolean;
  readonly masked: (text: string) => string;
  isClosed = false;
  failure: Error | null = null;
  readonly #stream: NodeJS.WriteStream;
  readonly #isStyled: boolean;
  readonly #signal: AbortSignal;
  readonly #outgoing: OutgoingText;
  #writing: (() => void)[] = [];
  #flushing: (() => void)[] = [];

  constructor(
    stream: NodeJS.WriteStream & { fd: number },
    { env, secrets, signal }: { env: Env; secrets: KnownSecrets; signal: AbortSignal },
    { isForPeople, onClose }: { isForPeople: boolean; onClose: () => void },
  ) {
    this.masked = secrets.masked;
    this.#stream = stream;
    this.#signal = signal;
    this.isTTY = isatty(stream.fd);
    this.#outgoing = new OutgoingText({ isTTY: this.isTTY, isForPeople });
    this.#isStyled = this.isTTY && !env['NO_COLOR'] && env['TERM'] !== 'dumb';
    this.reflows = reflows(env);
    signal.addEventListener('abort', () => this.#resumeWriters());
    stream.on('error', (error: NodeJS.ErrnoException) => {
      // EIO is what a terminal gives once its window is gone.
      if (error.code === 'EPIPE' || error.code === 'EIO') this.isClosed = true;
      else this.failure ??= error;
      this.#release();
      if (this.isClosed) onClose();
    });
    // The stream drains when it holds nothing any more.
    stream.on('drain', () => this.#release());
  }

  get columns(): number {
    return this.#stream.columns || 80;
  }

  get isStyled(): boolean {
    return this.#isStyled;
  }

  write(text: string | OwnText): Promise<void> | void {
    return this.#write(this.#outgoing.write(text));
  }

  #write(text: string): Promise<void> | void {
    if (text === '' || this.isClosed || this.failure) return;
    if (this.#stream.write(text) || this.#signal.aborted) return;
    return new Promise((resolve) => this.#writing.push(resolve));
  }

  stream(): NodeJS.WriteStream {
    return this.#stream;
  }

  async flush(): Promise<void> {
    void this.#write(this.#outgoing.end());
    if (this.isClosed || this.failure || this.#stream.writableLength === 0) {
      // Errors of a synchronous write are still on their way when it returns.
      await new Promise((resolve) => setImmediate(resolve));
      return;
    }
    await new Promise<void>((resolve) => {
      this.#flushing.push(resolve);
      this.#stream.write('', () => resolve());
    });
  }

  #release(): void {
    this.#resumeWriters();
    for (const resolve of this.#flushing.splice(0)) resolve();
  }

  #resumeWriters(): void {
    for (const resolve of this.#writing.splice(0)) resolve();
  }
}

/** xterm, rxvt, screen and the console of Linux cut lines off instead. */
function reflows(env: Env): boolean {
  if (env['TMUX']) return true;
  return !env['XTERM_VERSION'] && !/^(?:linux|rxvt|screen)/.test(env['TERM'] ?? '');
}

/** Node opens the stream when `process.stdin` is first read, so nothing here does that before somebody wants its bytes. */
class ProcessInput implements Input {
  readonly kind = inputKind();
  #reader: string | null = null;
  #isOpen = false;

  get reader(): string | null {
    return this.#reader;
  }

  claim(reader: string): void {
    this.#reader = soleReader(this.#reader, reader);
  }

  isNamed(file: string): boolean {
    // /dev/null holds nothing that two could want.
    if (this.kind === 'none') return false;
    try {
      const [own, named] = [fstatSync(0), statSync(file)];
      return own.dev === named.dev && own.ino === named.ino;
    } catch {
      return false;
    }
  }

  bytes(): AsyncIterable<Uint8Array> {
    return this.stream();
  }

  stream(): NodeJS.ReadStream {
    this.#isOpen = true;
    return process.stdin;
  }

  get isRaw(): boolean {
    return this.#isOpen && process.stdin.isRaw;
  }

  close(): void {
    if (this.#isOpen) process.stdin.destroy();
  }
}

/** @throws UsageError when standard input has a reader already */
export function soleReader(reader: string | null, wanted: string): string {
  if (reader === null || reader === wanted) return wanted;
  throw new UsageError(`standard input is named twice: ${reader} reads it, and so would ${wanted}`, {
    code: 'input_invalid',
    hint: 'give one of them a file: -f notes.txt, or <(command)',
  });
}

function inputKind(): InputKind {
  try {
    const stat = fstatSync(0);
    if (stat.isFile()) return 'file';
    // A parent that is a Node program gives a socket where a shell gives a pipe.
    if (stat.isFIFO() || stat.isSocket()) return 'pipe';
    return stat.isCharacterDevice() && isatty(0) ? 'terminal' : 'none';
  } catch {
    return 'none';
  }
}

/** Only Linux shows the arguments as they were given. */
function hasTornArguments(): boolean {
  try {
    return !isUtf8(readFileSync('/proc/self/cmdline'));
  } catch {
    return false;
  }
}

const signals = ['SIGHUP', 'SIGINT', 'SIGTERM'] as const;
const numberOfSignal = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 };

/** Milliseconds after which a run that still goes on is watched: most short ones are over, and pay nothing. */
const watchAfter = 100;

/**
 * The real process, in that working directory. The first signal aborts `io.signal`, so that the request stops and what came is kept; a second one
 * ends the process at once, and a second SIGINT does so even while JavaScript is busy.
 */
export function processIo(cwd: string): Io {
  const controller = new AbortController();
  // A listener for each request under way, of which `compare` and `batch` have as many as they are told: no leak.
  setMaxListeners(0, controller.signal);
  let hasSignal = false;
  const receive = (name: (typeof signals)[number]): void => {
    if (hasSignal) process.exit(128 + numberOfSignal[name]);
    hasSignal = true;
    // After a closed pipe the signal is aborted already, and what came is on its way to the history.
    controller.abort(new InterruptedError(name));
  };
  for (const name of signals) process.on(name, () => receive(name));
  let isWatched = false;
  const watch = (): void => {
    if (isWatched) return;
    isWatched = true;
    process.once(
      'exit',
      watchInterrupts(() => receive('SIGINT')),
    );
  };
  setTimeout(watch, watchAfter).unref();
  const env = process.env;
  const secrets = new KnownSecrets(env);
  const around = { env, secrets, signal: controller.signal };
  const stdin = new ProcessInput();
  const hold = terminalHold(() => stdin.isRaw);
  return {
    stdin,
    stdout: new StreamOutput(process.stdout, around, {
      isForPeople: false,
      onClose: () => controller.abort(new InterruptedError(null, 'the reader closed the pipe')),
    }),
    stderr: new StreamOutput(process.stderr, around, { isForPeople: true, onClose: () => {} }),
    env,
    cwd,
    hasTornArguments,
    secrets,
    homeDirectory: env['HOME'] ?? '/',
    pid: process.pid,
    uid: process.getuid?.() ?? null,
    platform: process.platform,
    nodeVersion: process.version,
    kill: (processId, signal) => void process.kill(processId, signal),
    signal: controller.signal,
    watchInterrupts: watch,
    hold: (holder) => hold.hold(holder),
    suspend: () => hold.suspend(),
    now: () => performance.now(),
  };
}

function terminalHold(isRaw: () => boolean): TerminalHold {
  const terminal = [1, 2, 0].find((descriptor) => isatty(descriptor));
  const heldProcess: HeldProcess = {
    on: (signal, listener) => void process.on(signal, listener),
    off: (signal, listener) => void process.off(signal, listener),
    signal: (name, isGroup) => void process.kill(isGroup ? 0 : process.pid, name),
    isForeground,
  };
  // Loaded on the spot: nothing but a terminal that is drawn on needs it.
  const loadChildProcess = (): typeof ChildProcess => createRequire(import.meta.url)('node:child_process');
  const echo = new TerminalEcho(terminal ?? 1, () => terminal !== undefined && !isRaw(), loadChildProcess);
  return new TerminalHold(heldProcess, echo);
}

/** A terminal has one group of processes in its foreground. Where nothing tells, or nothing controls jobs, it is ours. */
function isForeground(): boolean {
  try {
    const stat = readFileSync('/proc/self/stat', 'utf8');
    const [, , group, , , foreground] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return foreground === '-1' || group === foreground;
  } catch {
    return true;
  }
}
