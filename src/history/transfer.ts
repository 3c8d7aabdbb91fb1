import { type ExportedConversation, type ExportedTurn, invalid, parsedLine } from './exported-line.ts';
import { hasIdentifierForm } from './identifiers.ts';
import type { Records } from './records.ts';
import { type ConversationRow, json, textOf, type Turn } from './rows.ts';
import { type ToolDecider, type ToolRun, ToolRuns } from './tool-runs.ts';

export interface ImportReport {
  /** Conversations that are new here. */
  added: number;
  /** Conversations that were here, and got the turns that had come since. */
  extended: number;
  /** Conversations that were here already. */
  unchanged: number;
  /** Those that could not keep their id or name, because something else has it. */
  renamed: { from: string; to: string }[];
}

export function* exportHistory(records: Records): Generator<string> {
  const { database } = records;
  database.execute('BEGIN');
  try {
    const rows = database.all<ConversationRow & { rank: number }>(
      'SELECT *, row_number() OVER (ORDER BY activity) AS rank FROM conversations ORDER BY position',
    );
    for (const row of parentsFirst(rows)) {
      yield JSON.stringify(exported(records, row, row.rank, records.turns(row.id, row.parent_seq ?? 0)));
    }
  } finally {
    database.execute('COMMIT');
  }
}

/**
 * In the order in which they were made, but for forks that came before their parent: one becomes the parent of its
 * elders when the conversation that they all were forked from is deleted.
 */
function parentsFirst<Row extends ConversationRow>(rows: readonly Row[]): Row[] {
  const left = new Map(rows.map((row) => [row.id, row]));
  return rows.flatMap((row) => {
    const line: Row[] = [];
    for (let next = left.get(row.id); next !== undefined; next = left.get(next.parent_id ?? '')) {
      left.delete(next.id);
      line.push(next);
    }
    return line.toReversed();
  });
}

/** One conversation that stands alone: the turns that a fork shares are its own there. */
export function exportConversation(records: Records, row: ConversationRow): string {
  return JSON.stringify(exported(records, { ...row, parent_id: null, parent_seq: null }, 1, records.turns(row.id)));
}

function exported(records: Records, row: ConversationRow, rank: number, turns: Turn[]): ExportedConversation {
  return {
    type: 'conversation',
    version: 1,
    id: row.id,
    name: row.name,
    title: row.title,
    system: row.system,
    parent: row.parent_id === null || row.parent_seq === null ? null : { id: row.parent_id, seq: row.parent_seq },
    origin: row.origin,
    created_at: row.created_at,
    updated_at: row.updated_at,
    rank,
    turns: turns.map((turn) => ({
      id: turn.id,
      seq: turn.seq,
      model: turn.model,
      created_at: turn.createdAt,
      ended_at: turn.endedAt,
      messages: turn.messages,
      request: turn.request,
      completion: turn.completion,
      verdict: turn.verdict,
      error: turn.error,
      receipt: turn.receipt,
      template: turn.template,
      ...exportedRuns(new ToolRuns(records.database).of(turn.id)),
    })),
  };
}

function exportedRuns(runs: readonly ToolRun[]): Pick<ExportedTurn, 'tool_runs'> {
  if (runs.length === 0) return {};
  return {
    tool_runs: runs.map((run) => ({
      place: run.place,
      decided_by: run.decidedBy,
      started_at: run.startedAt,
      ended_at: run.endedAt,
      is_error: run.isError,
      content: run.content,
    })),
  };
}

/** Runs inside the caller's transaction. Blank lines are skipped. */
export function importConversations(records: Records, lines: Iterable<string>): ImportReport {
  const importer = new Importer(records);
  let number = 0;
  for (const line of lines) {
    number += 1;
    if (line.trim() !== '') importer.add(parsedLine(line, number), number);
  }
  return importer.finish();
}

class Importer {
  readonly #records: Records;
  readonly #report: ImportReport = { added: 0, extended: 0, unchanged: 0, renamed: [] };
  /** What an id in the file is called here. */
  readonly #ids = new Map<string, string>();
  readonly #added: { id: string; rank: number }[] = [];

  constructor(records: Records) {
    this.#records = records;
  }

