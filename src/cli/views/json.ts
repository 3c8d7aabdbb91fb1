import {
  parsedOr,
  resultObject,
  type ResultObject,
  schemaVersion,
  type TemplateObject,
  textOf,
} from '../../conversation/result-object.ts';
import type { CallRecord, TurnResult } from '../../conversation/turn.ts';
import { exits } from '../../outcome/exits.ts';
import { decidingChoice, repliedCalls, type ReplyCall } from '../../protocol/reply-content.ts';
import type { Arrival, TextDelta } from '../../protocol/arrival.ts';
import { maskError } from '../../protocol/redact-secrets.ts';
import type { RetryNotice } from '../../client/reply/completion-stream.ts';
import type { Output } from '../../terminal/output.ts';
import { DeltaReader } from './deltas.ts';
import { jsonLine as line } from '../../terminal/terminal-safe.ts';
import type { TurnOutcome, View } from './view.ts';

/** What the views for programs need to know beside the turn. */
export interface ProgramViewOptions {
  stdout: Output;
  /** The model that will be asked, as far as anybody knows before a turn begins. */
  model: string | null;
  baseUrl: string | null;
  /** What the prompt is made from; null for one of its own. */
  template: TemplateObject | null;
  /** ISO 8601, UTC. */
  timestamp: () => string;
  /** Milliseconds of a clock that only goes forward. */
  now: () => number;
}

/** `--output-format json`: the result object alone, at the end. */
export class JsonView implements View {
  readonly #options: ProgramViewOptions;
  readonly #startedAt: number;

  constructor(options: ProgramViewOptions) {
    this.#options = options;
    this.#startedAt = options.now();
  }

  retry(): void {}

  stepEnd(): void {}

  stepBegin(): void {}

  approval(): void {}

  toolResult(): void {}

