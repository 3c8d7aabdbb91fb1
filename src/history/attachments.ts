import { CllmError } from '../outcome/errors.ts';
import { isBusy, isWriteRefusal } from './database-error.ts';
import type { Database } from './database.ts';
import { attach, detach, type Detached } from './detached-text.ts';
import type { TurnRow } from './rows.ts';

/** What a step may take: it keeps other writers waiting for about a tenth of a second. */
const mostTurns = 2000;
const mostCharacters = 4_000_000;

/** Keeps what was detached from a turn that has its row; what is there already is there once. */
export function keepAttachments(position: number, bytes: Detached['bytes'], database: Database): void {
  for (const [digest, each] of bytes) {
    // A statement that inserts nothing has its value copied all the same.
    if (database.get('SELECT 1 FROM attachments WHERE digest = ?', digest) === undefined)
      database.run('INSERT INTO attachments (digest, bytes) VALUES (?, ?)', digest, each);
    database.run('INSERT INTO turns_attachments (position, digest) VALUES (?, ?)', position, digest);
  }
}

/** Gives messages and requests back whole. What several of them have is read and encoded once. */
export class AttachmentReader {
  readonly #database: Database;
  readonly #read = new Map<string, string | null>();

  constructor(database: Database) {
    this.#database = database;
  }

  whole(text: string): string {
    return attach(text, (digest, as) => {
      const key = `${as} ${digest}`;
      let read = this.#read.get(key);
      if (read === undefined) {
        const row = this.#database.get('SELECT bytes FROM attachments WHERE digest = ?', digest) as
          | { bytes: Uint8Array }
          | undefined;
        read = row === undefined ? null : encoded(row.bytes, as);
        this.#read.set(key, read);
      }
      return read;
    });
  }

  /** A row with all that was kept apart. */
  wholeRow(row: TurnRow): TurnRow {
    return {
      ...row,
      messages: this.whole(row.messages),
      request: row.request === null ? null : this.whole(row.request),
    };
  }
}

/**
 * Takes the attachments out of some more of the turns that an earlier cllm wrote, the latest first. A step is one
 * transaction: a crash leaves it done or not begun.
 *
 * @returns whether some are left
 */
export function moveStep(database: Database, most = mostCharacters): boolean {
  const backlog = (): number =>
    (database.get('SELECT up_to FROM attachments_backlog') as { up_to: number } | undefined)?.up_to ?? 0;
  if (backlog() === 0) return false;
  return database.write(() => {
    const upTo = backlog();
    const rows = database.all<{ position: number; size: number }>(
      `SELECT position, octet_length(messages) AS size FROM turns WHERE position <= ? ORDER BY position DESC LIMIT ${mostTurns}`,
      upTo,
    );
    let moved = 0;
    let next = rows.length < mostTurns ? 0 : (rows.at(-1)?.position ?? 1) - 1;
    for (const { position, size } of rows) {
      if (moved + size > most && moved > 0) {
        next = position;
        break;
      }
      moved += moveAttachments(position, database);
    }
    database.run('UPDATE attachments_backlog SET up_to = ?', next);
    return next > 0;
  });
}

/** Steps until all is moved or the time is over; a turn whose attachments are still in its row is read as well. */
export function moveFor(milliseconds: number, database: Database): void {
  const deadline = performance.now() + milliseconds;
  try {
    while (moveStep(database) && performance.now() < deadline);
  } catch (error) {
    if (!(error instanceof CllmError) || !(isBusy(error.cause) || isWriteRefusal(error.cause))) throw error;
  }
}

function moveAttachments(position: number, database: Database): number {
  const { messages } = database.get('SELECT messages FROM turns WHERE position = ?', position) as { messages: string };
  const detached = detach(messages);
  if (detached === null) return 0;
  database.run('UPDATE turns SET messages = ? WHERE position = ?', detached.text, position);
  keepAttachments(position, detached.bytes, database);
  return messages.length;
}

function encoded({ buffer, byteOffset, byteLength }: Uint8Array, as: 'base64' | 'utf8'): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString(as);
}
