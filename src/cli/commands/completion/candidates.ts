import { settingNames } from '../../../config/validation.ts';
import type { Command, CommandEntry } from '../../command.ts';
import type { Context } from '../../context.ts';
import { shells } from './script.ts';
import type { Completion, Flag, Flags } from '../../flags/flag.ts';
import { rememberedModels } from '../../asking/model-names.ts';

/** A word that fits, and what it is. */
export interface Candidate {
  word: string;
  about: string;
}

/** The words that fit, or that a file's name does. */
export type Candidates = readonly Candidate[] | 'files';

/** Where values come from. */
export type CompletionContext = Pick<Context, 'io' | 'paths' | 'settings' | 'history'>;

const mostConversations = 50;

/**
 * What a shell offers for the last of the words. Never asks the network: models are those that the proxy last named and
 * those of the history.
 *
 * @param words of the command line after `cllm`, the last one unfinished
 */
export async function completionCandidates(
  words: readonly string[],
  commands: readonly CommandEntry[],
  ask: Command,
  context: CompletionContext,
): Promise<Candidates> {
  const before = words.slice(0, -1);
  const partial = words.at(-1) ?? '';
  if (before.includes('--')) return [];
  const entry = commands.find(({ usage }) => nameOf(usage) === before[0]);
  const group = entry === undefined ? ask : await entry.load();
  const subcommand = subcommandOf(before, group);
  const { flags, words: operands } = subcommand ?? group;

  const flag = flagOf(before.at(-1) ?? '', flags);
  if (flag !== null) return fitting(await valuesOf(flag, context), partial);
  if (partial.startsWith('-')) return fitting(flagWords(flags), partial);
  if (before.length === 0) {
    const names = commands.map(({ usage, describe }) => ({ word: nameOf(usage), about: describe }));
    return fitting([{ word: 'ask', about: ask.describe }, ...names], partial);
  }
  if (group.subcommands.length > 0 && subcommand === undefined) {
    const names = fitting(
      group.subcommands.map(({ usage, describe }) => ({ word: nameOf(usage), about: describe })),
      partial,
    );
    // A command that does something by itself takes other words in this place as well.
    if (group.run === null || (partial !== '' && names.length > 0)) return names;
  }
  const [operand] = Object.values(operands);
  return operand === undefined ? [] : fitting(await valuesOf(operand, context), partial);
}

async function valuesOf(
  { choices, completes }: Pick<Flag<unknown>, 'choices' | 'completes'>,
  context: CompletionContext,
): Promise<Candidates> {
  if (choices !== null) return choices.map((word) => ({ word, about: '' }));
  return completes === null ? [] : sources[completes](context);
}

const sources: Readonly<Record<Completion, (context: CompletionContext) => Candidates | Promise<Candidates>>> = {
  files: () => 'files',
  conversations,
  models,
  profiles: async ({ settings }) => (await settings()).profiles.map((word) => ({ word, about: 'profile' })),
  settings: () => settingNames.map((word) => ({ word, about: 'setting' })),
  templates,
  variables,
  shells: () => shells.map((word) => ({ word, about: 'shell' })),
};

async function templates({ io, paths }: CompletionContext): Promise<Candidate[]> {
  const { templateNames } = await import('../../asking/template.ts');
  return templateNames({ io, paths }).map((word) => ({ word, about: 'template' }));
}

/** Of all templates: which one is meant may stand later on the command line. */
async function variables({ io, paths }: CompletionContext): Promise<Candidate[]> {
  const { variableNames } = await import('../../asking/template.ts');
  return variableNames({ io, paths }).map(({ name, about }) => ({ word: `${name}=`, about }));
}

async function conversations(context: CompletionContext): Promise<Candidate[]> {
  const list = (await context.history()).list({ limit: mostConversations });
  return list.map(({ name, id, title }) => ({ word: name ?? id, about: title }));
}

async function models(context: CompletionContext): Promise<Candidate[]> {
  const remembered = rememberedModels({ paths: context.paths, uid: context.io.uid });
  const used = (
    await context.history().then(
      (history) => history.list({ limit: mostConversations }),
      () => [],
    )
  )
    .map(({ model }) => model)
    .filter((model) => model !== null);
  return [...new Set([...remembered, ...used])].map((word) => ({ word, about: 'model' }));
}

function flagWords(flags: Flags): Candidate[] {
  return Object.entries(flags).flatMap(([name, { describe, isOnByDefault }]) => [
    { word: `--${name}`, about: describe },
    ...(isOnByDefault ? [{ word: `--no-${name}`, about: '' }] : []),
  ]);
}

/** The first word after the group that is no value of a flag: a value may be called like a subcommand. */
function subcommandOf(before: readonly string[], { subcommands, flags: own }: Command): Command | undefined {
  const flags: Flags = Object.assign({}, own, ...subcommands.map((each) => each.flags));
  const word = before.slice(1).find((each, at) => !each.startsWith('-') && flagOf(before[at] ?? '', flags) === null);
  return subcommands.find(({ usage }) => nameOf(usage) === word);
}

/** The flag whose value comes next. */
function flagOf(word: string, flags: Flags): Flag<unknown> | null {
  if (!word.startsWith('-') || word.includes('=')) return null;
  const name = word.replace(/^--?/, '');
  const [, found] = Object.entries(flags).find(([each, { alias }]) => each === name || alias === name) ?? [];
  return found === undefined || found.kind === 'toggle' ? null : found;
}

function fitting(candidates: Candidates, partial: string): Candidates {
  return candidates === 'files' ? candidates : candidates.filter(({ word }) => word.startsWith(partial));
}

function nameOf(usage: string): string {
  return usage.split(' ')[0] ?? usage;
}
