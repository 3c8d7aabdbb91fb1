import { receiptToJson } from '../client/receipt.ts';
import type { TurnEnd, TurnPlace, UnsavedTurn } from '../history/history.ts';
import type { UnfinishedTurn } from '../journal/journal.ts';
import { isRecordingBegun, readRecording, type Recording } from '../journal/recording.ts';
import { type Reply, ReplyReader } from '../protocol/reply-reader.ts';
import type { StreamEnd } from '../protocol/verdict.ts';
import { recordedReceipt, type RecordedTimes } from './recorded-receipt.ts';
import { RecordedReply } from './recorded-reply.ts';

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

/**
 * The bytes of a recording, through the same pipeline as when they came. Without its end the verdict is `interrupted`,
 * unless the bytes themselves say more (`[DONE]`, an error frame).
 */
export function recoverReply(recording: Recording): Reply & RecordedTimes {
  const recorded = new RecordedReply(recording);
  recorded.takeAll();
  return { ...recorded.finish(recording.end ?? stopped).reply, ...recorded.times };
}

/**
 * Puts a turn that a process left behind into the history. Remove its journal afterwards: in this order a crash in
 * between costs nothing.
 *
 * @throws CllmError `history_unusable` when the history can not be written; the journal is still there then.
 */
export function recoverTurn(unfinished: UnfinishedTurn, history: TurnStore): RecoveredTurn {
  const { conversationId, turnId, turn } = unfinished;
  // Killed while it wrote the first line: nothing had come, and the turn ends with that.
  const recording = isRecordingBegun(unfinished.file) ? readRecording(unfinished.file) : null;
  const reply = recording === null ? nothing() : recoverReply(recording);
  const { completion, verdict, error } = reply;
  const receipt = recording && recordedReceipt(recording, reply, turn?.model ?? completion?.model ?? 'unknown', reply);
  const place = history.restoreTurn(
    { conversationId, turnId, turn },
    {
      completion,
      verdict,
      error: error && { code: error.code, message: error.message },
      receipt: receipt && receiptToJson(receipt),
    },
  );
  return { ...place, completion, verdict };
}

function nothing(): Reply & RecordedTimes {
  const { reply } = new ReplyReader({ status: 200, contentType: null }).finish(stopped);
  return { ...reply, firstContentAtMs: null, lastReadAtMs: null };
}
