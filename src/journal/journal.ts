import { lstatSync, readdirSync, renameSync, type Stats, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { errorCode, failureReason } from '../files/file-error.ts';
import { CllmError } from '../outcome/errors.ts';
import { securePrivateDirectory } from '../files/private-files.ts';
import type { ChatMessage, Json } from '../protocol/types.ts';
import { type ProcessIdentity, type ProcessState, processState } from '../files/process-identity.ts';
import { isJsonObject } from '../protocol/json.ts';
import { readRecordingMeta, RecordingWriter } from './recording.ts';

/** The turn that a journal belongs to. */
export interface JournaledTurn {
  /** Null when the history could not be used: the conversation is still to be made. */
  conversationId: string | null;
  /** Null when the history could not be used: the journal makes one up. */
  turnId: string | null;
  /** What the prompt's commit writes, for a turn that has no place in the history, or loses it. */
  turn?: {
    name: string | null;
    system: string | null;
    messages: ChatMessage[];
    model: string;
    request?: Record<string, unknown> | null;
    baseUrl?: string | null;
    template?: { name: string; digest: string; variables: Readonly<Record<string, Json>> } | null;
  };
}

/** A journal that no process writes to any more, or that nobody can tell of. */
export interface UnfinishedTurn {
  turnId: string;
  file: string;
  conversationId: string | null;
  turn: NonNullable<JournaledTurn['turn']> | null;
  /** ISO 8601, UTC. */
  startedAt: string | null;
  byteLength: number;
  /** Why nothing can be made of it, in words that follow the name of the file; null for one that can be read. */
  problem: string | null;
}

export interface JournalOptions {
  /** The user that the process runs as; null where the platform has none. */
  uid: number | null;
  /** Of this process: `identifyProcess(process.pid)`. */
  identity: ProcessIdentity;
  now?: () => Date;
  clock?: () => number;
  /** Whether the process that wrote a journal runs still. Default by /proc or `ps`. */
  stateOf?: (identity: ProcessIdentity, self: ProcessIdentity) => ProcessState;
}

const suffix = '.recording';

/** How long a journal from a container or host that we can not look into must be quiet before its process counts as gone. */
const quietMs = 60 * 60 * 1000;

/**
 * The turns in flight: a recording for each, in a directory beside the history. A file is there from the prompt's commit
 * to the reply's, so one that is left without its process is a turn to recover.
 */
export class Journal {
  readonly directory: string;
  readonly #options: JournalOptions;

  constructor(directory: string, options: JournalOptions) {
    this.directory = directory;
    this.#options = options;
  }

  /** @throws CllmError `history_unusable` or `output_failed` when the file can not be made. */
  begin(journaled: JournaledTurn): JournalWriter {
    securePrivateDirectory(this.directory, this.#options.uid);
    const { identity, clock } = this.#options;
    const now = this.#now();
    const turnId = journaled.turnId ?? `${now.getTime().toString(36)}${identity.pid.toString(36)}`;
    const meta = {
      conversation_id: journaled.conversationId,
      turn_id: turnId,
      ...(journaled.turn && { turn: journaled.turn }),
      created_at: now.toISOString(),
      pid: identity.pid,
      process_started_at: identity.startedAt,
      realm: identity.realm,
    };
    return new JournalWriter(join(this.directory, turnId + suffix), meta, clock === undefined ? {} : { clock });
  }

  /** The turns that processes left behind, the oldest first. One that is being written to is left alone. */
  unfinished(): UnfinishedTurn[] {
    const found: UnfinishedTurn[] = [];
    for (const name of this.#names()) {
      const turn = this.#unfinishedTurn(name.slice(0, -suffix.length));
      if (turn !== null) found.push(turn);
    }
    return found.toSorted((one, other) => (one.startedAt ?? '').localeCompare(other.startedAt ?? ''));
  }

  /**
   * Takes a file out of the way that can not be read, for people to look at.
   *
   * @returns Where it is now; null when it is gone.
   */
  setAside(turnId: string): string | null {
    const file = join(this.directory, turnId + suffix);
    let aside = `${file}.unreadable`;
    for (let number = 2; lstatSync(aside, { throwIfNoEntry: false }) !== undefined; number += 1)
      aside = `${file}.unreadable-${number}`;
    try {
      renameSync(file, aside);
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return null;
      throw error;
    }
    return aside;
  }

  /** Forgets a turn: its reply is in the history, or nobody wants it. */
  remove(turnId: string): void {
    removeFile(join(this.directory, turnId + suffix));
  }

  #names(): string[] {
    const { uid } = this.#options;
    const found = lstatSync(this.directory, { throwIfNoEntry: false });
    // Another user's are not ours to restore; a turn's own journal says what is wrong with the directory.
    if (uid !== null && found !== undefined && found.uid !== uid) return [];
    try {
      return readdirSync(this.directory).filter((name) => name.endsWith(suffix));
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return [];
      throw new CllmError('history_unusable', `${this.directory} can not be read (${failureReason(error)})`, {
        cause: error,
        hint: 'see who owns it: `cllm history path` names it',
      });
    }
  }

  #unfinishedTurn(turnId: string): UnfinishedTurn | null {
    const file = join(this.directory, turnId + suffix);
    const stats = lstatSync(file, { throwIfNoEntry: false });
    // Its process ended well meanwhile.
    if (stats === undefined) return null;
    const problem = this.#problemOf(turnId, stats);
    const meta = problem === null ? metaOf(file) : null;
    if (problem === null) {
      const identity = identityOf(meta);
      const quiet = this.#now().getTime() - stats.mtimeMs;
      // Without a first line it was made a moment ago, or its process died right then.
      const state = identity === null ? 'unknown' : this.#stateOf(identity);
      if (state === 'running' || (state === 'unknown' && quiet < (identity === null ? 10_000 : quietMs))) return null;
    }
    const turn = meta?.['turn'] ?? null;
    return {
      turnId,
      file,
      conversationId: stringOr(meta?.['conversation_id'], null),
      turn: isTurn(turn) ? turn : null,
      startedAt: stringOr(meta?.['created_at'], null),
      byteLength: stats.size,
      problem: problem ?? (turn === null || isTurn(turn) ? null : 'names a turn that can not have been'),
    };
  }

  /** What is wrong with a file before it is opened: a pipe would be waited for, and a link leads anywhere. */
  #problemOf(turnId: string, stats: Stats): string | null {
    const { uid } = this.#options;
    if (!/^[0-9a-z]{1,64}$/.test(turnId)) return 'has no name that cllm gives';
    if (stats.isSymbolicLink()) return 'is a symbolic link';
    if (!stats.isFile()) return 'is not a regular file';
    return uid === null || stats.uid === uid ? null : `belongs to another user (uid ${stats.uid})`;
  }

  #stateOf(identity: ProcessIdentity): ProcessState {
    return (this.#options.stateOf ?? processState)(identity, this.#options.identity);
  }

  #now(): Date {
    return this.#options.now?.() ?? new Date();
  }
}

