import type { Conversation } from '../../../conversation/conversation.ts';
import type { Store } from '../../../conversation/turn.ts';
import type { Context } from '../../context.ts';
import type { MadePrompt } from '../../asking/template-prompt.ts';
import type { PromptWords, Values } from '../../flags/flag.ts';
import type { promptFlags, templateFlags, toolFlags, toolResultFlags } from '../../flags/flags.ts';
import { promptMessage } from '../../input/message.ts';

/** The prompt of the words, or of a template, with what goes with it. */
export async function promptOf(
  values: Values<typeof promptFlags> & Values<typeof templateFlags> & { readonly prompt: PromptWords },
  context: Context,
): Promise<MadePrompt> {
  const { io } = context;
  const template = await context.template();
  if (template === null && values.exec.length === 0)
    return { messages: [await promptMessage(values, io)], outputs: [] };
  const { templateMessage } = await import('../../asking/template-prompt.ts');
  return templateMessage(template, values, { io, paths: context.paths, say: context.remark });
}

/** The messages of a prompt, without what its conversation holds already. */
export async function newMessages(
  prompt: MadePrompt,
  conversation: Conversation,
  store: Store,
  say: (text: string) => void,
): Promise<MadePrompt['messages']> {
  const { id } = conversation.state;
  if (prompt.outputs.length === 0 || id === null || store.history === null) return prompt.messages;
  const { withoutRepeated } = await import('../../asking/repeated-output.ts');
  return withoutRepeated(prompt, store.history.turns(id), say);
}

/** Whether the model may call something that is run, or a call is answered. */
export function usesTools({
  mcp,
  allow,
  toolResult,
}: Values<typeof toolFlags> & Values<typeof toolResultFlags>): boolean {
  return mcp.length > 0 || allow.length > 0 || toolResult.length > 0;
}
