import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { InterruptedError, UsageError } from '../../outcome/errors.ts';
import { decodeText } from '../../files/text-encoding.ts';
import type { Io } from '../io.ts';
import { ours } from '../../terminal/own-text.ts';
import { terminalSafe } from '../../terminal/terminal-safe.ts';

/** Longer than any key; a pipe that never ends must not fill the memory. */
const longestSecret = 65_536;

const noticeAfterMs = 2_000;
const givenUpAfterMs = 60_000;

/** One line of a person at a terminal. With `isHidden` nothing of it is shown, not even its length. */
export function askLine(io: Io, question: string, { isHidden = false } = {}): Promise<string> {
  const terminal = io.stderr.stream();
  const nowhere = new Writable({ write: (_bytes, _encoding, done) => done() });
  // readline puts the terminal into raw mode and does the editing; where nothing is to be seen its output goes nowhere.
  const lines = createInterface({
    input: io.stdin.stream(),
    output: isHidden ? nowhere : terminal,
    terminal: true,
    historySize: 0,
  });
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      reject(io.signal.reason as Error);
      lines.close();
    };
    io.signal.addEventListener('abort', stop, { once: true });
    lines.once('close', () => io.signal.removeEventListener('abort', stop));
    let isAnswered = false;
    // Without Enter what comes next would stand behind the question.
    lines.once('close', () => void (isAnswered || io.stderr.write(ours`\n`)));
    lines.once('SIGINT', () => {
      reject(new InterruptedError('SIGINT', 'interrupted: nothing was kept'));
      lines.close();
    });
    // Ctrl-D.
    lines.once('close', () => reject(new UsageError('nothing was entered', { code: 'input_invalid' })));
    // readline writes by itself, past the output that makes a stranger's words safe.
    if (isHidden) void io.stderr.write(question);
    lines.question(isHidden ? '' : terminalSafe(question), (answer) => {
      isAnswered = true;
      if (isHidden) void io.stderr.write(ours`\n`);
      resolve(answer.trim());
      lines.close();
    });
  });
}

/** A secret: typed unseen at a terminal, else all of standard input. It is never taken from the command line. */
export async function readSecret(io: Io, question: string, hint: string): Promise<string> {
  const { stdin, signal } = io;
  if (stdin.kind === 'terminal') return askLine(io, question, { isHidden: true });
  if (stdin.kind === 'none')
    throw new UsageError('there is nobody to ask for the key', { code: 'input_invalid', hint });
  stdin.claim('the key');
  let failure: Error | null = null;
  const stop = (reason: Error): void => {
    failure ??= reason;
    stdin.close();
  };
  const onAbort = (): void => stop(signal.reason as Error);
  signal.addEventListener('abort', onAbort);
  const timers = [
    setTimeout(() => void io.stderr.write('cllm: waiting for the key on standard input\n'), noticeAfterMs),
    setTimeout(
      () => stop(new UsageError('no key came on standard input', { code: 'stdin_timeout', hint })),
      givenUpAfterMs,
    ),
  ];
  const pieces: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const piece of stdin.bytes()) {
      pieces.push(piece);
      length += piece.length;
      if (length > longestSecret)
        stop(new UsageError('standard input holds more than a key', { code: 'input_invalid', hint }));
    }
  } catch (error) {
    failure ??= error as Error;
  } finally {
    for (const timer of timers) clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
    stdin.close();
  }
  if (failure !== null) throw failure;
  const decoded = decodeText(Buffer.concat(pieces));
  if (decoded.problem === null) return decoded.text;
  throw new UsageError(`standard input ${decoded.problem}`, { code: 'input_invalid', hint });
}
