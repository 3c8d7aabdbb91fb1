import { CllmError } from '../outcome/errors.ts';
import { isBusy, isWriteRefusal } from './database-error.ts';
import type { Database } from './database.ts';
import { isPaired } from './pairs.ts';
import { isLong } from './migrations.ts';
import type { SearchTerm } from './search-query.ts';
import { hitCondition, type TurnFilter } from './turn-filter.ts';

/** What a step may hold: it keeps other writers waiting for about a tenth of a second (bench/RESULTS.md). */
const mostTurns = 500;
const mostBytes = 400_000;

/**
 * Puts some more of the turns that an earlier cllm wrote into the index of pairs, the latest first. A step is one
 * transaction: a crash leaves it done or not begun.
 *
 * @returns whether some are left
 */
export function indexStep(database: Database): boolean {
  const [backlog] = database.all<{ up_to: number }>('SELECT up_to FROM turns_pairs_backlog');
  if (backlog === undefined || backlog.up_to === 0) return false;
  return database.write(() => {
    const { up_to: upTo } = database.get('SELECT up_to FROM turns_pairs_backlog') as { up_to: number };
    const rows = database.all<{ position: number; size: number }>(
      `SELECT position, octet_length(prompt) + coalesce(octet_length(completion), 0) AS size
      FROM turns WHERE position <= ? ORDER BY position DESC LIMIT ${mostTurns}`,
      upTo,
    );
    let size = 0;
    const end = rows.findIndex((row) => (size += row.size) >= mostBytes);
    const taken = end === -1 ? rows : rows.slice(0, end + 1);
    const next = taken.length < mostTurns && end === -1 ? 0 : (taken.at(-1)?.position ?? 1) - 1;
    for (const [text, place] of [
      ['prompt', '2 * position'],
      ['reply', '2 * position + 1'],
    ] as const) {
      database.run(
        `INSERT INTO turns_pairs_long SELECT ${place} FROM turns WHERE position > ? AND position <= ? AND ${isLong(text)}`,
        next,
        upTo,
      );
    }
    database.run(
      `WITH texts AS MATERIALIZED (
        SELECT 2 * position AS place, cllm_pairs(prompt) AS pairs FROM turns
        WHERE position > ?1 AND position <= ?2 AND 2 * position NOT IN (SELECT place FROM turns_pairs_long)
        UNION ALL
        SELECT 2 * position + 1, cllm_pairs(reply) FROM turns
        WHERE position > ?1 AND position <= ?2 AND 2 * position + 1 NOT IN (SELECT place FROM turns_pairs_long)
      )
      INSERT INTO turns_pairs (rowid, pairs) SELECT place, pairs FROM texts WHERE pairs <> '' ORDER BY place`,
      next,
      upTo,
    );
    database.run('UPDATE turns_pairs_backlog SET up_to = ?', next);
    return next > 0;
  });
}

/** Steps until all is in or the time is over; what is not in then is looked through as text. */
export function indexFor(milliseconds: number, database: Database): void {
  const deadline = performance.now() + milliseconds;
  try {
    while (indexStep(database) && performance.now() < deadline);
  } catch (error) {
    if (!(error instanceof CllmError) || !(isBusy(error.cause) || isWriteRefusal(error.cause))) throw error;
  }
}

/** What was kept out of the index for its length. A cross join, so that SQLite does not look through all turns for it. */
function longHits(term: string): string {
  const text = "CASE place & 1 WHEN 0 THEN prompt ELSE coalesce(reply, '') END";
  const isThere = isPaired(term) ? `instr(lower(${text}), lower(?)) > 0` : `cllm_has_word(${text}, ?)`;
  return `SELECT position FROM turns_pairs_long CROSS JOIN turns ON position = place >> 1 WHERE ${isThere}`;
}

/** Whether any term needs more than the index of words: then that one can not give the latest hits by itself. */
export function needsPairs(terms: readonly SearchTerm[], database: Database): boolean {
  return terms.some(
    ({ text, pairs }) =>
      isPaired(text) ||
      (pairs !== null &&
        (database.get('SELECT 1 FROM turns_pairs WHERE turns_pairs MATCH ? LIMIT 1', pairs) !== undefined ||
          database.get(`${longHits(text)} LIMIT 1`, text) !== undefined)),
  );
}

/** The turns that have every term, by whichever index knows it, the latest first. */
export function pairedHits(
  terms: readonly SearchTerm[],
  filter: TurnFilter,
  limit: number,
  database: Database,
): number[] {
  const conditions: string[] = [];
  const values: (string | number)[] = [];
  for (const { text, words, pairs } of terms) {
    const ways: string[] = [];
    if (words !== null) {
      ways.push('SELECT rowid FROM turns_search WHERE turns_search MATCH ?');
      values.push(words);
    }
    if (pairs !== null) {
      ways.push('SELECT rowid >> 1 FROM turns_pairs WHERE turns_pairs MATCH ?', longHits(text));
      values.push(pairs, text);
    }
    if (isPaired(text)) {
      ways.push(
        `SELECT position FROM turns WHERE position <= (SELECT up_to FROM turns_pairs_backlog)
          AND (instr(lower(prompt), lower(?)) > 0 OR instr(lower(coalesce(reply, '')), lower(?)) > 0)`,
      );
      values.push(text, text);
    }
    conditions.push(`position IN (${ways.join(' UNION ALL ')})`);
  }
  const { sql, values: filterValues } = hitCondition(filter, 'found.position');
  return database
    .all<{ position: number }>(
      `SELECT position FROM turns AS found WHERE ${conditions.join(' AND ')} ${sql} ORDER BY position DESC LIMIT ?`,
      ...values,
      ...filterValues,
      limit,
    )
    .map(({ position }) => position);
}
