import { receiptToJson } from '../client/receipt.ts';
import { CllmError } from '../outcome/errors.ts';
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

/** Nothing can be made of a journal; the message says why, and nothing of what is in it. */
export class UnreadableJournal extends Error {
  override readonly name = 'UnreadableJournal';
}

/**
 * Puts a turn that a process left behind into the history. Remove its journal afterwards: in this order a crash in
 * between costs nothing.
 *
 * @throws CllmError when the history can not be written; the journal is still there then.
 * @throws UnreadableJournal
 */
export function recoverTurn(unfinished: UnfinishedTurn, history: TurnStore): RecoveredTurn {
  const { conversationId, turnId, turn, problem } = unfinished;
  if (problem !== null) throw new UnreadableJournal(problem);
  const { reply, recording } = readJournal(unfinished);
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

function readJournal({ file }: UnfinishedTurn): { reply: Reply & RecordedTimes; recording: Recording | null } {
  try {
    // Killed while it wrote the first line: nothing had come, and the turn ends with that.
    const recording = isRecordingBegun(file) ? readRecording(file) : null;
    return { reply: recording === null ? nothing() : recoverReply(recording), recording };
  } catch (error) {
    const reason = error instanceof CllmError ? error.message.replace(`${file} `, '') : 'holds what no reply has';
    throw new UnreadableJournal(reason, { cause: error });
  }
}

function nothing(): Reply & RecordedTimes {
  const { reply } = new ReplyReader({ status: 200, contentType: null }).finish(stopped);
  return { ...reply, firstContentAtMs: null, lastReadAtMs: null };
}
