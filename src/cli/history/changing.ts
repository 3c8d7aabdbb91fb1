import { UsageError } from '../../errors.ts';
import type { ConversationSummary } from '../../history/history.ts';
import type { Command } from '../command.ts';
import type { Context } from '../context.ts';
import { isSet, numberFlag, textFlag } from '../flag-values.ts';
import { isAgreed } from '../question.ts';
import { print, reference, yes } from './common.ts';

export const rename: Command = {
  usage: 'rename <name> <new>',
  describe: 'give a conversation a name',
  configure: (parser) =>
    parser.positional('name', reference).positional('new', { type: 'string', describe: 'its new name' }),
  async run(flags, context) {
    (await context.history()).rename(textFlag(flags, 'name') ?? '', textFlag(flags, 'new') ?? '');
    return null;
  },
};

export const fork: Command = {
  usage: 'fork <name>',
  describe: 'a new conversation that shares the turns so far',
  configure: (parser) =>
    parser.positional('name', reference).options({
      at: { type: 'string', requiresArg: true, describe: 'share the turns up to this one' },
      as: { type: 'string', requiresArg: true, describe: 'its name' },
    }),
  async run(flags, context) {
    const atSeq = numberFlag(flags, 'at', { least: 1, isWhole: true });
    const forked = (await context.history()).fork(textFlag(flags, 'name') ?? '', {
      name: textFlag(flags, 'as') ?? null,
      ...(atSeq !== undefined && { atSeq }),
    });
    return print(context, `${forked.id}\n`);
  },
};

export const remove: Command = {
  usage: 'delete <name..>',
  describe: 'delete conversations; asks on a terminal, wants --yes elsewhere',
  configure: (parser) => parser.positional('name', { ...reference, array: true }).options(yes),
  async run(flags, context) {
    const history = await context.history();
    // Two names for one, its name and its id say, are one to delete.
    const named = (flags['name'] as string[]).map((each) => history.find(each));
    const found = [...new Map(named.map((each) => [each.id, each])).values()];
    const titles = found.map((each) => `${nameOf(each)} (${each.title})`).join(', ');
    if (!(await isAgreed(`delete ${titles}?`, isSet(flags, 'yes'), context.io))) return null;
    for (const each of found) await forget(context, history.delete(each.id).turnIds);
    return null;
  },
};

export const prune: Command = {
  usage: 'prune',
  describe: 'delete conversations that were not used for a time',
  configure: (parser) =>
    parser.options({
      ...yes,
      'older-than': { type: 'string', requiresArg: true, demandOption: true, describe: 'e.g. 30d, 12w, 1y' },
    }),
  async run(flags, context) {
    const before = ageLimit(textFlag(flags, 'older-than') ?? '', new Date());
    const history = await context.history();
    const old = history.list().filter((each) => each.updatedAt < before.toISOString());
    if (old.length === 0) {
      context.remark('no conversation is that old');
      return null;
    }
    if (
      !(await isAgreed(
        `delete ${old.length} conversations last used before ${before.toISOString().slice(0, 10)}?`,
        isSet(flags, 'yes'),
        context.io,
      ))
    )
      return null;
    const { conversations, turnIds } = history.prune(before);
    await forget(context, turnIds);
    context.remark(`${conversations.length} conversations deleted`);
    return null;
  },
};

function nameOf(summary: ConversationSummary): string {
  return summary.name ?? summary.id;
}

/** What was deleted must not come back from the journal of an unfinished turn. */
async function forget(context: Context, turnIds: readonly string[]): Promise<void> {
  const { journal } = await context.store();
  for (const turnId of turnIds) journal?.remove(turnId);
}

function ageLimit(age: string, now: Date): Date {
  const [, count, unit] = /^(\d+)\s*(d|w|m|y)$/.exec(age) ?? [];
  if (count === undefined || unit === undefined) {
    throw new UsageError(`--older-than ${age} is no age`, {
      hint: 'for example 30d (days), 12w (weeks), 6m (months) or 1y (years)',
    });
  }
  const days = { d: 1, w: 7, m: 30, y: 365 }[unit as 'd' | 'w' | 'm' | 'y'];
  return new Date(now.getTime() - Number(count) * days * 86_400_000);
}
