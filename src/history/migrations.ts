import type { Database } from './database.ts';

/**
 * Every schema that a released cllm wrote, as the steps between them. A step is never changed after a release: what a
 * later version needs is a new step at the end. The schema's version is their number, kept in `user_version`.
 */
const migrations: readonly ((database: Pick<Database, 'execute'>) => void)[] = [
  m001ConversationsAndTurns,
  m002Search,
  m003Origin,
  m004BaseUrl,
  m005Pairs,
  m006Template,
  m007ToolRuns,
  m008Attachments,
  m009ToolRunOwner,
  m010LongTexts,
  m011LongPrompts,
];

export const schemaVersion = migrations.length;

/**
 * Brings the schema from whatever version it has to `target`. Runs inside the caller's write transaction, so another
 * process sees the old schema or the new one, and of two first starts at once the second finds nothing left to do.
 */
export function migrate(
  database: Pick<Database, 'get' | 'execute'>,
  applicationId: number,
  target = schemaVersion,
): void {
  const { user_version: current } = database.get('PRAGMA user_version') as { user_version: number };
  for (const step of migrations.slice(current, target)) step(database);
  database.execute(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${Math.max(current, target)}`);
}

/**
 * A conversation is a line of turns numbered from 1 without gaps. A fork holds only what came after it: turns up to
 * `parent_seq` are the parent's. `activity` counts prompts over all conversations; it orders them, because a clock can go
 * back. It and the columns after it follow the turns by trigger, so that a list of 10,000 conversations reads no turn.
 * Long columns come last: a row's first columns are read without its overflow pages.
 *
 * The two checksums cover what the prompt's commit and the reply's commit wrote; a flipped bit in a text is something
 * that no integrity check of SQLite sees.
 */
function m001ConversationsAndTurns(database: Pick<Database, 'execute'>): void {
  database.execute(`
    CREATE TABLE conversations (
      position INTEGER PRIMARY KEY,
      id TEXT NOT NULL UNIQUE,
      name TEXT UNIQUE,
      parent_id TEXT REFERENCES conversations (id),
      parent_seq INTEGER CHECK ((parent_id IS NULL) = (parent_seq IS NULL)),
      created_at TEXT NOT NULL,
      checksum INTEGER NOT NULL,
      activity INTEGER NOT NULL,
      turn_count INTEGER NOT NULL,
      model TEXT,
      updated_at TEXT NOT NULL,
      title TEXT NOT NULL,
      system TEXT
    ) STRICT;
    CREATE INDEX conversations_activity ON conversations (activity);
    CREATE INDEX conversations_parent ON conversations (parent_id) WHERE parent_id IS NOT NULL;

    CREATE TABLE turns (
      position INTEGER PRIMARY KEY,
      id TEXT NOT NULL UNIQUE,
      conversation_id TEXT NOT NULL REFERENCES conversations (id),
      seq INTEGER NOT NULL CHECK (seq > 0),
      model TEXT NOT NULL,
      created_at TEXT NOT NULL,
      ended_at TEXT,
      verdict TEXT,
      prompt_checksum INTEGER NOT NULL,
      reply_checksum INTEGER,
      error TEXT,
      receipt TEXT,
      request TEXT,
      prompt TEXT NOT NULL,
      messages TEXT NOT NULL,
      completion TEXT,
      reply TEXT GENERATED ALWAYS AS (completion ->> '$.choices[0].message.content') VIRTUAL,
      UNIQUE (conversation_id, seq)
    ) STRICT;

    CREATE TRIGGER turns_count_insert AFTER INSERT ON turns BEGIN
      UPDATE conversations
      SET activity = (SELECT max(activity) + 1 FROM conversations),
        turn_count = new.seq, model = new.model, updated_at = new.created_at
      WHERE id = new.conversation_id;
    END;
    CREATE TRIGGER turns_count_end AFTER UPDATE OF ended_at ON turns BEGIN
      UPDATE conversations SET updated_at = new.ended_at
      WHERE id = new.conversation_id AND turn_count = new.seq AND new.ended_at IS NOT NULL;
    END;
  `);
}

/**
 * Full-text search over prompts and replies. The index points at the turns instead of holding their text a second time,
 * and forgets deleted words at once instead of at some later merge.
 */
function m002Search(database: Pick<Database, 'execute'>): void {
  database.execute(`
    CREATE VIRTUAL TABLE turns_search USING fts5 (
      prompt, reply, content = 'turns', content_rowid = 'position', tokenize = 'unicode61 remove_diacritics 2'
    );
    INSERT INTO turns_search (turns_search, rank) VALUES ('secure-delete', 1);
    INSERT INTO turns_search (turns_search) VALUES ('rebuild');

    CREATE TRIGGER turns_search_insert AFTER INSERT ON turns BEGIN
      INSERT INTO turns_search (rowid, prompt, reply) VALUES (new.position, new.prompt, new.reply);
    END;
    CREATE TRIGGER turns_search_update AFTER UPDATE OF prompt, completion ON turns BEGIN
      INSERT INTO turns_search (turns_search, rowid, prompt, reply) VALUES ('delete', old.position, old.prompt, old.reply);
      INSERT INTO turns_search (rowid, prompt, reply) VALUES (new.position, new.prompt, new.reply);
    END;
    CREATE TRIGGER turns_search_delete AFTER DELETE ON turns BEGIN
      INSERT INTO turns_search (turns_search, rowid, prompt, reply) VALUES ('delete', old.position, old.prompt, old.reply);
    END;
  `);
}

/** Where an imported conversation came from, so that importing it again adds nothing. */
function m003Origin(database: Pick<Database, 'execute'>): void {
  database.execute(`
    ALTER TABLE conversations ADD COLUMN origin TEXT;
    CREATE UNIQUE INDEX conversations_origin ON conversations (origin) WHERE origin IS NOT NULL;
  `);
}

/**
 * Where a turn was sent, with all that came before it: a conversation does not go to another proxy unasked. Null for turns
 * of earlier versions and for what was imported, of which nobody knows.
 */
function m004BaseUrl(database: Pick<Database, 'execute'>): void {
  database.execute('ALTER TABLE turns ADD COLUMN base_url TEXT');
}

/**
 * Search inside text without spaces: an index of character pairs (pairs.ts) beside that of words. It holds no text, and is
 * told what to forget; turns up to `up_to` are not in it yet, and get there in steps (search-index.ts), because making the
 * pairs of an old history would keep other writers waiting.
 */
function m005Pairs(database: Pick<Database, 'execute'>): void {
  // Apart, so that a reply's commit takes nothing out of the index: FTS5 then writes all that it has in memory.
  const places = { prompt: '2 * $.position', reply: '2 * $.position + 1' };
  const change = (row: 'old' | 'new', text: keyof typeof places): string => {
    const [names, values] = row === 'old' ? ['turns_pairs, ', "'delete', "] : ['', ''];
    return `INSERT INTO turns_pairs (${names}rowid, pairs) SELECT ${values}${places[text].replace('$', row)}, pairs
      FROM (SELECT cllm_pairs(${row}.${text}) AS pairs LIMIT 1) WHERE pairs <> '';`;
  };
  const isIn = (row: 'old' | 'new'): string => `${row}.position > (SELECT up_to FROM turns_pairs_backlog)`;
  database.execute(`
    CREATE VIRTUAL TABLE turns_pairs USING fts5 (pairs, content = '', columnsize = 0, tokenize = 'ascii');
    INSERT INTO turns_pairs (turns_pairs, rank) VALUES ('secure-delete', 1);
    CREATE TABLE turns_pairs_backlog (up_to INTEGER NOT NULL) STRICT;
    INSERT INTO turns_pairs_backlog SELECT coalesce(max(position), 0) FROM turns;

    CREATE TRIGGER turns_pairs_insert AFTER INSERT ON turns WHEN ${isIn('new')} BEGIN
      ${change('new', 'prompt')} ${change('new', 'reply')} END;
    CREATE TRIGGER turns_pairs_prompt AFTER UPDATE OF prompt ON turns WHEN ${isIn('new')} BEGIN
      ${change('old', 'prompt')} ${change('new', 'prompt')} END;
    CREATE TRIGGER turns_pairs_reply AFTER UPDATE OF completion ON turns WHEN ${isIn('new')} BEGIN
      ${change('old', 'reply')} ${change('new', 'reply')} END;
    CREATE TRIGGER turns_pairs_delete AFTER DELETE ON turns WHEN ${isIn('old')} BEGIN
      ${change('old', 'prompt')} ${change('old', 'reply')} END;
  `);
}

/** The template that a prompt was made from. Null for one that was none's, and for turns of earlier versions. */
function m006Template(database: Pick<Database, 'execute'>): void {
  database.execute('ALTER TABLE turns ADD COLUMN template TEXT');
}

/**
 * What became of the calls of a reply, and what a person allowed for a whole conversation. A row is there before its tool
 * runs and gets its end after, so that whoever takes the turn up again knows of both; `content` is what the model is told.
 * A second row for the same call is impossible, and so is running it twice for one approval.
 */
function m007ToolRuns(database: Pick<Database, 'execute'>): void {
  database.execute(`
    CREATE TABLE tool_runs (
      turn_id TEXT NOT NULL,
      place INTEGER NOT NULL,
      decided_by TEXT NOT NULL,
      started_at TEXT NOT NULL,
      ended_at TEXT,
      is_error INTEGER,
      checksum INTEGER NOT NULL,
      content TEXT CHECK ((content IS NULL) = (ended_at IS NULL)),
      PRIMARY KEY (turn_id, place)
    ) STRICT, WITHOUT ROWID;
    CREATE TRIGGER tool_runs_delete AFTER DELETE ON turns BEGIN
      DELETE FROM tool_runs WHERE turn_id = old.id;
    END;

    CREATE TABLE tool_grants (
      conversation_id TEXT NOT NULL,
      subject TEXT NOT NULL,
      PRIMARY KEY (conversation_id, subject)
    ) STRICT, WITHOUT ROWID;
    CREATE TRIGGER tool_grants_delete AFTER DELETE ON conversations BEGIN
      DELETE FROM tool_grants WHERE conversation_id = old.id;
    END;
  `);
}

/**
 * The bytes of attachments once, by digest. `messages` refers to them by a form that is no JSON (detached-text.ts): a cllm
 * of an earlier schema that has the file open says then that it can not read the turn, instead of sending it without its
 * file. Bytes go with the last turn that has them. Turns up to `up_to` may still have theirs in `messages`, and are gone
 * through in steps (attachments.ts), because moving an old history's would keep other writers waiting.
 */
function m008Attachments(database: Pick<Database, 'execute'>): void {
  database.execute(`
    CREATE TABLE attachments (digest TEXT NOT NULL PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
    CREATE TABLE turns_attachments (
      position INTEGER NOT NULL REFERENCES turns (position),
      digest TEXT NOT NULL REFERENCES attachments (digest),
      PRIMARY KEY (position, digest)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX turns_attachments_digest ON turns_attachments (digest);
    CREATE TABLE attachments_backlog (up_to INTEGER NOT NULL) STRICT;
    INSERT INTO attachments_backlog SELECT coalesce(max(position), 0) FROM turns;

    CREATE TRIGGER turns_attachments_delete AFTER DELETE ON turns BEGIN
      DELETE FROM turns_attachments WHERE position = old.position; END;
    CREATE TRIGGER attachments_delete AFTER DELETE ON turns_attachments
    WHEN NOT EXISTS (SELECT 1 FROM turns_attachments WHERE digest = old.digest) BEGIN
      DELETE FROM attachments WHERE digest = old.digest; END;
  `);
}

/**
 * The process that runs a call, for as long as it does: whoever takes the turn up meanwhile is told that it runs still, and
 * not that it was interrupted. JSON; null for a call that ended, and for those of earlier versions. No checksum covers it.
 */
function m009ToolRunOwner(database: Pick<Database, 'execute'>): void {
  database.execute('ALTER TABLE tool_runs ADD COLUMN owner TEXT');
}

/**
 * A long text of the scripts that pairs are for takes a second and a half a megabyte to be put into their index, and its
 * commit waits for that: it is kept out, and looked through as text. `place` is the index's rowid. What was in the index
 * before stays there.
 */
function m010LongTexts(database: Pick<Database, 'execute'>): void {
  const places = { prompt: '2 * $.position', reply: '2 * $.position + 1' };
  const change = (row: 'old' | 'new', text: keyof typeof places): string => {
    const place = places[text].replace('$', row);
    const [names, values] = row === 'old' ? ['turns_pairs, ', "'delete', "] : ['', ''];
    const isShort = `NOT EXISTS (SELECT 1 FROM turns_pairs_long WHERE place = ${place})`;
    const index = `INSERT INTO turns_pairs (${names}rowid, pairs) SELECT ${values}${place}, pairs
      FROM (SELECT cllm_pairs(${row}.${text}) AS pairs WHERE ${isShort} LIMIT 1) WHERE pairs <> '';`;
    if (row === 'old') return `${index} DELETE FROM turns_pairs_long WHERE place = ${place};`;
    return `INSERT INTO turns_pairs_long SELECT ${place} WHERE ${isLong(`new.${text}`)}; ${index}`;
  };
  const isIn = (row: 'old' | 'new'): string => `${row}.position > (SELECT up_to FROM turns_pairs_backlog)`;
  database.execute(`
    CREATE TABLE turns_pairs_long (place INTEGER PRIMARY KEY) STRICT;
    DROP TRIGGER turns_pairs_insert;
    DROP TRIGGER turns_pairs_prompt;
    DROP TRIGGER turns_pairs_reply;
    DROP TRIGGER turns_pairs_delete;
    CREATE TRIGGER turns_pairs_insert AFTER INSERT ON turns WHEN ${isIn('new')} BEGIN
      ${change('new', 'prompt')} ${change('new', 'reply')} END;
    CREATE TRIGGER turns_pairs_prompt AFTER UPDATE OF prompt ON turns WHEN ${isIn('new')} BEGIN
      ${change('old', 'prompt')} ${change('new', 'prompt')} END;
    CREATE TRIGGER turns_pairs_reply AFTER UPDATE OF completion ON turns WHEN ${isIn('new')} BEGIN
      ${change('old', 'reply')} ${change('new', 'reply')} END;
    CREATE TRIGGER turns_pairs_delete AFTER DELETE ON turns WHEN ${isIn('old')} BEGIN
      ${change('old', 'prompt')} ${change('old', 'reply')} END;
  `);
}

/**
 * The words of a long prompt go into the index with the reply's commit. The prompt's did it before, and the reply's took them out and put them in
 * again: three times the work, and the request waited for a third of it. `turns_search_held` has the turns that are not in yet.
 */
function m011LongPrompts(database: Pick<Database, 'execute'>): void {
  const isHeld = (row: 'old' | 'new'): string =>
    `EXISTS (SELECT 1 FROM turns_search_held WHERE position = ${row}.position)`;
  const remove = `
    INSERT INTO turns_search (turns_search, rowid, prompt, reply)
      SELECT 'delete', old.position, old.prompt, old.reply WHERE NOT ${isHeld('old')};
    DELETE FROM turns_search_held WHERE position = old.position;`;
  const insert = `
    INSERT INTO turns_search_held
      SELECT new.position WHERE new.ended_at IS NULL AND octet_length(new.prompt) > 65536;
    INSERT INTO turns_search (rowid, prompt, reply)
      SELECT new.position, new.prompt, new.reply WHERE NOT ${isHeld('new')};`;
  database.execute(`
    CREATE TABLE turns_search_held (position INTEGER PRIMARY KEY) STRICT;
    DROP TRIGGER turns_search_insert;
    DROP TRIGGER turns_search_update;
    DROP TRIGGER turns_search_delete;
    CREATE TRIGGER turns_search_insert AFTER INSERT ON turns BEGIN ${insert} END;
    CREATE TRIGGER turns_search_update AFTER UPDATE OF prompt, completion, ended_at ON turns BEGIN ${remove} ${insert} END;
    CREATE TRIGGER turns_search_delete AFTER DELETE ON turns BEGIN ${remove} END;
  `);
}

/** Whether a text is kept out of the index of pairs: more than 64 KiB, and of its scripts. A part of step 10, and never changed like it. */
export function isLong(text: string): string {
  return `octet_length(${text}) > 65536 AND cllm_is_paired(${text})`;
}
