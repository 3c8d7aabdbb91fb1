import {
  Lexer,
  type MarkedToken,
  type Token,
  Tokenizer,
  type TokenizerExtensionFunction,
  type Tokens,
  type TokensList,
} from 'marked';
import { indexOfCjkPunctuation } from './cjk.ts';
import { type DelimiterRun, type Emphasis, emphasisOf } from './emphasis.ts';
import { mathBlock, mathEnd, nextMathBlock } from './math.ts';

export interface MathToken {
  type: 'math';
  raw: string;
  text: string;
}

export type Block = MarkedToken;
export type Inline = MarkedToken | MathToken;
export type ListItem = Tokens.ListItem;
export type Table = Tokens.Table;
/** Where the references of a text lead, by their names; without a prototype, for a model chooses the names. */
export type LinkDefinitions = Record<string, Pick<Tokens.Def, 'href' | 'title'>>;

/** Deeper quotes and lists nobody reads, and each level takes marked several frames of the stack. */
const mostLevels = 24;
/** Four columns a level: an item that stands further in is in more lists than that, or looks as if it were. */
const mostColumns = mostLevels * 4;
/**
 * A line that begins with more marks of quotes and lists than that, and is no rule (`- - -`), or an item that is further
 * in: marked reads an item again for every list that it is in.
 */
const tooDeep = new RegExp(
  `^(?:(?![ \\t]*([-*])(?:[ \\t]*\\1)*[ \\t]*$)(?:[ \\t]*(?:>|[-+*][ \\t]|\\d{1,9}[.)][ \\t])){${mostLevels}}` +
    `|[ \\t]{${mostColumns},}(?:[-+*]|\\d{1,9}[.)])[ \\t])`,
  'm',
);

/** Where in a text things stand that its characters alone do not tell. */
interface Marks {
  emphasis: ReadonlyMap<number, Emphasis>;
  /** Where each formula begins, and where it ends. */
  math: ReadonlyMap<number, number>;
}

/** A text that is being read; `offset` is where it stands in the one that its marks were found in. */
interface Reading {
  text: string;
  offset: number;
  marks: Marks;
}

const nothing: Marks = { emphasis: new Map(), math: new Map() };

