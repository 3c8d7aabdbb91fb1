import type { RetryNotice } from '../../client/reply/completion-stream.ts';
import type { Arrival, TextDelta } from '../../protocol/arrival.ts';
import { decidingChoice, repliedCalls } from '../../protocol/reply-content.ts';
import { textOf } from '../../conversation/result-object.ts';
import type { ErrorCode } from '../../outcome/errors.ts';
import type { CallRecord, TurnResult } from '../../conversation/turn.ts';
import type { Io } from '../io.ts';
import type { Output } from '../../terminal/output.ts';
import type { TerminalHolder } from '../process/terminal-hold.ts';
import { DeltaReader } from './deltas.ts';
import type * as MarkdownModule from './markdown-printer.ts';
import { PlainPrinter } from './plain-printer.ts';
import { receiptLine } from './receipt-line.ts';
import type { ReplyPrinter } from './reply-printer.ts';
import { remark, reportError } from './report.ts';
import { Spinner } from './spinner.ts';
import { drawn, ours, type OwnText } from '../../terminal/own-text.ts';
import { paintFor } from '../../terminal/style.ts';
import { TerminalSafe } from '../../terminal/terminal-safe.ts';
import { toolCallText } from './tool-call.ts';
import type * as ToolLines from './tool-lines.ts';
import type { TurnOutcome, View } from './view.ts';

export interface TextOptions {
  isReasoningShown: boolean;
  isQuiet: boolean;
  /** Nothing is printed before the end, and then only a reply that is in order: `--output-schema`. */
  isHeldBack: boolean;
  isMarkdown: boolean;
  /** Tools: calls and results whole, not in a line each. */
  isVerbose: boolean;
  /** Where turns are kept, for a receipt that names it; null for one that does not. */
  keptIn: string | null;
}

/** The reply on stdout as it arrives, everything for people on stderr. */
export class TextView implements View {
  readonly #io: Pick<Io, 'stdout' | 'stderr' | 'now' | 'hold'>;
  readonly #stderr: Output;
  readonly #options: TextOptions;
  readonly #safeReasoning = new TerminalSafe();
  readonly #deltas = new DeltaReader();
  readonly #spinner: Spinner | null;
  #printer: ReplyPrinter | null = null;
  #lastReasoning = '\n';
  #quiet: NodeJS.Timeout | undefined;
  #letGo: (() => void) | null = null;
  /** The reply whose calls were told as its step ended. */
  #told: TurnResult['completion'] = null;

  constructor(io: Pick<Io, 'stdout' | 'stderr' | 'now' | 'hold'>, options: TextOptions) {
    this.#io = io;
    this.#stderr = io.stderr;
    this.#options = options;
    const isWatched = io.stdout.isTTY && io.stderr.isStyled && !options.isQuiet;
    this.#spinner = isWatched ? new Spinner(io.stderr, io.now, io.hold) : null;
  }

