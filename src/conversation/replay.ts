import { setTimeout as wait } from 'node:timers/promises';
import { InterruptedError } from '../outcome/errors.ts';
import type { Recording } from '../journal/recording.ts';
import type { StreamEnd } from '../protocol/verdict.ts';
import { recordedReceipt } from './recorded-receipt.ts';
import { RecordedReply } from './recorded-reply.ts';
import type { TurnObserver, TurnResult } from './turn.ts';

export interface ReplayOptions {
  /** How many times as fast as it was recorded; null does not wait at all. */
  speed: number | null;
  observer: TurnObserver;
  signal: AbortSignal;
}

/**
 * Runs a recording through the pipeline of a live reply, at its own pace: the same chunks, the same fold, the same
 * verdict and error, faults included. Nothing is sent and nothing is kept.
 */
export async function replay(recording: Recording, { speed, observer, signal }: ReplayOptions): Promise<TurnResult> {
  const model = modelOf(recording);
  await observer.begin?.({ conversationId: null, model, partialReplies: 0 });
  const recorded = new RecordedReply(recording);
  const startedAt = performance.now();
  let isStopped = false;
  const pace = async (atMs: number): Promise<void> => {
    if (speed !== null) await wait(Math.max(0, atMs / speed - (performance.now() - startedAt)), undefined, { signal });
    else signal.throwIfAborted();
  };
  try {
    for (const read of recorded.reads()) {
      // Before it is taken: what a signal keeps from being shown is no part of the reply either.
      await pace(read.atMs);
      const arrival = recorded.take(read);
      if (!arrival.isEmpty) await observer.arrival?.(arrival);
    }
    if (recording.endedAtMs !== null && !recorded.isOver) await pace(recording.endedAtMs);
  } catch (error) {
    if (!signal.aborted) throw error;
    isStopped = true;
  }
  const { arrival, reply } = recorded.finish(isStopped ? endOfSignal(signal) : (recording.end ?? stopped));
  if (!arrival.isEmpty) await observer.arrival?.(arrival);
  return {
    conversationId: null,
    completion: reply.completion,
    verdict: reply.verdict,
    receipt: recordedReceipt(recording, reply, model, recorded.times),
    error: reply.error,
    unsaved: null,
  };
}

/** A recording of `--record` names the model itself, a journal the turn that it belongs to. */
function modelOf({ meta }: Recording): string {
  const { model, turn } = meta;
  const named = model ?? (turn as { model?: unknown } | null | undefined)?.model;
  return typeof named === 'string' ? named : 'unknown';
}

/** The process that recorded it was killed: nobody knows how the stream went on, so it is cut here. */
const stopped: StreamEnd = { type: 'lost', message: 'the recording stops here' };

function endOfSignal({ reason }: AbortSignal): StreamEnd {
  return { type: 'signal', signal: reason instanceof InterruptedError ? reason.signal : null };
}
