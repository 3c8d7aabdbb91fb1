import { UsageError } from '../errors.ts';
import { verdicts, type Verdict } from '../outcome.ts';
import type { ChatCompletion, ChatMessage } from '../protocol/types.ts';
import type { Records } from './records.ts';
import { type ConversationRow, json, textOf, titleOf, type Turn, type TurnError } from './turn.ts';

/** One line of an export. Names are snake_case as in all JSON that cllm prints. */
export interface ExportedConversation {
  type: 'conversation';
  version: 1;
  id: string;
  name: string | null;
  title: string;
  system: string | null;
  /** Of a fork: `turns` begin after `seq`. */
  parent: { id: string; seq: number } | null;
  /** Where it was imported from before; null for one of our own. */
  origin: string | null;
  created_at: string;
  updated_at: string;
  /** 1 for the conversation that was used longest ago. */
  rank: number;
  turns: ExportedTurn[];
}

export interface ExportedTurn {
  id: string;
  seq: number;
  model: string;
  created_at: string;
  ended_at: string | null;
  messages: ChatMessage[];
  request: Record<string, unknown> | null;
  completion: ChatCompletion | null;
  verdict: Verdict | null;
  error: TurnError | null;
  receipt: Record<string, unknown> | null;
}

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
      const turns = records.turns(row.id).filter(({ seq }) => seq > (row.parent_seq ?? 0));
      yield JSON.stringify(exported(row, row.rank, turns));
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
      line.unshift(next);
    }
    return line;
  });
}

/** One conversation that stands alone: the turns that a fork shares are its own there. */
export function exportConversation(records: Records, row: ConversationRow): string {
  return JSON.stringify(exported({ ...row, parent_id: null, parent_seq: null }, 1, records.turns(row.id)));
}

function exported(row: ConversationRow, rank: number, turns: Turn[]): ExportedConversation {
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
    const existing =
      (conversation.origin === null ? undefined : this.#records.byOrigin(conversation.origin)) ??
      this.#records.byId(conversation.id);
    const missing = existing === undefined ? null : missingTurns(conversation, this.#records.turns(existing.id));
    if (existing !== undefined && missing !== null) {
      this.#ids.set(conversation.id, existing.id);
      for (const turn of missing) this.#addTurn(existing.id, turn);
      this.#report[missing.length === 0 ? 'unchanged' : 'extended'] += 1;
      return;
    }
    const parentId =
      conversation.parent === null ? null : (this.#ids.get(conversation.parent.id) ?? conversation.parent.id);
    const parent = parentId === null ? null : this.#records.byId(parentId);
    if (conversation.parent !== null && (parent?.turn_count ?? 0) < conversation.parent.seq) {
      throw invalid(line, `its parent ${conversation.parent.id} is not in the file before it`);
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
    const id = isIdTaken ? this.#records.newConversationId() : conversation.id;
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
      origin: isIdTaken ? null : conversation.origin,
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
    });
    if (turn.ended_at !== null) this.#records.updateEnd(id, turn, turn.ended_at);
  }

  #freeName(name: string | null): string | null {
    if (name === null) return null;
    for (let number = 1; ; number += 1) {
      const candidate = number === 1 ? name : `${name} (${number})`;
      if (this.#records.byName(candidate) === undefined) return candidate;
    }
  }
}

/** The turns that the conversation here lacks; null when the two have gone different ways. */
function missingTurns(conversation: ExportedConversation, here: Turn[]): ExportedTurn[] | null {
  const missing: ExportedTurn[] = [];
  for (const turn of conversation.turns) {
    const other = here[turn.seq - 1];
    if (other === undefined) missing.push(turn);
    else if (other.createdAt !== turn.created_at || JSON.stringify(other.messages) !== JSON.stringify(turn.messages))
      return null;
  }
  return missing[0] === undefined || missing[0].seq === here.length + 1 ? missing : null;
}

function parsedLine(line: string, number: number): ExportedConversation {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw invalid(number, 'it is no JSON');
  }
  if (!isRecord(value) || value['type'] !== 'conversation')
    throw invalid(number, 'it is no conversation that cllm exported');
  if (value['version'] !== 1) throw invalid(number, `a newer cllm wrote it (version ${String(value['version'])})`);
  const field = fieldsOf(value, number);
  const id = field('id', isIdentifier);
  const name = field('name', orNull(isName));
  const parent = field('parent', orNull(isParent));
  const turns = field('turns', isArray).map((turn) => parsedTurn(turn, number));
  turns.forEach((turn, index) => {
    if (turn.seq !== (parent?.seq ?? 0) + index + 1) throw invalid(number, `turn ${turn.seq} is out of order`);
  });
  const prompt = textOf(turns[0]?.messages ?? []);
  return {
    type: 'conversation',
    version: 1,
    id,
    name,
    title: field('title', orNull(isString)) ?? titleOf(prompt),
    system: field('system', orNull(isString)),
    parent,
    origin: field('origin', orNull(isString)),
    created_at: field('created_at', isTime),
    updated_at: field('updated_at', isTime),
    rank: field('rank', isNumber),
    turns,
  };
}

