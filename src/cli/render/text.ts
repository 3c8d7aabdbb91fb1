import type { RetryNotice } from '../../client/completion-stream.ts';
import type { ChatCompletionChunk, ToolCall } from '../../protocol/types.ts';
import { decidingChoice } from '../../protocol/verdict.ts';
import { textOf } from '../../result.ts';
import type { Io, Output } from '../io.ts';
import { DeltaReader, type TextDelta } from './deltas.ts';
import { receiptLine } from './receipt-line.ts';
import { remark, reportError } from './report.ts';
import { styled } from './style.ts';
import { TerminalSafe, terminalSafe } from './terminal-safe.ts';
import type { TurnOutcome, View } from './view.ts';

export interface TextOptions {
  isReasoningShown: boolean;
  isQuiet: boolean;
  /** Nothing is printed before the end, and then only a reply that is in order: `--output-schema`. */
  isHeldBack: boolean;
}

/** The reply on stdout as it arrives, everything for people on stderr. */
export class TextView implements View {
  readonly #stdout: Output;
  readonly #stderr: Output;
  readonly #options: TextOptions;
  readonly #safe = new TerminalSafe();
  readonly #safeReasoning = new TerminalSafe();
  readonly #deltas = new DeltaReader();
  #lastCharacter = '\n';
  #lastReasoning = '\n';

  constructor(io: Pick<Io, 'stdout' | 'stderr'>, options: TextOptions) {
    this.#stdout = io.stdout;
    this.#stderr = io.stderr;
    this.#options = options;
  }

  async begin({ partialReplies }: { partialReplies: number }): Promise<void> {
    if (partialReplies === 0 || this.#options.isQuiet) return;
    const replies =
      partialReplies === 1
        ? 'an earlier reply is not complete and is'
        : `${partialReplies} earlier replies are not complete and are`;
    await remark(this.#stderr, `${replies} sent as plain text, as far as it came`);
  }

  retry({ attempt, maxRetries, delayMs, error }: RetryNotice): void {
    void remark(
      this.#stderr,
      `${error.message}; try ${attempt + 1} of ${maxRetries + 1} in ${(delayMs / 1000).toFixed(1)} s`,
    );
  }

  async chunks(chunks: readonly ChatCompletionChunk[]): Promise<void> {
    await this.#show(this.#deltas.read(chunks));
  }

  async #show(deltas: readonly TextDelta[]): Promise<void> {
    for (const { type, content } of deltas) {
      if (type === 'reasoning') await this.#reasoning(content);
      else if (!this.#options.isHeldBack) await this.#reply(content);
    }
  }

  async end(outcome: TurnOutcome): Promise<void> {
    await this.#show(this.#deltas.end());
    await this.#endReasoning();
    const message = decidingChoice(outcome.completion)?.message;
    if (this.#options.isHeldBack && isInOrder(outcome)) await this.#reply(textOf(outcome.completion));
    if (this.#stdout.isTTY) await this.#stdout.write(this.#safe.end());
    if (this.#lastCharacter !== '\n') await this.#stdout.write('\n');
    for (const call of message?.tool_calls ?? []) await this.#stderr.write(`${terminalSafe(callLine(call))}\n`);
    if (message?.refusal) await remark(this.#stderr, `the model refused: ${message.refusal}`);
    if (outcome.receipt !== null && !this.#options.isQuiet && outcome.completion !== null) {
      const line = receiptLine({ receipt: outcome.receipt, conversationId: outcome.conversationId });
      await this.#stderr.write(`${styled(this.#stderr, 'dim', terminalSafe(line))}\n`);
    }
    for (const error of outcome.errors) {
      // A reader that has gone needs no word about it.
      if (!(error.code === 'interrupted' && this.#stdout.isClosed)) await reportError(this.#stderr, error);
    }
  }

  async #reply(content: string): Promise<void> {
    if (content === '') return;
    await this.#endReasoning();
    this.#lastCharacter = content.at(-1) as string;
    await this.#stdout.write(this.#stdout.isTTY ? this.#safe.write(content) : content);
  }

  async #reasoning(content: string): Promise<void> {
    if (!this.#options.isReasoningShown || content === '') return;
    this.#lastReasoning = content.at(-1) as string;
    await this.#stderr.write(styled(this.#stderr, 'dim', this.#safeReasoning.write(content)));
  }

  async #endReasoning(): Promise<void> {
    if (this.#lastReasoning === '\n') return;
    this.#lastReasoning = '\n';
    await this.#stderr.write('\n\n');
  }
}

/** Whole, and matching its schema; that it was long enough to be cut by a limit does not make it less so. */
function isInOrder({ verdict, errors }: TurnOutcome): boolean {
  return (verdict === 'complete' || verdict === 'length') && !errors.some((error) => error.code === 'schema_mismatch');
}

function callLine(call: ToolCall): string {
  const [name, input] =
    'custom' in call ? [call.custom.name, call.custom.input] : [call.function.name, call.function.arguments];
  return `tool call ${name ?? '(without a name)'}(${input}) ${call.id ?? ''}`.trimEnd();
}
