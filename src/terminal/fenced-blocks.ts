import { type Block, readBlocks } from './markdown-tokens.ts';

/** A block between fences, wherever it stands: in a list or a quotation too. */
export interface FencedBlock {
  /** The first word behind the opening fence, in small letters; empty where there is none. */
  language: string;
  /** What stands between the fences, without the line end before the last one. */
  text: string;
}

/** The fenced blocks of a reply in their order, as CommonMark has them: one that is not closed goes on to the end. */
export function fencedBlocks(source: string): FencedBlock[] {
  // Most replies have none, and reading a long one as Markdown is not for nothing.
  if (!/```|~~~/.test(source)) return [];
  const found: FencedBlock[] = [];
  const look = (blocks: readonly Block[]): void => {
    for (const block of blocks) {
      if (block.type === 'code') {
        if (block.codeBlockStyle === 'indented') continue;
        const [language = ''] = (block.lang ?? '').trim().split(/\s+/);
        found.push({ language: language.toLowerCase(), text: block.text });
      } else if (block.type === 'list') {
        for (const item of block.items) look(item.tokens as Block[]);
      } else if (block.type === 'blockquote') {
        look(block.tokens as Block[]);
      }
    }
  };
  // A line ends with CR LF or CR as well.
  look(readBlocks(source.replace(/\r\n?/g, '\n')));
  return found;
}
