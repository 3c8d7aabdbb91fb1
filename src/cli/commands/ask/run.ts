import path from 'node:path';
import { paramValues, type Settings } from '../../../config/settings.ts';
import type { Conversation } from '../../../conversation/conversation.ts';
import type { RefuseTurn, TakenReply, TakenTurn, TakingOptions } from '../../../conversation/taken-reply.ts';
import type { Store, TurnRequest, TurnResult } from '../../../conversation/turn.ts';
import { type CllmError, UsageError } from '../../../outcome/errors.ts';
import { judgement } from '../../../outcome/exits.ts';
import { repliedCalls } from '../../../protocol/reply-content.ts';
import type { ChatCompletion, RequestBody } from '../../../protocol/types.ts';
import type { TurnTemplate } from '../../../history/history.ts';
import { textOf } from '../../../conversation/result-object.ts';
import { explainBudget } from '../../asking/budget.ts';
import { chooseConversation, modelFor } from '../../asking/choose-conversation.ts';
import type { Context } from '../../context.ts';
import type { PromptWords, Values } from '../../flags/flag.ts';
import type { askFlags } from '../../flags/flags.ts';
import { mediaKindOf, OutputFile } from '../../input/output-file.ts';
import { openRecording, type RecordTap } from '../../asking/record.ts';
import { createView } from '../../views/create-view.ts';
import { failedOutcome, type TurnOutcome, type View } from '../../views/view.ts';
import { newMessages, promptOf, usesTools } from './message.ts';
import type { WrittenMedia } from './reply-files.ts';
import { requestBody } from '../../asking/request-body.ts';
import type { Spending, SpendingLimit, SpendingRun } from '../../asking/spending.ts';
import { wantedReply, type WantedReply } from '../../asking/wanted-reply.ts';
import { asCllmError } from '../../thrown.ts';

type AskValues = Values<typeof askFlags> & { readonly prompt: PromptWords };

/** One question, one reply: from the words and standard input to the exit code. */
export async function runAsk(values: AskValues, context: Context): Promise<CllmError | null> {
  const template = await context.template();
  if (template !== null && template.missing !== null) throw template.missing;
  const settings = await context.settings();
  const form = template === null ? values : (await import('../../asking/template.ts')).withExtract(values, template);
  const wanted = await wantedReply(form, settings, context.io);
  if (values.record !== undefined && wanted !== null && wanted.retries > 0) {
    throw new UsageError('--record keeps one reply, and --schema-retries may take several', {
      hint: 'leave one of them out',
    });
  }
  if (values.record !== undefined && usesTools(values)) {
    throw new UsageError('--record keeps one reply, and with tools there may be several', {
      hint: 'leave one of them out',
    });
  }
  if (values.dryRun) {
    const { previewAsk } = await import('./preview.ts');
    return previewAsk(values, context, { settings, schema: wanted?.schema ?? null });
  }
  const problem = wanted?.schema?.strictProblem ?? null;
  if (values.debug && problem !== null) {
    const { at, why } = problem;
    context.remark(`the schema goes out without "strict": at ${at === '' ? 'the root' : at}, ${why}`);
  }
  const view = createView(values, context.io, {
    isHeldBack: wanted !== null,
    baseUrl: settings.baseUrl.value,
    model: settings.model.value,
    render: settings.render.value,
    reasoning: settings.reasoning.value,
    keptIn: values.demo ? context.paths.historyFile : null,
    template: template && { name: template.name, digest: template.digest },
    isVerbose: values.verbose,
  });
  // From here on the view ends the run, whatever happens: it knows what it has said already.
  let outcome: TurnOutcome;
  try {
    outcome = await askOnce(values, context, settings, wanted, view);
  } catch (thrown) {
    outcome = failedOutcome(await context.explained(asCllmError(thrown)));
  }
  await view.end(outcome);
  return outcome.decisive;
}

