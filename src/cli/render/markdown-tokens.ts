import { Lexer, type MarkedToken, type Tokens } from 'marked';

export type Block = MarkedToken;
export type Inline = MarkedToken;
export type ListItem = Tokens.ListItem;
export type Table = Tokens.Table;

/** Deeper quotes and lists nobody reads, and each level takes marked several frames of the stack. */
const mostLevels = 24;
/** A line that begins with more marks of quotes and lists than that, and is no rule (`- - -`). */
const tooDeep = new RegExp(
  `^(?![ \\t]*([-*])(?:[ \\t]*\\1)*[ \\t]*$)(?:[ \\t]*(?:>|[-+*][ \\t]|\\d{1,9}[.)][ \\t])){${mostLevels}}`,
  'm',
);

/**
 * The blocks of a source, their texts still unread: an open block is read again for every frame, and what stands inside
 * its paragraphs matters only for those that are shown. Each block's `raw` is its part of the source, without gaps.
 *
 * What is nested too deep (a model that repeats itself writes such text), or fails in marked, is a paragraph as it is
 * written.
 */
export function readBlocks(source: string): Block[] {
  const blocks: Block[] = [];
  let rest = source;
  for (let deep = tooDeep.exec(rest); deep !== null; deep = tooDeep.exec(rest)) {
    if (deep.index > 0) blocks.push(...lexed(rest.slice(0, deep.index)));
    const blank = /\n[ \t]*\n\s*/g;
    blank.lastIndex = deep.index;
    const end = blank.exec(rest) === null ? rest.length : blank.lastIndex;
    blocks.push(asWritten(rest.slice(deep.index, end)));
    rest = rest.slice(end);
  }
  if (rest !== '') blocks.push(...lexed(rest));
  return blocks;
}

function lexed(source: string): Block[] {
  try {
    return new Lexer({ gfm: true }).blockTokens(source, []) as Block[];
  } catch {
    return [asWritten(source)];
  }
}

function asWritten(raw: string): Block {
  return { type: 'paragraph', raw, text: raw.trimEnd(), tokens: [] };
}

/** Holds nothing between two calls: a link that no lexer of blocks has told it of it does not know. */
const words = new Lexer({ gfm: true });

/**
 * The words of a paragraph. References (`[text][1]`) stay as they are written: what they refer to stands at the end of a
 * reply, long after they were shown.
 */
export function readInline(text: string): Inline[] {
  try {
    return words.inlineTokens(text, []) as Inline[];
  } catch {
    return [{ type: 'text', raw: text, text, escaped: false }];
  }
}
