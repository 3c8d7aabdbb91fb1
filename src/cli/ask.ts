import type { CostCap } from '../batch/cost-cap.ts';
import { paramValues, type Settings } from '../config/settings.ts';
import type { CllmError } from '../errors.ts';
import { judgement } from '../outcome.ts';
import type { ChatCompletion, ChatMessage } from '../protocol/types.ts';
import { textOf } from '../result.ts';
import { readAttachments, userMessage } from './attachments.ts';
import { explainBudget } from './budget.ts';
import { chooseConversation, modelFor } from './choose-conversation.ts';
import type { Context } from './context.ts';
import { inputMark, isSet, listFlag, numberFlag, readFlagFile, textFlag } from './flag-values.ts';
import type { Flags } from './flags.ts';
import type { Io } from './io.ts';
import { mediaKindOf, OutputFile } from './output-file.ts';
import { readPrompt } from './prompt.ts';
import { openRecording } from './record.ts';
import { remark } from './render/report.ts';
import { createView } from './render/create-view.ts';
import { failedOutcome, type TurnOutcome, type View } from './render/view.ts';
import type { WrittenMedia } from './reply-files.ts';
import { requestBody } from './request-body.ts';
import type { ReplySchema } from './structured.ts';
import { asCllmError } from './thrown.ts';

/** One question, one reply: from the words and standard input to the exit code. */
export async function runAsk(flags: Flags, context: Context): Promise<CllmError | null> {
  const settings = await context.settings();
  const schema = await schemaOf(settings.outputSchema.value, context.io);
  const view = createView(flags, context, {
    isHeldBack: schema !== null,
    baseUrl: settings.baseUrl.value,
    model: settings.model.value,
    render: settings.render.value,
  });
  // From here on the view ends the run, whatever happens: it knows what it has said already.
  let outcome: TurnOutcome;
  try {
    outcome = await askOnce(flags, context, settings, schema, view);
  } catch (thrown) {
    outcome = failedOutcome(await context.explained(asCllmError(thrown)));
  }
  await view.end(outcome);
  return outcome.decisive;
}

async function askOnce(
  flags: Flags,
  context: Context,
  settings: Settings,
  schema: ReplySchema | null,
  view: View,
): Promise<TurnOutcome> {
  const { io } = context;
  await context.assertTrusted();
  const file = outputFile(flags, io.cwd);
  const message = await promptMessage(flags, context);
  const conversation = await chooseConversation(flags, context, await context.client(), await context.store());
  const model = await modelFor(conversation, context);
  const body = await requestBody(flags, model, paramValues(settings.params), io);
  if (schema !== null) body['response_format'] = schema.responseFormat;
  const cap = await costCap(flags, context, model);
  const recording = await openRecording(flags, context, model);

  const result = await conversation.send({
    messages: [message],
    body,
    signal: io.signal,
    observer: view,
    taps: recording === null ? [] : [recording],
  });
  const unrecorded = recording?.close() ?? null;
  cap?.add(result.receipt?.costUsd ?? null);
  // It is here and paid for: no failure, but nothing to keep quiet about.
  if (cap?.isExceeded === true) context.remark(`this reply cost more than --max-cost ${cap.mostUsd}`);

  const { unsaved } = result;
  // The turn is in the history by now: a reply that was paid for is kept, whatever the schema says of it.
  const isKept = unsaved === null && result.conversationId !== null && !isSet(flags, 'read-only');
  context.hasKeptReply = isKept;
  const mismatch = schema?.mismatch(result, isKept) ?? null;
  const isShortAllowed = isSet(flags, 'allow-short');
  const failure = result.error && (await context.explained(await explainBudget(result.error, await context.client())));
  const { errors } = judgement([failure, unsaved, mismatch], { isShortAllowed });
  const isInOrder = errors.every((error) => error.code === 'history_unsaved');
  const written = file !== null && isInOrder ? await writeReply(file, result.completion, io) : null;
  const { files = [], error: unwritten = null } = written ?? {};
  return { ...result, files, ...judgement([...errors, unrecorded, unwritten], { isShortAllowed }) };
}

function outputFile(flags: Flags, cwd: string): OutputFile | null {
  const name = textFlag(flags, 'output-last-message');
  return name === undefined ? null : new OutputFile(name, cwd);
}

/** The reply's text; under the name of an image or of a recording, those of the reply. */
async function writeReply(file: OutputFile, completion: ChatCompletion | null, io: Io): Promise<WrittenMedia> {
  const kind = mediaKindOf(file.name);
  if (kind === null) return { files: [], error: await file.write(textOf(completion), io) };
  const { writeMedia } = await import('./reply-files.ts');
  return writeMedia(file, kind, completion, io);
}

/** What a run may cost, looked into before it is begun; null without --max-cost. */
async function costCap(flags: Flags, context: Context, model: string): Promise<CostCap | null> {
  if (flags['max-cost'] === undefined) return null;
  const { prepareSpending } = await import('./spending.ts');
  return (await prepareSpending(flags, context, await context.client(), model)).cap;
}

/** The words of the command line, standard input and the files of -f, as one message. */
export async function promptMessage(flags: Flags, { io }: Context): Promise<ChatMessage> {
  // Before standard input is read: one of them may be /dev/stdin, which would have nothing more to give.
  const attachments = await readAttachments(listFlag(flags, 'file'), io);
  const words = listFlag(flags, 'prompt');
  const prompt = await readPrompt(
    {
      // After -- a lone - is a word like any other.
      words: [...words.filter((word) => word !== inputMark), ...listFlag(flags, '--')],
      isInputNamed: words.includes(inputMark),
      isInputIgnored: flags['stdin'] === false,
      inputTimeout: numberFlag(flags, 'stdin-timeout', { least: 0 }) ?? 60,
    },
    io.stdin,
    (text) => void remark(io.stderr, text),
    io.signal,
  );
  return userMessage(prompt, attachments);
}

async function schemaOf(file: string | null, io: Io): Promise<ReplySchema | null> {
  if (file === null) return null;
  const { replySchema } = await import('./structured.ts');
  return replySchema(await readFlagFile('--output-schema', file, io), file);
}
