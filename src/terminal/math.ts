/**
 * Mathematics as models write it for LaTeX: `\(…\)`, `\[…\]`, `$$…$$`, and `$…$` by pandoc's rule (no blank inside its
 * ends, no digit after it), so that `$5 and $10` is money. It is shown as it was written: what is copied is a formula.
 */
export function mathEnd(text: string, at: number): number {
  if (text[at] === '\\') {
    const closing = text[at + 1] === '(' ? '\\)' : text[at + 1] === '[' ? '\\]' : null;
    return closing === null ? -1 : endOf(text, at + 2, closing);
  }
  if (text[at] !== '$') return -1;
  if (text[at + 1] === '$') return text[at + 2] === '$' ? -1 : endOf(text, at + 2, '$$');
  if (/[\s$]/.test(text[at + 1] ?? ' ')) return -1;
  for (let end = at + 1; end < text.length; end += 1) {
    const character = text[end];
    if (character === '\\') end += 1;
    // A span of code begins before the formula would end.
    else if (character === '`') return -1;
    else if (character === '$') {
      const isClosing = !/\s/.test(text[end - 1] as string) && !/[\d$]/.test(text[end + 1] ?? '');
      return isClosing ? end + 1 : -1;
    }
  }
  return -1;
}

function endOf(text: string, from: number, closing: string): number {
  if (!text.includes(closing, from)) return -1;
  for (let at = from; at < text.length; at += 1) {
    if (text.startsWith(closing, at)) return text.slice(from, at).trim() === '' ? -1 : at + closing.length;
    if (text[at] === '\\') at += 1;
  }
  return -1;
}

const opening = /^ {0,3}(?:\$\$(?!\$)|\\\[)/;

/**
 * A formula of several lines at the beginning of a source, to the end of its last line: its lines are no lists, tables or
 * headings. One that is not closed ends at the next blank line, so that no later line changes what it was. Null when the
 * source does not begin with one.
 */
export function mathBlock(source: string): string | null {
  const begun = opening.exec(source)?.[0];
  if (begun === undefined) return null;
  const blank = source.search(/\n[ \t]*(?:\n|$)/);
  const paragraph = blank === -1 ? source : source.slice(0, blank);
  const end = endOf(paragraph, begun.length, begun.endsWith('[') ? '\\]' : '$$');
  const line = end === -1 ? -1 : paragraph.indexOf('\n', end);
  const block = line === -1 ? paragraph : paragraph.slice(0, line);
  // A formula on one line is a word of its paragraph.
  return end !== -1 && !block.slice(0, end).includes('\n') ? null : block;
}

/** Where the next line begins that a formula of several lines could begin with; undefined if there is none. */
export function nextMathBlock(source: string): number | undefined {
  const at = source.search(/\n {0,3}(?:\$\$(?!\$)|\\\[)/);
  return at === -1 ? undefined : at;
}
