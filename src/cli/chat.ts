import { createInterface } from 'node:readline';
import type { CllmError } from '../errors.ts';
import { ChatSession } from './chat/session.ts';
import type { Context } from './context.ts';
import type { Flags } from './flags.ts';

/**
 * A conversation in one process: the connection, the conversation and the history stay open between turns. Somebody at a
 * terminal gets an editor and commands; from a pipe every line is a prompt.
 */
export async function runChat(flags: Flags, context: Context): Promise<CllmError | null> {
  const { io } = context;
  const session = await ChatSession.open(flags, context);
  let last: CllmError | null = null;
  try {
    if (io.stdin.kind === 'terminal' && io.stderr.isTTY && io.env['TERM'] !== 'dumb') {
      const { chatAtTerminal } = await import('./chat/terminal-chat.ts');
      await chatAtTerminal(session, flags, context);
    } else last = await chatInLines(session, context);
  } finally {
    io.stdin.close();
    if (session.isEphemeral) session.store.history?.close();
  }
  if (io.signal.aborted) return io.signal.reason as CllmError;
  // Somebody at a terminal saw each error when it came; a script that pipes lines in needs to know of the last.
  return last;
}

async function chatInLines(session: ChatSession, { io }: Context): Promise<CllmError | null> {
  const lines = createInterface({ input: io.stdin.stream(), terminal: false });
  io.signal.addEventListener('abort', () => lines.close(), { once: true });
  let last: CllmError | null = null;
  for await (const line of lines) {
    if (line.trim() !== '') last = await session.send(line, io.signal);
    if (io.signal.aborted) break;
  }
  return last;
}
