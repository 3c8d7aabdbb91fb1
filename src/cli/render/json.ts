import { errorObject, resultObject, schemaVersion, type ResultObject } from '../../result.ts';
import type { ChatCompletionChunk, ToolCall } from '../../protocol/types.ts';
import type { Output } from '../io.ts';
import type { TurnOutcome, View } from './view.ts';

type Clock = () => string;

function resultOf(outcome: TurnOutcome, timestamp: string): ResultObject {
  return resultObject({
    timestamp,
    error: outcome.decisive,
    verdict: outcome.verdict,
    completion: outcome.completion,
    figures: outcome.receipt,
    conversationId: outcome.conversationId,
  });
}

/** `--output-format json`: the result object alone, at the end. */
export function jsonView(stdout: Output, clock: Clock): View {
  return {
    retry() {},
    async end(outcome) {
      await stdout.write(`${JSON.stringify(resultOf(outcome, clock()))}\n`);
    },
  };
}

/** `--output-format stream-json`: JSON lines, `result` last (docs/events.md). The lines of one read are one write. */
export function eventsView(stdout: Output, clock: Clock, baseUrl: string): View {
  const line = (event: Record<string, unknown>) => `${JSON.stringify(event)}\n`;
  return {
    async begin({ conversationId, model }) {
      const event = { type: 'init', timestamp: clock(), schema_version: schemaVersion, conversation_id: conversationId, model, base_url: baseUrl };
      await stdout.write(line(event));
    },
    retry({ attempt, maxRetries, delayMs, error }) {
      void stdout.write(
        line({
          type: 'retry',
          timestamp: clock(),
          attempt,
          max_retries: maxRetries,
          retry_delay_ms: Math.round(delayMs),
          error: { code: error.code, message: error.message },
        }),
      );
    },
    async chunks(chunks) {
      const timestamp = clock();
      let lines = '';
      for (const [type, content] of deltas(chunks)) {
        lines += line(
          type === 'message'
            ? { type, timestamp, role: 'assistant', content, delta: true }
            : { type, timestamp, content, delta: true },
        );
      }
      await stdout.write(lines);
    },
    async end(outcome) {
      const timestamp = clock();
      const result = resultOf(outcome, timestamp);
      let lines = '';
      const message = outcome.completion?.choices[0]?.message;
      // A call is whole only after the finish_reason: a prefix that parses is still a prefix.
      if (outcome.completion?.choices[0]?.finish_reason) {
        for (const call of message?.tool_calls ?? []) lines += line(toolUse(call, timestamp));
      }
      if (result.error) lines += line({ ...result.error });
      await stdout.write(lines + line({ ...result }));
    },
  };
}

/** For an error before any turn began: the `error` event, when asked for, and the result. */
export function failureLines(error: Parameters<typeof errorObject>[0], timestamp: string, format: string): string {
  const result = resultObject({ timestamp, error });
  const lines = format === 'stream-json' && result.error ? [result.error, result] : [result];
  return lines.map((object) => `${JSON.stringify(object)}\n`).join('');
}

/** The text and the reasoning of choice 0, in the order they came; neighbours of one kind joined. */
export function deltas(chunks: readonly ChatCompletionChunk[]): ['message' | 'reasoning', string][] {
  const pieces: ['message' | 'reasoning', string][] = [];
  const add = (type: 'message' | 'reasoning', content: unknown) => {
    if (typeof content !== 'string' || content === '') return;
    const last = pieces.at(-1);
    if (last?.[0] === type) last[1] += content;
    else pieces.push([type, content]);
  };
  for (const chunk of chunks) {
    for (const choice of Array.isArray(chunk.choices) ? chunk.choices : []) {
      if ((choice?.index ?? 0) !== 0 || !choice?.delta) continue;
      add('reasoning', choice.delta.reasoning_content ?? choice.delta.reasoning);
      add('message', choice.delta.content);
    }
  }
  return pieces;
}

function toolUse(call: ToolCall, timestamp: string): Record<string, unknown> {
  const [name, input] =
    'custom' in call ? [call.custom.name, call.custom.input] : [call.function.name, call.function.arguments];
  return { type: 'tool_use', timestamp, tool_name: name, tool_id: call.id, parameters: parsed(input) };
}

function parsed(input: string): unknown {
  try {
    return JSON.parse(input);
  } catch {
    return input;
  }
}
