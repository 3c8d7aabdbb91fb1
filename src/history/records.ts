import { CllmError } from '../outcome/errors.ts';
import { AttachmentReader, keepAttachments } from './attachments.ts';
import { checksum } from './checksum.ts';
import type { Database } from './database.ts';
import { detach, detachTools } from './detached-text.ts';
import { newIdentifier, prefixEnd } from './identifiers.ts';
import { type ConversationRow, json, type Turn, turnColumns, type TurnEnd, turnOf, type TurnRow } from './rows.ts';

/** What a new row of `conversations` is made from; the rest has its beginning. */
export type NewConversation = Pick<ConversationRow, 'name' | 'system' | 'title'> &
  Partial<
    Pick<
      ConversationRow,
      'id' | 'parent_id' | 'parent_seq' | 'turn_count' | 'model' | 'created_at' | 'updated_at' | 'origin'
    >
  >;

/** What a new row of `turns` is made from. */
export interface NewRecord {
  id: string;
  conversationId: string;
  seq: number;
  model: string;
  createdAt: string;
  messages: string;
  /** The text of the messages, for the search. */
  prompt: string;
  request: string | null;
  baseUrl: string | null;
  template: string | null;
}

/** The rows of the history one by one: ids, checksums and the SQL. Transactions and rules are History's. */
export class Records {
  readonly database: Database;
  readonly #now: () => Date;
  readonly #random: () => number;
  readonly #onWarning: (warning: string) => void;
  /** The turns that were read and can not be read whole. */
  readonly damaged = new Set<string>();

  constructor(
    database: Database,
    options: { now?: () => Date; random?: () => number; onWarning?: (warning: string) => void },
  ) {
    this.database = database;
    this.#onWarning = options.onWarning ?? (() => {});
    this.#now = options.now ?? (() => new Date());
    this.#random = options.random ?? Math.random;
  }

  now(): string {
    return this.#now().toISOString();
  }

  byId(id: string): ConversationRow | undefined {
    return this.database.get('SELECT * FROM conversations WHERE id = ?', id) as ConversationRow | undefined;
  }

  byName(name: string): ConversationRow | undefined {
    return this.database.get('SELECT * FROM conversations WHERE name = ?', withoutNul(name)) as
      | ConversationRow
      | undefined;
  }

  byOrigin(origin: string): ConversationRow | undefined {
    return this.database.get('SELECT * FROM conversations WHERE origin = ?', withoutNul(origin)) as
      | ConversationRow
      | undefined;
  }

  /** Whether the id of a conversation begins so, and is longer. */
  isPrefix(word: string): boolean {
    const found = this.database.get('SELECT 1 FROM conversations WHERE id > ? AND id < ?', word, prefixEnd(word));
    return found !== undefined;
  }

  turnRow(turnId: string): TurnRow | undefined {
    return this.database.get(`SELECT ${turnColumns} FROM turns WHERE id = ?`, turnId) as TurnRow | undefined;
  }

  /**
   * The turns after one, in their order; of a fork with those that it shares. A line of parents that comes back to itself,
   * which only a hand can have made, ends where it does: UNION takes no pair twice, and there are not more of them than
   * forks.
   */
  turns(conversationId: string, after = 0): Turn[] {
    const attachments = new AttachmentReader(this.database);
    return this.database
      .all<TurnRow>(
        `WITH RECURSIVE line (id, last_seq) AS (
          SELECT id, 9223372036854775807 FROM conversations WHERE id = ?
          UNION
          SELECT parent_id, min(last_seq, parent_seq) FROM conversations JOIN line USING (id)
          WHERE parent_id IS NOT NULL AND min(last_seq, parent_seq) > ?
        )
        SELECT ${turnColumns} FROM (SELECT id, max(last_seq) AS last_seq FROM line GROUP BY id) AS line
        JOIN turns ON conversation_id = line.id AND seq > ? AND seq <= last_seq ORDER BY seq`,
        conversationId,
        after,
        after,
      )
      .map((row) => this.#noticed(turnOf(attachments.wholeRow(row)), row.conversation_id));
  }

  /** One turn that can not be read is no reason to give none, but it is said. */
  #noticed(turn: Turn, conversationId: string): Turn {
    if (turn.damage !== undefined && !this.damaged.has(turn.id)) {
      this.damaged.add(turn.id);
      const parts = turn.damage.join(', ');
      this.#onWarning(`turn ${turn.seq} of conversation ${conversationId} is damaged and comes without its ${parts}`);
    }
    return turn;
  }

  /** Where the last turn of a line was sent; null when nobody knows. Of a fork it may be one that it shares. */
  lastBaseUrl(conversationId: string): string | null {
    const found = this.byId(conversationId);
    const seen = new Set<string>();
    // A file that somebody edited may have a parent that is its own.
    for (let row = found; row !== undefined && !seen.has(row.id); row = this.byId(row.parent_id ?? '')) {
      seen.add(row.id);
      const turn = this.database.get(
        'SELECT base_url FROM turns WHERE conversation_id = ? AND seq = ?',
        row.id,
        found?.turn_count ?? 0,
      ) as { base_url: string | null } | undefined;
      if (turn !== undefined) return turn.base_url;
    }
    return null;
  }

