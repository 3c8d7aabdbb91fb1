import { conversationMarkdown } from '../../../history/markdown.ts';
import { verdicts } from '../../../outcome/exits.ts';
import { command } from '../../command.ts';
import { choice, number, optionalWord, text, toggle, type Values, wordList } from '../../flags/flag.ts';
import { jsonFlag } from '../../flags/flags.ts';
import type { Output } from '../../../terminal/output.ts';
import type { ConversationSummary, ConversationTotals, TurnFilter } from '../../../history/history.ts';
import { formatUsd } from '../../../spending/usd.ts';
import { conversationJson, conversationText, listedConversationJson, totalsJson } from '../../views/conversation.ts';
import { type Cell, table } from '../../views/table.ts';
import { jsonLine } from '../../../terminal/terminal-safe.ts';
import { moment } from '../../flags/point-in-time.ts';
import { assertWhole, named, print, reference } from './common.ts';

const nothingKnown: ConversationTotals = { costUsd: null, inputTokens: null, outputTokens: null };

/** Which turns are meant. */
const filters = {
  model: text('turns that asked for this model, or that it served', { completes: 'models' }),
  since: moment('turns from then on: 2026-01-31, or how long ago (12h, 7d, 4w, 6m, 1y)', { isEnd: false }),
  until: moment('turns up to then, a day as a whole', { isEnd: true }),
  verdict: choice('turns that ended so', verdicts),
  'cost-over': number('that cost more than this in USD; of list, their turns together', { least: 0 }),
};

const limit = { limit: number('how many at most', { least: 1, isWhole: true, alias: 'n' }) };

export const list = command({
  usage: 'list',
  describe: 'the conversations, the latest first',
  flags: {
    ...limit,
    ...filters,
    totals: toggle('their cost and tokens together as the last row; with --json beside the list'),
    ...jsonFlag,
  },
  async run({ limit: most, json, totals: isSummed, ...meant }, context) {
    const { stdout } = context.io;
    const history = await context.history();
    const conversations = history.list({ ...limitOf(most), filter: filterOf(meant) });
    const totals = history.totals(isFiltered(meant) ? {} : limitOf(most));
    const totalsOf = ({ id }: ConversationSummary): ConversationTotals => totals.get(id) ?? nothingKnown;
    const all = sumOf(conversations.map(totalsOf));
    const turnCount = conversations.reduce((sum, each) => sum + each.turnCount, 0);
    if (json) {
      const listed = conversations.map((each) => listedConversationJson(each, totalsOf(each)));
      const counts = { conversations: listed.length, turn_count: turnCount };
      return print(
        stdout,
        jsonLine(isSummed ? { conversations: listed, totals: { ...counts, ...totalsJson(all) } } : listed),
      );
    }
    if (conversations.length === 0)
      context.remark(isFiltered(meant) ? 'no conversation has such a turn' : 'the history is empty');
    const facts = (each: ConversationSummary): Cell[] => [
      each.id,
      each.name,
      shownTime(each.updatedAt, stdout),
      each.turnCount,
      each.model,
    ];
    // Programs cut the columns by their number: what is new comes after those that were.
    if (!stdout.isTTY) {
      const rows = conversations.map((each) => {
        const { costUsd, inputTokens, outputTokens } = totalsOf(each);
        return [...facts(each), each.title, costUsd, inputTokens, outputTokens];
      });
      // No id is this word: each begins with a digit.
      const { costUsd, inputTokens, outputTokens } = all;
      if (isSummed) rows.push(['total', null, null, turnCount, null, null, costUsd, inputTokens, outputTokens]);
      return print(stdout, table(stdout, [], rows));
    }
    const rows = conversations.map((each) => [...facts(each), ...figures(totalsOf(each)), each.title]);
    if (isSummed) {
      const count = `${conversations.length} conversation${conversations.length === 1 ? '' : 's'}`;
      rows.push(['total', null, null, turnCount, null, ...figures(all), count]);
    }
    const heading = ['id', 'name', 'last turn', 'turns', 'model', 'cost', 'tokens', 'title'];
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
  flags: { ...limit, ...filters, ...jsonFlag },
  async run({ query, limit: most, json, ...meant }, context) {
    const { stdout } = context.io;
    const hits = (await context.history()).search(query.join(' '), {
      ...limitOf(most),
      filter: filterOf(meant),
    });
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

function figures({ costUsd, inputTokens, outputTokens }: ConversationTotals): Cell[] {
  const isCounted = inputTokens !== null || outputTokens !== null;
  const tokens = isCounted ? `${inputTokens ?? '?'} + ${outputTokens ?? '?'}` : null;
  return [costUsd === null ? null : formatUsd(costUsd), tokens];
}

/** What nobody told of any of them stays null. */
function sumOf(all: readonly ConversationTotals[]): ConversationTotals {
  const sum = (name: keyof ConversationTotals): number | null => {
    const known = all.map((each) => each[name]).filter((figure) => figure !== null);
    return known.length === 0 ? null : known.reduce((total, figure) => total + figure, 0);
  };
  return { costUsd: sum('costUsd'), inputTokens: sum('inputTokens'), outputTokens: sum('outputTokens') };
}

function filterOf(meant: Values<typeof filters>): TurnFilter {
  return Object.fromEntries(Object.entries(meant).filter(([, value]) => value !== undefined));
}

function isFiltered(meant: Values<typeof filters>): boolean {
  return Object.values(meant).some((value) => value !== undefined);
}

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
