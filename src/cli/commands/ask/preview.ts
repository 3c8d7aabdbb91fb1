import { existsSync } from 'node:fs';
import { paramValues, type Settings } from '../../../config/settings.ts';
import type { Store } from '../../../conversation/turn.ts';
import type { CllmError } from '../../../outcome/errors.ts';
import { jsonLine } from '../../../terminal/terminal-safe.ts';
import { chooseConversation, modelFor } from '../../asking/choose-conversation.ts';
import { dryRun, factsOf, figureLines, nextRequest, requestText, sizeLimitOf } from '../../asking/dry-run.ts';
import type { ReplySchema } from '../../asking/reply-schema.ts';
import { requestBody } from '../../asking/request-body.ts';
import type { Context } from '../../context.ts';
import type { PromptWords, Values } from '../../flags/flag.ts';
import type { askFlags } from '../../flags/flags.ts';
import { reportError } from '../../views/report.ts';
import { newMessages, promptOf, usesTools } from './message.ts';

/** `--dry-run`: what would be sent, and what it would take. Nothing is kept, and no prompt is sent to a model. */
export async function previewAsk(
  values: Values<typeof askFlags> & { readonly prompt: PromptWords },
  context: Context,
  { settings, schema }: { settings: Settings; schema: ReplySchema | null },
): Promise<CllmError | null> {
  const { io, remark } = context;
  await context.assertTrusted();
  const prompt = await promptOf(values, context);
  const client = await context.client();
  const store = await readStore(values, context);
  const conversation = await chooseConversation(values, { io, settings, client, store, remark });
  const model = await modelFor(conversation, { settings, otherwise: context.model, remark });
  const body = await requestBody(values, model, paramValues(settings.params), io);
  if (schema !== null) body['response_format'] = schema.responseFormat;
  if (usesTools(values)) {
    const { openToolbox, requestTools } = await import('../../asking/tool-run.ts');
    const { tools } = await openToolbox(values, body, { io, settings, client, remark });
    Object.assign(body, requestTools(tools));
  }
  const request = nextRequest(conversation, store, {
    messages: await newMessages(prompt, conversation, store, remark),
    body,
  });
  const { id } = conversation.state;
  const { object, error } = await dryRun(request, {
    client,
    signal: io.signal,
    limit: sizeLimitOf(settings),
    strictProblem: schema === null ? undefined : schema.strictProblem,
    facts: factsOf(client, io.signal),
    ...(id !== null && { sessionId: id }),
  });
  if (values.outputFormat === undefined || values.outputFormat === 'text') {
    await io.stdout.write(`${requestText(object.request)}\n${figureLines(object).join('\n')}\n`);
    if (error !== null) await reportError(io.stderr, error);
  } else await io.stdout.write(jsonLine(object));
  return error;
}

/** The history as it is, for a conversation that is named; where there is none yet, none is made. */
async function readStore(
  {
    continue: isContinued,
    conversation,
    ephemeral,
  }: Pick<Values<typeof askFlags>, 'continue' | 'conversation' | 'ephemeral'>,
  context: Context,
): Promise<Store> {
  const none: Store = { history: null, journal: null, problem: null };
  if (!isContinued && conversation === undefined) return none;
  if (ephemeral || (await context.settings()).history.value === 'off') return none;
  if (existsSync(context.paths.historyFile)) return { ...none, history: await context.history() };
  const { History } = await import('../../../history/history.ts');
  return { ...none, history: History.open(':memory:', { uid: context.io.uid }) };
}
