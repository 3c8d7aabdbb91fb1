import { conversationMarkdown } from '../../../history/markdown.ts';
import { command } from '../../command.ts';
import { choice, number, optionalWord, wordList } from '../../flags/flag.ts';
import { jsonFlag } from '../../flags/flags.ts';
import type { Output } from '../../../terminal/output.ts';
import { conversationJson, conversationText } from '../../views/conversation.ts';
import { table } from '../../views/table.ts';
import { jsonLine } from '../../../terminal/terminal-safe.ts';
import { assertWhole, named, print, reference } from './common.ts';

const limit = { limit: number('how many at most', { least: 1, isWhole: true, alias: 'n' }) };

export const list = command({
  usage: 'list',
  describe: 'the conversations, the latest first',
  flags: { ...limit, ...jsonFlag },
  async run({ limit: most, json }, context) {
    const { stdout } = context.io;
    const conversations = (await context.history()).list(limitOf(most));
    if (json) return print(stdout, jsonLine(conversations.map((each) => conversationJson(each))));
    const rows = conversations.map((each) => [
      each.id,
      each.name,
      shownTime(each.updatedAt, stdout),
      each.turnCount,
      each.model,
      each.title,
    ]);
    if (rows.length === 0) context.remark('the history is empty');
    const heading = ['id', 'name', 'last turn', 'turns', 'model', 'title'];
    return print(stdout, table(stdout, heading, rows, { isTextLast: true }));
  },
});

export const show = command({
  usage: 'show [name]',
  describe: 'a conversation with its turns',
  words: { name: optionalWord(reference, 'conversations') },
  flags: { format: choice('default text', ['text', 'markdown', 'json']) },
  async run({ name, format }, context) {
    const { stdout } = context.io;
    const history = await context.history();
    const summary = named(name, history);
    const turns = history.turns(summary.id);
    if (format === 'json') {
      await print(stdout, jsonLine(conversationJson(summary, turns)));
    } else {
      await print(
        stdout,
        format === 'markdown' ? conversationMarkdown(summary, turns) : conversationText(summary, turns),
      );
    }
    assertWhole(history);
    return null;
  },
});

export const search = command({
  usage: 'search <query..>',
  describe: 'turns whose prompt or reply has every word; "two words" together',
  words: { query: wordList('words') },
  flags: { ...limit, ...jsonFlag },
  async run({ query, limit: most, json }, context) {
    const { stdout } = context.io;
    const hits = (await context.history()).search(query.join(' '), limitOf(most));
    if (json) return print(stdout, jsonLine(hits));
    const rows = hits.map((hit) => [
      hit.conversationId,
      hit.name,
      hit.seq,
      hit.excerpt.map((piece) => piece.text).join(''),
    ]);
    if (rows.length === 0) context.remark('no turn has that');
    return print(stdout, table(stdout, ['id', 'name', 'turn', 'text'], rows, { isTextLast: true }));
  },
});

export const path = command({
  usage: 'path',
  describe: 'where the history is',
  run: async (_values, { io, paths }) => print(io.stdout, `${paths.historyFile}\n`),
});

function limitOf(most: number | undefined): { limit?: number } {
  return most === undefined ? {} : { limit: most };
}

/** Local time to the minute, for people; programs get what the history holds. */
function shownTime(iso: string, { isTTY }: Output): string {
  if (!isTTY) return iso;
  const time = new Date(iso);
  const two = (part: number): string => String(part).padStart(2, '0');
  return `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())} ${two(time.getHours())}:${two(time.getMinutes())}`;
}
