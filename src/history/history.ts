import { CllmError, UsageError } from '../errors.ts';
import { checksum } from './checksum.ts';
import { isIndexDamage } from './database-error.ts';
import { Database, type DatabaseOptions } from './database.ts';
import { newIdentifier, prefixEnd } from './identifiers.ts';
import { searchQuery } from './search-query.ts';
import {
  type ConversationRow,
  type ConversationSummary,
  json,
  type NewTurn,
  summaryOf,
  textOf,
  titleOf,
  type Turn,
  type TurnEnd,
  turnOf,
  type TurnRow,
} from './turn.ts';

export type { ConversationSummary, NewTurn, Turn, TurnEnd, TurnError } from './turn.ts';

export interface HistoryOptions extends DatabaseOptions {
  /** In [0, 1), for new ids. Default `Math.random`. */
  random?: () => number;
}

/** A turn that was found by its text. */
export interface SearchHit {
  conversationId: string;
  name: string | null;
  title: string;
  seq: number;
  createdAt: string;
  /** The words around the match, in pieces: those that matched are marked. */
  excerpt: { text: string; isMatch: boolean }[];
}

/** A turn in flight as its journal names it, for `restoreTurn`. */
export interface UnsavedTurn {
  /** Null when it never had a place in the history. */
  conversationId: string | null;
  turnId: string;
  /** What the prompt's commit would have written; null when the journal does not hold it. */
  turn: { name: string | null; system: string | null; messages: NewTurn['messages']; model: string; request?: NewTurn['request'] } | null;
}

export interface TurnPlace {
  conversationId: string;
  turnId: string;
  seq: number;
}

/** Marks around a match in FTS5's snippet; split away before anybody sees them. */
const [matchStart, matchEnd] = ['\u{E000}', '\u{E001}'];

/**
 * The conversations that were had: lines of turns, each a prompt with its completion. The rest of the program knows no
 * SQL. Every method that changes something does it in one transaction, durable when it returns.
 *
 * A conversation is referred to by its name, its id or the beginning of its id.
 *
 * @throws CllmError Every method: `history_unusable` when the file can not be read or written.
 */
export class History {
  readonly #database: Database;
  readonly #now: () => Date;
  readonly #random: () => number;

  private constructor(database: Database, options: HistoryOptions) {
    this.#database = database;
    this.#now = options.now ?? (() => new Date());
    this.#random = options.random ?? Math.random;
  }

  /**
   * @param path Of the database file; it and its directory are made when missing. `:memory:` keeps nothing.
   * @throws CllmError `history_newer` (the file stays as it is) or `history_unusable`.
   */
  static open(path: string, options: HistoryOptions): History {
    return new History(Database.open(path, options), options);
  }

  get path(): string {
    return this.#database.path;
  }

  /**
   * Commits a prompt: the turn has its place in the order before its request is sent.
   *
   * @throws CllmError `not_in_history` when there is no conversation of that id.
   */
  beginTurn(turn: NewTurn): TurnPlace {
    return this.#write(() => this.#insertTurn(turn, this.#newTurnId()));
  }

  /**
   * Commits how a turn ended. A second end replaces the first: one that `recover` made from the journal of a process
   * that it took for dead gives way to the real one.
   *
   * @throws CllmError `not_in_history` when the turn was deleted meanwhile.
   */
  endTurn(turnId: string, end: TurnEnd): void {
    this.#write(() => this.#updateEnd(turnId, end));
  }

