import type { Settings } from '../../config/settings.ts';
import type { TemplateObject } from '../../conversation/result-object.ts';
import type { Values } from '../flags/flag.ts';
import type { OutputFormat, viewFlags } from '../flags/flags.ts';
import type { Io } from '../io.ts';
import type { Output } from '../../terminal/output.ts';
import { EventsView, JsonView } from './json.ts';
import { TextView } from './text.ts';
import type { View } from './view.ts';

type Render = Settings['render']['value'];

export interface ViewOptions {
  /** Whether the reply is shown only once it is whole, since it has to match a schema. */
  isHeldBack: boolean;
  baseUrl: string;
  model?: string | null;
  render: Render;
  /** Null: at a terminal alone. */
  reasoning: Settings['reasoning']['value'];
  /** The history, for somebody who tries cllm out: they should see that a turn is a thing on their disk. */
  keptIn?: string | null;
  /** What the prompt is made from. */
  template?: TemplateObject | null;
  /** Tools: calls and results whole. */
  isVerbose?: boolean;
}

/** The view that the flags and the settings ask for. */
export function createView(
  { outputFormat: format = 'text', quiet }: Pick<Values<typeof viewFlags>, 'outputFormat' | 'quiet'>,
  io: Io,
  options: ViewOptions,
): View {
  if (format !== 'text') return programView(format, io, options);
  return new TextView(io, {
    isReasoningShown: options.reasoning === null ? io.stdout.isTTY && io.stderr.isTTY : options.reasoning === 'show',
    isQuiet: quiet,
    isHeldBack: options.isHeldBack,
    isMarkdown: isMarkdown(options.render, io.stdout, options.isHeldBack),
    isVerbose: options.isVerbose ?? false,
    keptIn: options.keptIn ?? null,
  });
}

/** By itself for people only, and what has to match a schema is data. */
export function isMarkdown(render: Render, stdout: Output, isData: boolean): boolean {
  return render === 'markdown' || (render === 'auto' && stdout.isTTY && stdout.isStyled && !isData);
}

/** A view for programs. What is not known before a turn begins stays null. */
export function programView(
  format: Exclude<OutputFormat, 'text'>,
  io: Pick<Io, 'stdout' | 'now'>,
  {
    model = null,
    baseUrl = null,
    template = null,
  }: Pick<ViewOptions, 'model' | 'template'> & { baseUrl?: string | null } = {},
): View {
  const options = {
    stdout: io.stdout,
    model,
    baseUrl,
    template,
    timestamp: () => new Date().toISOString(),
    now: () => io.now(),
  };
  return format === 'json' ? new JsonView(options) : new EventsView(options);
}
