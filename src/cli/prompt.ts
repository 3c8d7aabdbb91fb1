import { isUtf8 } from 'node:buffer';
import { UsageError } from '../errors.ts';
import type { Input } from './io.ts';

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
  if (source.isInputNamed && source.isInputIgnored) throw new UsageError('- asks for standard input and --no-stdin refuses it');
  const isPiped = stdin.kind === 'file' || stdin.kind === 'pipe';
  const isRead = source.isInputNamed || (!source.isInputIgnored && (isPiped || (!hasWords && stdin.kind === 'none')));
  if (!isRead) {
    if (hasWords) return words;
    throw noPrompt();
  }
  const input = decoded(await readAll(stdin, source.inputTimeout, notice, signal));
  if (!hasWords) {
    if (input.trim() === '') throw noPrompt('standard input is empty');
    return input;
  }
  return input === '' ? words : `${words}\n\n${block('stdin', '', input)}`;
}

/** A text that goes with the prompt, marked so that the model can tell the two apart. */
export function block(tag: string, attributes: string, text: string): string {
  return `<${tag}${attributes}>\n${text}${text.endsWith('\n') ? '' : '\n'}</${tag}>`;
}

function noPrompt(reason = 'no prompt'): UsageError {
  return new UsageError(reason, { code: 'input_invalid', hint: 'say what to ask: cllm "why is the sky blue?", or pipe it in; see cllm --help' });
}

async function readAll(stdin: Input, timeout: number, notice: (text: string) => void, signal: AbortSignal): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  const bytes = stdin.bytes()[Symbol.asyncIterator]();
  const silence = stdin.kind === 'pipe' ? watchSilence(timeout, notice) : null;
  const stop = abortion(signal);
  try {
    for (;;) {
      const next = await Promise.race([bytes.next(), stop.aborted, ...(silence ? [silence.expired] : [])]);
      silence?.stop();
      if (next.done) return Buffer.concat(pieces);
      pieces.push(next.value);
    }
  } finally {
    silence?.stop();
    stop.release();
    stdin.close();
  }
}

function watchSilence(timeout: number, notice: (text: string) => void): { expired: Promise<never>; stop(): void } {
  const timers: NodeJS.Timeout[] = [];
  const expired = new Promise<never>((_, reject) => {
    timers.push(setTimeout(() => notice('waiting for standard input; --no-stdin ignores it'), noticeAfterMs));
    if (timeout === 0) return;
    const giveUp = () =>
      reject(
        new UsageError(`standard input stayed silent for ${timeout} s`, {
          code: 'stdin_timeout',
          hint: 'close it (< /dev/null), ignore it (--no-stdin) or wait longer (--stdin-timeout 0 = for ever)',
        }),
      );
    timers.push(setTimeout(giveUp, timeout * 1000));
  });
  return { expired, stop: () => timers.forEach((timer) => clearTimeout(timer)) };
}

function abortion(signal: AbortSignal): { aborted: Promise<never>; release(): void } {
  let release = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    const onAbort = () => reject(signal.reason as Error);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort);
    release = () => signal.removeEventListener('abort', onAbort);
  });
  return { aborted, release };
}

/** A prompt that is no UTF-8 would reach the model with holes in it, so it is refused, with the offset of the fault. */
function decoded(bytes: Buffer): string {
  if (!isUtf8(bytes)) {
    throw new UsageError(`standard input is no UTF-8 text: byte ${invalidOffset(bytes)} does not fit`, {
      code: 'input_invalid',
      hint: 'convert it (iconv -t utf-8), or attach an image with -f',
    });
  }
  return bytes.toString('utf8');
}

/**
 * The offset of the first byte that no UTF-8 text has there: decoding puts U+FFFD in place of a fault and leaves all
 * before it as it was, so encoding again differs first at the fault, or inside the character that it tears.
 */
export function invalidOffset(bytes: Buffer): number {
  const again = Buffer.from(bytes.toString('utf8'), 'utf8');
  let offset = 0;
  while (offset < bytes.length && bytes[offset] === again[offset]) offset += 1;
  while (!isUtf8(bytes.subarray(0, offset))) offset -= 1;
  return offset;
}
