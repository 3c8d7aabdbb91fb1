import type { SearchHit } from './history.ts';
import type { SearchTerm } from './search-query.ts';

/** Characters before the match and in all. */
const before = 24;
const most = 96;

/** The words around the first place at which one of the texts has one of the terms; every place in there is marked. */
export function excerptOf(texts: readonly string[], terms: readonly Pick<SearchTerm, 'text'>[]): SearchHit['excerpt'] {
  const wanted = new RegExp(terms.map(({ text }) => text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')).join('|'), 'giu');
  for (const text of texts) {
    wanted.lastIndex = 0;
    const found = wanted.exec(text);
    if (found !== null) return marked(text, found.index, wanted);
  }
  // Written in another form: in wide letters, say.
  return marked(texts.find((text) => text !== '') ?? '', 0, wanted);
}

function marked(text: string, at: number, wanted: RegExp): SearchHit['excerpt'] {
  const from = Math.max(0, at - before);
  // No half of a pair of surrogates at either end.
  const part = text.slice(from, from + most).replace(/^[\udc00-\udfff]|[\ud800-\udbff]$/g, '');
  wanted.lastIndex = 0;
  const pieces: SearchHit['excerpt'] = [];
  if (from > 0) pieces.push({ text: '…', isMatch: false });
  let end = 0;
  for (const match of part.matchAll(wanted)) {
    pieces.push({ text: part.slice(end, match.index), isMatch: false }, { text: match[0], isMatch: true });
    end = match.index + match[0].length;
  }
  pieces.push({ text: part.slice(end) + (from + most < text.length ? '…' : ''), isMatch: false });
  return pieces.filter(({ text: piece }) => piece !== '');
}
