import type { TurnEnd, TurnPlace, UnsavedTurn } from '../history/history.ts';
import { type Reply, ReplyReader } from '../protocol/reply-reader.ts';
import type { StreamEnd } from '../protocol/verdict.ts';
import type { UnfinishedTurn } from './journal.ts';
import { isRecordingBegun, readRecording, type Recording } from './recording.ts';

/** What recovering needs of the history. */
export interface TurnStore {
  restoreTurn(unsaved: UnsavedTurn, end: TurnEnd): TurnPlace & { wasSaved: boolean };
}

export interface RecoveredTurn extends TurnPlace {
  /** Whether the history had the reply already: the process ended between its commit and the journal's removal. */
  wasSaved: boolean;
  completion: TurnEnd['completion'];
  verdict: TurnEnd['verdict'];
}

/** Whoever wrote this journal stopped as if a signal had come. */
const stopped: StreamEnd = { type: 'signal', signal: null };

function nothing(): Reply {
  return new ReplyReader({ status: 200, contentType: null }).finish(stopped).reply;
}

/**
 * The bytes of a recording, through the same pipeline as when they came. Without its end the verdict is `interrupted`,
 * unless the bytes themselves say more (`[DONE]`, an error frame).
 */
export function recoverReply(recording: Recording): Reply {
  const head = recording.head;
  const reader = new ReplyReader(
    { status: head?.status ?? 200, contentType: head?.headers['content-type'] ?? null },
    // What the limits of its own run let through is in the file, and no more.
    { maxReplyBytes: Number.MAX_SAFE_INTEGER, maxEventBytes: Number.MAX_SAFE_INTEGER },
  );
  for (const { bytes } of recording.reads()) {
    if (reader.isOver) break;
    reader.push(bytes);
  }
  return reader.finish(recording.end ?? stopped).reply;
}

/**
 * Puts a turn that a process left behind into the history. Remove its journal afterwards: in this order a crash in
 * between costs nothing.
 *
 * @throws CllmError `history_unusable` when the history can not be written; the journal is still there then.
 */
export function recoverTurn(unfinished: UnfinishedTurn, history: TurnStore): RecoveredTurn {
  // Killed while it wrote the first line: nothing had come, and the turn ends with that.
  const reply = isRecordingBegun(unfinished.file) ? recoverReply(readRecording(unfinished.file)) : nothing();
  const { completion, verdict } = reply;
  const place = history.restoreTurn(
    { conversationId: unfinished.conversationId, turnId: unfinished.turnId, turn: unfinished.turn },
    {
      completion,
      verdict,
      error: reply.error && { code: reply.error.code, message: reply.error.message },
      receipt: null,
    },
  );
  return { ...place, completion, verdict };
}
