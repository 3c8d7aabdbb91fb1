import { formatUsd } from '../../../spending/usd.ts';
import type { LiteLLMClient } from '../../../client/client.ts';
import { followAlias, paramValues, type Settings } from '../../../config/settings.ts';
import { Conversation, newSession } from '../../../conversation/conversation.ts';
import { sendForTaking, type TakenReply } from '../../../conversation/taken-reply.ts';
import type { TurnResult } from '../../../conversation/turn.ts';
import { CllmError, UsageError } from '../../../outcome/errors.ts';
import type { ChatMessage, RequestBody } from '../../../protocol/types.ts';
import { judgement } from '../../../outcome/exits.ts';
import { resultObject, textOf } from '../../../conversation/result-object.ts';
import { OutputFile } from '../../input/output-file.ts';
import { promptMessage } from '../../input/message.ts';
import { inColumns } from './columns.ts';
import { every } from '../../views/every.ts';
import { CompareProgress } from './progress.ts';
import type { Context } from '../../context.ts';
import { refuseKey } from '../../asking/refuse-key.ts';
import type { PromptWords, Values } from '../../flags/flag.ts';
import type { compareFlags } from './command.ts';
import type { Io } from '../../io.ts';
import { remark } from '../../views/report.ts';
import { drawn, type OwnText } from '../../../terminal/own-text.ts';
import { paintFor } from '../../../terminal/style.ts';
import { jsonLine } from '../../../terminal/terminal-safe.ts';
import { requestBody } from '../../asking/request-body.ts';
import { wantedReply } from '../../asking/wanted-reply.ts';
import { prepareSpending } from '../../asking/spending.ts';

export interface Answer {
  model: string;
  turn: TurnResult;
  taken: TakenReply | null;
  error: CllmError | null;
}

/** One prompt to several models at once. Nothing is kept: the turns are no conversation. */
export async function runCompare(
  values: Values<typeof compareFlags> & { readonly prompt: PromptWords },
  context: Context,
): Promise<CllmError | null> {
  const { io } = context;
  const settings = await context.settings();
  const models = values.model.map((name) => followAlias(name, settings.aliases));
  for (const model of models) refuseKey(io, 'a model', model);
  if (models.length < 2) {
    throw new UsageError('compare needs two models or more', {
      hint: 'cllm compare -m A -m B "…"; `cllm models` lists them',
    });
  }
  await context.assertTrusted();
  // Refused before anything is asked and paid for.
  const file = values.html === undefined ? null : new OutputFile(values.html, io.cwd, '--html');
  const message = await promptMessage(values, io);
  const client = await context.client();
  if (values.dryRun) {
    const { previewCompare } = await import('./preview.ts');
    const { system } = settings;
    const body = await requestBody(values, '', paramValues(settings.params), io);
    const schema = (await wantedReply(values, settings, io))?.schema ?? null;
    if (schema !== null) body['response_format'] = schema.responseFormat;
    const messages: ChatMessage[] = system.value === null ? [] : [{ role: 'system', content: system.value }];
    const request = { ...body, messages: [...messages, message] };
    return previewCompare(request, models, {
      client,
      io,
      settings,
      strictProblem: schema?.strictProblem,
      isJson: values.outputFormat === 'json',
    });
  }
  if (settings.maxCost.value !== null) {
    const limit = { maxCost: settings.maxCost, allowUnknownCost: values.allowUnknownCost };
    const { refuseModel } = await prepareSpending(limit, {
      client,
      model: null,
      signal: io.signal,
      remark: context.remark,
    });
    for (const model of models) {
      const refused = refuseModel(model);
      if (refused !== null) throw refused;
    }
  }
  // Once for all of them: the file of --tools may be a pipe.
  const body = await requestBody(values, '', paramValues(settings.params), io);
  const wanted = await wantedReply(values, settings, io);
  if (wanted?.schema) body['response_format'] = wanted.schema.responseFormat;
  if (Array.isArray(message.content)) {
    const { assertModelsTake } = await import('../../asking/model-takes.ts');
    await assertModelsTake(message, models, client, io.signal);
  }
  let spentUsd = 0;
  const mayGoOn = (): boolean => settings.maxCost.value === null || spentUsd < settings.maxCost.value;
  const refuse = await turnLimit(settings, client, body, context);
  for (const model of models) {
    const tooLong = (await refuse?.(model, [message])) ?? null;
    if (tooLong !== null) throw tooLong;
  }
  const isJson = values.outputFormat === 'json';
  // Result lines on the same terminal would end up between those of the progress.
  const isShown = io.stderr.isTTY && !values.quiet;
  const isWatched = isShown && io.stderr.isStyled && !(isJson && io.stdout.isTTY);
  const progress = isWatched ? new CompareProgress(io.stderr, models, io.now, every, io.hold) : null;
  if (!isJson && progress === null && isShown) void remark(io.stderr, `asking ${models.join(', ')}`);
  const startedAt = new Date().toISOString();
  const sessionId = newSession();
  const ask = async (model: string, at: number): Promise<Answer> => {
    const conversation = new Conversation(
      client,
      { history: null, journal: null, problem: null },
      { system: settings.system.value },
    );
    const { result: turn, taking } = await sendForTaking(
      conversation,
      {
        sessionId,
        messages: [message],
        body: { ...body, model },
        signal: io.signal,
        ...(progress !== null && { observer: progress.observer(at) }),
      },
      {
        form: wanted?.form ?? null,
        retries: wanted?.retries ?? 0,
        isKept: () => false,
        onReply: ({ receipt }) => (spentUsd += receipt?.costUsd ?? 0),
        mayGoOn,
        refuse: refuse && ((messages) => refuse(model, messages)),
      },
    );
    const { decisive } = judgement([turn.error, taking.error], { isShortAllowed: values.allowShort });
    const answer = { model, turn, taken: taking.taken, error: decisive };
    progress?.ended(at, decisive === null);
    // Each as it ends: whoever reads lines need not wait for the slowest.
    if (isJson) await io.stdout.write(resultLine(answer));
    return answer;
  };
  let answers: Answer[];
  try {
    answers = await Promise.all(models.map(ask));
  } finally {
    progress?.end();
  }
  if (!isJson) await io.stdout.write(io.stdout.isTTY ? sideBySide(answers, io) : oneByOne(answers));
  if (file !== null) {
    const { comparison } = await import('./page.ts');
    const failure = await file.write(await comparison(message, answers, startedAt, context), io);
    if (failure !== null) throw failure;
    context.remark(`wrote ${file.name}`);
  }
  return failureOf(answers, io.signal);
}