  /**
   * Puts a turn that a crash or a failed history left in its journal where it belongs: the end at the turn, or the whole
   * turn at the conversation's end. One that has its end already stays as it is.
   */
  restoreTurn(unsaved: UnsavedTurn, end: TurnEnd): TurnPlace & { wasSaved: boolean } {
    return this.#write(() => {
      const found = this.#database.get<TurnRow>('SELECT * FROM turns WHERE id = ?', unsaved.turnId);
      if (found !== undefined) {
        if (found.ended_at === null) this.#updateEnd(found.id, end);
        return { conversationId: found.conversation_id, turnId: found.id, seq: found.seq, wasSaved: found.ended_at !== null };
      }
      const { name = null, system = null, messages = [], model = end.completion?.model ?? 'unknown', request = null } = unsaved.turn ?? {};
      const existing = unsaved.conversationId === null ? undefined : this.#byId(unsaved.conversationId);
      const conversation = existing === undefined ? { name, system } : { id: existing.id };
      const place = this.#insertTurn({ conversation, messages, model, request }, unsaved.turnId);
      this.#updateEnd(place.turnId, end);
      return { ...place, wasSaved: false };
    });
  }

  /** Whether the history has the turn's reply (`ended`), only its prompt (`open`), or nothing of it. */
  turnState(turnId: string): 'ended' | 'open' | 'absent' {
    const row = this.#database.get<{ ended_at: string | null }>('SELECT ended_at FROM turns WHERE id = ?', turnId);
    if (row === undefined) return 'absent';
    return row.ended_at === null ? 'open' : 'ended';
  }

  /**
   * @throws CllmError `not_in_history` when nothing is called so.
   * @throws UsageError when several ids begin so.
   */
  find(reference: string): ConversationSummary {
    return summaryOf(this.#row(reference));
  }

  /** @throws UsageError when several ids begin so. */
  findOrNull(reference: string): ConversationSummary | null {
    const row = this.#rowOrNull(reference);
    return row === null ? null : summaryOf(row);
  }

  /** The conversation that was last given a prompt, or forked. */
  latest(): ConversationSummary | null {
    return this.list({ limit: 1 })[0] ?? null;
  }

  /** The latest first. */
  list(options: { limit?: number } = {}): ConversationSummary[] {
    return this.#database
      .all<ConversationRow>('SELECT * FROM conversations ORDER BY activity DESC LIMIT ?', options.limit ?? -1)
      .map(summaryOf);
  }

  /** The turns of a conversation in their order, of a fork with those that it shares. */
  turns(conversationId: string): Turn[] {
    return this.#database
      .all<TurnRow>(
        `WITH RECURSIVE line (id, last_seq) AS (
          SELECT id, 9223372036854775807 FROM conversations WHERE id = ?
          UNION ALL
          SELECT parent_id, min(last_seq, parent_seq) FROM conversations JOIN line USING (id) WHERE parent_id IS NOT NULL
        )
        SELECT turns.* FROM line JOIN turns ON conversation_id = line.id AND seq <= last_seq ORDER BY seq`,
        conversationId,
      )
      .map(turnOf);
  }

  /**
   * The turns whose prompt or reply has every word of the query, the latest first. A word may be the beginning of a
   * longer one; words in double quotes stand together.
   */
  search(query: string, options: { limit?: number } = {}): SearchHit[] {
    const expression = searchQuery(query);
    if (expression === null) return [];
    type Row = { conversation_id: string; name: string | null; title: string; seq: number; created_at: string; excerpt: string };
    return this.#database
      .all<Row>(
        `SELECT conversation_id, name, title, seq, turns.created_at, excerpt
        FROM (
          SELECT rowid AS position, snippet(turns_search, -1, '${matchStart}', '${matchEnd}', '…', 16) AS excerpt
          FROM turns_search WHERE turns_search MATCH ? ORDER BY rowid DESC LIMIT ?
        ) JOIN turns USING (position) JOIN conversations ON conversations.id = conversation_id
        ORDER BY turns.position DESC`,
        expression,
        options.limit ?? 50,
      )
      .map((row) => ({
        conversationId: row.conversation_id,
        name: row.name,
        title: row.title,
        seq: row.seq,
        createdAt: row.created_at,
        excerpt: piecesOf(row.excerpt),
      }));
  }

  /** The system prompt that later turns send. Turns that were had keep theirs. */
  setSystem(reference: string, system: string | null): void {
    this.#write(() => this.#updateFacts({ ...this.#row(reference), system }));
  }

  /** @throws UsageError when another conversation has the name. */
  rename(reference: string, name: string | null): ConversationSummary {
    return this.#write(() => {
      const row = this.#row(reference);
      if (name !== row.name) this.#assertNameFree(name);
      this.#updateFacts({ ...row, name });
      return summaryOf({ ...row, name });
    });
  }

  /**
   * A new conversation that shares the turns up to `atSeq` (default: all) and goes its own way from there.
   *
   * @throws UsageError when there is no such turn, or another conversation has the name.
   */
  fork(reference: string, options: { name?: string | null; atSeq?: number } = {}): ConversationSummary {
    return this.#write(() => {
      const source = this.#row(reference);
      const seq = options.atSeq ?? source.turn_count;
      if (!Number.isInteger(seq) || seq < 1 || seq > source.turn_count) {
        throw new UsageError(`conversation ${source.name ?? source.id} has no turn ${seq}; it has ${source.turn_count}`, {
          hint: `see its turns: cllm history show ${source.id}`,
        });
      }
      const name = options.name ?? null;
      this.#assertNameFree(name);
      // The parent is the one that holds the turn, so that forks of forks are no longer chains than they need be.
      let parent = source;
      while (parent.parent_id !== null && parent.parent_seq !== null && seq <= parent.parent_seq) {
        parent = this.#byId(parent.parent_id) ?? parent;
      }
      const model = this.turns(source.id)[seq - 1]?.model ?? null;
      return summaryOf(
        this.#insertConversation({
          name,
          system: source.system,
          title: source.title,
          parent_id: parent.id,
          parent_seq: seq,
          turn_count: seq,
          model,
        }),
      );
    });
  }

  /**
   * Deletes a conversation and its text, from the search too. Turns that forks share with it stay with the forks.
   *
   * @returns The ids of the turns that are gone: their journals go with them.
   */
  delete(reference: string): { conversation: ConversationSummary; turnIds: string[] } {
    const result = this.#erase(() => {
      const row = this.#row(reference);
      return { conversation: summaryOf(row), turnIds: this.#deleteConversation(row) };
    });
    return result;
  }

  /** Deletes every conversation that was last changed before the date. The clock decides here, there is no other way. */
  prune(before: Date): { conversations: ConversationSummary[]; turnIds: string[] } {
    return this.#erase(() => {
      const rows = this.#database.all<ConversationRow>(
        'SELECT * FROM conversations WHERE updated_at < ? ORDER BY activity',
        before.toISOString(),
      );
      const turnIds: string[] = [];
      // An earlier deletion may have given a row another parent.
      for (const { id } of rows) turnIds.push(...this.#deleteConversation(this.#byId(id) as ConversationRow));
      return { conversations: rows.map(summaryOf), turnIds };
    });
  }

  /** Frees the file. Not closing loses nothing, but leaves the last commits in the file beside it. */
  close(): void {
    this.#database.close();
  }

  /** A damaged search index must not keep a turn from being saved: it is built again from the turns. */
  #write<Result>(action: () => Result): Result {
    try {
      return this.#database.write(action);
    } catch (error) {
      if (!(error instanceof CllmError) || !isIndexDamage(error.cause)) throw error;
      return this.#database.write(() => {
        this.#database.execute("INSERT INTO turns_search (turns_search) VALUES ('rebuild')");
        return action();
      });
    }
  }

  /** A write whose deleted text is overwritten in the file and cut out of the log. */
  #erase<Result>(action: () => Result): Result {
    this.#database.execute('PRAGMA secure_delete = ON');
    try {
      return this.#write(action);
    } finally {
      this.#database.execute('PRAGMA secure_delete = OFF; PRAGMA wal_checkpoint(TRUNCATE)');
    }
  }

  #insertTurn(turn: NewTurn, turnId: string): TurnPlace {
    const prompt = textOf(turn.messages);
    const conversation = this.#conversationFor(turn, prompt);
    const seq = conversation.turn_count + 1;
    const createdAt = this.#now().toISOString();
    const messages = JSON.stringify(turn.messages);
    const request = json(turn.request);
    this.#database.run(
      `INSERT INTO turns (id, conversation_id, seq, model, created_at, prompt_checksum, request, prompt, messages)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      turnId,
      conversation.id,
      seq,
      turn.model,
      createdAt,
      checksum([turnId, seq, turn.model, createdAt, request, messages]),
      request,
      prompt,
      messages,
    );
    return { conversationId: conversation.id, turnId, seq };
  }

  #conversationFor(turn: NewTurn, prompt: string): { id: string; turn_count: number } {
    if ('id' in turn.conversation) {
      const found = this.#byId(turn.conversation.id);
      if (found === undefined) throw notInHistory(turn.conversation.id);
      return found;
    }
    const { name = null, system } = turn.conversation;
    // Two first turns under one name at once: both are kept, in one conversation.
    const existing = name === null ? undefined : this.#byName(name);
    return existing ?? this.#insertConversation({ name, system, title: titleOf(prompt) });
  }

  #updateEnd(turnId: string, end: TurnEnd): void {
    const endedAt = this.#now().toISOString();
    const [completion, error, receipt] = [json(end.completion), json(end.error), json(end.receipt)];
    const changed = this.#database.run(
      `UPDATE turns SET completion = ?, verdict = ?, error = ?, receipt = ?, ended_at = ?, reply_checksum = ? WHERE id = ?`,
      completion,
      end.verdict,
      error,
      receipt,
      endedAt,
      checksum([turnId, completion, end.verdict, error, receipt, endedAt]),
      turnId,
    );
    if (changed === 0) {
      throw new CllmError('not_in_history', `turn ${turnId} is no longer in the history: its conversation was deleted meanwhile`, {
        hint: 'see what is there: cllm history list',
      });
    }
  }

  #insertConversation(
    facts: Pick<ConversationRow, 'name' | 'system' | 'title'> & Partial<ConversationRow>,
  ): ConversationRow {
    const createdAt = this.#now().toISOString();
    const row: ConversationRow = {
      position: 0,
      id: this.#newConversationId(),
      parent_id: null,
      parent_seq: null,
      created_at: createdAt,
      updated_at: createdAt,
      checksum: 0,
      activity: 0,
      turn_count: 0,
      model: null,
      origin: null,
      ...facts,
    };
    row.checksum = conversationChecksum(row);
    this.#database.run(
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

  #updateFacts(row: ConversationRow): void {
    this.#database.run(
      'UPDATE conversations SET name = ?, parent_id = ?, parent_seq = ?, system = ?, checksum = ? WHERE id = ?',
      row.name,
      row.parent_id,
      row.parent_seq,
      row.system,
      conversationChecksum(row),
      row.id,
    );
  }

  /** The fork that shares the most takes over what the forks share; the other forks become forks of it. */
  #deleteConversation(row: ConversationRow): string[] {
    const [heir, ...others] = this.#database.all<ConversationRow>(
      'SELECT * FROM conversations WHERE parent_id = ? ORDER BY parent_seq DESC, position',
      row.id,
    );
    if (heir !== undefined) {
      this.#database.run('UPDATE turns SET conversation_id = ? WHERE conversation_id = ? AND seq <= ?', heir.id, row.id, heir.parent_seq);
      this.#updateFacts({ ...heir, parent_id: row.parent_id, parent_seq: row.parent_seq });
      for (const other of others) this.#updateFacts({ ...other, parent_id: heir.id });
    }
    const gone = this.#database.all<{ id: string }>('SELECT id FROM turns WHERE conversation_id = ?', row.id);
    this.#database.run('DELETE FROM turns WHERE conversation_id = ?', row.id);
    this.#database.run('DELETE FROM conversations WHERE id = ?', row.id);
    return gone.map(({ id }) => id);
  }

  #row(reference: string): ConversationRow {
    const row = this.#rowOrNull(reference);
    if (row === null) throw notInHistory(reference);
    return row;
  }

  #rowOrNull(reference: string): ConversationRow | null {
    const exact = this.#byName(reference) ?? this.#byId(reference);
    if (exact !== undefined) return exact;
    if (reference === '') return null;
    const found = this.#database.all<ConversationRow>(
      'SELECT * FROM conversations WHERE id >= ? AND id < ? ORDER BY activity DESC LIMIT 6',
      reference,
      prefixEnd(reference),
    );
    if (found.length > 1) {
      const candidates = found.slice(0, 5).map(({ id, name }) => (name === null ? id : `${id} (${name})`));
      throw new UsageError(
        `"${reference}" is the beginning of several ids: ${candidates.join(', ')}${found.length > 5 ? ', …' : ''}`,
        { hint: 'give more of the id; all are in: cllm history list' },
      );
    }
    return found[0] ?? null;
  }

  #byId(id: string): ConversationRow | undefined {
    return this.#database.get<ConversationRow>('SELECT * FROM conversations WHERE id = ?', id);
  }

  #byName(name: string): ConversationRow | undefined {
    return this.#database.get<ConversationRow>('SELECT * FROM conversations WHERE name = ?', name);
  }

  #assertNameFree(name: string | null): void {
    if (name === '') throw new UsageError('a name can not be empty');
    const other = name === null ? undefined : this.#byName(name);
    if (other !== undefined) {
      throw new UsageError(`conversation ${other.id} is called "${name}" already`, {
        hint: `choose another name, or rename that one first: cllm history rename ${other.id} NAME`,
      });
    }
  }

  #newConversationId(): string {
    for (;;) {
      const id = newIdentifier(this.#random);
      if (this.#byId(id) === undefined) return id;
    }
  }

  #newTurnId(): string {
    for (;;) {
      const id = newIdentifier(this.#random);
      if (this.turnState(id) === 'absent') return id;
    }
  }
}

/** Over what only a command changes; the counters follow the turns and are checked against them. */
export function conversationChecksum(row: Omit<ConversationRow, 'checksum'>): number {
  return checksum([row.id, row.name, row.parent_id, row.parent_seq, row.created_at, row.title, row.system]);
}

function notInHistory(reference: string): CllmError {
  return new CllmError('not_in_history', `there is no conversation "${reference}"`, {
    hint: 'see which there are: cllm history list',
  });
}

function piecesOf(excerpt: string): SearchHit['excerpt'] {
  const pieces = excerpt.split(/[\u{E000}\u{E001}]/u);
  return pieces.map((text, index) => ({ text, isMatch: index % 2 === 1 })).filter(({ text }) => text !== '');
}
