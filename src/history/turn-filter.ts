import type { Verdict } from '../outcome/exits.ts';
import { mostUsd } from '../protocol/figures.ts';
import { receiptFigure, receiptText } from './receipt-columns.ts';

/** Which turns are meant; a member that is missing means all of them. */
export interface TurnFilter {
  /** The model that was asked for, or the one that served. */
  model?: string;
  /** Prompts from then on. */
  since?: Date;
  /** Prompts before then. */
  until?: Date;
  verdict?: Verdict;
  /** USD. What nobody knows is not over anything. */
  costOver?: number;
}

export interface Condition {
  /** Empty for none. */
  sql: string;
  values: (string | number)[];
}

const servedModel = receiptText('model_served');
const turnCost = receiptFigure('cost_usd', mostUsd);

/** What the columns of a turn have to be, but for the cost. */
function turnCondition({ model, since, until, verdict }: TurnFilter): Condition {
  const conditions: string[] = [];
  const values: Condition['values'] = [];
  if (model !== undefined) {
    conditions.push(`(turns.model = ? OR ${servedModel} = ?)`);
    values.push(model, model);
  }
  if (since !== undefined) {
    conditions.push('turns.created_at >= ?');
    values.push(since.toISOString());
  }
  if (until !== undefined) {
    conditions.push('turns.created_at < ?');
    values.push(until.toISOString());
  }
  if (verdict !== undefined) {
    conditions.push('turns.verdict = ?');
    values.push(verdict);
  }
  return { sql: conditions.map((condition) => ` AND ${condition}`).join(''), values };
}

/** Which conversations: `WHERE …`. */
export function conversationCondition(filter: TurnFilter): Condition {
  const { sql, values } = turnCondition(filter);
  const { costOver } = filter;
  if (costOver === undefined && values.length === 0) return { sql: '', values };
  const own = `FROM turns WHERE turns.conversation_id = conversations.id${sql}`;
  if (costOver === undefined) return { sql: `WHERE EXISTS (SELECT 1 ${own})`, values };
  return { sql: `WHERE (SELECT total(${turnCost}) ${own}) > ?`, values: [...values, costOver] };
}

/** Which of the turns at these positions, rows of the search index say: `AND …`. */
export function hitCondition(filter: TurnFilter, position = 'turns_search.rowid'): Condition {
  const { sql, values } = turnCondition(filter);
  const { costOver } = filter;
  if (costOver === undefined && values.length === 0) return { sql: '', values };
  const cost = costOver === undefined ? '' : ` AND ${turnCost} > ?`;
  return {
    sql: `AND EXISTS (SELECT 1 FROM turns WHERE turns.position = ${position}${sql}${cost})`,
    values: costOver === undefined ? values : [...values, costOver],
  };
}

/** Which turns that have a receipt, by the session that the proxy has them under too: `WHERE …`. */
export function receiptCondition(filter: TurnFilter, session: string | null): Condition {
  const { sql, values } = turnCondition(filter);
  const ofSession = session === null ? '' : ` AND ${receiptText('session_id')} = ?`;
  return {
    sql: `WHERE turns.receipt IS NOT NULL${ofSession}${sql}`,
    values: session === null ? values : [session, ...values],
  };
}
