import { explainBudget } from '../../asking/budget.ts';
import type { TemplateObject } from '../../../conversation/result-object.ts';
import { formatUsd } from '../../../spending/usd.ts';
import path from 'node:path';
import { AdaptiveLimit } from '../../../batch/adaptive-limit.ts';
import { type ItemDefaults, type ItemEnd, refusedItem } from '../../../batch/ask-item.ts';
import { BatchSummary } from '../../../batch/batch-summary.ts';
import type { ReportFacts } from '../../../batch/reporters/report-facts.ts';
import { readResults, ResultsFile } from '../../../batch/results-file.ts';
import { runBatch, type Stop } from '../../../batch/run-batch.ts';
import {
  countItems,
  isInShard,
  readItems,
  type Selection,
  type Shard,
  withoutDone,
} from '../../../batch/select-items.ts';
import { CllmError, InterruptedError, UsageError } from '../../../outcome/errors.ts';
import { failureTable } from './failure-table.ts';
import { assertTableWithTemplate, selectionOf, shardOf } from './selection.ts';
import { identifyProcess } from '../../../files/process-identity.ts';
import { type BatchSource, openSource, spooled } from './input.ts';
import { itemDefaults } from './item-defaults.ts';
import { openAsker, openQueue } from './choose-asker.ts';
import type { RedisQueue } from '../../../queue/redis-queue.ts';
import { every } from '../../views/every.ts';
import { type Progress, ProgressDisplay } from './progress.ts';
import { type Report, reportsOf, writeReports } from './reports.ts';
import type { Context } from '../../context.ts';
import { refuseKey } from '../../asking/refuse-key.ts';
import type { batchFlags } from './command.ts';
import type { Values } from '../../flags/flag.ts';
import { remark } from '../../views/report.ts';
import { prepareSpending, type Spending } from '../../asking/spending.ts';

const timestamp = (): string => new Date().toISOString();

export type BatchValues = Values<typeof batchFlags> & { readonly file: string };

/** Many prompts: a result line each, whatever happens in between. */
export async function runBatchCommand(values: BatchValues, context: Context): Promise<CllmError | null> {
  const { io } = context;
  assertTableWithTemplate(values);
  if (values.dryRun) {
    const { previewBatch } = await import('./preview.ts');
    return previewBatch(values, context);
  }
  if (values.outputFormat !== undefined) {
    throw new UsageError('--output-format of a batch is about --dry-run alone', {
      hint: 'the results of a batch are JSON lines, in the file of -o',
    });
  }
  const options = readOptions(values, io);
  const source = openSource(options.inputName, io);
  const run = new BatchCommand(values, context, options);
  try {
    await run.open(source);
    return await run.run(source);
  } finally {
    await run.close();
  }
}

interface BatchOptions {
  /** Null is standard input. */
  inputName: string | null;
  /** Absolute. */
  outputFile: string;
  concurrency: number;
  shard: Shard;
  isFailFast: boolean;
  isQuiet: boolean;
  reports: Report[];
}

function readOptions(values: BatchValues, { cwd, env }: Context['io']): BatchOptions {
  const { file: name, output } = values;
  if (output === undefined) {
    throw new UsageError('a batch needs a file for its results', { hint: 'name it with -o: cllm batch FILE -o OUT' });
  }
  const outputFile = path.resolve(cwd, output);
  return {
    inputName: name === '-' ? null : name,
    outputFile,
    concurrency: values.concurrency ?? 8,
    shard: shardOf(values, env),
    isFailFast: values.failFast,
    isQuiet: values.quiet,
    reports: reportsOf(values.reporter, outputFile, cwd),
  };
}

class BatchCommand {
  readonly #values: BatchValues;
  readonly #context: Context;
  readonly #options: BatchOptions;
  readonly #startedAt = { clock: 0, time: timestamp() };
  readonly #summary = new BatchSummary();
  readonly #progress: Progress = { done: 0, earlier: 0, failed: 0, total: null, costUsd: null };
  #selection: Selection | null = null;
  #results: ResultsFile | null = null;
  /** Others ask, by way of it; null when this process does. */
  #queue: RedisQueue | null = null;
  #spending: Spending | null = null;
  #display: ProgressDisplay | null = null;
  #spooled: BatchSource | null = null;
  #isWarned = false;
  #toldPlaces: number | null = null;

  constructor(values: BatchValues, context: Context, options: BatchOptions) {
    this.#values = values;
    this.#context = context;
    this.#options = options;
    this.#startedAt.clock = context.io.now();
  }

