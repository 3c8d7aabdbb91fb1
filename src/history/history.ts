import { identifyProcess, type ProcessIdentity } from '../files/process-identity.ts';
import { CllmError, UsageError } from '../outcome/errors.ts';
import { moveFor } from './attachments.ts';
import { isIndexDamage } from './database-error.ts';
import { Database, type DatabaseOptions } from './database.ts';
import { type ImportReport, exportConversation, exportHistory, importConversations } from './transfer.ts';
import { prefixEnd } from './identifiers.ts';
import { Records } from './records.ts';
import { callIdsWhere, conversationTotals, type SpendDivision, spendingBy } from './receipt-sums.ts';
import { excerptOf } from './excerpt.ts';
import { isPaired } from './pairs.ts';
import { indexFor, needsPairs, pairedHits } from './search-index.ts';
import { searchTerms } from './search-query.ts';
import { conversationCondition, hitCondition, receiptCondition, type TurnFilter } from './turn-filter.ts';
import {
  type ConversationRow,
  type ConversationSummary,
  type ConversationTotals,
  type HistorySpend,
  json,
  type NewTurn,
  readTemplate,
  summaryAt,
  summaryColumns,
  summaryOf,
  textOf,
  titleOf,
  type Turn,
  type TurnEnd,
} from './rows.ts';
import { type CallOutcome, type ToolDecider, type ToolRun, ToolRuns } from './tool-runs.ts';
import { rebuildSearch, type VerifyReport, verifyHistory } from './verify.ts';
import { shellWord } from '../protocol/shell-word.ts';

export type {
  ConversationSummary,
  ConversationTotals,
  HistorySpend,
  NewTurn,
  Turn,
  TurnEnd,
  TurnTemplate,
} from './rows.ts';
export type { TurnFilter } from './turn-filter.ts';

export interface HistoryOptions extends DatabaseOptions {
  /** In [0, 1), for new ids. Default `Math.random`. */
  random?: () => number;
  /** Of this process, which owns the calls that it runs. Without it nobody owns them, and none is seen to run elsewhere. */
  pid?: number;
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
  turn: {
    name: string | null;
    system: string | null;
    messages: NewTurn['messages'];
    model: string;
    request?: NewTurn['request'];
    baseUrl?: NewTurn['baseUrl'];
    template?: NewTurn['template'];
  } | null;
}

export interface TurnPlace {
  conversationId: string;
  turnId: string;
  seq: number;
}

/** A row of a hit. */
interface HitRow {
  conversation_id: string;
  name: string | null;
  title: string;
  seq: number;
  created_at: string;
}
const hitColumns = 'conversation_id, name, title, seq, turns.created_at';
const hitTables = 'turns JOIN conversations ON conversations.id = conversation_id';

/** How long a search goes on indexing what an earlier cllm wrote, in milliseconds. What is left then is found all the same. */
const longestIndexing = 3000;

/** How long a deletion goes on moving the attachments of what an earlier cllm wrote, in milliseconds. */
const longestMoving = 1000;

/** Marks around a match in FTS5's snippet; split away before anybody sees them. */
const [matchStart, matchEnd] = ['\u{E000}', '\u{E001}'];

/**
 * The conversations that were had: lines of turns, each a prompt with its completion. The rest of the program knows no
 * SQL. Every method that changes something does it in one transaction, durable when it returns.
 *
 * A conversation is referred to by its id, its name or the beginning of its id, in this order.
 *
 * @throws CllmError Every method: `history_unusable` when the file can not be read or written.
 */
export class History {
  readonly #database: Database;
  readonly #records: Records;
  readonly #toolRuns: ToolRuns;
  readonly #self: () => ProcessIdentity | null;
  /** Whether a turn was begun that has any. */
  #hasAttachments = false;

