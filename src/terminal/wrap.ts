import { clusters } from './clusters.ts';
import { columnsAfter, width, withoutTabs } from './width.ts';

/**
 * A style's code, and what may stand on a line of its own: a run of spaces, a wide character with the marks that end a
 * sentence or a bracket after it, a word.
 */
const pieces =
  // oxlint-disable-next-line no-control-regex -- the styles that are wrapped with the text
  /\u001b\[(\d+)m|\n|[ \t]+|[\u2e80-\u9fff\uac00-\ud7a3\uf900-\ufaff\uff01-\uff60\u{20000}-\u{3fffd}](?:[\u3001-\u3002\u300d\u300f\u3011\uff01\uff09\uff0c\uff1a\uff1b\uff1f\u30fc]|\p{M})*|[^\u001b\n \t\u2e80-\u9fff\uac00-\ud7a3\uf900-\ufaff\uff01-\uff60\u{20000}-\u{3fffd}]+/gu;
const wide = /^[\u2e80-\u9fff\uac00-\ud7a3\uf900-\ufaff\uff01-\uff60\u{20000}-\u{3fffd}]/u;
const closingMark = /^[\u3001-\u3002\u300d\u300f\u3011\uff01\uff09\uff0c\uff1a\uff1b\uff1f\u30fc]/;
/** Of an address in Chinese or Japanese text, where the sentence goes on. */
const foreignToAddress = /^[\u3000-\u303f\uff01-\uff60]/;

/** Whether a word holds an address: broken by the terminal it can still be clicked and copied, broken by a newline it can not. */
function isAddress(word: string): boolean {
  return word.includes('://') || word.includes('mailto:') || /(?:^|\W)www\./.test(word);
}

const closing = new Set([22, 23, 24, 29, 39]);
const closeOf = (code: number): number => (code <= 2 ? 22 : code >= 30 ? 39 : code + 20);

/** Lines of styled text. Each closes the styles that are open at its end, and the next one opens them again. */
class StyledLines {
  readonly lines: string[] = [];
  used = 0;
  #line = '';
  /** The styles that the line has opened, and those that its next word will. */
  #open: number[] = [];
  #next: number[] = [];

  style(code: number, text: string): void {
    if (!closing.has(code)) {
      this.#next.push(code);
      return;
    }
    // A terminal closes every style of the kind; what shall stay is opened again by the text.
    this.#next = this.#next.filter((each) => closeOf(each) !== code);
    if (this.#open.some((each) => closeOf(each) === code)) this.#line += text;
    this.#open = this.#open.filter((each) => closeOf(each) !== code);
  }

  put(text: string, columns: number): void {
    if (this.#next.length > 0) {
      this.#line += this.#next.map((code) => `\u001b[${code}m`).join('');
      this.#open.push(...this.#next);
      this.#next = [];
    }
    this.#line += text;
    this.used += columns;
  }

  /** Before the styles of the next word. */
  space(text: string): void {
    this.#line += text;
    this.used += text.length;
  }

  end(): void {
    for (const code of this.#open.toReversed()) this.#line += `\u001b[${closeOf(code)}m`;
    this.lines.push(this.#line);
    this.#next = [...this.#open, ...this.#next];
    this.#open = [];
    this.#line = '';
    this.used = 0;
  }
}

/**
 * Breaks styled text into lines of at most so many columns: at spaces, and between the characters of Chinese, Japanese and
 * Korean, which need none; a word that no line holds is broken where the line ends. An address that no line holds is a line
 * of its own, for the terminal to break. The spaces that a line of the text begins with stay.
 *
 * Own code: wrap-ansi asks for the width of every character of a text without spaces, which takes eight seconds for a
 * megabyte of Japanese, and can not break it well.
 */
export function wrap(text: string, columns: number): string[] {
  const room = Math.max(1, columns);
  // Most cells and items are short, and plain.
  if (text.length <= room && /^[!-~](?:[ -~]*[!-~])?$/.test(text)) return [text];
  const lines = new StyledLines();
  let space = '';
  let isLineStart = true;
  /** The pieces of a word, its styles among them, and what they take together. */
  let word: string[] = [];
  let needed = 0;
  let isAfterWide = false;
  let isInAddress = false;

  const endLine = (): void => {
    lines.end();
    space = '';
  };
  const endWord = (): void => {
    if (word.length === 0) return;
    if (needed > 0) {
      if (lines.used > 0 && lines.used + space.length + needed > room) endLine();
      if (lines.used > 0 || (isLineStart && space.length + needed <= room)) lines.space(space);
      space = '';
      isLineStart = false;
    }
    if (needed <= room) for (const piece of word) putPiece(lines, piece);
    else if (isAddress(word.filter((piece) => piece[0] !== '\u001b').join(''))) {
      for (const piece of word) putPiece(lines, piece);
      lines.used = room;
    } else
      for (const piece of word) {
        if (piece[0] === '\u001b') putPiece(lines, piece);
        else
          for (const [part, columnsOfPart] of parts(piece, room, lines.used)) {
            if (lines.used > 0 && lines.used + columnsOfPart > room) lines.end();
            lines.put(part, columnsOfPart);
          }
      }
    word = [];
    needed = 0;
    isAfterWide = false;
    isInAddress = false;
  };

  for (const [piece, style] of text.matchAll(pieces)) {
    if (style !== undefined) word.push(piece);
    else if (piece === '\n') {
      endWord();
      endLine();
      isLineStart = true;
    } else if (piece[0] === ' ' || piece[0] === '\t') {
      endWord();
      space = piece[0] === ' ' && !piece.includes('\t') ? space + piece : withoutTabs(space + piece, lines.used);
    } else {
      const isWide = wide.test(piece);
      if (needed > 0 && isInAddress && isWide) isInAddress = !foreignToAddress.test(piece);
      if (needed > 0 && !isInAddress && (isWide ? !closingMark.test(piece) : isAfterWide)) endWord();
      word.push(piece);
      needed += width(piece);
      isAfterWide = isWide;
      isInAddress ||= !isWide && piece.includes('://');
    }
  }
  endWord();
  lines.end();
  return lines.lines;
}

/** How wide the widest address of a styled text is; 0 where there is none. */
export function widestAddress(text: string): number {
  if (!isAddress(text)) return 0;
  const addresses = wrap(text, 1).filter((line) => isAddress(line));
  return addresses.reduce((widest, each) => Math.max(widest, width(each)), 0);
}

function putPiece(lines: StyledLines, piece: string): void {
  if (piece[0] === '\u001b') lines.style(Number(piece.slice(2, -1)), piece);
  else lines.put(piece, width(piece));
}

/**
 * A styled line as rows that no terminal breaks: for what will be drawn over, of which the height must be known. Tabs
 * become the spaces that they stand for.
 */
export function rowsOf(line: string, columns: number): string[] {
  const expanded = withoutTabs(line);
  return width(expanded) <= columns ? [expanded] : broken(expanded, columns);
}

function broken(line: string, columns: number): string[] {
  const lines = new StyledLines();
  // oxlint-disable-next-line no-control-regex -- the styles of the line
  for (const [piece, style] of line.matchAll(/\u001b\[(\d+)m|[^\u001b]+/g)) {
    if (style !== undefined) lines.style(Number(style), piece);
    else
      for (const [part, columnsOfPart] of parts(piece, columns, lines.used)) {
        if (lines.used > 0 && lines.used + columnsOfPart > columns) lines.end();
        lines.put(part, columnsOfPart);
      }
  }
  lines.end();
  return lines.lines;
}

/** A text in parts that each fit a line, the first one what is left of a line that so many columns are used of. */
function* parts(text: string, room: number, used: number): Iterable<[string, number]> {
  let left = used < room ? room - used : room;
  if (/^[ -~]*$/.test(text)) {
    for (let at = 0; at < text.length; left = room) {
      const part = text.slice(at, at + left);
      yield [part, part.length];
      at += part.length;
    }
    return;
  }
  let part = '';
  let columns = 0;
  for (const cluster of clusters(text)) {
    const needed = columnsAfter(cluster, 0);
    if (columns + needed > left && part !== '') {
      yield [part, columns];
      part = '';
      columns = 0;
      left = room;
    }
    if (part === '' && needed > left) left = room;
    part += cluster;
    columns += needed;
  }
  if (part !== '') yield [part, columns];
}
