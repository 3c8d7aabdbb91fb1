import type { ChatMessage } from '../../../protocol/types.ts';
import type { Context } from '../../context.ts';
import type { PromptWords, Values } from '../../flags/flag.ts';
import type { promptFlags, templateFlags } from '../../flags/flags.ts';
import { promptMessage } from '../../input/message.ts';

/** The prompt of the words, or of a template, with what goes with it. */
export async function messageOf(
  values: Values<typeof promptFlags> & Values<typeof templateFlags> & { readonly prompt: PromptWords },
  context: Context,
): Promise<ChatMessage> {
  const { io } = context;
  const template = await context.template();
  if (template === null && values.exec.length === 0) return promptMessage(values, io);
  const { templateMessage } = await import('../../asking/template-prompt.ts');
  return templateMessage(template, values, { io, paths: context.paths, say: context.remark });
}
