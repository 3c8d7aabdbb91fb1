import { readLines } from '../../../batch/lines.ts';
import { type CllmError, UsageError } from '../../../outcome/errors.ts';
import { utf8Bytes } from '../../../files/text-encoding.ts';
import type { LiteLLMClient } from '../../../client/client.ts';
import { paramValues, type Settings } from '../../../config/settings.ts';
import type { FactsOf } from '../../asking/dry-run.ts';
import type { Store } from '../../../conversation/turn.ts';
import type { RequestBody } from '../../../protocol/types.ts';
import type { ToolRunParts } from '../../asking/tool-run.ts';
import { type ChatPrompt, ChatSession, type ChatSessionParts, type ChatToolbox } from './session.ts';
import { chooseConversation, modelFor } from '../../asking/choose-conversation.ts';
import type { Context } from '../../context.ts';
import type { Io } from '../../io.ts';
import { modelNames } from '../../asking/model-names.ts';
import { createView } from '../../views/create-view.ts';
import { requestBody } from '../../asking/request-body.ts';
import { prepareSpending } from '../../asking/spending.ts';
import type { Values } from '../../flags/flag.ts';
import type { chatFlags } from '../../flags/flags.ts';

type ChatValues = Values<typeof chatFlags>;

/**
 * A conversation in one process: the connection, the conversation and the history stay open between turns. Somebody at a
 * terminal gets an editor and commands; from a pipe every line is a prompt.
 */
export async function runChat(values: ChatValues, context: Context): Promise<CllmError | null> {
  const { io } = context;
  io.stdin.claim('the chat');
  const session = await openSession(values, context);
  let last: CllmError | null = null;
  try {
    if (io.stdin.kind === 'terminal' && io.stderr.isTTY) {
      const { chatAtTerminal } = await import('./terminal-chat.ts');
      await chatAtTerminal(session, {
        io,
        isQuiet: values.quiet,
        dataDirectory: context.paths.dataDirectory,
        askNames: async () => modelNames(await context.client(), { paths: context.paths, uid: io.uid }),
        makePrompt: (named, variables) => templatePrompt(named, variables, context),
        askServers: async () => {
          const { mcpServers } = await import('../../../tools/gateway.ts');
          return mcpServers(await context.client(), io.signal);
        },
      });
    } else last = await chatInLines(session, { io, isQuiet: values.quiet, remark: context.remark });
  } finally {
    io.stdin.close();
    if (session.isEphemeral) session.store.history?.close();
  }
  if (io.signal.aborted) return io.signal.reason as CllmError;
  // Somebody at a terminal saw each error when it came; a script that pipes lines in needs to know of the last.
  return last;
}

async function openSession(values: ChatValues, context: Context): Promise<ChatSession> {
  const { io, remark, explained } = context;
  const settings = await context.settings();
  await context.assertTrusted();
  const client = await context.client();
  const store = await storeOf(context);
  const conversation = await chooseConversation(values, { io, settings, client, store, remark });
  const model = await modelFor(conversation, { settings, otherwise: context.model, remark });
  const body = await requestBody(values, model, paramValues(settings.params), io);
  const spending =
    settings.maxCost.value === null
      ? null
      : await prepareSpending(
          { maxCost: settings.maxCost, allowUnknownCost: values.allowUnknownCost },
          { client, model: body.model, signal: io.signal, remark },
        );
  let factsFor: FactsOf | null = null;
  return new ChatSession({
    conversation,
    body,
    store,
    client,
    spending,
    checkSize: sizeCheck(settings, client, remark),
    contextWindow: async (asked) => {
      const { factsOf } = await import('../../asking/dry-run.ts');
      factsFor ??= factsOf(client, io.signal);
      return (await factsFor(asked))?.maxInputTokens ?? null;
    },
    isShortAllowed: values.allowShort,
    toolbox: await toolboxOf(values, body, { io, settings, client, remark }),
    signal: io.signal,
    newView: () =>
      createView(values, io, {
        isHeldBack: false,
        baseUrl: settings.baseUrl.value,
        model: body.model,
        render: settings.render.value,
        reasoning: settings.reasoning.value,
        keptIn: values.demo ? context.paths.historyFile : null,
        isVerbose: values.verbose,
      }),
    explained,
    remark,
    onKept: () => (context.hasKeptReply = true),
  });
}

/**
 * What a template comes to as a prompt of this chat. Its model, parameters and schema are for `cllm -t`: a chat has its
 * own.
 */
async function templatePrompt(
  named: string,
  given: readonly (readonly [string, string])[],
  { io, paths, remark, client }: Context,
): Promise<ChatPrompt> {
  const { keptTemplate, loadTemplate } = await import('../../asking/template.ts');
  const template = await loadTemplate({ named, given }, { io, paths, say: remark, proxy: client });
  if (template.missing !== null) throw template.missing;
  const { templateMessage } = await import('../../asking/template-prompt.ts');
  const values = {
    prompt: { words: [], isInputNamed: false },
    file: [],
    stdin: true,
    stdinTimeout: undefined,
    template: named,
    var: given,
    exec: [],
    trustTemplate: [],
  };
  const made = await templateMessage(template, values, { io, paths, say: remark });
  return { made, template: keptTemplate(template) };
}

/** What the model may call in this chat; a plain one loads nothing for it. */
async function toolboxOf(values: ChatValues, body: RequestBody, parts: ToolRunParts): Promise<ChatToolbox | null> {
  if (values.mcp.length === 0 && values.allow.length === 0) return null;
  const { openToolbox, stepsOf } = await import('../../asking/tool-run.ts');
  return { ...(await openToolbox(values, body, parts)), maxSteps: stepsOf(values) };
}

/** Refuses a turn that is longer than --max-input-tokens; null without it. */
function sizeCheck(
  settings: Settings,
  client: LiteLLMClient,
  remark: (text: string) => void,
): ChatSessionParts['checkSize'] {
  if (settings.maxInputTokens.value === null) return null;
  return async (request, signal) => {
    const { assertSize, factsOf, sizeLimitOf } = await import('../../asking/dry-run.ts');
    const check = { client, signal, facts: factsOf(client, signal), onGuess: remark };
    await assertSize(request, sizeLimitOf(settings), check);
  };
}

/** A chat remembers its turns also when nothing of them is to be kept: in memory. */
async function storeOf(context: Context): Promise<Store> {
  const store = await context.store();
  if (store.history !== null || store.problem !== null) return store;
  const { History } = await import('../../../history/history.ts');
  return { history: History.open(':memory:', { uid: context.io.uid }), journal: null, problem: null };
}

async function chatInLines(
  session: ChatSession,
  { io, isQuiet, remark }: { io: Io; isQuiet: boolean; remark: (text: string) => void },
): Promise<CllmError | null> {
  io.signal.addEventListener('abort', () => io.stdin.close(), { once: true });
  let last: CllmError | null = null;
  let isTold = io.stdin.kind === 'terminal' || isQuiet;
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
        remark('each line of standard input is a prompt of its own; to ask about all of it: cllm "question" < FILE');
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
