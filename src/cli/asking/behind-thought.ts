import { fencedBlocks } from '../../terminal/fenced-blocks.ts';

/**
 * A reply without what a model thought before it, where a proxy leaves that in the text: up to `</think>`, with or without
 * the `<think>` that a model's template may have said already. What stands in a thought was not meant to be read.
 *
 * @returns null for a thought without an end
 */
export function behindThought(reply: string): string | null {
  let rest = reply.replace(/^\uFEFF/, '');
  for (let begun = opening.exec(rest); begun !== null; begun = opening.exec(rest)) {
    const end = closing.exec(rest);
    if (end === null) return null;
    rest = rest.slice(end.index + end[0].length);
  }
  const end = [...rest.matchAll(closingLine)].at(-1);
  if (end === undefined) return rest;
  // In the middle of a block of code it is a part of that.
  const isInBlock = fencedBlocks(rest.slice(0, end.index)).at(-1)?.isOpen === true;
  return isInBlock ? rest : rest.slice(end.index + end[0].length);
}

const opening = /^\s*<think(?:ing)?>/i;
const closing = /<\/think(?:ing)?>/i;
const closingLine = /^[ \t]*<\/think(?:ing)?>/gim;
