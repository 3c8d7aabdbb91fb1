import { UsageError } from '../../../outcome/errors.ts';
import { command } from '../../command.ts';
import { mapped, neededWord, text } from '../../flags/flag.ts';
import { viewFlags } from '../../flags/flags.ts';

export const replayFlags = {
  ...viewFlags,
  speed: mapped(text('times as fast, or max for no waiting (default 1)'), speedOf),
};

export const replayCommand = command({
  usage: 'replay <recording>',
  describe: 'a recording, offline, through the same pipeline',
  words: { recording: neededWord('a file of --record', 'files') },
  flags: replayFlags,
  async run(values, context) {
    const { runReplay } = await import('./run.ts');
    return runReplay(values, context);
  },
});

/** Null waits for nothing. */
function speedOf(speed: string): number | null {
  if (speed === 'max') return null;
  const number = Number(speed);
  if (!Number.isFinite(number) || number <= 0) {
    throw new UsageError(`--speed ${speed} is neither a number above 0 nor max`, {
      hint: 'for example --speed 4 or --speed max',
    });
  }
  return number;
}
