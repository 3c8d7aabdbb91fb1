import type { LiteLLMClient } from '../../../client/client.ts';
import type { Settings } from '../../../config/settings.ts';
import type { Conversation } from '../../../conversation/conversation.ts';
import type { Store } from '../../../conversation/turn.ts';
import type { RequestBody } from '../../../protocol/types.ts';
import type { LoopOptions } from '../../../tools/loop.ts';
import { approveCall } from '../../asking/approve-call.ts';
import {
  assertAnswered,
  handedInResults,
  openToolbox,
  standstillOf,
  stepsOf,
  toolSender,
} from '../../asking/tool-run.ts';
import type { Context } from '../../context.ts';
import type { PromptWords, Values } from '../../flags/flag.ts';
import type { askFlags } from '../../flags/flags.ts';
import { userMessage } from '../../input/attachments.ts';
import { mayAsk } from '../../input/confirm.ts';
import { readInput } from '../../input/prompt.ts';
import type { View } from '../../views/view.ts';
import type { MadePrompt } from '../../asking/template-prompt.ts';
import { promptOf } from './message.ts';

type AskValues = Values<typeof askFlags> & { readonly prompt: PromptWords };

/** Whether the run may be one that goes on where a conversation stopped, with nothing new to say. */
export function isPromptOptional(values: AskValues): boolean {
  const { prompt, continue: isContinued, conversation, template, exec, file } = values;
  const isSilent = prompt.words.join('').trim() === '' && !prompt.isInputNamed && template === undefined;
  return isSilent && exec.length === 0 && file.length === 0 && (isContinued || conversation !== undefined);
}

/** The prompt where one is needed, or came on standard input; null to go on from calls or their answers. */
export async function promptToGoOn(
  values: AskValues,
  context: Context,
  { conversation, store }: { conversation: Conversation; store: Store },
): Promise<MadePrompt | null> {
  if (!standstillOf(conversation, store).isUnfinished) return promptOf(values, context);
  const { stdin, stdinTimeout = 60 } = values;
  const { io, remark } = context;
  const source = { isInputNamed: false, isInputIgnored: !stdin, inputTimeout: stdinTimeout };
  const text = await readInput(source, io.stdin, remark, io.signal);
  if (text === null || text.trim() === '') return null;
  return { messages: [userMessage(text, { blocks: [], parts: [] })], outputs: [] };
}

export interface SenderParts extends Pick<LoopOptions, 'isKept' | 'onReply' | 'refusal' | 'refuse'> {
  settings: Settings;
  client: LiteLLMClient;
  store: Store;
  conversation: Conversation;
  body: RequestBody;
  view: View;
}

/** Sends the turns of this run with the tools that the flags name. */
export async function openSender(
  values: AskValues,
  { io, remark }: Pick<Context, 'io' | 'remark'>,
  { settings, client, conversation, store, body, view, ...loop }: SenderParts,
): Promise<Pick<Conversation, 'send'>> {
  const { pending } = standstillOf(conversation, store);
  const handedIn = await handedInResults(values, pending, io);
  const { tools, rules } = await openToolbox(values, body, { io, settings, client, remark });
  assertAnswered(handedIn, pending, { tools, history: store.history });
  return toolSender(conversation, {
    ...loop,
    tools,
    rules,
    store,
    pending,
    handedIn,
    maxSteps: stepsOf(values),
    observer: view,
    ask: mayAsk(io, !values.stdin) ? (call, subject) => approveCall(call, subject, io) : null,
    now: () => io.now(),
  });
}