/** Refuses turns that are longer than --max-input-tokens; null without it. */
async function turnLimit(
  settings: Settings,
  client: LiteLLMClient,
  body: RequestBody,
  { io, remark: say }: Pick<Context, 'io' | 'remark'>,
): Promise<((model: string, messages: readonly ChatMessage[]) => Promise<CllmError | null>) | null> {
  if (settings.maxInputTokens.value === null) return null;
  const { limitOf, nextRequest } = await import('../../asking/dry-run.ts');
  const refuse = limitOf(settings, { client, signal: io.signal, remark: say });
  const none = { history: null };
  const begun = new Conversation(client, { ...none, journal: null, problem: null }, { system: settings.system.value });
  return async (model, messages) =>
    (await refuse?.(nextRequest(begun, none, { messages, body: { ...body, model } }))) ?? null;
}

function resultLine({ model, turn, taken, error }: Answer): string {
  const { type, ...rest } = resultObject({
    timestamp: new Date().toISOString(),
    error,
    verdict: turn.verdict,
    completion: turn.completion,
    taken,
    figures: turn.receipt,
  });
  return jsonLine({ type, model, ...rest });
}

function sideBySide(answers: readonly Answer[], io: Io): OwnText {
  const paint = paintFor(io.stdout);
  const columns = answers.map((answer) => ({
    heading: answer.model,
    text: shownText(answer).trim() || '(nothing)',
    footer: figures(answer),
  }));
  return drawn(
    inColumns(columns, io.stdout.columns, {
      heading: (text) => paint('bold', text),
      footer: (text) => paint('dim', text),
    }),
  );
}

/** For a pipe: one after the other, each under its model. */
function oneByOne(answers: readonly Answer[]): string {
  return answers
    .map((answer) => {
      const text = shownText(answer).trimEnd();
      return `== ${answer.model} · ${figures(answer)}\n${text === '' ? '' : `\n${text}\n`}`;
    })
    .join('\n');
}

function shownText({ taken, turn }: Answer): string {
  return taken?.text ?? textOf(turn.completion);
}

function figures({ turn: { receipt, verdict }, error }: Answer): string {
  const parts = [
    error === null ? null : `${verdict ?? 'no reply'}: ${error.message}`,
    receipt === null ? null : receipt.costUsd === null ? 'cost unknown' : formatUsd(receipt.costUsd),
    receipt?.ttftMs == null ? null : `first token ${(receipt.ttftMs / 1000).toFixed(2)} s`,
    receipt === null ? null : `${(receipt.durationMs / 1000).toFixed(2)} s in all`,
    receipt?.outputTokens == null ? null : `${receipt.outputTokens} tokens`,
    receipt?.modelServed != null && receipt.modelServed !== receipt.modelRequested
      ? `served by ${receipt.modelServed}`
      : null,
  ];
  return parts.filter((part) => part !== null).join(' · ');
}

/** Where all failed alike, that; where some did, that some did: as with a batch. */
function failureOf(answers: readonly Answer[], signal: AbortSignal): CllmError | null {
  const errors = answers.flatMap(({ error }) => (error === null ? [] : [error]));
  const [first] = errors;
  if (first === undefined) return null;
  if (signal.aborted || errors.length === answers.length) throw first;
  throw new CllmError('batch_partial', `${errors.length} of ${answers.length} models gave no whole reply`, {
    hint: 'what each one failed at stands with its figures',
  });
}
