import { mostUsd } from '../protocol/figures.ts';
import type { Database } from './database.ts';
import { receiptFigure, receiptText } from './receipt-columns.ts';
import type { ConversationTotals, HistorySpend } from './rows.ts';
import type { Condition } from './turn-filter.ts';

/** What spend is divided by here: a day of the local calendar, the model that served, the conversation. */
export type SpendDivision = 'day' | 'model' | 'conversation';

const names: Readonly<Record<SpendDivision, string>> = {
  day: "date(turns.created_at, 'localtime')",
  model: `coalesce(${receiptText('model_served')}, turns.model)`,
  conversation: 'turns.conversation_id',
};
const cost = receiptFigure('cost_usd', mostUsd);
const tokens = (name: string): string => `sum(${receiptFigure(name, Number.MAX_SAFE_INTEGER)})`;

/** Of the latest conversations, by their ids; -1 is all of them. */
export function conversationTotals(database: Database, limit: number): Map<string, ConversationTotals> {
  const rows = database.all<ConversationTotals & { id: string }>(
    `SELECT conversation_id AS id, sum(${cost}) AS costUsd, ${tokens('input_tokens')} AS inputTokens,
      ${tokens('output_tokens')} AS outputTokens
    FROM turns
    WHERE conversation_id IN (SELECT id FROM conversations ORDER BY activity DESC LIMIT ?)
    GROUP BY conversation_id`,
    limit,
  );
  return new Map(rows.map(({ id, ...totals }) => [id, totals]));
}

export function spendingBy(database: Database, by: SpendDivision, { sql, values }: Condition): HistorySpend[] {
  return database.all<HistorySpend>(
    `SELECT ${names[by]} AS name, count(*) AS requests, sum(${cost}) AS spend, count(*) - count(${cost}) AS unpriced,
      ${tokens('input_tokens')} AS inputTokens, ${tokens('output_tokens')} AS outputTokens
    FROM turns ${sql} GROUP BY 1`,
    ...values,
  );
}

export function callIdsWhere(database: Database, { sql, values }: Condition): string[] {
  const id = receiptText('call_id');
  return database
    .all<{ id: string }>(`SELECT ${id} AS id FROM turns ${sql} AND ${id} IS NOT NULL`, ...values)
    .map((row) => row.id);
}
