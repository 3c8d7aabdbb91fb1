import { UsageError } from '../../errors.ts';
import type { ConversationSummary } from '../../history/history.ts';
import type { Command } from '../command.ts';
import type { Context } from '../context.ts';
import { isSet, numberFlag, textFlag } from '../flag-values.ts';
import type { Flags } from '../flags.ts';
import { isAgreed } from '../question.ts';
import { conversationJson, conversationText } from '../render/conversation.ts';
import { styled } from '../render/style.ts';
import { table } from '../render/table.ts';
import { terminalSafe } from '../render/terminal-safe.ts';

const reference = {
  type: 'string',
  describe: 'a name, an id, or the beginning of an id; default the latest',
} as const;
const json = { json: { type: 'boolean', describe: 'as JSON' } } as const;
const yes = { yes: { type: 'boolean', alias: 'y', describe: 'do not ask' } } as const;
const limit = { limit: { type: 'string', alias: 'n', requiresArg: true, describe: 'how many at most' } } as const;

async function named(flags: Flags, context: Context): Promise<ConversationSummary> {
  const history = await context.history();
  const given = textFlag(flags, 'name');
  const found = given === undefined ? history.latest() : history.find(given);
  if (found === null) throw new UsageError('the history is empty', { hint: 'ask something first: cllm "hello"' });
  return found;
}

async function print({ io }: Context, text: string): Promise<null> {
  await io.stdout.write(text);
  return null;
}

function limitOf(flags: Flags): { limit?: number } {
  const most = numberFlag(flags, 'limit', { least: 1, isWhole: true });
  return most === undefined ? {} : { limit: most };
}

function nameOf(summary: ConversationSummary): string {
  return summary.name ?? summary.id;
}

/** Local time to the minute, for people; programs get what the history holds. */
function shownTime(context: Context, iso: string): string {
  if (!context.io.stdout.isTTY) return iso;
  const time = new Date(iso);
  const two = (number: number): string => String(number).padStart(2, '0');
  return `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())} ${two(time.getHours())}:${two(time.getMinutes())}`;
}

const list: Command = {
  usage: 'list',
  describe: 'the conversations, the latest first',
  configure: (parser) => parser.options({ ...limit, ...json }),
  async run(flags, context) {
    const conversations = (await context.history()).list(limitOf(flags));
    if (isSet(flags, 'json')) return print(context, `${JSON.stringify(conversations.map((each) => conversationJson(each)))}\n`);
    const rows = conversations.map((each) => [
      each.id,
      each.name,
      shownTime(context, each.updatedAt),
      each.turnCount,
      each.model,
      each.title,
    ]);
    return print(context, table(context.io.stdout, ['id', 'name', 'last turn', 'turns', 'model', 'title'], rows));
  },
};

const show: Command = {
  usage: 'show [name]',
  describe: 'a conversation with its turns',
  configure: (parser) =>
    parser
      .positional('name', reference)
      .options({ format: { type: 'string', requiresArg: true, choices: ['text', 'markdown', 'json'], describe: 'default text' } }),
  async run(flags, context) {
    const summary = await named(flags, context);
    const turns = (await context.history()).turns(summary.id);
    const format = textFlag(flags, 'format') ?? 'text';
    if (format === 'json') {
      return print(context, `${JSON.stringify(conversationJson(summary, turns))}\n`);
    }
    const text = conversationText(summary, turns, format === 'markdown');
    return print(context, context.io.stdout.isTTY ? terminalSafe(text) : text);
  },
};

const search: Command = {
  usage: 'search <query..>',
  describe: 'turns whose prompt or reply has every word; "two words" together',
  configure: (parser) => parser.positional('query', { type: 'string', array: true, describe: 'words' }).options({ ...limit, ...json }),
  async run(flags, context) {
    const { stdout } = context.io;
    const hits = (await context.history()).search((flags['query'] as string[]).join(' '), limitOf(flags));
    if (isSet(flags, 'json')) return print(context, `${JSON.stringify(hits)}\n`);
    const rows = hits.map((hit) => [
      hit.conversationId,
      hit.name,
      hit.seq,
      hit.excerpt.map((piece) => piece.text).join(''),
    ]);
    return print(context, table(stdout, ['id', 'name', 'turn', 'text'], rows));
  },
};

const rename: Command = {
  usage: 'rename <name> <new>',
  describe: 'give a conversation a name',
  configure: (parser) => parser.positional('name', reference).positional('new', { type: 'string', describe: 'its new name' }),
  async run(flags, context) {
    (await context.history()).rename(textFlag(flags, 'name') ?? '', textFlag(flags, 'new') ?? '');
    return null;
  },
};

const fork: Command = {
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

const remove: Command = {
  usage: 'delete <name..>',
  describe: 'delete conversations; asks on a terminal, wants --yes elsewhere',
  configure: (parser) => parser.positional('name', { ...reference, array: true }).options(yes),
  async run(flags, context) {
    const history = await context.history();
    const found = (flags['name'] as string[]).map((each) => history.find(each));
    const titles = found.map((each) => `${nameOf(each)} (${each.title})`).join(', ');
    if (!(await isAgreed(`delete ${titles}?`, isSet(flags, 'yes'), context.io))) return null;
    for (const each of found) await forget(context, history.delete(each.id).turnIds);
    return null;
  },
};

const prune: Command = {
  usage: 'prune',
  describe: 'delete conversations that were not used for a time',
  configure: (parser) =>
    parser.options({ ...yes, 'older-than': { type: 'string', requiresArg: true, demandOption: true, describe: 'e.g. 30d, 12w, 1y' } }),
  async run(flags, context) {
    const before = ageLimit(textFlag(flags, 'older-than') ?? '', new Date());
    const history = await context.history();
    const old = history.list().filter((each) => each.updatedAt < before.toISOString());
    if (old.length === 0) {
      context.remark('no conversation is that old');
      return null;
    }
    if (!(await isAgreed(`delete ${old.length} conversations last used before ${before.toISOString().slice(0, 10)}?`, isSet(flags, 'yes'), context.io))) return null;
    const { conversations, turnIds } = history.prune(before);
    await forget(context, turnIds);
    context.remark(`${conversations.length} conversations deleted`);
    return null;
  },
};

const path: Command = {
  usage: 'path',
  describe: 'where the history is',
  run: async (_flags, context) => print(context, `${styled(context.io.stdout, 'bold', context.paths.historyFile)}\n`),
};

/** What was deleted must not come back from the journal of an unfinished turn. */
async function forget(context: Context, turnIds: readonly string[]): Promise<void> {
  const { journal } = await context.store();
  for (const turnId of turnIds) journal?.remove(turnId);
}

function ageLimit(age: string, now: Date): Date {
  const [, count, unit] = /^(\d+)\s*(d|w|m|y)$/.exec(age) ?? [];
  if (count === undefined || unit === undefined) {
    throw new UsageError(`--older-than ${age} is no age`, { hint: 'for example 30d (days), 12w (weeks), 6m (months) or 1y (years)' });
  }
  const days = { d: 1, w: 7, m: 30, y: 365 }[unit as 'd' | 'w' | 'm' | 'y'];
  return new Date(now.getTime() - Number(count) * days * 86_400_000);
}

export const historyCommand: Command = {
  usage: 'history',
  describe: 'list, show, search, rename, fork, delete, prune conversations',
  subcommands: [list, show, search, rename, fork, remove, prune, path],
};