  async end(outcome: TurnOutcome): Promise<void> {
    const { stdout, timestamp, now } = this.#options;
    await stdout.write(line(resultOf(this.#options, outcome, timestamp(), now() - this.#startedAt)));
  }
}

/** `--output-format stream-json`: JSON lines, `result` last (docs/events.md). The lines of one read are one write. */
export class EventsView implements View {
  readonly #options: ProgramViewOptions;
  readonly #startedAt: number;
  readonly #deltas = new DeltaReader();
  #hasBegun = false;
  /** The reply whose calls were told as its step ended. */
  #told: TurnResult['completion'] = null;
  /** The last text of the steps so far ends without a line break: the next one begins with one. */
  #isLineOpen = false;

  constructor(options: ProgramViewOptions) {
    this.#options = options;
    this.#startedAt = options.now();
  }

  async begin({ conversationId, model }: { conversationId: string | null; model: string | null }): Promise<void> {
    // A run that goes on from calls has told of them already.
    if (!this.#hasBegun) await this.#options.stdout.write(this.#init(conversationId, model));
  }

  retry({ attempt, maxRetries, delayMs, error }: RetryNotice): void {
    const event = {
      type: 'retry',
      timestamp: this.#options.timestamp(),
      attempt,
      max_retries: maxRetries,
      retry_delay_ms: Math.round(delayMs),
      error: { code: error.code, message: this.#options.stdout.masked(error.message) },
    };
    void this.#options.stdout.write(line(event));
  }

  async arrival(arrival: Arrival): Promise<void> {
    await this.#options.stdout.write(this.#lines(this.#deltas.read(arrival)));
  }

  async stepEnd(result: TurnResult, calls: readonly ReplyCall[]): Promise<void> {
    const { stdout, timestamp } = this.#options;
    const at = timestamp();
    this.#told = result.completion;
    const begun = this.#hasBegun ? '' : this.#init(result.conversationId, this.#options.model);
    const lines = begun + this.#lines(this.#deltas.end()) + calls.map((call) => line(toolUse(call, at))).join('');
    const text = textOf(result.completion);
    this.#isLineOpen = text === '' ? this.#isLineOpen : !text.endsWith('\n');
    await stdout.write(lines);
  }

  stepBegin(): void {}

  async approval({ name, id, decision, by, rule }: CallRecord): Promise<void> {
    const { stdout, timestamp } = this.#options;
    await stdout.write(
      line({ type: 'approval', timestamp: timestamp(), tool_name: name, tool_id: id, decision, by, rule }),
    );
  }

  async toolResult({ name, id, result }: CallRecord): Promise<void> {
    const { stdout, timestamp } = this.#options;
    await stdout.write(
      line({
        type: 'tool_result',
        timestamp: timestamp(),
        tool_name: name,
        tool_id: id,
        is_error: result?.isError ?? false,
        output: result?.text ?? '',
        duration_ms: result?.durationMs === null || result === null ? null : Math.round(result.durationMs),
      }),
    );
  }

  async end(outcome: TurnOutcome): Promise<void> {
    const { stdout, timestamp, now, model } = this.#options;
    const at = timestamp();
    const result = resultOf(this.#options, outcome, at, now() - this.#startedAt);
    let lines = '';
    // A turn that never began has an init all the same; only a mistake in the command line itself has none.
    if (!this.#hasBegun && result.exit_code !== exits.usage.code) lines += this.#init(outcome.conversationId, model);
    lines += this.#lines(this.#deltas.end());
    if (outcome.completion === null || outcome.completion !== this.#told)
      for (const call of finishedCalls(outcome)) lines += line(toolUse(call, at));
    if (result.error) lines += line(result.error);
    await stdout.write(lines + line(result));
  }

  #init(conversationId: string | null, model: string | null): string {
    this.#hasBegun = true;
    return line({
      type: 'init',
      timestamp: this.#options.timestamp(),
      schema_version: schemaVersion,
      conversation_id: conversationId,
      model,
      base_url: this.#options.baseUrl,
    });
  }

  #lines(deltas: readonly TextDelta[]): string {
    const timestamp = this.#options.timestamp();
    let lines = '';
    for (const { type, content: text } of deltas) {
      const content = type === 'message' && this.#isLineOpen ? `\n${text}` : text;
      if (type === 'message') this.#isLineOpen = false;
      lines += line(
        type === 'message'
          ? { type, timestamp, role: 'assistant', content, delta: true }
          : { type, timestamp, content, delta: true },
      );
    }
    return lines;
  }
}

function resultOf(
  { stdout, template }: ProgramViewOptions,
  outcome: TurnOutcome,
  timestamp: string,
  durationMs: number,
): ResultObject {
  return resultObject({
    timestamp,
    error: maskError(outcome.decisive, (text) => stdout.masked(text)),
    verdict: outcome.verdict,
    completion: outcome.completion,
    taken: outcome.taken ?? null,
    steps: outcome.steps ?? null,
    figures: outcome.receipt,
    conversationId: outcome.conversationId,
    template,
    durationMs,
  });
}

/**
 * A call is whole only after the finish_reason: a prefix that parses is still a prefix. A reply that its length limit or
 * a filter cut may have torn its last call, and nobody should act on half a call; it stands in the completion.
 */
function finishedCalls({ completion, verdict }: TurnOutcome): ReplyCall[] {
  if (!decidingChoice(completion)?.finish_reason) return [];
  const calls = repliedCalls(completion);
  const last = calls.at(-1);
  const isTorn = verdict !== 'complete' && last !== undefined && parsedOr(last.input) === last.input;
  return isTorn ? calls.slice(0, -1) : calls;
}

function toolUse({ name, id, input, isMalformed }: ReplyCall, timestamp: string): Record<string, unknown> {
  const event = { type: 'tool_use', timestamp, tool_name: name, tool_id: id, parameters: parsedOr(input) };
  return isMalformed ? { ...event, malformed: true } : event;
}