  private constructor(database: Database, options: HistoryOptions) {
    this.#database = database;
    this.#records = new Records(database, options);
    this.#toolRuns = new ToolRuns(database);
    const { pid } = options;
    this.#self = () => (pid === undefined ? null : identifyProcess(pid));
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

  /** How many of the turns that were read so far can not be read whole; each was told to `onWarning`. */
  get damagedTurns(): number {
    return this.#records.damaged.size;
  }

  /**
   * Commits a prompt: the turn has its place in the order before its request is sent.
   *
   * @throws CllmError `not_in_history` when there is no conversation of that id.
   */
  beginTurn(turn: NewTurn): TurnPlace {
    return this.#write(() => this.#insertTurn(turn, this.#records.newTurnId()));
  }

  /**
   * Commits how a turn ended. A second end replaces the first: one that `recover` made from the journal of a process
   * that it took for dead gives way to the real one.
   *
   * @throws CllmError `not_in_history` when the turn was deleted meanwhile.
   */
  endTurn(turnId: string, end: TurnEnd): void {
    this.#write(() => this.#records.updateEnd(turnId, end));
    // Who sends files has most likely sent some before.
    if (this.#hasAttachments) moveFor(0, this.#database);
  }

  /**
   * Puts a turn that a crash or a failed history left in its journal where it belongs: the end at the turn, or the whole
   * turn at the conversation's end. One that has its end already stays as it is.
   */
  restoreTurn(unsaved: UnsavedTurn, end: TurnEnd): TurnPlace & { wasSaved: boolean } {
    return this.#write(() => {
      const found = this.#records.turnRow(unsaved.turnId);
      if (found !== undefined) {
        if (found.ended_at === null) this.#records.updateEnd(found.id, end);
        return {
          conversationId: found.conversation_id,
          turnId: found.id,
          seq: found.seq,
          wasSaved: found.ended_at !== null,
        };
      }
      const {
        name = null,
        system = null,
        messages = [],
        model = end.completion?.model ?? 'unknown',
        request = null,
        baseUrl = null,
        template = null,
      } = unsaved.turn ?? {};
      const existing = unsaved.conversationId === null ? undefined : this.#records.byId(unsaved.conversationId);
      const conversation = existing === undefined ? { name, system } : { id: existing.id };
      const place = this.#insertTurn(
        { conversation, messages, model, request, baseUrl, template: readTemplate(template) },
        unsaved.turnId,
      );
      this.#records.updateEnd(place.turnId, end);
      return { ...place, wasSaved: false };
    });
  }

  /** Whether nobody here knows where a turn was had: it came with an import, or from a cllm that did not keep it. */
  isForeign(turnId: string): boolean {
    return this.#records.turnRow(turnId)?.base_url === null;
  }

  /** What became of the calls of a turn's reply, as far as anything did. */
  toolRuns(turnId: string): ToolRun[] {
    return this.#toolRuns.of(turnId);
  }

  /** What the model is to be told of the calls of a turn, by their place. */
  callOutcomes(turnId: string): Map<number, CallOutcome> {
    return this.#toolRuns.outcomes(turnId, this.#self);
  }

  /**
   * Commits that a call is run, before it is. False when it was begun already, by whomever: then it must not be run.
   *
   * @throws CllmError `not_in_history` when the turn was deleted meanwhile.
   */
  beginToolRun(turnId: string, place: number, decidedBy: ToolDecider): boolean {
    return this.#write(() => {
      if (this.#records.turnRow(turnId) === undefined) throw turnNotInHistory(turnId);
      return this.#toolRuns.begin(turnId, { place, decidedBy, startedAt: this.#records.now() }, this.#self());
    });
  }

  /** Commits what a call came to. Of a turn that was deleted meanwhile nothing is kept. */
  endToolRun(turnId: string, place: number, end: { isError: boolean; content: string }): void {
    this.#write(() => this.#toolRuns.end(turnId, place, { ...end, endedAt: this.#records.now() }));
  }

  /** What a person allowed for the whole of a conversation; a fork and an import have none of it. */
  toolGrants(conversationId: string): string[] {
    return this.#toolRuns.grants(conversationId);
  }

  grantTool(conversationId: string, subject: string): void {
    this.#write(() => {
      if (this.#records.byId(conversationId) !== undefined) this.#toolRuns.grant(conversationId, subject);
    });
  }

  /** Whether the history has the turn's reply (`ended`), only its prompt (`open`), or nothing of it. */
  turnState(turnId: string): 'ended' | 'open' | 'absent' {
    const row = this.#records.turnRow(turnId);
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
    const row = this.#database.get('SELECT * FROM conversations ORDER BY activity DESC LIMIT 1');
    return row === undefined ? null : summaryOf(row as ConversationRow);
  }

  /**
   * The latest first. With a filter those of which a turn of their own is meant; `costOver` is then what the meant turns
   * of a conversation cost together.
   */
  list(options: { limit?: number; filter?: TurnFilter } = {}): ConversationSummary[] {
    const { sql, values } = conversationCondition(options.filter ?? {});
    const latest = (columns: string): string =>
      `SELECT ${columns} FROM conversations ${sql} ORDER BY activity DESC LIMIT ?`;
    const limit = options.limit ?? -1;
    return this.#database.read(() => {
      const names = [...summaryColumns, 'activity'] as const;
      const columns = this.#database.columns<Pick<ConversationRow, (typeof names)[number]>>(
        names,
        latest(names.join()),
        ...values,
        limit,
      );
      // Apart from the rest: a system prompt may be long, and most conversations have none.
      const systems = new Map(
        this.#database
          .all<ConversationRow>(`SELECT * FROM (${latest('id, system')}) WHERE system IS NOT NULL`, ...values, limit)
          .map(({ id, system }) => [id, system]),
      );
      const { id: ids, activity } = columns;
      return ids
        .map((_, at) => at)
        .toSorted((one, other) => (activity[other] as number) - (activity[one] as number))
        .map((at) => summaryAt(columns, at, systems.get(ids[at] as string) ?? null));
    });
  }

  /**
   * What the conversations of `list()` have cost so far, by their ids, as far as their receipts tell: a figure that no turn
   * has is null. Of a fork, the turns of its own.
   */
  totals(options: { limit?: number } = {}): Map<string, ConversationTotals> {
    return conversationTotals(this.#database, options.limit ?? -1);
  }

  /**
   * What the turns that a reply came for have cost by their receipts, a row for each day of the local calendar, model that
   * served, or conversation.
   *
   * @param session only those that the proxy has under this session
   */
  spending(by: SpendDivision, filter: TurnFilter, session: string | null = null): HistorySpend[] {
    return spendingBy(this.#database, by, receiptCondition(filter, session));
  }

  /** The calls that the proxy has under a session, by the ids that its log knows them by. */
  callIds(session: string): string[] {
    return callIdsWhere(this.#database, receiptCondition({}, session));
  }

  /** The turns of a conversation in their order, of a fork with those that it shares. */
  turns(conversationId: string): Turn[] {
    return this.#records.turns(conversationId);
  }

  /** The turns that a conversation has by itself: of a fork, those that came after it left its parent. */
  ownTurns({ id, parent }: Pick<ConversationSummary, 'id' | 'parent'>): Turn[] {
    return this.#records.turns(id, parent?.seq ?? 0);
  }

  /** The base URL that the last turn of a conversation was sent to, with all before it; null when nobody knows. */
  lastBaseUrl(conversationId: string): string | null {
    return this.#records.lastBaseUrl(conversationId);
  }

  /**
   * The turns whose prompt or reply has every word of the query, the latest first. A word may be the beginning of a
   * longer one; words in double quotes stand together. Of scripts without spaces between words it is found anywhere. With a filter those that are meant, `costOver` by the cost of each.
   */
  search(query: string, options: { limit?: number; filter?: TurnFilter } = {}): SearchHit[] {
    const terms = searchTerms(query);
    if (terms.length === 0) return [];
    const { limit = 50, filter = {} } = options;
    if (terms.some(({ text }) => isPaired(text))) indexFor(longestIndexing, this.#database);
    if (needsPairs(terms, this.#database)) {
      return pairedHits(terms, filter, limit, this.#database).map((position) => {
        const row = this.#database.get(
          `SELECT ${hitColumns}, prompt, reply FROM ${hitTables} WHERE turns.position = ?`,
          position,
        ) as HitRow & { prompt: string; reply: string | null };
        return { ...hitOf(row), excerpt: excerptOf([row.prompt, row.reply ?? ''], terms) };
      });
    }
    const { sql, values } = hitCondition(filter);
    return this.#database
      .all<HitRow & { excerpt: string }>(
        `SELECT ${hitColumns}, excerpt
        FROM (
          SELECT rowid AS found, snippet(turns_search, -1, '${matchStart}', '${matchEnd}', '…', 16) AS excerpt
          FROM turns_search WHERE turns_search MATCH ? ${sql} ORDER BY rowid DESC LIMIT ?
        ) AS hits JOIN ${hitTables} AND turns.position = found
        ORDER BY turns.position DESC`,
        terms.map(({ words }) => words).join(' '),
        ...values,
        limit,
      )
      .map((row) => ({ ...hitOf(row), excerpt: piecesOf(row.excerpt) }));
  }

  /** The system prompt that later turns send. Turns that were had keep theirs. */
  setSystem(reference: string, system: string | null): void {
    this.#write(() => this.#records.updateConversation({ ...this.#row(reference), system }));
  }

  /** @throws UsageError when another conversation has the name. */
  rename(reference: string, name: string | null): ConversationSummary {
    return this.#write(() => {
      const row = this.#row(reference);
      if (name !== row.name) this.#assertNameFree(name);
      this.#records.updateConversation({ ...row, name });
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
        throw new UsageError(
          `conversation ${source.name ?? source.id} has no turn ${seq}; it has ${source.turn_count}`,
          {
            hint: `see its turns: cllm history show ${shellWord(source.id, 'ID')}`,
          },
        );
      }
      const name = options.name ?? null;
      this.#assertNameFree(name);
      // The parent is the one that holds the turn, so that forks of forks are no longer chains than they need be.
      let parent = source;
      const line = new Set<string>();
      while (parent.parent_id !== null && parent.parent_seq !== null && seq <= parent.parent_seq) {
        if (line.has(parent.id)) break;
        line.add(parent.id);
        parent = this.#records.byId(parent.parent_id) ?? parent;
      }
      const model = this.turns(source.id)[seq - 1]?.model ?? null;
      return summaryOf(
        this.#records.insertConversation({
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
      for (const { id } of rows) turnIds.push(...this.#deleteConversation(this.#records.byId(id) as ConversationRow));
      return { conversations: rows.map(summaryOf), turnIds };
    });
  }

  /**
   * The history as JSON lines, a conversation each, forks after their parents; of one conversation, with the turns that
   * it shares, as a line of its own. One unchanging view of the file: take all lines before the next write.
   */
  export(reference?: string): Iterable<string> {
    if (reference === undefined) return exportHistory(this.#records);
    return [exportConversation(this.#records, this.#row(reference))];
  }

  /**
   * Adds what `export` gave, all of it or, after an error, nothing. What is there already is not added again, a
   * conversation that has gone on is extended, and one that has gone another way comes in under a new id. So does one
   * whose id stands for something else here, and a name that is or looks like an id gets a number behind it.
   *
   * @throws UsageError `input_invalid`, naming the line.
   */
  import(lines: Iterable<string>): ImportReport {
    return this.#write(() => importConversations(this.#records, lines));
  }

  /** Reads every page and every turn: is all of it as it was written? Changes nothing. */
  verify(): VerifyReport {
    return verifyHistory(this.#database);
  }

  /**
   * Makes sure that a turn could be written now, and writes nothing.
   *
   * @throws CllmError `history_unusable`
   */
  assertWritable(): void {
    // A transaction alone would pass: SQLite makes it one that only reads where the file can only be read.
    this.#database.write(() => this.#database.execute('DELETE FROM conversations WHERE false'));
  }

  /** Builds the search index again from the turns. */
  rebuildSearch(): void {
    this.#database.write(() => rebuildSearch(this.#database));
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
        rebuildSearch(this.#database);
        return action();
      });
    }
  }

  /** A write whose deleted text, which the file has overwritten, is cut out of the log. */
  #erase<Result>(action: () => Result): Result {
    const result = this.#write(action);
    moveFor(longestMoving, this.#database);
    this.#database.execute('PRAGMA wal_checkpoint(TRUNCATE)');
    return result;
  }

  #insertTurn(turn: NewTurn, turnId: string): TurnPlace {
    const prompt = textOf(turn.messages);
    const conversation = this.#conversationFor(turn, prompt);
    const seq = conversation.turn_count + 1;
    const hasAttachments = this.#records.insertTurn({
      id: turnId,
      conversationId: conversation.id,
      seq,
      model: turn.model,
      createdAt: this.#records.now(),
      messages: JSON.stringify(turn.messages),
      prompt,
      request: json(turn.request),
      baseUrl: turn.baseUrl ?? null,
      template: json(turn.template),
    });
    this.#hasAttachments ||= hasAttachments;
    return { conversationId: conversation.id, turnId, seq };
  }

  #conversationFor(turn: NewTurn, prompt: string): { id: string; turn_count: number } {
    if ('id' in turn.conversation) {
      const found = this.#records.byId(turn.conversation.id);
      if (found === undefined) throw notInHistory(turn.conversation.id);
      const { system } = turn.conversation;
      if (system !== undefined) this.#records.updateConversation({ ...found, system });
      return found;
    }
    const { name = null, system } = turn.conversation;
    // Two first turns under one name at once: both are kept, in one conversation.
    const existing = name === null ? undefined : this.#records.byName(name);
    return existing ?? this.#records.insertConversation({ name, system, title: titleOf(prompt) });
  }

  /** The fork that shares the most takes over what the forks share; the other forks become forks of it. */
  #deleteConversation(row: ConversationRow): string[] {
    const [heir, ...others] = this.#database.all<ConversationRow>(
      'SELECT * FROM conversations WHERE parent_id = ?1 AND id <> ?1 ORDER BY parent_seq DESC, position',
      row.id,
    );
    if (heir !== undefined) {
      this.#database.run(
        'UPDATE turns SET conversation_id = ? WHERE conversation_id = ? AND seq <= ?',
        heir.id,
        row.id,
        heir.parent_seq,
      );
      // A line of parents that comes back to where it began, which only a hand can have made, ends here.
      const isCircle = row.parent_id === row.id || row.parent_id === heir.id;
      const [parent_id, parent_seq] = isCircle ? [null, null] : [row.parent_id, row.parent_seq];
      this.#records.updateConversation({ ...heir, parent_id, parent_seq });
      for (const other of others) this.#records.updateConversation({ ...other, parent_id: heir.id });
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
    // An id is ours alone; a name may have come in with somebody's export, and must not stand for another conversation.
    const exact = this.#records.byId(reference) ?? this.#records.byName(reference);
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

  #assertNameFree(name: string | null): void {
    if (name === null) return;
    if (name.trim() === '') throw new UsageError('a name can not be empty');
    if (this.#records.byId(name) !== undefined) {
      throw new UsageError(`"${name}" is the id of a conversation`, { hint: 'choose another name' });
    }
    const other = this.#records.byName(name);
    if (other !== undefined) {
      throw new UsageError(`conversation ${other.id} is called "${name}" already`, {
        hint: `choose another name, or rename that one first: cllm history rename ${shellWord(other.id, 'ID')} NAME`,
      });
    }
  }
}

function turnNotInHistory(turnId: string): CllmError {
  return new CllmError(
    'not_in_history',
    `turn ${turnId} is no longer in the history: its conversation was deleted meanwhile`,
    { hint: 'see what is there: cllm history list' },
  );
}

function notInHistory(reference: string): CllmError {
  return new CllmError('not_in_history', `there is no conversation "${reference}"`, {
    hint: 'see which there are: cllm history list',
  });
}

function hitOf(row: HitRow): Omit<SearchHit, 'excerpt'> {
  return {
    conversationId: row.conversation_id,
    name: row.name,
    title: row.title,
    seq: row.seq,
    createdAt: row.created_at,
  };
}

function piecesOf(excerpt: string): SearchHit['excerpt'] {
  const pieces = excerpt.split(/[\u{E000}\u{E001}]/u);
  return pieces.map((text, index) => ({ text, isMatch: index % 2 === 1 })).filter(({ text }) => text !== '');
}