/** The recording of one turn in flight. */
export class JournalWriter extends RecordingWriter {
  /** The reply is in the history: the file is of no use any more. One that can not be removed is noticed as such later. */
  discard(): void {
    this.close();
    try {
      removeFile(this.file);
    } catch {
      // Nothing is lost, so nothing is said.
    }
  }
}

function metaOf(file: string): Record<string, unknown> | null {
  try {
    return readRecordingMeta(file);
  } catch (error) {
    // Torn in its very first line, or gone; the caller has just seen it.
    if (error instanceof CllmError) return null;
    throw error;
  }
}

function isTurn(value: unknown): value is NonNullable<JournaledTurn['turn']> {
  if (!isJsonObject(value)) return false;
  const { name = null, system = null, messages, model, request = null } = value;
  return (
    (name === null || typeof name === 'string') &&
    (system === null || typeof system === 'string') &&
    typeof model === 'string' &&
    (request === null || isJsonObject(request)) &&
    Array.isArray(messages) &&
    messages.every((message) => isJsonObject(message) && typeof message['role'] === 'string')
  );
}

function identityOf(meta: Record<string, unknown> | null): ProcessIdentity | null {
  const { pid, process_started_at: startedAt, realm } = meta ?? {};
  return typeof pid === 'number' && typeof startedAt === 'string' && typeof realm === 'string'
    ? { pid, startedAt, realm }
    : null;
}

function stringOr<Other>(value: unknown, other: Other): string | Other {
  return typeof value === 'string' ? value : other;
}

function removeFile(file: string): void {
  try {
    unlinkSync(file);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
}