/** Nothing in it is anything but words, so that nobody need look. */
const isPlain = (text: string): boolean => !/[\\<>[\]`*_~$@]|:\/\/|www\.|mailto:|xmpp:| {2}\n/i.test(text);

/** Far longer than a text without a mark; what marked reads of it is bounded, for each letter looks for an `@` behind it. */
const longestRead = 500;
/** What marked takes for the beginning of an address, whose local part RFC 5321 (4.5.3.1.1) bounds. */
const addressStart = /^(?:https?:\/\/|ftp:\/\/|www\.|mailto:|xmpp:|[a-z\d._+-]{1,64}@)/i;

/** An address in Chinese or Japanese text ends where its sentence goes on. */
class ReplyTokenizer extends Tokenizer {
  override inlineText(source: string): Tokens.Text | undefined {
    if (source.length <= longestRead) return super.inlineText(source);
    // Between two words: an address is whole then, and so are the two blanks that end a line.
    let end = source.lastIndexOf(' ', longestRead);
    while (end > 0 && !/^\S \S$/.test(source.slice(end - 1, end + 2))) end = source.lastIndexOf(' ', end - 1);
    if (end > 0) return super.inlineText(source.slice(0, end));
    const head = source.slice(0, longestRead);
    return super.inlineText(head.trimEnd() || head);
  }

  override url(source: string): Tokens.Link | undefined {
    if (!addressStart.test(source)) return undefined;
    const found = super.url(source);
    const end = found === undefined ? -1 : indexOfCjkPunctuation(found.raw);
    return end <= 0 ? found : super.url(source.slice(0, end));
  }
}

/** marked, with emphasis by the rules of CommonMark and its CJK-friendly amendment, and with mathematics. */
class ReplyLexer extends Lexer {
  #readings: Reading[] = [];
  /** Null before the first search of a source, 0 when there is none in it. */
  #mathBlockEnd: number | null = null;

  constructor() {
    super({
      gfm: true,
      tokenizer: new ReplyTokenizer(),
      extensions: {
        renderers: {},
        childTokens: {},
        block: [mathParagraph],
        startBlock: [(source) => this.#nextMathBlock(source)],
        inline: [(source) => this.#marked(source)],
        startInline: [(source) => this.#nextMath(source)],
      },
    });
  }

  override blockTokens(source: string, tokens?: Token[], isLastClipped?: boolean): Token[];
  override blockTokens(source: string, tokens?: TokensList, isLastClipped?: boolean): TokensList;
  override blockTokens(source: string, tokens?: Token[] | TokensList, isLastClipped?: boolean): Token[] | TokensList {
    // What is inside a quote or an item is another source.
    const outer = this.#mathBlockEnd;
    this.#mathBlockEnd = null;
    try {
      return super.blockTokens(source, tokens as Token[], isLastClipped);
    } finally {
      this.#mathBlockEnd = outer;
    }
  }

  override inlineTokens(text: string, tokens?: MarkedToken[]): MarkedToken[] {
    return this.#read({ text, offset: 0, marks: marksOf(text) }, tokens);
  }

  #read(reading: Reading, tokens?: MarkedToken[]): MarkedToken[] {
    this.#readings.push(reading);
    try {
      return super.inlineTokens(reading.text, tokens) as MarkedToken[];
    } finally {
      this.#readings.pop();
    }
  }

  #marked(source: string): MarkedToken | undefined {
    const reading = this.#readings.at(-1);
    if (reading === undefined) return undefined;
    const local = reading.text.length - source.length;
    const at = reading.offset + local;
    const mathEnds = reading.marks.math.get(at);
    if (mathEnds !== undefined) {
      const raw = source.slice(0, mathEnds - at);
      return { type: 'math', raw, text: raw } as unknown as MarkedToken;
    }
    const emphasis = reading.marks.emphasis.get(at);
    if (emphasis !== undefined) {
      const { type, end, markLength } = emphasis;
      const raw = source.slice(0, end - at);
      const text = raw.slice(markLength, -markLength);
      const inside = { text, offset: at + markLength, marks: reading.marks };
      return { type, raw, text, tokens: this.#read(inside) };
    }
    // What opens and closes nothing is itself; only up to where the rest of the run opens something.
    const mark = source[0];
    if (mark !== '*' && mark !== '_' && mark !== '~') return undefined;
    let length = 1;
    while (source[length] === mark && !reading.marks.emphasis.has(at + length)) length += 1;
    const raw = source.slice(0, length);
    return { type: 'text', raw, text: raw, escaped: false };
  }

  /**
   * Where the next formula of several lines begins. Remembered by its distance from the end of the source: every paragraph
   * of a long reply asks, and each would look through the rest of it.
   */
  #nextMathBlock(source: string): number | undefined {
    if (this.#mathBlockEnd === null || source.length < this.#mathBlockEnd) {
      const at = nextMathBlock(source);
      this.#mathBlockEnd = at === undefined ? 0 : source.length - at;
    }
    return this.#mathBlockEnd === 0 ? undefined : source.length - this.#mathBlockEnd;
  }

  #nextMath(source: string): number | undefined {
    const reading = this.#readings.at(-1);
    if (reading === undefined || reading.marks.math.size === 0) return undefined;
    const at = reading.offset + reading.text.length - source.length;
    for (const start of reading.marks.math.keys()) if (start >= at) return start - at;
    return undefined;
  }
}

const mathParagraph: TokenizerExtensionFunction = (source) => {
  const block = mathBlock(source);
  return block === null ? undefined : { type: 'paragraph', raw: block, text: block, tokens: [] };
};

const { tag, autolink, link } = Lexer.rules.inline.gfm;

/** The emphasis and the formulas of a text. Code, tags and links are whole: a mark in them means nothing outside. */
function marksOf(text: string): Marks {
  if (!/[*_~$]|\\[([]/.test(text)) return nothing;
  const runs: DelimiterRun[] = [];
  const math = new Map<number, number>();
  const hasLinks = text.includes('](');
  const special = /[\\`<[*_~$]/g;
  for (let match = special.exec(text); match !== null; match = special.exec(text)) {
    const at = match.index;
    const mark = match[0];
    let end = at + 1;
    if (mark === '$' || mark === '\\') {
      const mathEnds = mathEnd(text, at);
      if (mathEnds !== -1) math.set(at, (end = mathEnds));
      else if (mark === '\\') end += 1;
      else while (text[end] === '$') end += 1;
    } else if (mark === '`') end = codeEnd(text, at);
    else if (mark === '<') end = at + (lengthOf(tag, text, at) || lengthOf(autolink, text, at) || 1);
    else if (mark === '[') end = at + ((hasLinks && lengthOf(link, text, at)) || 1);
    else {
      while (text[end] === mark) end += 1;
      runs.push({ mark, start: at, length: end - at });
    }
    special.lastIndex = end;
  }
  return { emphasis: emphasisOf(text, runs), math };
}