  async begin({ partialReplies }: { partialReplies: number }): Promise<void> {
    if (partialReplies > 0 && !this.#options.isQuiet) {
      const replies =
        partialReplies === 1
          ? 'an earlier reply is not complete and is'
          : `${partialReplies} earlier replies are not complete and are`;
      await remark(this.#stderr, `${replies} sent as plain text, as far as it came`);
    }
    this.stepBegin();
    // While the model thinks there is time to load what its words need; the request goes out first.
    if (this.#options.isMarkdown) this.#warmUp();
  }

  stepBegin(): void {
    this.#spinner?.start();
    // What is typed from here on would stand among what is drawn.
    if (this.#spinner !== null || (this.#options.isMarkdown && this.#io.stdout.isStyled))
      this.#quiet = setTimeout(() => (this.#letGo = this.#io.hold(quietTerminal)), 20).unref();
  }

  async stepEnd({ completion }: TurnResult): Promise<void> {
    this.#told = completion;
    await this.#settle();
    this.#printer = null;
  }

  async approval(record: CallRecord): Promise<void> {
    await this.#toolLine((lines) => lines.approvalText(record, this.#options.isVerbose, this.#stderr));
  }

  async toolResult(record: CallRecord): Promise<void> {
    await this.#toolLine((lines) => lines.resultText(record, this.#options.isVerbose, this.#stderr));
  }

  async #toolLine(lineOf: (lines: typeof ToolLines) => OwnText): Promise<void> {
    await this.#stderr.write(ours`${lineOf(await import('./tool-lines.ts'))}\n`);
  }

  /** What came so far is all shown, and the terminal is as it was. */
  async #settle(): Promise<void> {
    await this.#show(this.#deltas.end());
    this.#spinner?.stop();
    await this.#endReasoning();
    await this.#printer?.end();
    clearTimeout(this.#quiet);
    this.#letGo?.();
    this.#letGo = null;
  }

  retry({ attempt, maxRetries, delayMs, error }: RetryNotice): void {
    this.#spinner?.stop();
    const next = `try ${attempt + 1} of ${maxRetries + 1} in ${(delayMs / 1000).toFixed(1)} s`;
    void remark(this.#stderr, `${error.message}; ${next}`);
    this.#spinner?.start();
  }

  arrival(arrival: Arrival): Promise<void> | void {
    const deltas = this.#deltas.read(arrival);
    // Nearly every read of a reply under way: its words go out in the same breath.
    const [first] = deltas;
    if (this.#printer !== null && deltas.length === 1 && first?.type === 'message' && this.#lastReasoning === '\n')
      return this.#printer.write(first.content);
    return deltas.length === 0 ? undefined : this.#show(deltas);
  }

  async #show(deltas: readonly TextDelta[]): Promise<void> {
    for (const { type, content } of deltas) {
      if (type === 'reasoning') await this.#reasoning(content);
      else if (!this.#options.isHeldBack) await this.#reply(content);
    }
  }

  async end(outcome: TurnOutcome): Promise<void> {
    await this.#show(this.#deltas.end());
    this.#spinner?.stop();
    await this.#endReasoning();
    if (this.#options.isHeldBack && isInOrder(outcome))
      await this.#reply(outcome.taken?.text ?? textOf(outcome.completion));
    await this.#settle();
    await this.#endnotes(outcome);
  }

  async #endnotes(outcome: TurnOutcome): Promise<void> {
    const message = decidingChoice(outcome.completion)?.message;
    const isTold = outcome.completion !== null && outcome.completion === this.#told;
    for (const call of isTold ? [] : repliedCalls(outcome.completion)) {
      await this.#stderr.write(ours`${toolCallText(call, this.#stderr)}\n`);
      if (call.isMalformed) await remark(this.#stderr, `the arguments of ${call.name} are no JSON`);
    }
    if (message?.images || message?.audio) {
      const { mediaNotes } = await import('./media-notes.ts');
      const { files = [], conversationId: keptAs } = outcome;
      for (const note of mediaNotes(message, { files, conversationId: keptAs })) await remark(this.#stderr, note);
    }
    if (message?.refusal) await remark(this.#stderr, `the model refused: ${message.refusal}`);
    const { receipt, completion, conversationId, verdict } = outcome;
    if (receipt !== null && completion !== null && !this.#options.isQuiet) {
      const keptIn = conversationId === null ? null : this.#options.keptIn;
      const note = outcome.taken?.note ?? null;
      await this.#stderr.write(
        ours`${receiptLine({ receipt, conversationId, verdict, keptIn, note }, this.#stderr)}\n`,
      );
    }
    for (const error of outcome.errors) {
      // A reader that has gone needs no word about it.
      if (!(error.code === 'interrupted' && this.#io.stdout.isClosed)) await reportError(this.#stderr, error);
    }
  }

  async #reply(content: string): Promise<void> {
    if (content === '') return;
    this.#spinner?.stop();
    await this.#endReasoning();
    this.#printer ??= await this.#openPrinter();
    await this.#printer.write(content);
  }

  /** Markdown is loaded when the first of it is there: a reply that goes into a pipe never pays for it. */
  async #openPrinter(): Promise<ReplyPrinter> {
    const { stdout, now, hold } = this.#io;
    if (!this.#options.isMarkdown) return new PlainPrinter(stdout);
    const { MarkdownPrinter } = await this.#loadMarkdown();
    return new MarkdownPrinter(stdout, now, hold);
  }

  #warmUp(): void {
    const begin = async (): Promise<void> => {
      const { warmUp } = await this.#loadMarkdown();
      if (this.#printer === null) warmUp();
    };
    // It only saves time: whatever keeps it from loading is met, and said, when the first words come.
    setTimeout(() => void begin().catch(() => {}), 20).unref();
  }

  #loadMarkdown(): Promise<typeof MarkdownModule> {
    return import('./markdown-printer.ts');
  }

  async #reasoning(content: string): Promise<void> {
    if (content === '') return;
    if (!this.#options.isReasoningShown) {
      if (this.#spinner) this.#spinner.label = 'thinking';
      return;
    }
    this.#spinner?.stop();
    // A model may think again after its first words: they are ended, and go on below.
    if (this.#lastReasoning === '\n') await this.#printer?.settle();
    this.#lastReasoning = content.at(-1) as string;
    const isStyled = this.#stderr.isStyled;
    await this.#stderr.write(
      isStyled ? drawn(paintFor(this.#stderr)('dim', this.#safeReasoning.write(content))) : content,
    );
  }

  async #endReasoning(): Promise<void> {
    if (this.#lastReasoning === '\n') return;
    this.#lastReasoning = '\n';
    await this.#stderr.write(ours`\n\n`);
  }
}

/** From the request to the end of the reply nothing that is typed is shown. */
const quietTerminal: TerminalHolder = { isDrawing: true, release: () => {}, retake: () => {} };

/** What a program that waits for a form, or for an answer, gets nothing of. */
const notForPrograms: ReadonlySet<ErrorCode> = new Set([
  'schema_mismatch',
  'nothing_to_extract',
  'tool_unapproved',
  'too_many_steps',
]);

/** Whole, and matching its schema; that it was long enough to be cut by a limit does not make it less so. */
function isInOrder({ verdict, errors }: TurnOutcome): boolean {
  return (verdict === 'complete' || verdict === 'length') && !errors.some(({ code }) => notForPrograms.has(code));
}
