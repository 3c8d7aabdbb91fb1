import { Highlighter } from './highlight.ts';
import {
  blockLines,
  fence,
  isApartAfter,
  isClosing,
  itemLines,
  languageOf,
  leastColumns,
  type Lines,
} from './markdown-block.ts';
import { inlineText, styledText } from './markdown-inline.ts';
import { roomyShape, tableHead, tableRow, tableShape, type TableShape } from './markdown-table.ts';
import { type Block, type Inline, type ListItem, readBlocks, readInline } from './markdown-tokens.ts';
import type { Paint } from './style.ts';
import { terminalSafe } from './terminal-safe.ts';
import { rowsOf, wrap } from './wrap.ts';

export interface Screen {
  columns: number;
  rows: number;
}

/**
 * What a frame adds to the output for good, and what stands below it until the next frame: rows, each as wide as the
 * screen at most, also of what the terminal will break once it is committed (code, long addresses).
 */
export interface Frame {
  committed: string[];
  open: string[];
}

/** A block of the open source, the items of a list taken apart: a finished item is as final as a finished paragraph. */
interface Unit {
  block: Block;
  item: ListItem | null;
  number: number | null;
  raw: string;
  isApartAfter: boolean;
  /** Of a paragraph, once somebody has asked for its words. */
  words: Inline[] | null;
}

/** More source than this in one block is not read again and again: what is there is committed as it is shown. */
const longestBlock = 4096;

/**
 * Markdown that arrives in pieces, rendered so that what was committed never changes. A block is committed when the next
 * one begins, and of the last block those lines that nothing can change any more: finished items, lines of code. Only
 * whole lines of the source decide that; the line being written may still become anything.
 *
 * A paragraph or a table that grows taller than the screen could not be redrawn, so it is committed early too: a
 * paragraph up to a space between its words, a table with the widths that its columns have by then.
 */
export class MarkdownStream {
  readonly #paint: Paint;
  #screen: Screen;
  /** The source that is not committed, from the beginning of a block or an item. */
  #source = '';
  /** What of the open block is committed already: a number of its lines. */
  #frozen = 0;
  /** The width that those lines were made for; a block keeps it to its end. */
  #columns: number;
  /** The number of the item that the source begins with. */
  #number: number | null = null;
  #isApart = false;
  #hasOutput = false;
  #code: { mark: string; indent: number; highlighter: Highlighter } | null = null;
  #table: { shape: TableShape; head: string } | null = null;
  /** The last line of a paragraph whose earlier lines are committed, with a space; its words go on after it. */
  #lead = '';
  #committed: string[] = [];
  /** A line was finished since the last look. */
  #hasNewLine = false;
  /** What was read last: a frame that splits its block needs it twice. */
  #read: { source: string; number: number | null; units: Unit[] } = { source: '', number: null, units: [] };

  constructor(screen: Screen, paint: Paint) {
    this.#screen = screen;
    this.#columns = columnsOf(screen);
    this.#paint = paint;
  }

  push(text: string): void {
    this.#source += text;
    this.#hasNewLine ||= text.includes('\n');
  }

  resize(screen: Screen): void {
    this.#screen = screen;
    if (this.#frozen === 0 && this.#lead === '') this.#columns = columnsOf(screen);
  }

  /** All that came since the last frame, rendered. */
  frame(): Frame {
    this.#settle();
    // The cursor stands below, on a line of its own.
    const tallest = Math.max(1, this.#screen.rows - 1);
    let open = this.#openRows();
    if (open.length > tallest || this.#source.length > longestBlock) {
      this.#split();
      open = this.#openRows();
    }
    // What could not be split shows its end until it is committed.
    return { committed: this.#taken(), open: open.slice(-tallest) };
  }

  /** The end, or a break that something else is shown in: all that is left, as it stands. */
  end(): string[] {
    this.#settle();
    this.#commit(this.#openLines());
    this.#source = '';
    this.#endBlock();
    this.#code = null;
    this.#table = null;
    return this.#taken();
  }

  /** What to go on with when rendering failed: the lines that stand, and the source that no line stands for yet. */
  abandon(): { committed: string[]; source: string } {
    const source = this.#source;
    this.#source = '';
    return { committed: this.#taken(), source };
  }

  #taken(): string[] {
    const committed = this.#committed;
    this.#committed = [];
    return committed;
  }

  #commit(lines: readonly string[]): void {
    for (const line of lines) this.#committed.push(line);
    if (lines.length > 0) this.#hasOutput = true;
  }

  /** Commits what the whole lines of the source allow. */
  #settle(): void {
    if (!this.#hasNewLine) return;
    this.#hasNewLine = false;
    // Each step reads on until the source is used up, or until another kind of reading has to take over.
    for (let isGoingOn = true; isGoingOn;) {
      const end = this.#source.lastIndexOf('\n') + 1;
      if (end === 0) return;
      if (this.#code !== null) isGoingOn = this.#settleCode(end);
      else if (this.#table !== null) isGoingOn = this.#settleTable(end);
      else isGoingOn = this.#settleBlocks(this.#source.slice(0, end));
    }
  }

  #settleBlocks(source: string): boolean {
    const units = this.#unitsOf(source);
    const last = lastOpen(units);
    let length = 0;
    for (const [at, unit] of units.entries()) {
      const opening = unit.block.type === 'code' ? fence.exec(unit.raw) : null;
      if (opening !== null) {
        this.#source = this.#source.slice(length);
        this.#openCode(opening);
        return true;
      }
      if (at === last) break;
      length += unit.raw.length;
      this.#commitUnit(unit);
    }
    this.#source = this.#source.slice(length);
    const open = units[last];
    if (open === undefined) return false;
    this.#number = open.number;
    const { lines, stable } = this.#linesOf(open);
    if (stable > this.#frozen) {
      this.#commit([...this.#separator(), ...lines.slice(this.#frozen, stable)]);
      this.#frozen = stable;
    }
    return false;
  }

  /** Code is taken line by line from its fence on. */
  #openCode([line, indent = '', mark = '```', info = '']: RegExpExecArray): void {
    this.#commit([...this.#separator(), this.#paint('dim', terminalSafe(mark + info).trimEnd())]);
    this.#code = { mark, indent: indent.length, highlighter: new Highlighter(languageOf(info), this.#paint) };
    this.#source = this.#source.slice(line.length + 1);
  }

  #unitsOf(source: string): Unit[] {
    const number = this.#number;
    if (this.#read.source !== source || this.#read.number !== number)
      this.#read = { source, number, units: unitsOf(source, number) };
    return this.#read.units;
  }

  #commitUnit(unit: Unit): void {
    if (unit.block.type === 'space') {
      this.#isApart = true;
      return;
    }
    this.#commit([...this.#separator(), ...this.#linesOf(unit).lines.slice(this.#frozen)]);
    this.#endBlock();
    this.#isApart = unit.isApartAfter;
  }

  #endBlock(): void {
    this.#frozen = 0;
    this.#lead = '';
    this.#columns = columnsOf(this.#screen);
    this.#number = null;
    this.#isApart = false;
  }

