import { Lexer, type MarkedToken, type Tokens } from 'marked';

export type Block = MarkedToken;
export type Inline = MarkedToken;
export type ListItem = Tokens.ListItem;
export type Table = Tokens.Table;

/**
 * The blocks of a source, their texts still unread: an open block is read again for every frame, and what stands inside
 * its paragraphs matters only for those that are shown. Each block's `raw` is its part of the source, without gaps.
 */
export function readBlocks(source: string): Block[] {
  return new Lexer({ gfm: true }).blockTokens(source, []) as Block[];
}

/** Holds nothing between two calls: a link that no lexer of blocks has told it of it does not know. */
const words = new Lexer({ gfm: true });

/**
 * The words of a paragraph. References (`[text][1]`) stay as they are written: what they refer to stands at the end of a
 * reply, long after they were shown.
 */
export function readInline(text: string): Inline[] {
  return words.inlineTokens(text, []) as Inline[];
}
