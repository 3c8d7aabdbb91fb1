import type { ConversationSummary, ConversationTotals, Turn } from '../../history/history.ts';
import { templateLine } from '../../history/template-line.ts';
import type { ChatMessage } from '../../protocol/types.ts';
import { mediaOf, mediaTitle } from '../../protocol/media.ts';
import { withoutFinal } from '../../protocol/fold-lines.ts';

/** One line of `history list --json` (docs/history.md). */
export function listedConversationJson(
  summary: ConversationSummary,
  totals: ConversationTotals,
): Record<string, unknown> {
  return { ...factsOf(summary), turn_count: summary.turnCount, ...totalsJson(totals) };
}

export function totalsJson({ costUsd, inputTokens, outputTokens }: ConversationTotals): Record<string, number | null> {
  return { total_cost_usd: costUsd, input_tokens: inputTokens, output_tokens: outputTokens };
}

/** The JSON of `history show --format json` (docs/history.md). */
export function conversationJson(summary: ConversationSummary, turns: readonly Turn[]): Record<string, unknown> {
  return {
    ...factsOf(summary),
    turns: turns.map((turn) => ({
      seq: turn.seq,
      created_at: turn.createdAt,
      ended_at: turn.endedAt,
      model: turn.model,
      messages: turn.messages,
      completion: turn.completion,
      verdict: turn.verdict,
      error: turn.error,
      receipt: turn.receipt,
      template: turn.template,
    })),
  };
}

function factsOf(summary: ConversationSummary): Record<string, unknown> {
  return {
    conversation_id: summary.id,
    name: summary.name,
    title: summary.title,
    created_at: summary.createdAt,
    updated_at: summary.updatedAt,
    model: summary.model,
    system: summary.system,
  };
}

/** A conversation for reading: `>` stands before who says what follows. */
export function conversationText(summary: ConversationSummary, turns: readonly Turn[]): string {
  const blocks = [`${summary.title} (${summary.name ?? summary.id})`];
  if (summary.system !== null) blocks.push('> system', summary.system);
  for (const turn of turns) {
    for (const message of turn.messages) blocks.push(`> ${message.role}`, messageText(message));
    if (turn.template !== null) blocks.push(`[${templateLine(turn.template)}]`);
    blocks.push(`> assistant (${turn.model})`);
    const reply = turn.completion?.choices[0]?.message;
    if (reply?.content) blocks.push(reply.content);
    if (reply?.refusal) blocks.push(reply.refusal);
    for (const call of reply?.tool_calls ?? [])
      blocks.push(`tool call: ${JSON.stringify('custom' in call ? call.custom : call.function)}`);
    if (reply?.function_call) blocks.push(`tool call: ${JSON.stringify(reply.function_call)}`);
    for (const media of mediaOf(reply)) blocks.push(`[${media.kind}: ${mediaTitle(media)}]`);
    if (turn.verdict !== 'complete') blocks.push(`[${ending(turn)}]`);
  }
  return `${blocks.map((block) => withoutFinal('\n', block)).join('\n\n')}\n`;
}

function ending(turn: Turn): string {
  if (turn.verdict !== null) return turn.verdict.replaceAll('_', ' ');
  if (turn.error !== null) return `no reply: ${turn.error.message}`;
  return 'no reply yet, or lost in a crash: cllm recover';
}

function messageText({ content }: ChatMessage): string {
  if (typeof content === 'string') return content;
  return (content ?? [])
    .map((part) => {
      const { type, text } = part as { type?: unknown; text?: unknown };
      return typeof text === 'string' ? text : `[${typeof type === 'string' ? type : 'a part'}]`;
    })
    .join('\n');
}
