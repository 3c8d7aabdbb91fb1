import { damagedToolRuns } from './tool-runs.ts';
import { CllmError } from '../outcome/errors.ts';
import { isBusy, isIndexDamage, isWriteRefusal } from './database-error.ts';
import { AttachmentReader } from './attachments.ts';
import type { Database } from './database.ts';
import { digestOf, references } from './detached-text.ts';
import { conversationChecksum, promptChecksum, replyChecksum } from './records.ts';
import { type ConversationRow, turnColumns, type TurnRow } from './rows.ts';

export interface Problem {
  /** `page`: the file's structure; `conversation`, `turn`, `attachment`: their content; `order`: a gap; `search`: the index, which can be built again. */
  kind: 'page' | 'conversation' | 'turn' | 'attachment' | 'order' | 'search';
  /** Names the place, never the text. */
  message: string;
}

export interface VerifyReport {
  conversations: number;
  turns: number;
  problems: Problem[];
}

/** At most this many problems of the file's structure are told; SQLite itself stops there. */
const pageProblems = 100;

export function verifyHistory(database: Database): VerifyReport {
  const report: VerifyReport = { conversations: 0, turns: 0, problems: [] };
  const checks = {
    pages: checkPages,
    conversations: checkConversations,
    turns: checkTurns,
    attachments: checkAttachments,
    order: checkOrder,
    calls: checkCalls,
    search: checkSearch,
  };
  for (const [name, check] of Object.entries(checks)) {
    try {
      check(database, report);
    } catch (error) {
      // A page that can not be read stops a check half way; the others may get further.
      if (!(error instanceof CllmError) || isBusy(error.cause)) throw error;
      report.problems.push({ kind: 'page', message: `${name}: ${causeOf(error)}` });
    }
  }
  return report;
}

/** The indexes hold nothing of their own. That of pairs fills in steps. */
export function rebuildSearch(database: Pick<Database, 'execute'>): void {
  database.execute(`
    INSERT INTO turns_search (turns_search) VALUES ('rebuild');
    DELETE FROM turns_search_held;
    INSERT INTO turns_pairs (turns_pairs) VALUES ('delete-all');
    DELETE FROM turns_pairs_long;
    UPDATE turns_pairs_backlog SET up_to = (SELECT coalesce(max(position), 0) FROM turns);
  `);
}

function checkPages(database: Database, { problems }: VerifyReport): void {
  for (const row of database.all<{ integrity_check: string }>(`PRAGMA integrity_check(${pageProblems})`)) {
    if (row.integrity_check !== 'ok') {
      const kind = /turns_(?:search|pairs)/.test(row.integrity_check) ? 'search' : 'page';
      problems.push({ kind, message: row.integrity_check });
    }
  }
  for (const row of database.all<{ table: string; rowid: number | null }>('PRAGMA foreign_key_check')) {
    // What is wrong with attachments is said of each of them.
    if (row.table === 'turns_attachments') continue;
    problems.push({
      kind: 'order',
      message: `row ${row.rowid} of ${row.table} belongs to a conversation that is not there`,
    });
  }
}

/** A flipped bit in a text is sound as far as SQLite can tell. */
function checkConversations(database: Database, report: VerifyReport): void {
  for (const row of database.iterate<ConversationRow>('SELECT * FROM conversations')) {
    report.conversations += 1;
    if (row.checksum !== conversationChecksum(row)) {
      report.problems.push({ kind: 'conversation', message: `conversation ${row.id} is not as it was written` });
    }
  }
}

function checkTurns(database: Database, report: VerifyReport): void {
  for (const row of database.iterate<TurnRow>(`SELECT ${turnColumns} FROM turns`)) {
    report.turns += 1;
    const place = `turn ${row.seq} of conversation ${row.conversation_id}`;
    if (row.prompt_checksum !== promptChecksum(new AttachmentReader(database).wholeRow(row))) {
      report.problems.push({ kind: 'turn', message: `the prompt of ${place} is not as it was written` });
    }
    const isReplySound =
      row.reply_checksum === null
        ? row.ended_at === null && row.completion === null && row.verdict === null
        : row.reply_checksum === replyChecksum(row);
    if (!isReplySound)
      report.problems.push({ kind: 'turn', message: `the reply of ${place} is not as it was written` });
  }
}

