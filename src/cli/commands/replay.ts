import { statSync } from 'node:fs';
import path from 'node:path';
import { CllmError, InterruptedError, UsageError } from '../../errors.ts';
import { readRecording } from '../../journal/recording.ts';
import { judgement } from '../../outcome.ts';
import { replay } from '../../conversation/replay.ts';
import type { Command } from '../command.ts';
import { isSet, textFlag } from '../flag-values.ts';
import { type Flags, viewFlags } from '../flags.ts';
import { createView } from '../render/create-view.ts';

const flagsOfReplay = {
  ...viewFlags,
  speed: { type: 'string', requiresArg: true, describe: 'times as fast, or max for no waiting (default 1)' },
} as const;

export const replayCommand: Command = {
  usage: 'replay <recording>',
  describe: 'a recording, offline, through the same pipeline',
  configure: (parser) =>
    parser.positional('recording', { type: 'string', describe: 'a file of --record' }).options(flagsOfReplay),
  async run(flags, context) {
    const { io } = context;
    const file = path.resolve(io.cwd, textFlag(flags, 'recording') ?? '');
    // Opening a pipe would hold the program until somebody writes to it; a recording is read twice, which a pipe can not be.
    if (statSync(file, { throwIfNoEntry: false })?.isFIFO())
      throw new UsageError(`${file} is not a regular file`, {
        code: 'input_invalid',
        hint: 'write it to a file first',
      });
    const recording = readRecording(file);
    const { render } = await context.settings();
    const view = createView(flags, context, {
      isHeldBack: false,
      baseUrl: recording.head?.url ?? '',
      render: render.value,
    });
    const result = await replay(recording, { speed: speedOf(flags), observer: view, signal: io.signal });
    const judged = judgement([result.error && replayed(result.error, io.signal)], {
      isShortAllowed: isSet(flags, 'allow-short'),
    });
    await view.end({ ...result, ...judged });
    return judged.decisive;
  },
};

/** A replay is no turn, so there is nothing to go on from. */
function replayed(error: CllmError, { aborted: isStopped }: AbortSignal): CllmError {
  const { message, cause, isRetryable, completion } = error;
  const hint = isStopped ? 'replay it again' : 'this is as far as the recording goes: ask again for a whole reply';
  const options = { cause, isRetryable, completion, hint };
  if (error instanceof InterruptedError) return new InterruptedError(error.signal, message, options);
  return error.code === 'stream_cut' && error.hint === undefined ? new CllmError(error.code, message, options) : error;
}

function speedOf(flags: Flags): number | null {
  const speed = textFlag(flags, 'speed') ?? '1';
  if (speed === 'max') return null;
  const number = Number(speed);
  if (!Number.isFinite(number) || number <= 0) {
    throw new UsageError(`--speed ${speed} is neither a number above 0 nor max`, {
      hint: 'for example --speed 4 or --speed max',
    });
  }
  return number;
}