  insertConversation(facts: NewConversation): ConversationRow {
    const createdAt = facts.created_at ?? this.now();
    const row: ConversationRow = {
      position: 0,
      id: facts.id ?? this.newConversationId(),
      parent_id: null,
      parent_seq: null,
      created_at: createdAt,
      updated_at: createdAt,
      checksum: 0,
      activity: 0,
      turn_count: 0,
      model: null,
      ...facts,
      name: withoutNul(facts.name),
      title: withoutNul(facts.title),
      system: withoutNul(facts.system),
      origin: withoutNul(facts.origin ?? null),
    };
    row.checksum = conversationChecksum(row);
    this.database.run(
      `INSERT INTO conversations
        (id, name, parent_id, parent_seq, created_at, checksum, activity, turn_count, model, updated_at, title, system, origin)
      VALUES (?, ?, ?, ?, ?, ?, (SELECT coalesce(max(activity), 0) + 1 FROM conversations), ?, ?, ?, ?, ?, ?)`,
      row.id,
      row.name,
      row.parent_id,
      row.parent_seq,
      row.created_at,
      row.checksum,
      row.turn_count,
      row.model,
      row.updated_at,
      row.title,
      row.system,
      row.origin,
    );
    return row;
  }

  /** Writes what a command may change: name, parent and system prompt. */
  updateConversation(changed: ConversationRow): void {
    const row = { ...changed, name: withoutNul(changed.name), system: withoutNul(changed.system) };
    this.database.run(
      'UPDATE conversations SET name = ?, parent_id = ?, parent_seq = ?, system = ?, checksum = ? WHERE id = ?',
      row.name,
      row.parent_id,
      row.parent_seq,
      row.system,
      conversationChecksum(row),
      row.id,
    );
  }

  /** @returns whether attachments were detached from it */
  insertTurn(given: NewRecord): boolean {
    const record = { ...given, prompt: withoutNul(given.prompt), model: withoutNul(given.model) };
    const detached = detach(record.messages);
    const tools = record.request === null ? null : detachTools(record.request);
    this.database.run(
      `INSERT INTO turns (id, conversation_id, seq, model, created_at, prompt_checksum, request, prompt, messages, base_url, template)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      record.id,
      record.conversationId,
      record.seq,
      record.model,
      record.createdAt,
      promptChecksum({ ...record, created_at: record.createdAt, base_url: record.baseUrl }),
      tools?.text ?? record.request,
      record.prompt,
      detached?.text ?? record.messages,
      record.baseUrl,
      record.template,
    );
    if (detached === null && tools === null) return false;
    const { position } = this.database.get('SELECT position FROM turns WHERE id = ?', record.id) as TurnRow;
    keepAttachments(position, new Map([...(detached?.bytes ?? []), ...(tools?.bytes ?? [])]), this.database);
    return detached !== null;
  }

  /** @throws CllmError `not_in_history` */
  updateEnd(turnId: string, end: TurnEnd, endedAt = this.now()): void {
    const row = {
      id: turnId,
      completion: json(end.completion),
      verdict: end.verdict,
      error: json(end.error),
      receipt: json(end.receipt),
      ended_at: endedAt,
    };
    const changed = this.database.run(
      'UPDATE turns SET completion = ?, verdict = ?, error = ?, receipt = ?, ended_at = ?, reply_checksum = ? WHERE id = ?',
      row.completion,
      row.verdict,
      row.error,
      row.receipt,
      row.ended_at,
      replyChecksum(row),
      turnId,
    );
    if (changed === 0) {
      throw new CllmError(
        'not_in_history',
        `turn ${turnId} is no longer in the history: its conversation was deleted meanwhile`,
        {
          hint: 'see what is there: cllm history list',
        },
      );
    }
  }

  newConversationId(): string {
    for (;;) {
      const id = newIdentifier(this.#random);
      if (this.byId(id) === undefined && this.byName(id) === undefined) return id;
    }
  }

  newTurnId(): string {
    for (;;) {
      const id = newIdentifier(this.#random);
      if (this.database.get('SELECT 1 FROM turns WHERE id = ?', id) === undefined) return id;
    }
  }
}

/**
 * The engine ends a text at a NUL, and what was cut off would be missed by the checksum. The messages keep theirs: JSON
 * writes it as an escape.
 */
function withoutNul<Text extends string | null>(text: Text): Text {
  return text === null ? text : (text.replaceAll('\0', '\u{fffd}') as Text);
}

/** Over what only a command changes; the counters follow the turns and are checked against them. */
export function conversationChecksum(row: Omit<ConversationRow, 'checksum'>): number {
  return checksum([row.id, row.name, row.parent_id, row.parent_seq, row.created_at, row.title, row.system]);
}

/** Over what the prompt's commit is given: messages with their attachments. Not over the conversation: deleting one may hand its turns to a fork. */
export function promptChecksum(
  row: Pick<
    TurnRow,
    'id' | 'seq' | 'model' | 'created_at' | 'request' | 'messages' | 'prompt' | 'base_url' | 'template'
  >,
): number {
  const values = [row.id, row.seq, row.model, row.created_at, row.request, row.messages, row.prompt];
  // Rows of earlier versions have none of these, and were summed without them.
  if (row.template !== null) return checksum([...values, row.base_url, row.template]);
  return checksum(row.base_url === null ? values : [...values, row.base_url]);
}

/** Over what the reply's commit writes. */
export function replyChecksum(
  row: Pick<TurnRow, 'id' | 'completion' | 'verdict' | 'error' | 'receipt'> & { ended_at: string | null },
): number {
  return checksum([row.id, row.completion, row.verdict, row.error, row.receipt, row.ended_at]);
}