function checkCalls(database: Database, { problems }: VerifyReport): void {
  for (const turnId of damagedToolRuns(database))
    problems.push({ kind: 'turn', message: `what a call of turn ${turnId} came to is not as it was written` });
}

/** Bytes are there as long as a turn is said to have them, so that what turns say and what they have must agree. */
function checkAttachments(database: Database, { problems }: VerifyReport): void {
  const found = new Set<string>();
  for (const { digest, bytes } of database.iterate<{ digest: string; bytes: Uint8Array }>(
    'SELECT * FROM attachments',
  )) {
    found.add(digest);
    if (digestOf(bytes) !== digest)
      problems.push({ kind: 'attachment', message: `attachment ${digest} is not as it was written` });
  }
  const used = new Set<string>();
  const place = (row: { seq: number | null; conversation_id: string | null }): string =>
    row.seq === null ? 'a turn that is not there' : `turn ${row.seq} of conversation ${row.conversation_id ?? ''}`;
  const uses = database.iterate<{ digest: string; seq: number | null; conversation_id: string | null }>(
    'SELECT digest, seq, conversation_id FROM turns_attachments LEFT JOIN turns USING (position)',
  );
  for (const row of uses) {
    used.add(row.digest);
    if (row.seq === null || !found.has(row.digest))
      problems.push({ kind: 'attachment', message: `attachment ${row.digest} of ${place(row)} is not there` });
  }
  for (const digest of found)
    if (!used.has(digest)) problems.push({ kind: 'attachment', message: `attachment ${digest} is of no turn` });
  const referring = database.iterate<Pick<TurnRow, 'position' | 'seq' | 'conversation_id' | 'messages' | 'request'>>(
    `SELECT position, seq, conversation_id, messages, request FROM turns
    WHERE instr(messages, char(10)) > 0 OR instr(request, char(10)) > 0`,
  );
  for (const row of referring) {
    for (const digest of references(`${row.messages}${row.request ?? ''}`)) {
      const use = database.get(
        'SELECT 1 FROM turns_attachments WHERE position = ? AND digest = ?',
        row.position,
        digest,
      );
      if (use === undefined)
        problems.push({ kind: 'attachment', message: `attachment ${digest} is not kept for ${place(row)}` });
    }
  }
}

/** Own turns follow the parent's without a gap, and the counters that lists are made from agree. */
function checkOrder(database: Database, { problems }: VerifyReport): void {
  const rows = database.all<{
    id: string;
    turn_count: number;
    first: number | null;
    last: number;
    turns: number;
    shared: number;
  }>(
    `SELECT conversations.id, turn_count, min(seq) AS first, coalesce(max(seq), parent_seq, 0) AS last, count(seq) AS turns,
      coalesce(parent_seq, 0) AS shared
    FROM conversations LEFT JOIN turns ON conversation_id = conversations.id GROUP BY conversations.id`,
  );
  for (const { id, turn_count, first, last, turns, shared } of rows) {
    if ((first !== null && first !== shared + 1) || last !== shared + turns || turn_count !== last) {
      problems.push({ kind: 'order', message: `conversation ${id} has a gap in its turns` });
    }
  }
}

/**
 * The index against the text of the turns: https://sqlite.org/fts5.html#the_integrity_check_command. No turn may be
 * missing there, so those that are held back are put in first.
 */
function checkSearch(database: Database, { problems }: VerifyReport): void {
  try {
    // No `write`: that moves a damaged file aside.
    database.read(() => {
      database.execute(`
        INSERT INTO turns_search (rowid, prompt, reply)
          SELECT position, prompt, reply FROM turns_search_held JOIN turns USING (position);
        DELETE FROM turns_search_held;
        INSERT INTO turns_search (turns_search, rank) VALUES ('integrity-check', 1);
        INSERT INTO turns_pairs (turns_pairs) VALUES ('integrity-check');
      `);
    });
  } catch (error) {
    if (!(error instanceof CllmError)) throw error;
    // The check is a write as far as SQLite is concerned; a history that can only be read goes without it.
    if (isWriteRefusal(error.cause)) return;
    if (!isIndexDamage(error.cause)) throw error;
    problems.push({ kind: 'search', message: 'the search index does not fit the turns' });
  }
}

function causeOf(error: CllmError): string {
  const cause = error.cause as { message?: unknown } | undefined;
  return typeof cause?.message === 'string' ? cause.message : error.message;
}
