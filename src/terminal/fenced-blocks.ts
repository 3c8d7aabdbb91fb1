import { type Block, readBlocks } from './markdown-tokens.ts';

/** A block between fences, wherever it stands: in a list or a quotation too. */
export interface FencedBlock {
  /** The first word behind the opening fence, in small letters; empty where there is none. */
  language: string;
  /** What stands between the fences, without the line end before the last one. */
  text: string;
  /** The text ends in it, without a fence that closes it. */
  isOpen: boolean;
}

/** The fenced blocks of a reply in their order, as CommonMark has them: one that is not closed goes on to the end. */
export function fencedBlocks(source: string): FencedBlock[] {
  // Most replies have none, and reading a long one as Markdown is not for nothing.
  if (!/```|~~~/.test(source)) return [];
  const found: FencedBlock[] = [];
  const look = (blocks: readonly Block[], isAtEnd: boolean): void => {
    const last = isAtEnd ? blocks.findLast(({ type }) => type !== 'space') : undefined;
    for (const block of blocks) {
      if (block.type === 'code') {
        if (block.codeBlockStyle === 'indented') continue;
        const [language = ''] = (block.lang ?? '').trim().split(/\s+/);
        const isOpen = block === last && !isClosed(block.raw);
        found.push({ language: language.toLowerCase(), text: block.text, isOpen });
      } else if (block.type === 'list') {
        for (const item of block.items) look(item.tokens as Block[], block === last && item === block.items.at(-1));
      } else if (block.type === 'blockquote') {
        look(block.tokens as Block[], block === last);
      }
    }
  };
  // A line ends with CR LF or CR as well.
  look(readBlocks(source.replace(/\r\n?/g, '\n')), true);
  return found;
}

/** Whether its last line is a fence as long as its first one, or longer. */
function isClosed(raw: string): boolean {
  const [, opening = ''] = /^ {0,3}(`{3,}|~{3,})/.exec(raw) ?? [];
  const [, closing = ''] = /\n {0,3}(`{3,}|~{3,})[ \t]*\n*$/.exec(raw) ?? [];
  return closing.startsWith(opening);
}