  #linesOf(unit: Unit): Lines {
    if (unit.item !== null) return itemLines(unit.item, unit.number, this.#columns, this.#paint);
    const { block } = unit;
    if (block.type === 'paragraph' || block.type === 'text') {
      return { lines: this.#paragraphLines(styledText(wordsOf(unit, block.text), this.#paint)), stable: 0 };
    }
    return blockLines(block, this.#columns, this.#paint);
  }

  #paragraphLines(words: string): string[] {
    return wrap(this.#lead + words, this.#columns);
  }

  /** The blank line before a block, once. */
  #separator(): string[] {
    if (!this.#isApart || this.#frozen > 0) return [];
    this.#isApart = false;
    return this.#hasOutput ? [''] : [];
  }

  #settleCode(end: number): boolean {
    const code = this.#code;
    if (code === null) return false;
    let start = 0;
    while (start < end) {
      const next = this.#source.indexOf('\n', start) + 1;
      const line = this.#source.slice(start, next - 1);
      start = next;
      if (isClosing(line, code.mark)) {
        this.#commit([this.#paint('dim', code.mark)]);
        this.#code = null;
        this.#endBlock();
        break;
      }
      this.#commit([code.highlighter.line(outdented(line, code.indent))]);
    }
    this.#source = this.#source.slice(start);
    return this.#table === null;
  }

  #settleTable(end: number): boolean {
    const table = this.#table;
    if (table === null) return false;
    let start = 0;
    while (start < end) {
      const next = this.#source.indexOf('\n', start) + 1;
      const line = this.#source.slice(start, next - 1);
      const cells = rowCells(table.head, line);
      if (cells === null) {
        this.#table = null;
        this.#endBlock();
        break;
      }
      this.#commit(
        tableRow(
          table.shape,
          cells.map((cell) => inlineText(cell, this.#paint)),
          this.#paint,
        ),
      );
      start = next;
    }
    this.#source = this.#source.slice(start);
    return this.#table === null;
  }

  #openRows(): string[] {
    const columns = Math.max(1, this.#screen.columns);
    return this.#openLines().flatMap((line) => rowsOf(line, columns));
  }

  #openLines(): string[] {
    if (this.#source === '') return this.#lead === '' ? [] : [this.#lead.trimEnd()];
    if (this.#code !== null) {
      // The first letters of a closing fence would flash up as code.
      if (/^ {0,3}[`~]+ *$/.test(this.#source)) return [];
      return [this.#code.highlighter.openLine(outdented(this.#source, this.#code.indent))];
    }
    if (this.#table !== null) {
      const cells = rowCells(this.#table.head, this.#source);
      if (cells !== null)
        return tableRow(
          this.#table.shape,
          cells.map((cell) => inlineText(cell, this.#paint)),
          this.#paint,
        );
    }
    const units = this.#unitsOf(this.#source);
    const lines: string[] = [];
    let isApart = this.#isApart && this.#frozen === 0 && this.#hasOutput;
    let frozen = this.#frozen;
    for (const unit of units) {
      if (unit.block.type === 'space') {
        isApart ||= lines.length > 0 || frozen > 0;
        continue;
      }
      if (isApart) lines.push('');
      lines.push(...this.#linesOf(unit).lines.slice(frozen));
      frozen = 0;
      isApart = unit.isApartAfter;
    }
    return lines;
  }

  /** The open block is too tall or too long to be drawn again: as much of it as possible is committed. */
  #split(): void {
    const [unit, ...others] = this.#unitsOf(this.#source).filter(({ block }) => block.type !== 'space');
    if (unit !== undefined && others.length === 0 && this.#table === null && this.#code === null) {
      if (unit.block.type === 'table') {
        this.#splitTable(unit.block);
        return;
      }
      if (unit.block.type === 'paragraph' && this.#splitParagraph(unit, unit.block.text)) return;
    }
    // What is nested deeper goes on as if it began anew: its indentation is lost, its words are not.
    if (this.#code === null && this.#source.length > longestBlock) {
      this.#commit([...this.#separator(), ...this.#openLines()]);
      this.#source = '';
      this.#endBlock();
    }
  }

  #splitTable(block: Extract<Block, { type: 'table' }>): void {
    const lines = this.#source.split('\n');
    const end = this.#source.lastIndexOf('\n') + 1;
    if (end === 0 || lines.length < 3) return;
    const shape = roomyShape(tableShape(block, this.#columns, this.#paint));
    this.#commit([...this.#separator(), ...tableHead(shape, this.#paint)]);
    const head = `${lines[0]}\n${lines[1]}\n`;
    this.#table = { shape, head };
    this.#source = this.#source.slice(head.length);
    this.#hasNewLine = true;
    this.#settle();
  }

  /** Up to the last space between words that no style spans, a line's width before the end. */
  #splitParagraph(unit: Unit, text: string): boolean {
    const words = wordsOf(unit, text);
    let position = 0;
    let cut = -1;
    let last = 0;
    for (const [index, token] of words.entries()) {
      if (token.type === 'text' && token.tokens === undefined) {
        // After a letter's word only: other marks could begin a block at the beginning of a source.
        for (const match of token.raw.matchAll(/\s(?=\p{L}{2})/gu)) {
          const at = position + match.index;
          if (at < text.length - this.#columns) [cut, last] = [at, index];
        }
      }
      position += token.raw.length;
    }
    if (cut <= 0 || !this.#source.startsWith(text.slice(0, cut))) return false;
    const before = words.slice(0, last);
    const raw = text.slice(
      before.reduce((length, token) => length + token.raw.length, 0),
      cut,
    );
    const lines = this.#paragraphLines(styledText([...before, { type: 'text', raw, text: raw }], this.#paint));
    // After a whole line the words go on below it.
    const lead = text[cut] === '\n' ? '' : `${lines.pop() ?? ''} `;
    this.#commit([...this.#separator(), ...lines]);
    this.#lead = lead;
    this.#source = this.#source.slice(cut + 1);
    return true;
  }
}

function unitsOf(source: string, firstNumber: number | null): Unit[] {
  const units: Unit[] = [];
  for (const [at, block] of readBlocks(source).entries()) {
    if (block.type !== 'list') {
      units.push({
        block,
        item: null,
        number: null,
        raw: block.raw,
        isApartAfter: /\n[ \t]*\n[ \t]*$/.test(block.raw),
        words: null,
      });
      continue;
    }
    const start = at === 0 && firstNumber !== null ? firstNumber : block.start;
    let rest = block.raw;
    for (const [index, item] of block.items.entries()) {
      const isLast = index === block.items.length - 1;
      // The last item takes what is left, so that no character of the source is without a unit.
      const raw = isLast ? rest : item.raw;
      rest = rest.slice(raw.length);
      units.push({
        block,
        item,
        number: typeof start === 'number' ? start + index : null,
        raw,
        isApartAfter: isApartAfter(item),
        words: null,
      });
    }
  }
  return units;
}

/** The same tokens each time: reading them is most of what a long paragraph costs. */
function wordsOf(unit: Unit, text: string): Inline[] {
  return (unit.words ??= readInline(text));
}

function columnsOf(screen: Screen): number {
  return Math.max(leastColumns, screen.columns);
}

/** Blocks that go on after a blank line. */
const hasBlankLines = new Set(['list', 'blockquote', 'code', 'html']);

/** The unit that the source may still change. */
function lastOpen(units: readonly Unit[]): number {
  const last = units.findLastIndex(({ block }) => block.type !== 'space');
  const unit = units[last];
  if (unit === undefined) return units.length;
  const isFollowed = last < units.length - 1;
  if (unit.block.type === 'heading' && /^ {0,3}#/.test(unit.raw)) return units.length;
  return isFollowed && !hasBlankLines.has(unit.block.type) ? units.length : last;
}

function outdented(line: string, indent: number): string {
  return indent === 0 ? line : line.replace(new RegExp(`^ {0,${indent}}`), '');
}

function rowCells(head: string, line: string): string[] | null {
  if (line.trim() === '') return null;
  const [table, ...others] = readBlocks(head + line);
  if (table?.type !== 'table' || others.length > 0) return null;
  const row = table.rows[0];
  return row === undefined ? null : row.map((cell) => cell.text);
}
