import { createInterface } from 'node:readline';
import { paramValues } from '../config/settings.ts';
import { type CllmError, InterruptedError } from '../errors.ts';
import { judgement } from '../outcome.ts';
import { chooseConversation } from './choose-conversation.ts';
import type { Context } from './context.ts';
import { isSet } from './flag-values.ts';
import type { Flags } from './flags.ts';
import { createView } from './render/create-view.ts';
import { requestBody } from './request-body.ts';

/**
 * A conversation, line by line. Ctrl-C stops the reply and keeps the chat; at an empty prompt it leaves, as the end of
 * input does. The connection, the conversation and the history stay open between turns.
 */
export async function runChat(flags: Flags, context: Context): Promise<CllmError | null> {
  const { io } = context;
  const settings = await context.settings();
  const body = requestBody(flags, await context.model(), paramValues(settings.params), io.cwd);
  const client = await context.client();
  const conversation = await chooseConversation(flags, context, client, await context.store());

  const isTerminal = io.stdin.kind === 'terminal' && io.stderr.isTTY;
  const lines = createInterface({
    input: io.stdin.stream(),
    ...(isTerminal && { output: io.stderr.stream() }),
    terminal: isTerminal,
    prompt: '> ',
  });
  let reply: AbortController | null = null;
  lines.on('SIGINT', () => {
    if (reply !== null) reply.abort(new InterruptedError('SIGINT', 'stopped'));
    else if (lines.line === '') lines.close();
    else {
      // As a shell does: the line is given up, the prompt stays.
      lines.write(null, { ctrl: true, name: 'u' });
      lines.prompt();
    }
  });
  io.signal.addEventListener('abort', () => lines.close(), { once: true });

  let last: CllmError | null = null;
  if (isTerminal) lines.prompt();
  for await (const line of lines) {
    if (line.trim() !== '') {
      reply = new AbortController();
      const view = createView(flags, context, {
        isHeldBack: false,
        baseUrl: settings.baseUrl.value,
        render: settings.render.value,
      });
      const result = await conversation.send({
        messages: [{ role: 'user', content: line }],
        body,
        signal: AbortSignal.any([io.signal, reply.signal]),
        observer: view,
      });
      reply = null;
      const isShortAllowed = isSet(flags, 'allow-short');
      const judged = judgement([result.error, result.unsaved ?? context.storeProblem], { isShortAllowed });
      last = judged.decisive;
      await view.end({ ...result, ...judged });
    }
    if (io.signal.aborted) break;
    if (isTerminal) lines.prompt();
  }
  io.stdin.close();
  if (io.signal.aborted) return io.signal.reason as CllmError;
  // Somebody at a terminal saw each error when it came; a script that pipes lines in needs to know of the last.
  return isTerminal ? null : last;
}
