import { Highlighter } from './highlight.ts';
import { inlineText } from './markdown-inline.ts';
import { tableLines } from './markdown-table.ts';
import type { Block, ListItem } from './markdown-tokens.ts';
import type { Paint } from './style.ts';
import { terminalSafe } from './terminal-safe.ts';
import { width } from './width.ts';
import { wrap } from './wrap.ts';
import { withoutFinal } from '../protocol/fold-lines.ts';

/** A block as lines of the terminal. */
export interface Lines {
  lines: string[];
  /** How many of them stay as they are whatever the source goes on with, as long as the block is the last one. */
  stable: number;
}

/** Below this many columns there is no point in fitting anything. */
export const leastColumns = 8;

/** A block's lines. They are as wide as `columns` at most, but for code: its lines are the terminal's to break, so that they copy as they are. */
export function blockLines(block: Block, columns: number, paint: Paint): Lines {
  const room = Math.max(leastColumns, columns);
  switch (block.type) {
    case 'heading':
      return unstable(headingLines(block.depth, block.text, room, paint));
    case 'paragraph':
    case 'text':
      return unstable(wrap(inlineText(block.text, paint), room));
    case 'code':
      return codeLines(block, paint);
    case 'list': {
      const start = typeof block.start === 'number' ? block.start : null;
      return listLines(block.items, start, room, paint);
    }
    case 'blockquote':
      return indented(blocksLines(block.tokens as Block[], room - 2, paint), paint('dim', '│ '), paint('dim', '│ '));
    case 'table':
      return unstable(tableLines(block, room, paint));
    case 'hr':
      return unstable([paint('dim', '─'.repeat(Math.min(room, 60)))]);
    case 'space':
      return unstable([]);
    default:
      // HTML and link definitions are shown as they are written.
      return unstable(rawLines(block.raw).flatMap((line) => wrap(line, room)));
  }
}

/** Several blocks below each other, a blank line where the source has one. */
function blocksLines(blocks: readonly Block[], columns: number, paint: Paint): Lines {
  const lines: string[] = [];
  let stable = 0;
  let isApart = false;
  for (const block of blocks) {
    if (block.type === 'space') {
      isApart = true;
      continue;
    }
    // All that comes before the last block stands.
    stable = lines.length;
    if (isApart && lines.length > 0) lines.push('');
    const rendered = blockLines(block, columns, paint);
    if (rendered.stable > 0) stable = lines.length + rendered.stable;
    lines.push(...rendered.lines);
    isApart = /\n[ \t]*\n[ \t]*$/.test(block.raw);
  }
  return { lines, stable };
}

function headingLines(depth: number, text: string, columns: number, paint: Paint): string[] {
  const mark = `${'#'.repeat(depth)} `;
  return wrap(mark + inlineText(text, paint), columns).map((line) =>
    paint('bold', depth < 3 ? paint('cyan', line) : line),
  );
}

/** One item of a list: its number, or null for a bullet. */
export function itemLines(item: ListItem, number: number | null, columns: number, paint: Paint): Lines {
  const mark = number === null ? '• ' : `${number}. `;
  // The box of a task stands before its words in a loose list, and by itself in a tight one.
  const [first, ...rest] = item.tokens as Block[];
  const isBox = (first as { type: string } | undefined)?.type === 'checkbox';
  const box = isBox ? first?.raw.trimStart() : '';
  const indent = width(mark) + width(box ?? '');
  const rendered = blocksLines(isBox ? rest : (item.tokens as Block[]), columns - indent, paint);
  if (rendered.lines.length === 0) rendered.lines.push('');
  return indented(rendered, paint('cyan', mark) + box, ' '.repeat(indent));
}

export function isApartAfter(item: ListItem): boolean {
  return /\n[ \t]*\n[ \t]*$/.test(item.raw);
}

function listLines(items: readonly ListItem[], start: number | null, columns: number, paint: Paint): Lines {
  const lines: string[] = [];
  let stable = 0;
  for (const [at, item] of items.entries()) {
    stable = lines.length;
    const previous = items[at - 1];
    if (previous !== undefined && isApartAfter(previous)) lines.push('');
    const rendered = itemLines(item, start === null ? null : start + at, columns, paint);
    if (rendered.stable > 0) stable = lines.length + rendered.stable;
    lines.push(...rendered.lines);
  }
  return { lines, stable };
}

export const fence = /^( {0,3})(`{3,}(?=[^`\n]*(?:\n|$))|~{3,})([^\n]*)/;

function codeLines(block: { raw: string; text: string; lang?: string; codeBlockStyle?: string }, paint: Paint): Lines {
  const opening = fence.exec(block.raw);
  if (opening === null) {
    const lines = rawLines(block.text).map((line) => `    ${terminalSafe(line)}`.trimEnd());
    return { lines, stable: Math.max(0, lines.length - 1) };
  }
  const [, , mark = '```', info = ''] = opening;
  const highlighter = new Highlighter(languageOf(info), paint);
  const lines = [
    paint('dim', terminalSafe(mark + info)),
    ...(block.text === '' ? [] : block.text.split('\n').map((line) => highlighter.line(line))),
  ];
  // Whether the last line of an open block is whole can not be told from here.
  const stable = lines.length - 1;
  if (isClosed(block.raw, mark)) lines.push(paint('dim', mark));
  return { lines, stable };
}

export function languageOf(info: string): string {
  return /^[^\s{,:]*/.exec(info.trim())?.[0] ?? '';
}

export function isClosing(line: string, mark: string): boolean {
  return new RegExp(`^ {0,3}${mark}[${mark[0]}]* *$`).test(line);
}

function isClosed(raw: string, mark: string): boolean {
  const lines = raw.trimEnd().split('\n');
  return lines.length > 1 && isClosing(lines.at(-1) ?? '', mark);
}

function rawLines(raw: string): string[] {
  return terminalSafe(withoutFinal('\n', raw)).split('\n');
}

function unstable(lines: string[]): Lines {
  return { lines, stable: 0 };
}

function indented({ lines, stable }: Lines, first: string, rest: string): Lines {
  return { lines: lines.map((line, at) => ((at === 0 ? first : rest) + line).trimEnd()), stable };
}
