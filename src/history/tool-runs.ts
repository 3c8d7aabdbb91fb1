import { type ProcessIdentity, processState } from '../files/process-identity.ts';
import { isJsonObject } from '../protocol/json.ts';
import { checksum } from './checksum.ts';
import type { Database } from './database.ts';

/** Who decided on a call: a rule, a person who was asked, one who allowed it for the conversation; the caller's own result; nobody, for one that could not be run. */
export type ToolDecider = 'rule' | 'person' | 'conversation' | 'caller' | 'nobody';

/** What became of a call. */
export interface ToolRun {
  /** Of the call in its reply, from 0. */
  place: number;
  decidedBy: ToolDecider;
  startedAt: string;
  /** Null while it runs, or when its process was killed. */
  endedAt: string | null;
  isError: boolean;
  /** What the model is told; null as long as nothing is known. */
  content: string | null;
}

/** What is known of a call that was begun. */
export interface CallOutcome {
  /** What the model is told. */
  content: string;
  isError: boolean;
  /** The other process that runs it still; null when none does. */
  runningIn: number | null;
}

/** What a call came to that was begun and of which no end is known: it may have done its work, or not. */
export const unknownOutcome =
  'This call was begun and interrupted: whether it took effect is not known. It is not run again by itself.';

/** What can be told of a call while another process runs it. */
export const runningOutcome = 'This call runs still: what it comes to is not known yet.';

interface Row {
  turn_id: string;
  place: number;
  decided_by: string;
  started_at: string;
  ended_at: string | null;
  is_error: number | null;
  checksum: number;
  content: string | null;
  owner: string | null;
}

/** The rows of `tool_runs` and `tool_grants`. Transactions are History's. */
export class ToolRuns {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  of(turnId: string): ToolRun[] {
    return this.#database.all<Row>('SELECT * FROM tool_runs WHERE turn_id = ? ORDER BY place', turnId).map((row) => ({
      place: row.place,
      decidedBy: deciders.find((word) => word === row.decided_by) ?? 'nobody',
      startedAt: row.started_at,
      endedAt: row.ended_at,
      isError: row.is_error === 1,
      content: row.content,
    }));
  }

  /** What the calls of a turn have come to so far, by their place. */
  outcomes(turnId: string, self: () => ProcessIdentity | null): Map<number, CallOutcome> {
    const rows = this.#database.all<Row>('SELECT * FROM tool_runs WHERE turn_id = ? ORDER BY place', turnId);
    return new Map<number, CallOutcome>(
      rows.map(({ place, content, is_error: isError, owner }): [number, CallOutcome] => {
        if (content !== null) return [place, { content, isError: isError === 1, runningIn: null }];
        const runningIn = otherProcess(ownerOf(owner), self);
        return [place, { content: runningIn === null ? unknownOutcome : runningOutcome, isError: true, runningIn }];
      }),
    );
  }

  /** Whether the turn has the call for itself from here on; false when somebody else began it. */
  begin(
    turnId: string,
    run: Pick<ToolRun, 'place' | 'decidedBy' | 'startedAt'>,
    owner: ProcessIdentity | null,
  ): boolean {
    return this.#insert(turnId, { ...run, endedAt: null, isError: false, content: null }, owner);
  }

  end(turnId: string, place: number, end: { endedAt: string; isError: boolean; content: string }): void {
    const row = this.#database.get('SELECT * FROM tool_runs WHERE turn_id = ? AND place = ?', turnId, place);
    if (row === undefined) return;
    const ended: Row = {
      ...(row as Row),
      ended_at: end.endedAt,
      is_error: end.isError ? 1 : 0,
      content: end.content.replaceAll('\0', '\u{fffd}'),
    };
    this.#database.run(
      'UPDATE tool_runs SET ended_at = ?, is_error = ?, content = ?, checksum = ?, owner = NULL WHERE turn_id = ? AND place = ?',
      ended.ended_at,
      ended.is_error,
      ended.content,
      toolRunChecksum(ended),
      turnId,
      place,
    );
  }

  /** As somebody's export has it. */
  restore(turnId: string, run: ToolRun): void {
    this.#insert(turnId, run, null);
  }

  grants(conversationId: string): string[] {
    return this.#database
      .all<{ subject: string }>('SELECT subject FROM tool_grants WHERE conversation_id = ?', conversationId)
      .map(({ subject }) => subject);
  }

  grant(conversationId: string, subject: string): void {
    this.#database.run('INSERT OR IGNORE INTO tool_grants VALUES (?, ?)', conversationId, subject);
  }

  forgetGrants(conversationId: string): void {
    this.#database.run('DELETE FROM tool_grants WHERE conversation_id = ?', conversationId);
  }

  #insert(turnId: string, run: ToolRun, owner: ProcessIdentity | null): boolean {
    const row: Omit<Row, 'checksum'> = {
      turn_id: turnId,
      place: run.place,
      decided_by: run.decidedBy,
      started_at: run.startedAt,
      ended_at: run.endedAt,
      is_error: run.isError ? 1 : 0,
      content: run.content === null ? null : run.content.replaceAll('\0', '\u{fffd}'),
      owner: owner === null ? null : JSON.stringify(owner),
    };
    const changes = this.#database.run(
      `INSERT OR IGNORE INTO tool_runs (turn_id, place, decided_by, started_at, ended_at, is_error, checksum, content, owner)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      row.turn_id,
      row.place,
      row.decided_by,
      row.started_at,
      row.ended_at,
      row.is_error,
      toolRunChecksum(row),
      row.content,
      row.owner,
    );
    return changes > 0;
  }
}

export const deciders: readonly ToolDecider[] = ['rule', 'person', 'conversation', 'caller', 'nobody'];

/** The turns of which a call is not as it was written. */
export function damagedToolRuns(database: Database): string[] {
  const damaged: string[] = [];
  for (const row of database.iterate<Row>('SELECT * FROM tool_runs')) {
    if (row.checksum !== toolRunChecksum(row)) damaged.push(row.turn_id);
  }
  return damaged;
}

/** The pid of an owner that is not this process and runs; this one knows what it runs. */
function otherProcess(owner: ProcessIdentity | null, self: () => ProcessIdentity | null): number | null {
  const own = owner === null ? null : self();
  if (owner === null || own === null) return null;
  const isOwn = owner.pid === own.pid && owner.startedAt === own.startedAt && owner.realm === own.realm;
  return !isOwn && processState(owner, own) === 'running' ? owner.pid : null;
}

/** Who wrote it may be another cllm, or a hand. */
function ownerOf(text: string | null): ProcessIdentity | null {
  if (text === null) return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  const { pid, startedAt, realm } = isJsonObject(value) ? value : {};
  return typeof pid === 'number' &&
    Number.isSafeInteger(pid) &&
    typeof startedAt === 'string' &&
    typeof realm === 'string'
    ? { pid, startedAt, realm }
    : null;
}

function toolRunChecksum(row: Omit<Row, 'checksum'>): number {
  return checksum([row.turn_id, row.place, row.decided_by, row.started_at, row.ended_at, row.is_error, row.content]);
}
