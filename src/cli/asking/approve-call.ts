import { UsageError } from '../../outcome/errors.ts';
import type { ReplyCall } from '../../protocol/reply-content.ts';
import type { Approval } from '../../tools/answer-calls.ts';
import type { ToolSubject } from '../../tools/tool.ts';
import { ours } from '../../terminal/own-text.ts';
import type { Io } from '../io.ts';
import { askLine } from '../input/secret.ts';
import { toolCallText } from '../views/tool-call.ts';

/**
 * Asks the person at the terminal about a call, with all of its arguments in sight. Enter alone, and whatever is no
 * answer, is a no.
 *
 * @throws InterruptedError for Ctrl-C
 */
export async function approveCall(call: ReplyCall, subject: ToolSubject, io: Io): Promise<Approval> {
  await io.stderr.write(ours`${toolCallText(call, io.stderr)}\n`);
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
