import { UsageError } from '../../../outcome/errors.ts';
import type { ConversationSummary } from '../../../history/history.ts';
import { command } from '../../command.ts';
import type { Context } from '../../context.ts';
import { neededText, neededWord, number, text, wordList } from '../../flags/flag.ts';
import { isAgreed } from '../../input/question.ts';
import { print, reference, yes } from './common.ts';

export const rename = command({
  usage: 'rename <name> <new>',
  describe: 'give a conversation a name',
  words: { name: neededWord(reference, 'conversations'), new: neededWord('its new name') },
  async run(values, context) {
    (await context.history()).rename(values.name, values.new);
    return null;
  },
});

export const fork = command({
  usage: 'fork <name>',
  describe: 'a new conversation that shares the turns so far',
  words: { name: neededWord(reference, 'conversations') },
  flags: {
    at: number('share the turns up to this one', { least: 1, isWhole: true }),
    as: text('its name'),
  },
  async run({ name, at, as }, context) {
    const forked = (await context.history()).fork(name, { name: as ?? null, ...(at !== undefined && { atSeq: at }) });
    return print(context.io.stdout, `${forked.id}\n`);
  },
});

export const remove = command({
  usage: 'delete <name..>',
  describe: 'delete conversations; asks on a terminal, wants --yes elsewhere',
  words: { name: wordList(reference, 'conversations') },
  flags: yes,
  async run(values, context) {
    const history = await context.history();
    // Two names for one, its name and its id say, are one to delete.
    const named = values.name.map((each) => history.find(each));
    const found = [...new Map(named.map((each) => [each.id, each])).values()];
    const titles = found.map((each) => `${nameOf(each)} (${each.title})`).join(', ');
    if (!(await isAgreed(`delete ${titles}?`, values.yes, context.io))) return null;
    for (const each of found) await forget(context.store, history.delete(each.id).turnIds);
    return null;
  },
});

export const prune = command({
  usage: 'prune',
  describe: 'delete conversations that were not used for a time',
  flags: { ...yes, 'older-than': neededText('e.g. 30d, 12w, 1y') },
  async run(values, context) {
    const before = ageLimit(values.olderThan, new Date());
    const history = await context.history();
    const old = history.list().filter((each) => each.updatedAt < before.toISOString());
    if (old.length === 0) {
      context.remark('no conversation is that old');
      return null;
    }
    if (
      !(await isAgreed(
        `delete ${old.length} conversations last used before ${before.toISOString().slice(0, 10)}?`,
        values.yes,
        context.io,
      ))
    )
      return null;
    const { conversations, turnIds } = history.prune(before);
    await forget(context.store, turnIds);
    context.remark(`${conversations.length} conversations deleted`);
    return null;
  },
});

function nameOf(summary: ConversationSummary): string {
  return summary.name ?? summary.id;
}

/** What was deleted must not come back from the journal of an unfinished turn. */
async function forget(store: Context['store'], turnIds: readonly string[]): Promise<void> {
  const { journal } = await store();
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
