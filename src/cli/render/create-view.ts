import type { Settings } from '../../config/settings.ts';
import type { Context } from '../context.ts';
import { isSet, textFlag } from '../flag-values.ts';
import type { Flags } from '../flags.ts';
import type { Io, Output } from '../io.ts';
import { EventsView, JsonView } from './json.ts';
import { TextView } from './text.ts';
import type { View } from './view.ts';

export const outputFormats = ['text', 'json', 'stream-json'] as const;
type Render = Settings['render']['value'];
export type OutputFormat = (typeof outputFormats)[number];

/** The view that the flags and the settings ask for. */
export function createView(
  flags: Flags,
  { io, paths }: Pick<Context, 'io' | 'paths'>,
  options: { isHeldBack: boolean; baseUrl: string; model?: string | null; render: Render },
): View {
  const format = textFlag(flags, 'output-format') ?? 'text';
  if (format !== 'text') return programView(format === 'json' ? 'json' : 'stream-json', io, options);
  const reasoning = textFlag(flags, 'reasoning');
  return new TextView(io, {
    isReasoningShown: reasoning === undefined ? io.stdout.isTTY && io.stderr.isTTY : reasoning === 'show',
    isQuiet: isSet(flags, 'quiet'),
    isHeldBack: options.isHeldBack,
    isMarkdown: isMarkdown(options.render, io.stdout, options.isHeldBack),
    // Somebody who tries cllm out should see that a turn is a thing on their disk.
    keptIn: isSet(flags, 'demo') ? paths.historyFile : null,
  });
}

/** By itself for people only, and what has to match a schema is data. */
function isMarkdown(render: Render, stdout: Output, isData: boolean): boolean {
  return render === 'markdown' || (render === 'auto' && stdout.isTTY && stdout.isStyled && !isData);
}

/** A view for programs. What is not known before a turn begins stays null. */
export function programView(
  format: Exclude<OutputFormat, 'text'>,
  io: Pick<Io, 'stdout' | 'now'>,
  { model = null, baseUrl = null }: { model?: string | null; baseUrl?: string | null } = {},
): View {
  const options = { stdout: io.stdout, model, baseUrl, timestamp: () => new Date().toISOString(), now: () => io.now() };
  return format === 'json' ? new JsonView(options) : new EventsView(options);
}
