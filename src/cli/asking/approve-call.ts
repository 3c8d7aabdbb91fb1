import { setTimeout as sleep } from 'node:timers/promises';
import { UsageError } from '../../outcome/errors.ts';
import type { ReplyCall } from '../../protocol/reply-content.ts';
import type { Approval } from '../../tools/answer-calls.ts';
import type { ToolSubject } from '../../tools/tool.ts';
import { ours } from '../../terminal/own-text.ts';
import type { Io } from '../io.ts';
import { askLine } from '../input/secret.ts';
import { toolCallText } from '../views/tool-call.ts';

/** Milliseconds in which a terminal hands over what stood in its line. */
const typedAheadMs = 50;

/**
 * Asks the person at the terminal about a call, with all of its arguments in sight. Enter alone, and whatever is no
 * answer, is a no.
 *
 * @throws InterruptedError for Ctrl-C
 */
export async function approveCall(call: ReplyCall, subject: ToolSubject, io: Io): Promise<Approval> {
  await io.stderr.write(ours`${toolCallText(call, io.stderr)}\n`);
  await dropTyped(io);
  const what = subject.kind === 'command' ? 'run this command' : 'run this tool';
  let answer: string;
  try {
    answer = await askLine(io, `${what}? [y]es, [n]o, [a]lways in this conversation: `);
  } catch (error) {
    // Ctrl-D says nothing, and that is a no.
    if (error instanceof UsageError) return 'no';
    throw error;
  }
  if (/^y(es)?$/i.test(answer)) return 'yes';
  return /^a(lways)?$/i.test(answer) ? 'always' : 'no';
}

/** What was typed before there was a question is no answer to it. */
async function dropTyped({ stdin }: Io): Promise<void> {
  const stream = stdin.stream();
  const drop = (): void => {};
  stream.on('data', drop);
  await sleep(typedAheadMs);
  stream.off('data', drop);
  stream.pause();
}