  add(conversation: ExportedConversation, line: number): void {
    const existing = this.#records.byOrigin(originOf(conversation)) ?? this.#records.byId(conversation.id);
    const parentId = conversation.parent === null ? null : this.#ids.get(conversation.parent.id);
    const parent = parentId === null || parentId === undefined ? null : this.#records.byId(parentId);
    // Not one that is only here: a stranger's fork of it would keep its turns when it is deleted.
    if (conversation.parent !== null && (parent?.turn_count ?? 0) < conversation.parent.seq) {
      throw invalid(line, `its parent ${conversation.parent.id} is not in the file before it`);
    }
    const missing = existing === undefined ? null : this.#missingTurns(conversation, existing, parent?.id ?? null);
    if (existing !== undefined && missing !== null) {
      this.#ids.set(conversation.id, existing.id);
      for (const turn of missing) this.#addTurn(existing.id, turn);
      // What was allowed was not allowed to a stranger's turns.
      if (missing.length > 0) new ToolRuns(this.#records.database).forgetGrants(existing.id);
      this.#report[missing.length === 0 ? 'unchanged' : 'extended'] += 1;
      return;
    }
    this.#insert(conversation, parent?.id ?? null, existing !== undefined);
  }

  /** Puts what was added behind what was here: importing is no use of a conversation, so `--continue` is not moved by it. */
  finish(): ImportReport {
    const { database } = this.#records;
    const { oldest } = database.get('SELECT coalesce(min(activity), 1) AS oldest FROM conversations') as {
      oldest: number;
    };
    const ordered = this.#added.toSorted((one, other) => one.rank - other.rank);
    for (const [index, { id }] of ordered.entries()) {
      database.run('UPDATE conversations SET activity = ? WHERE id = ?', oldest - ordered.length + index, id);
    }
    return this.#report;
  }

  #insert(conversation: ExportedConversation, parentId: string | null, isIdTaken: boolean): void {
    const isShadow = this.#isShadow(conversation.id);
    const id = isIdTaken || isShadow ? this.#records.newConversationId() : conversation.id;
    const name = this.#freeName(conversation.name);
    if (id !== conversation.id) this.#report.renamed.push({ from: conversation.id, to: id });
    if (name !== null && name !== conversation.name)
      this.#report.renamed.push({ from: conversation.name ?? '', to: name });
    this.#records.insertConversation({
      id,
      name,
      system: conversation.system,
      title: conversation.title,
      parent_id: parentId,
      parent_seq: conversation.parent?.seq ?? null,
      turn_count: conversation.parent?.seq ?? 0,
      created_at: conversation.created_at,
      // The other conversation keeps it.
      origin: isIdTaken ? null : isShadow ? originOf(conversation) : conversation.origin,
    });
    for (const turn of conversation.turns) this.#addTurn(id, turn);
    this.#records.database.run('UPDATE conversations SET updated_at = ? WHERE id = ?', conversation.updated_at, id);
    this.#ids.set(conversation.id, id);
    this.#added.push({ id, rank: conversation.rank });
    this.#report.added += 1;
  }

  #addTurn(conversationId: string, turn: ExportedTurn): void {
    const id = this.#records.turnRow(turn.id) === undefined ? turn.id : this.#records.newTurnId();
    this.#records.insertTurn({
      id,
      conversationId,
      seq: turn.seq,
      model: turn.model,
      createdAt: turn.created_at,
      messages: JSON.stringify(turn.messages),
      prompt: textOf(turn.messages),
      request: json(turn.request),
      // A file does not say where its turns were had: that would be a stranger's word.
      baseUrl: null,
      template: json(turn.template),
    });
    if (turn.ended_at !== null) this.#records.updateEnd(id, turn, turn.ended_at);
    const runs = new ToolRuns(this.#records.database);
    for (const run of turn.tool_runs ?? []) {
      runs.restore(id, {
        place: run.place,
        decidedBy: run.decided_by as ToolDecider,
        startedAt: run.started_at,
        endedAt: run.ended_at,
        isError: run.is_error,
        content: run.content,
      });
    }
  }

  /** Whether an id would stand for something else here: it is somebody's name, looks like one, or begins an id of ours. */
  #isShadow(id: string): boolean {
    return !/^\d/.test(id) || this.#records.byName(id) !== undefined || this.#records.isPrefix(id);
  }

  /** A name that nobody has, and that can not be taken for an id, ours or one to come. */
  #freeName(name: string | null): string | null {
    if (name === null) return null;
    const isTaken = (candidate: string): boolean =>
      this.#records.byName(candidate) !== undefined ||
      hasIdentifierForm(candidate) ||
      this.#records.byId(candidate) !== undefined ||
      (candidate.length >= 4 && this.#records.isPrefix(candidate));
    for (let number = 1; ; number += 1) {
      const candidate = number === 1 ? name : `${name} (${number})`;
      if (!isTaken(candidate)) return candidate;
    }
  }

  /**
   * The turns that the conversation here lacks; null when the two have gone different ways, or nothing shows that they are
   * the same: an id is only a claim. Either they leave the same parent at the same turn, or a turn of theirs is the same.
   */
  #missingTurns(
    conversation: ExportedConversation,
    existing: ConversationRow,
    parentId: string | null,
  ): ExportedTurn[] | null {
    const { parent, turns } = conversation;
    const here = new Map(this.#records.turns(existing.id, parent?.seq ?? 0).map((turn) => [turn.seq, turn]));
    let isSame = existing.parent_id === parentId && existing.parent_seq === (parent?.seq ?? null);
    const missing: ExportedTurn[] = [];
    for (const turn of turns) {
      const other = here.get(turn.seq);
      if (other === undefined) missing.push(turn);
      else if (isSameTurn(other, turn)) isSame = true;
      else return null;
    }
    const [first] = missing;
    if (first === undefined) return [];
    return isSame && first.seq === existing.turn_count + 1 ? missing : null;
  }
}

/** What an import is known by when it comes again under an id that could not be kept. */
function originOf({ id, origin }: ExportedConversation): string {
  return origin ?? `import:${id}`;
}

function isSameTurn(here: Turn, turn: ExportedTurn): boolean {
  return here.createdAt === turn.created_at && JSON.stringify(here.messages) === JSON.stringify(turn.messages);
}