  /** Takes up what earlier runs left. */
  async open(source: BatchSource): Promise<void> {
    const { io } = this.#context;
    const { shard, outputFile } = this.#options;
    // Taking up the results changes them already.
    await this.#context.assertTrusted();
    const settings = await this.#context.settings();
    const { maxCost } = settings;
    if (this.#values.shard === 'auto' && !this.#options.isQuiet)
      this.#say(`--shard auto: part ${shard.index}/${shard.count}`);
    this.#queue = await openQueue(this.#values, this.#context);
    this.#selection = await selectionOf(this.#values, this.#context, (text) => this.#say(text));
    const earlierCosts: (number | null)[] = [];
    this.#results = await ResultsFile.open(outputFile, {
      identity: identifyProcess(io.pid),
      inputFile: source.file,
      isTriedAgain: (result) => {
        const isAgain = isInShard(result.line, shard);
        // What failed was paid for all the same.
        if (isAgain && result.completion !== null) earlierCosts.push(result.total_cost_usd);
        return isAgain;
      },
      onKept: (result) => {
        this.#summary.add(result, { isEarlier: true });
        if (maxCost.value !== null && result.completion !== null) earlierCosts.push(result.total_cost_usd);
      },
    });
    if (settings.model.value !== null) refuseKey(this.#context.io, 'the model', settings.model.value);
    const areKeysOthers = this.#queue !== null;
    const limit = { maxCost, allowUnknownCost: this.#values.allowUnknownCost, areKeysOthers };
    this.#spending = await prepareSpending(limit, {
      client: await this.#context.client(),
      model: settings.model.value,
      signal: io.signal,
      remark: this.#context.remark,
    });
    for (const cost of earlierCosts) this.#spending.cap.add(cost);
  }

  async run(given: BatchSource): Promise<CllmError | null> {
    const { io } = this.#context;
    const { isFailFast, isQuiet, concurrency } = this.#options;
    const [results, { cap }] = [this.#results as ResultsFile, this.#spending as Spending];
    const selection = this.#selection as Selection;
    const source = await this.#repeatable(given);
    const defaults = await itemDefaults(
      this.#values,
      this.#context,
      this.#spending?.refuseModel ?? null,
      await this.#refuseRequest(),
    );
    if (isFailFast) await this.#lookAhead(source, selection, results);
    if (source.isRepeatable && !isQuiet) this.#progress.total = await countItems(source.bytes(), selection);

    const limit = new AdaptiveLimit(concurrency, io.now, Math.random);
    if (!isQuiet) this.#display = new ProgressDisplay(io.stderr, this.#progress, io.now, every, io.hold);
    const asker = await openAsker(
      { defaults, limit, mayGoOn: () => cap.refusal === null, timestamp, say: (text) => this.#say(text) },
      { values: this.#values, context: this.#context, queue: this.#queue, resultsFile: results.path },
    );
    let stop: Stop | null;
    try {
      stop = await runBatch({
        items: withoutDone(
          readItems(source.bytes(), selection),
          results,
          () => this.#skipped(),
          selection.table !== null,
        ),
        ask: (item) => asker.ask(item),
        keep: async (end) => {
          await results.append(end.result);
          asker.kept(end);
          this.#ended(end);
        },
        limit,
        cap,
        isFailFast,
        signal: io.signal,
        clock: io.now,
        onThrottled: (pauseMs) => this.#sayThrottled(pauseMs, limit.limit),
      });
    } finally {
      await asker.close();
      this.#display?.end();
      this.#display = null;
    }
    return this.#finish(stop?.reason === 'failure' ? { ...stop, error: await this.#explained(stop.error) } : stop);
  }

  async #template(): Promise<TemplateObject | null> {
    const template = await this.#context.template();
    return template && { name: template.name, digest: template.digest };
  }

  /** Whose budget, or whose key: as for a single question. */
  async #explained(error: CllmError | null): Promise<CllmError | null> {
    return error && this.#context.explained(await explainBudget(error, await this.#context.client()));
  }

  async close(): Promise<void> {
    this.#context.io.stdin.close();
    await this.#spooled?.close();
    await this.#results?.close();
    await this.#queue?.close();
  }

  /** Of --max-input-tokens. */
  async #refuseRequest(): Promise<ItemDefaults['refuseRequest']> {
    const settings = await this.#context.settings();
    if (settings.maxInputTokens.value === null) return null;
    const { limitOf } = await import('../../asking/dry-run.ts');
    const { signal } = this.#context.io;
    return limitOf(settings, { client: await this.#context.client(), signal, remark: (text) => this.#say(text) });
  }

  /** To look ahead, an input that comes once has to be kept. */
  async #repeatable(source: BatchSource): Promise<BatchSource> {
    if (source.isRepeatable || !this.#options.isFailFast) return source;
    return (this.#spooled = await spooled(source, path.dirname(this.#options.outputFile)));
  }

  /** Under --fail-fast a line that makes no sense ends the batch before anything is asked and paid for. */
  async #lookAhead(source: BatchSource, selection: Selection, results: ResultsFile): Promise<void> {
    for await (const item of withoutDone(
      readItems(source.bytes(), selection),
      results,
      () => {},
      selection.table !== null,
    )) {
      if (item.error === null) continue;
      const result = refusedItem(item, item.error, { timestamp: timestamp(), template: await this.#template() });
      await results.append(result);
      this.#summary.add(result);
      this.#progress.failed += 1;
      throw (await this.#finish({ reason: 'failure', error: item.error })) ?? item.error;
    }
  }

  #skipped(): void {
    this.#progress.earlier += 1;
    this.#progress.done += 1;
  }

  #ended({ result, receipt }: ItemEnd): void {
    this.#summary.add(result);
    this.#progress.done += 1;
    if (result.is_error) this.#progress.failed += 1;
    if (result.total_cost_usd !== null) this.#progress.costUsd = (this.#progress.costUsd ?? 0) + result.total_cost_usd;
    if (receipt !== null) this.#watchBudget(receipt);
  }

  /** Says once that the key's budget will not do for the rest, as far as the replies so far tell. */
  #watchBudget({ keySpend, keyMaxBudget }: NonNullable<ItemEnd['receipt']>): void {
    const { done, earlier, total, costUsd } = this.#progress;
    const asked = done - earlier;
    if (this.#isWarned || keySpend === null || keyMaxBudget === null || total === null || costUsd === null) return;
    const left = keyMaxBudget - keySpend;
    const needed = (costUsd / asked) * (total - done);
    // A handful of replies says little about the others.
    if (asked < 10 || needed <= left) return;
    this.#isWarned = true;
    this.#say(
      `the rest will cost about ${formatUsd(needed)}, and this key has ${formatUsd(Math.max(0, left))} of its budget left`,
    );
  }

  #say(text: string): void {
    if (this.#display === null) void remark(this.#context.io.stderr, text);
    else this.#display.say(text);
  }

  /** What there is to say at the end, and the error that decides; it is thrown, and so reported, by whoever runs commands. */
  async #finish(stop: Stop | null): Promise<CllmError | null> {
    const { io } = this.#context;
    const { inputName, outputFile, reports, isQuiet } = this.#options;
    const summary = this.#summary;
    const error = this.#decide(stop);
    const durationMs = io.now() - this.#startedAt.clock;
    if (!isQuiet || error !== null) this.#say(closingLine(this.#progress, summary, durationMs));
    if (this.#progress.failed > 0) await io.stderr.write(failureTable(io.stderr, summary));
    const [failure, ...others] = summary.failures;
    // The error that decides says only how to go on; one that stopped the batch says what to do itself.
    if (error?.code === 'batch_partial' && failure !== undefined && others.length === 0) this.#say(failure.hint);
    const facts: ReportFacts = {
      title: `cllm batch ${inputName === null ? 'of standard input' : path.basename(inputName)}`,
      summary,
      stoppedBecause: stop === null ? null : (error?.message ?? null),
      inputFile:
        inputName === null
          ? null
          : path.relative(io.env['GITHUB_WORKSPACE'] || io.cwd, path.resolve(io.cwd, inputName)),
      template: await this.#template(),
      startedAt: this.#startedAt.time,
      durationMs,
    };
    await writeReports(reports, facts, () => readResults(outputFile), {
      io,
      resultsFile: outputFile,
      say: (text) => this.#say(text),
    });
    if (error !== null) throw error;
    return null;
  }

  /** A place at the proxy is waited for many times, and each time shortly: what is told is how many there are. */
  #sayThrottled(pauseMs: number, places: number): void {
    const isShort = pauseMs < 900;
    if (isShort && this.#toldPlaces === places) return;
    this.#toldPlaces = places;
    const wait = `asks to wait: on again in ${(pauseMs / 1000).toFixed(1)} s`;
    this.#say(`the proxy ${isShort ? 'has no more room' : wait}, ${places} at a time`);
  }

  #decide(stop: Stop | null): CllmError | null {
    const { failed } = this.#progress;
    const { isFailFast, outputFile } = this.#options;
    const name = path.basename(outputFile);
    if (stop?.reason === 'signal') {
      if (!(stop.error instanceof InterruptedError)) return stop.error;
      return new InterruptedError(stop.error.signal, 'the batch was interrupted', {
        hint: `the same command goes on from there, and skips what is in ${name}`,
      });
    }
    if (stop?.reason === 'cap') return this.#spending?.reached(stop.why) ?? null;
    if (stop?.reason === 'failure' && !isFailFast && stop.error !== null) {
      const { code, message, hint } = stop.error;
      return new CllmError(code, `the batch was stopped, since the next items would fail as well: ${message}`, {
        hint,
      });
    }
    if (failed === 0) return null;
    return new CllmError(
      'batch_partial',
      `${failed === 1 ? '1 item' : `${failed} items`} failed${stop === null ? '' : ', and --fail-fast ended the batch'}`,
      {
        hint: `the same command tries what failed again and skips what is in ${name}`,
      },
    );
  }
}

function closingLine({ done, earlier, failed, costUsd }: Progress, summary: BatchSummary, durationMs: number): string {
  const asked = done - earlier;
  const parts = [
    `${asked} asked`,
    earlier > 0 ? `${earlier} done before` : null,
    failed > 0 ? `${failed} failed` : null,
    costUsd === null ? null : formatUsd(costUsd),
    summary.unknownCosts > 0 ? `cost of ${summary.unknownCosts} unknown` : null,
    `${(durationMs / 1000).toFixed(1)} s`,
  ];
  return parts.filter((part) => part !== null).join(' · ');
}
