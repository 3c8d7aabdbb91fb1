import type { Options } from 'yargs';
import { settingNames } from '../config/validation.ts';
import type { Command, CommandEntry } from './command.ts';
import type { Context } from './context.ts';
import { declaredFlags } from './declared-flags.ts';
import { rememberedModels } from './model-names.ts';

/** A word that fits, and what it is. */
export interface Candidate {
  word: string;
  about: string;
}

/** The words that fit, or that a file's name does. */
export type Candidates = readonly Candidate[] | 'files';

const fileFlags = new Set([
  'file',
  'tools',
  'output-last-message',
  'output-schema',
  'record',
  'cacert',
  'cert',
  'cert-key',
  'api-key-file',
  'output',
]);
/** Commands that take a conversation, by their name below `history`. */
const conversationCommands = new Set(['show', 'rename', 'fork', 'delete', 'export']);
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
  context: Context,
): Promise<Candidates> {
  const before = words.slice(0, -1);
  const partial = words.at(-1) ?? '';
  if (before.includes('--')) return [];
  const entry = commands.find(({ usage }) => nameOf(usage) === before[0]);
  const group = entry === undefined ? ask : await entry.load();
  const subcommand = subcommandOf(before, group);
  const flags = declaredFlags(subcommand ?? group);
  const path = [before[0] ?? '', ...(subcommand === undefined ? [] : [nameOf(subcommand.usage)])];

  const flag = flagOf(before.at(-1) ?? '', flags);
  if (flag !== null) return fitting(await flagValues(flag[0], flag[1], context), partial);
  if (partial.startsWith('-')) return fitting(flagWords(flags), partial);
  if (before.length === 0) {
    const names = commands.map(({ usage, describe }) => ({ word: nameOf(usage), about: describe }));
    return fitting([{ word: 'ask', about: ask.describe }, ...names], partial);
  }
  if (group.subcommands !== undefined && subcommand === undefined) {
    return fitting(
      group.subcommands.map(({ usage, describe }) => ({ word: nameOf(usage), about: describe })),
      partial,
    );
  }
  return fitting(await operands(path, context), partial);
}

async function operands([command, subcommand]: readonly string[], context: Context): Promise<Candidates> {
  if (command === 'history' && conversationCommands.has(subcommand ?? '')) return conversations(context);
  if (command === 'history' && subcommand === 'import') return 'files';
  if (command === 'config' && (subcommand === 'trust' || subcommand === 'untrust')) return 'files';
  if (command === 'config') return settingNames.map((word) => ({ word, about: 'setting' }));
  if (command === 'completion') return ['bash', 'zsh', 'fish'].map((word) => ({ word, about: 'shell' }));
  if (command === 'replay' || command === 'batch') return 'files';
  return [];
}

async function flagValues(name: string, { choices }: Options, context: Context): Promise<Candidates> {
  if (choices !== undefined) return [...choices].map((choice) => ({ word: String(choice), about: '' }));
  if (name === 'conversation') return conversations(context);
  if (name === 'model') return models(context);
  if (name === 'profile') return (await context.settings()).profiles.map((word) => ({ word, about: 'profile' }));
  return fileFlags.has(name) ? 'files' : [];
}

async function conversations(context: Context): Promise<Candidate[]> {
  const list = (await context.history()).list({ limit: mostConversations });
  return list.map(({ name, id, title }) => ({ word: name ?? id, about: title }));
}

async function models(context: Context): Promise<Candidate[]> {
  const remembered = rememberedModels(context);
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

function flagWords(flags: Readonly<Record<string, Options>>): Candidate[] {
  return Object.entries(flags).flatMap(([name, { describe, type }]) => [
    { word: `--${name}`, about: describe ?? '' },
    ...(type === 'boolean' && /--no-/.test(describe ?? '') ? [{ word: `--no-${name}`, about: '' }] : []),
  ]);
}

/** The first word after the group that is no value of a flag: a value may be called like a subcommand. */
function subcommandOf(before: readonly string[], { subcommands = [] }: Command): Command | undefined {
  const flags = Object.assign({}, ...subcommands.map(declaredFlags)) as Readonly<Record<string, Options>>;
  const word = before.slice(1).find((each, at) => !each.startsWith('-') && flagOf(before[at] ?? '', flags) === null);
  return subcommands.find(({ usage }) => nameOf(usage) === word);
}

/** The flag whose value comes next. */
function flagOf(word: string, flags: Readonly<Record<string, Options>>): [string, Options] | null {
  if (!word.startsWith('-') || word.includes('=')) return null;
  const name = word.replace(/^--?/, '');
  const found = Object.entries(flags).find(([each, { alias }]) => each === name || alias === name);
  return found === undefined || found[1].type === 'boolean' ? null : found;
}

function fitting(candidates: Candidates, partial: string): Candidates {
  return candidates === 'files' ? candidates : candidates.filter(({ word }) => word.startsWith(partial));
}

function nameOf(usage: string): string {
  return usage.split(' ')[0] ?? usage;
}
