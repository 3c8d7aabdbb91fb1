import type { ChatMessage } from '../../protocol/types.ts';
import type { PromptWords, Values } from '../flags/flag.ts';
import type { promptFlags } from '../flags/flags.ts';
import type { Io } from '../io.ts';
import { remark } from '../views/report.ts';
import { readAttachments, userMessage } from './attachments.ts';
import { readPrompt } from './prompt.ts';

/** The words of the command line, standard input and the files of -f, as one message. */
export async function promptMessage(
  { prompt: named, file, stdin, stdinTimeout = 60 }: Values<typeof promptFlags> & { readonly prompt: PromptWords },
  io: Io,
  contextBlocks: readonly string[] = [],
): Promise<ChatMessage> {
  // Before standard input is read: one of them may be /dev/stdin, which would have nothing more to give.
  const attachments = await readAttachments(file, io);
  const prompt = await readPrompt(
    { ...named, isInputIgnored: !stdin, inputTimeout: stdinTimeout },
    io.stdin,
    (text) => void remark(io.stderr, text),
    io.signal,
  );
  return userMessage(prompt, { ...attachments, blocks: [...contextBlocks, ...attachments.blocks] });
}