function parsedTurn(value: unknown, line: number): ExportedTurn {
  if (!isRecord(value)) throw invalid(line, 'a turn is no object');
  const field = fieldsOf(value, line);
  return {
    id: field('id', isIdentifier),
    seq: field('seq', isSeq),
    model: field('model', isString),
    created_at: field('created_at', isTime),
    ended_at: field('ended_at', orNull(isTime)),
    messages: field('messages', isMessages),
    request: field('request', orNull(isRecord)),
    completion: field('completion', orNull(isCompletion)),
    verdict: field('verdict', orNull(isVerdict)),
    error: field('error', orNull(isTurnError)),
    receipt: field('receipt', orNull(isRecord)),
  };
}

type Guard<Type> = (value: unknown) => value is Type;

/** Reads fields of a line; one that is missing counts as null. */
function fieldsOf(value: Record<string, unknown>, line: number) {
  return <Type>(name: string, is: Guard<Type>): Type => {
    const field = Object.hasOwn(value, name) ? value[name] : null;
    if (!is(field)) throw invalid(line, `"${name}" is ${field === null ? 'missing' : 'not what it should be'}`);
    return field;
  };
}

function orNull<Type>(is: Guard<Type>): Guard<Type | null> {
  return (value): value is Type | null => value === null || is(value);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isArray(value: unknown): value is unknown[] {
  return Array.isArray(value);
}

function isString(value: unknown): value is string {
  return typeof value === 'string';
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number';
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function isIdentifier(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-z]{1,64}$/.test(value);
}

function isSeq(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) > 0;
}

function isParent(value: unknown): value is { id: string; seq: number } {
  return isRecord(value) && isIdentifier(value['id']) && isSeq(value['seq']);
}

function isTime(value: unknown): value is string {
  return typeof value === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(value);
}

function isMessages(value: unknown): value is ChatMessage[] {
  return Array.isArray(value) && value.every((message) => isRecord(message) && typeof message['role'] === 'string');
}

function isCompletion(value: unknown): value is ChatCompletion {
  return (
    isRecord(value) &&
    Array.isArray(value['choices']) &&
    value['choices'].every((choice) => isRecord(choice) && isRecord(choice['message']))
  );
}

function isVerdict(value: unknown): value is Verdict {
  return verdicts.includes(value as Verdict);
}

function isTurnError(value: unknown): value is TurnError {
  return isRecord(value) && typeof value['code'] === 'string' && typeof value['message'] === 'string';
}

function invalid(line: number, reason: string): UsageError {
  return new UsageError(`line ${line} can not be imported: ${reason}`, {
    code: 'input_invalid',
    hint: 'nothing was imported; give a file that `cllm history export` wrote',
  });
}
