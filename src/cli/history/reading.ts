import { conversationMarkdown } from '../../history/markdown.ts';
import type { Command } from '../command.ts';
import type { Context } from '../context.ts';
import { isSet, numberFlag, textFlag } from '../flag-values.ts';
import type { Flags } from '../flags.ts';
import { conversationJson, conversationText } from '../render/conversation.ts';
import { table } from '../render/table.ts';
import { jsonLine } from '../render/terminal-safe.ts';
import { assertWhole, json, named, print, reference } from './common.ts';

const limit = { limit: { type: 'string', alias: 'n', requiresArg: true, describe: 'how many at most' } } as const;

export const list: Command = {
  usage: 'list',
  describe: 'the conversations, the latest first',
  configure: (parser) => parser.options({ ...limit, ...json }),
  async run(flags, context) {
    const conversations = (await context.history()).list(limitOf(flags));
    if (isSet(flags, 'json')) return print(context, jsonLine(conversations.map((each) => conversationJson(each))));
    const rows = conversations.map((each) => [
      each.id,
      each.name,
      shownTime(context, each.updatedAt),
      each.turnCount,
      each.model,
      each.title,
    ]);
    if (rows.length === 0) context.remark('the history is empty');
    const heading = ['id', 'name', 'last turn', 'turns', 'model', 'title'];
    return print(context, table(context.io.stdout, heading, rows, { isTextLast: true }));
  },
};

export const show: Command = {
  usage: 'show [name]',
  describe: 'a conversation with its turns',
  configure: (parser) =>
    parser.positional('name', reference).options({
      format: { type: 'string', requiresArg: true, choices: ['text', 'markdown', 'json'], describe: 'default text' },
    }),
  async run(flags, context) {
    const summary = await named(flags, context);
    const history = await context.history();
    const turns = history.turns(summary.id);
    const format = textFlag(flags, 'format') ?? 'text';
    if (format === 'json') {
      await print(context, jsonLine(conversationJson(summary, turns)));
    } else {
      await print(
        context,
        format === 'markdown' ? conversationMarkdown(summary, turns) : conversationText(summary, turns),
      );
    }
    assertWhole(history);
    return null;
  },
};

export const search: Command = {
  usage: 'search <query..>',
  describe: 'turns whose prompt or reply has every word; "two words" together',
  configure: (parser) =>
    parser.positional('query', { type: 'string', array: true, describe: 'words' }).options({ ...limit, ...json }),
  async run(flags, context) {
    const { stdout } = context.io;
    const hits = (await context.history()).search((flags['query'] as string[]).join(' '), limitOf(flags));
    if (isSet(flags, 'json')) return print(context, jsonLine(hits));
    const rows = hits.map((hit) => [
      hit.conversationId,
      hit.name,
      hit.seq,
      hit.excerpt.map((piece) => piece.text).join(''),
    ]);
    if (rows.length === 0) context.remark('no turn has that');
    return print(context, table(stdout, ['id', 'name', 'turn', 'text'], rows, { isTextLast: true }));
  },
};

export const path: Command = {
  usage: 'path',
  describe: 'where the history is',
  run: async (_flags, context) => print(context, `${context.paths.historyFile}\n`),
};

function limitOf(flags: Flags): { limit?: number } {
  const most = numberFlag(flags, 'limit', { least: 1, isWhole: true });
  return most === undefined ? {} : { limit: most };
}

/** Local time to the minute, for people; programs get what the history holds. */
function shownTime(context: Context, iso: string): string {
  if (!context.io.stdout.isTTY) return iso;
  const time = new Date(iso);
  const two = (number: number): string => String(number).padStart(2, '0');
  return `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())} ${two(time.getHours())}:${two(time.getMinutes())}`;
}
