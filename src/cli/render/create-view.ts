import type { Context } from '../context.ts';
import { isSet, textFlag } from '../flag-values.ts';
import type { Flags } from '../flags.ts';
import { eventsView, jsonView } from './json.ts';
import { TextView } from './text.ts';
import type { View } from './view.ts';

/** The view that the flags ask for. */
export function createView(
  flags: Flags,
  { io }: Pick<Context, 'io'>,
  options: { isHeldBack: boolean; baseUrl: string },
): View {
  const clock = (): string => new Date().toISOString();
  switch (textFlag(flags, 'output-format')) {
    case 'json':
      return jsonView(io.stdout, clock);
    case 'stream-json':
      return eventsView(io.stdout, clock, options.baseUrl);
    default: {
      const reasoning = textFlag(flags, 'reasoning');
      return new TextView(io, {
        isReasoningShown: reasoning === undefined ? io.stdout.isTTY && io.stderr.isTTY : reasoning === 'show',
        isQuiet: isSet(flags, 'quiet'),
        isHeldBack: options.isHeldBack,
      });
    }
  }
}
