import path from 'node:path';
import { paramValues } from '../config/settings.ts';
import { RecordingWriter } from '../journal/recording.ts';
import type { CllmError } from '../errors.ts';
import { decisive } from '../outcome.ts';
import type { ChatMessage } from '../protocol/types.ts';
import { userMessage } from './attachments.ts';
import { chooseConversation } from './choose-conversation.ts';
import type { Context } from './context.ts';
import { inputMark, isSet, listFlag, numberFlag, readFlagFile, textFlag } from './flag-values.ts';
import type { Flags } from './flags.ts';
import { writeWhole } from './output-file.ts';
import { readPrompt } from './prompt.ts';
import { remark } from './render/report.ts';
import { createView } from './render/create-view.ts';
import { requestBody } from './request-body.ts';
import type { ReplySchema } from './structured.ts';

/** One question, one reply: from the words and standard input to the exit code. */
export async function runAsk(flags: Flags, context: Context): Promise<CllmError | null> {
  const { io } = context;
  const settings = await context.settings();
  const schema = await schemaOf(settings.outputSchema.value, io.cwd);
  const message = await promptMessage(flags, context);
  const model = await context.model();
  const body = requestBody(flags, model, paramValues(settings.params), io.cwd);
  if (schema !== null) body['response_format'] = schema.responseFormat;

  const client = await context.client();
  const store = await context.store();
  const conversation = await chooseConversation(flags, context, client, store);
  const view = createView(flags, context, { isHeldBack: schema !== null, baseUrl: settings.baseUrl.value });
  const record = textFlag(flags, 'record');
  const recording = record === undefined ? null : openRecording(record, model, context);

  const result = await conversation.send({
    messages: [message],
    body,
    signal: io.signal,
    observer: view,
    taps: recording === null ? [] : [recording],
  });
  recording?.close();

  const errors: CllmError[] = [result.error, result.unsaved ?? context.storeProblem].filter((error) => error !== null);
  if (schema !== null && result.verdict === 'complete') errors.push(...[schema.mismatch(result.completion)].filter((error) => error !== null));
  const counted = errors.filter((error) => !(error.code === 'reply_short' && isSet(flags, 'allow-short')));
  const file = textFlag(flags, 'output-last-message');
  const isWhole = counted.every((error) => error.code === 'history_unsaved');
  if (file !== undefined && isWhole) counted.push(...writeWhole(path.resolve(io.cwd, file), result.completion?.choices[0]?.message.content ?? ''));
  const first = decisive(counted);
  await view.end({ ...result, decisive: first, errors: counted });
  return first;
}

async function promptMessage(flags: Flags, { io }: Context): Promise<ChatMessage> {
  const given = [...listFlag(flags, 'prompt'), ...listFlag(flags, '--')];
  const prompt = await readPrompt(
    {
      words: given.filter((word) => word !== inputMark),
      isInputNamed: given.includes(inputMark),
      isInputIgnored: flags['stdin'] === false,
      inputTimeout: numberFlag(flags, 'stdin-timeout', { least: 0 }) ?? 60,
    },
    io.stdin,
    (text) => void remark(io.stderr, text),
    io.signal,
  );
  return userMessage(prompt, listFlag(flags, 'file'), io.cwd);
}

async function schemaOf(file: string | null, cwd: string): Promise<ReplySchema | null> {
  if (file === null) return null;
  const { replySchema } = await import('./structured.ts');
  return replySchema(readFlagFile('--output-schema', file, cwd), file);
}

function openRecording(file: string, model: string, { io, version }: Context): RecordingWriter {
  const meta = { cllm: version, model, created_at: new Date().toISOString() };
  return new RecordingWriter(path.resolve(io.cwd, file), meta, { clock: io.now });
}
