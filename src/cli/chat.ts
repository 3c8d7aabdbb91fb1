import { readLines } from '../batch/lines.ts';
import { type CllmError, UsageError } from '../errors.ts';
import { utf8Bytes } from '../files/text-encoding.ts';
import { ChatSession } from './chat/session.ts';
import type { Context } from './context.ts';
import { isSet } from './flag-values.ts';
import type { Flags } from './flags.ts';

/**
 * A conversation in one process: the connection, the conversation and the history stay open between turns. Somebody at a
 * terminal gets an editor and commands; from a pipe every line is a prompt.
 */
export async function runChat(flags: Flags, context: Context): Promise<CllmError | null> {
  const { io } = context;
  io.stdin.claim('the chat');
  const session = await ChatSession.open(flags, context);
  let last: CllmError | null = null;
  try {
    if (io.stdin.kind === 'terminal' && io.stderr.isTTY) {
      const { chatAtTerminal } = await import('./chat/terminal-chat.ts');
      await chatAtTerminal(session, flags, context);
    } else last = await chatInLines(session, flags, context);
  } finally {
    io.stdin.close();
    if (session.isEphemeral) session.store.history?.close();
  }
  if (io.signal.aborted) return io.signal.reason as CllmError;
  // Somebody at a terminal saw each error when it came; a script that pipes lines in needs to know of the last.
  return last;
}

async function chatInLines(session: ChatSession, flags: Flags, context: Context): Promise<CllmError | null> {
  const { io } = context;
  io.signal.addEventListener('abort', () => io.stdin.close(), { once: true });
  let last: CllmError | null = null;
  let isTold = io.stdin.kind === 'terminal' || isSet(flags, 'quiet');
  try {
    for await (const { text, number, problem } of readLines(utf8Bytes(io.stdin.bytes()))) {
      if (text === null) {
        throw new UsageError(`line ${number} of standard input ${problem}: nothing of it was asked`, {
          code: 'input_invalid',
          hint: 'convert it: iconv -f latin1 -t utf-8, or from what it is',
        });
      }
      if (text.trim() === '') continue;
      if (!isTold) {
        isTold = true;
        // Who pipes a text in to talk about it would pay for it line by line, each with all before it.
        context.remark(
          'each line of standard input is a prompt of its own; to ask about all of it: cllm "question" < FILE',
        );
      }
      last = await session.send(text, io.signal);
      if (io.signal.aborted) break;
    }
  } catch (error) {
    // Closing a stream ends its iteration with an error of its own.
    if (!io.signal.aborted) throw error;
  }
  return last;
}
