import { statSync } from 'node:fs';
import path from 'node:path';
import { CllmError, InterruptedError, UsageError } from '../../../outcome/errors.ts';
import { readRecording } from '../../../journal/recording.ts';
import { judgement } from '../../../outcome/exits.ts';
import { replay } from '../../../conversation/replay.ts';
import type { Context } from '../../context.ts';
import type { Values } from '../../flags/flag.ts';
import type { replayFlags } from './command.ts';
import { createView } from '../../views/create-view.ts';

/** A recording through the pipeline, as it came or faster. */
export async function runReplay(
  values: Values<typeof replayFlags> & { readonly recording: string },
  context: Context,
): Promise<CllmError | null> {
  const { io } = context;
  const file = path.resolve(io.cwd, values.recording);
  // Opening a pipe would hold the program until somebody writes to it; a recording is read twice, which a pipe can not be.
  if (statSync(file, { throwIfNoEntry: false })?.isFIFO())
    throw new UsageError(`${file} is not a regular file`, {
      code: 'input_invalid',
      hint: 'write it to a file first',
    });
  const recording = readRecording(file);
  const { render, reasoning } = await context.settings();
  const view = createView(values, context.io, {
    isHeldBack: false,
    baseUrl: recording.head?.url ?? '',
    render: render.value,
    reasoning: reasoning.value,
  });
  const result = await replay(recording, {
    speed: values.speed === undefined ? 1 : values.speed,
    observer: view,
    signal: io.signal,
  });
  const judged = judgement([result.error && replayed(result.error, io.signal)], {
    isShortAllowed: values.allowShort,
  });
  await view.end({ ...result, ...judged });
  return judged.decisive;
}

/** A replay is no turn, so there is nothing to go on from. */
function replayed(error: CllmError, { aborted: isStopped }: AbortSignal): CllmError {
  const { message, cause, isRetryable, completion } = error;
  const hint = isStopped ? 'replay it again' : 'this is as far as the recording goes: ask again for a whole reply';
  const options = { cause, isRetryable, completion, hint };
  if (error instanceof InterruptedError) return new InterruptedError(error.signal, message, options);
  return error.code === 'stream_cut' && error.hint === undefined ? new CllmError(error.code, message, options) : error;
}