function codeEnd(text: string, at: number): number {
  let length = 1;
  while (text[at + length] === '`') length += 1;
  const run = '`'.repeat(length);
  for (let end = text.indexOf(run, at + length); end !== -1; end = text.indexOf(run, end)) {
    let found = length;
    while (text[end + found] === '`') found += 1;
    if (found === length) return end + length;
    end += found;
  }
  return at + length;
}

function lengthOf(pattern: RegExp, text: string, at: number): number {
  return pattern.exec(text.slice(at))?.[0].length ?? 0;
}

/**
 * The blocks of a source, their texts still unread: an open block is read again for every frame, and what stands inside
 * its paragraphs matters only for those that are shown. Each block's `raw` is its part of the source, without gaps.
 *
 * What is nested too deep (a model that repeats itself writes such text), or fails in marked, is a paragraph as it is
 * written.
 */
export function readBlocks(source: string): Block[] {
  let blocks: Block[] = [];
  let rest = source;
  for (let deep = tooDeep.exec(rest); deep !== null; deep = tooDeep.exec(rest)) {
    if (deep.index > 0) blocks = blocks.concat(lexed(rest.slice(0, deep.index)));
    const blank = /\n[ \t]*\n\s*/g;
    blank.lastIndex = deep.index;
    const end = blank.exec(rest) === null ? rest.length : blank.lastIndex;
    blocks.push(asWritten(rest.slice(deep.index, end)));
    rest = rest.slice(end);
  }
  // Not as arguments: a reply may have more blocks than a stack takes.
  if (rest !== '') blocks = blocks.concat(lexed(rest));
  return blocks;
}

function lexed(source: string): Block[] {
  try {
    return new ReplyLexer().blockTokens(source, []) as Block[];
  } catch {
    return [asWritten(source)];
  }
}

function asWritten(raw: string): Block {
  return { type: 'paragraph', raw, text: raw.trimEnd(), tokens: [] };
}

/** Holds nothing between two calls: a link that no lexer of blocks has told it of it does not know. */
const words = new ReplyLexer();

/**
 * The words of a paragraph. References (`[text][1]`) stay as they are written unless `definitions` says where they lead:
 * that stands at the end of a reply, long after they were shown on a terminal.
 */
export function readInline(text: string, definitions?: LinkDefinitions): Inline[] {
  if (!isPlain(text)) {
    try {
      return (definitions === undefined ? words : lexerWith(definitions)).inlineTokens(text, []);
    } catch {
      // Nested too deep for the stack: it is as it was written.
    }
  }
  return [{ type: 'text', raw: text, text, escaped: false }];
}

function lexerWith(definitions: LinkDefinitions): ReplyLexer {
  const lexer = new ReplyLexer();
  Object.assign(lexer.tokens.links, definitions);
  return lexer;
}
