import { constants } from 'node:buffer';
import { longestTimer } from '../../client/reply/deadlines.ts';
import { failureReason } from '../../files/file-error.ts';
import { InterruptedError, UsageError } from '../../outcome/errors.ts';
import { contentOf, named } from '../../files/content-kind.ts';
import type { Input } from '../io.ts';

export interface PromptSource {
  /** The words of the command line; a lone `-` has been taken out of them. */
  words: readonly string[];
  /** A `-` stood among the words. */
  isInputNamed: boolean;
  /** `--no-stdin`. */
  isInputIgnored: boolean;
  /** Seconds to wait for the first byte; 0 waits for ever. */
  inputTimeout: number;
}

/** How long a pipe may stay silent before a person is told what is being waited for. */
const noticeAfterMs = 2000;

const longestInput = constants.MAX_STRING_LENGTH;

/**
 * The prompt: the words, and standard input when there are none, when `-` stands for it, or when it is a file or a pipe.
 * Never a silent hang (a silent pipe is named, and is a usage error in the end) and never a silent loss: what arrives is
 * read to its end, whatever its size.
 */
export async function readPrompt(
  source: PromptSource,
  stdin: Input,
  notice: (text: string) => void,
  signal: AbortSignal,
): Promise<string> {
  const words = source.words.join(' ');
  const hasWords = words.trim() !== '';
  if (source.isInputNamed && source.isInputIgnored) {
    throw new UsageError('- asks for standard input and --no-stdin refuses it', { hint: 'leave out one of them' });
  }
  if (!isRead(source, hasWords, stdin)) {
    if (hasWords) return words;
    throw noPrompt();
  }
  stdin.claim(source.isInputNamed ? 'the prompt (-)' : 'the prompt');
  const input = decoded(await readAll(stdin, source.inputTimeout, notice, signal));
  if (!hasWords) {
    if (input.trim() === '') throw noPrompt('no prompt: standard input is empty');
    return input;
  }
  return input === '' ? words : `${words}\n\n${block('stdin', '', input)}`;
}

/**
 * Standard input for a prompt that is there already: null when there is none to read.
 */
export async function readInput(
  source: Omit<PromptSource, 'words'>,
  stdin: Input,
  notice: (text: string) => void,
  signal: AbortSignal,
): Promise<string | null> {
  if (!isRead({ ...source, words: [] }, true, stdin)) return null;
  stdin.claim(source.isInputNamed ? 'the prompt (-)' : 'the prompt');
  const input = decoded(await readAll(stdin, source.inputTimeout, notice, signal));
  return input === '' ? null : input;
}

/** With words a terminal and a device (/dev/null) say nothing; without them only a terminal does not, unless named. */
function isRead({ isInputNamed, isInputIgnored }: PromptSource, hasWords: boolean, { kind, reader }: Input): boolean {
  if (isInputNamed) return true;
  // A file that a flag reads is not the prompt.
  if (isInputIgnored || reader !== null) return false;
  return kind === 'file' || kind === 'pipe' || (!hasWords && kind === 'none');
}

/** A text that goes with the prompt, marked so that the model can tell the two apart. */
export function block(tag: string, attributes: string, text: string): string {
  return `<${tag}${attributes}>\n${text}${text.endsWith('\n') ? '' : '\n'}</${tag}>`;
}

function noPrompt(reason = 'no prompt'): UsageError {
  return new UsageError(reason, {
    code: 'input_invalid',
    hint: 'usage: cllm "why is the sky blue?", or pipe the prompt in; cllm --help shows the rest',
  });
}

async function readAll(
  stdin: Input,
  timeout: number,
  notice: (text: string) => void,
  signal: AbortSignal,
): Promise<Buffer> {
  let failure: Error | null = null;
  const stop = (reason: Error): void => {
    failure ??= reason;
    stdin.close();
  };
  const onAbort = (): void => stop(interrupted(signal.reason));
  if (signal.aborted) throw interrupted(signal.reason);
  signal.addEventListener('abort', onAbort);
  const silence = stdin.kind === 'pipe' ? watchSilence(timeout, notice, stop) : null;
  const pieces: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const bytes of stdin.bytes()) {
      silence?.stop();
      pieces.push(bytes);
      length += bytes.length;
      if (length > longestInput) stop(tooLong());
    }
  } catch (cause) {
    // Closing a stream ends its iteration with an error of its own.
    failure ??= unreadable(cause);
  } finally {
    silence?.stop();
    signal.removeEventListener('abort', onAbort);
    stdin.close();
  }
  if (failure !== null) throw failure;
  return Buffer.concat(pieces, length);
}

function watchSilence(
  timeout: number,
  notice: (text: string) => void,
  stop: (reason: Error) => void,
): { stop(): void } {
  const timers = [setTimeout(() => notice('waiting for standard input; --no-stdin ignores it'), noticeAfterMs)];
  if (timeout > 0) timers.push(setTimeout(() => stop(silent(timeout)), Math.min(timeout * 1000, longestTimer)));
  return { stop: () => timers.forEach((timer) => clearTimeout(timer)) };
}

function interrupted(reason: unknown): InterruptedError {
  const signal = reason instanceof InterruptedError ? reason.signal : null;
  return new InterruptedError(signal, 'interrupted while standard input was read: nothing was asked', {
    hint: 'ask again; --no-stdin leaves standard input alone',
  });
}

function silent(timeout: number): UsageError {
  return new UsageError(`standard input stayed silent for ${timeout} s`, {
    code: 'stdin_timeout',
    hint: 'close it (< /dev/null), ignore it (--no-stdin) or wait longer (--stdin-timeout 0 = for ever)',
  });
}

function tooLong(): UsageError {
  return new UsageError(`standard input is longer than ${longestInput} bytes, the longest text that Node can hold`, {
    code: 'input_invalid',
    hint: 'pipe in less of it, with head -c say',
  });
}

function unreadable(cause: unknown): UsageError {
  return new UsageError(`standard input can not be read (${failureReason(cause)})`, {
    code: 'input_invalid',
    cause,
    hint: 'redirect it from a file or a pipe, or ignore it with --no-stdin',
  });
}

/** @throws UsageError for what is no text: it would reach the model with holes in it */
function decoded(bytes: Buffer): string {
  const content = contentOf(bytes);
  if ('problem' in content) {
    throw new UsageError(`standard input ${content.problem ?? ''}`, {
      code: 'input_invalid',
      hint: `${content.hint}; an image, a PDF or a recording is attached with -f -`,
    });
  }
  if (content.kind === 'text') return content.text;
  const { name, hint } = named(content);
  throw new UsageError(`standard input is ${name}, and not the text of a prompt`, {
    code: 'input_invalid',
    hint: hint ?? 'attach it with -f -, and say what to do with it: cllm -f - "what is this?"',
  });
}