async function askOnce(
  values: AskValues,
  context: Context,
  settings: Settings,
  wanted: WantedReply | null,
  view: View,
): Promise<TurnOutcome> {
  const { io } = context;
  await context.assertTrusted();
  const { outputLastMessage } = values;
  const file = outputLastMessage === undefined ? null : new OutputFile(outputLastMessage, io.cwd);
  const tools = usesTools(values) ? await import('./with-tools.ts') : null;
  const given = tools?.isPromptOptional(values) === true ? null : await promptOf(values, context);
  const client = await context.client();
  const store = await context.store();
  const conversation = await chooseConversation(values, { io, settings, client, store, remark: context.remark });
  const model = await modelFor(conversation, { settings, otherwise: context.model, remark: context.remark });
  const prompt = given ?? (await tools?.promptToGoOn(values, context, { conversation, store })) ?? null;
  const messages = prompt === null ? [] : await newMessages(prompt, conversation, store, context.remark);
  const message = messages.at(-1);
  if (message !== undefined && Array.isArray(message.content)) {
    const { assertModelsTake } = await import('../../asking/model-takes.ts');
    await assertModelsTake(message, [model], client, io.signal);
  }
  const body = await requestBody(values, model, paramValues(settings.params), io);
  if (wanted?.schema) body['response_format'] = wanted.schema.responseFormat;
  const limit = { maxCost: settings.maxCost, allowUnknownCost: values.allowUnknownCost };
  const spending = await spendingOf(limit, { client, model, signal: io.signal, remark: context.remark });
  const cap = spending?.cap ?? null;
  const refuse = await turnLimit(conversation, store, body, context, settings);
  const tooLong = (await refuse?.(messages)) ?? null;
  if (tooLong !== null) throw tooLong;
  const recording = await recordTap(values, context, model);

  // The turn is in the history by then: a reply that was paid for is kept, whatever its form.
  const isKept = ({ unsaved, conversationId }: TurnResult): boolean =>
    unsaved === null && conversationId !== null && !values.readOnly;
  const onReply = (reply: TurnResult): void => cap?.add(reply.receipt?.costUsd ?? null);
  const sender =
    (await tools?.openSender(values, context, {
      settings,
      client,
      store,
      conversation,
      body,
      view,
      isKept,
      onReply,
      refusal: () => (cap === null || cap.refusal === null ? null : (spending?.reached(cap.refusal) ?? null)),
      refuse,
    })) ?? null;
  const { result, taking } = await sendTurn(
    sender ?? conversation,
    {
      messages,
      body,
      signal: io.signal,
      observer: view,
      taps: recording === null ? [] : [recording],
      template: await keptOf(context),
    },
    {
      form: wanted?.form ?? null,
      retries: wanted?.retries ?? 0,
      isKept,
      // The loop of tools tells of each by itself.
      onReply: sender === null ? onReply : () => {},
      mayGoOn: () => cap === null || cap.refusal === null,
      refuse,
    },
  );
  const unrecorded = recording?.close() ?? null;
  // It is here and paid for: no failure, but nothing to keep quiet about.
  if (cap?.isExceeded === true) context.remark(`this reply cost more than --max-cost ${cap.mostUsd}`);

  const { unsaved } = result;
  context.hasKeptReply = isKept(result);
  const isShortAllowed =
    values.allowShort || (result.verdict === 'length' && (await templateAllowsShort(values, context)));
  const failure = result.error && (await context.explained(await explainBudget(result.error, client)));
  const { errors } = judgement([failure, unsaved, taking.error], { isShortAllowed });
  const isInOrder = errors.every((error) => error.code === 'history_unsaved');
  const written = file !== null && isInOrder ? await writeReply(file, result.completion, taking.taken, context) : null;
  const { files = [], error: unwritten = null } = written ?? {};
  return {
    ...result,
    taken: taking.taken,
    files,
    ...judgement([...errors, unrecorded, unwritten], { isShortAllowed }),
  };
}

async function templateAllowsShort({ trustTemplate }: AskValues, context: Context): Promise<boolean> {
  const { io, paths, remark } = context;
  const template = await context.template();
  if (template?.text.allowShort !== true) return false;
  const { isShortAllowed } = await import('../../asking/template-trust.ts');
  return isShortAllowed(template, { io, paths, trustTemplate }, remark);
}

/** What the history keeps of the template; a plain question loads nothing for it. */
async function keptOf(context: Context): Promise<TurnTemplate | null> {
  const template = await context.template();
  if (template === null) return null;
  const { keptTemplate } = await import('../../asking/template.ts');
  return keptTemplate(template);
}

/** The reply's text; under the name of an image or of a recording, those of the reply. */
async function writeReply(
  file: OutputFile,
  completion: ChatCompletion | null,
  taken: TakenReply | null,
  { io, remark }: Pick<Context, 'io' | 'remark'>,
): Promise<WrittenMedia> {
  const kind = mediaKindOf(file.name);
  if (kind === null) {
    const text = taken?.text ?? textOf(completion);
    // The answer is still to come, and what an earlier run wrote is no answer to this one either: said, and not emptied.
    if (text === '' && repliedCalls(completion).length > 0) {
      remark(`the reply is calls of tools, and no text: ${file.name} is left as it was`);
      return { files: [], error: null };
    }
    return { files: [], error: await file.write(text, io) };
  }
  const { writeMedia } = await import('./reply-files.ts');
  return writeMedia(file, kind, completion, io);
}

/** Refuses turns that are longer than --max-input-tokens, before anything of them is kept or sent; null without it. */
async function turnLimit(
  conversation: Conversation,
  store: Store,
  body: RequestBody,
  { client, io, remark }: Pick<Context, 'client' | 'io' | 'remark'>,
  settings: Settings,
): Promise<RefuseTurn | null> {
  if (settings.maxInputTokens.value === null) return null;
  const { limitOf, nextRequest } = await import('../../asking/dry-run.ts');
  const refuse = limitOf(settings, { client: await client(), signal: io.signal, remark });
  return async (messages) => (await refuse?.(nextRequest(conversation, store, { messages, body }))) ?? null;
}

/** What a run may cost, looked into before it is begun; null without a cap. */
async function spendingOf(limit: SpendingLimit, run: SpendingRun): Promise<Spending | null> {
  if (limit.maxCost.value === null) return null;
  const { prepareSpending } = await import('../../asking/spending.ts');
  return prepareSpending(limit, run);
}

/** The tap of --record; null without it. */
async function recordTap(values: AskValues, context: Context, model: string): Promise<RecordTap | null> {
  if (values.record === undefined) return null;
  const { io, version } = context;
  const { key } = await context.apiKey();
  const file = path.resolve(io.cwd, values.record);
  return openRecording(file, { key, headers: values.header }, { version, model, now: io.now });
}

/** A plain question loads nothing for what it does not want. */
async function sendTurn(
  conversation: Pick<Conversation, 'send'>,
  turn: TurnRequest,
  options: TakingOptions,
): Promise<TakenTurn> {
  if (options.form !== null) {
    const { sendForTaking } = await import('../../../conversation/taken-reply.ts');
    return sendForTaking(conversation, turn, options);
  }
  const result = await conversation.send(turn);
  options.onReply(result);
  return { result, taking: { taken: null, error: null, complaint: null } };
}
