import { isPaired, pairQuery, touchingQuery } from './pairs.ts';

/** A word, or words that stand together, as somebody typed them, and the query of each index that knows it. */
export interface SearchTerm {
  text: string;
  /** For the index of words; null when that can not find it inside a run of text. */
  words: string | null;
  /** For the index of pairs; null when it can not be in there. */
  pairs: string | null;
}

/**
 * What somebody typed, as FTS5 queries that can not be malformed: every word must occur, each may be the beginning of a
 * longer one; words in double quotes must occur as they stand. Everything else of FTS5's syntax is text.
 * https://sqlite.org/fts5.html#full_text_query_syntax
 *
 * @returns Empty when there is no word to look for.
 */
export function searchTerms(text: string): SearchTerm[] {
  const terms: SearchTerm[] = [];
  for (const [, phrase, word] of text.replaceAll('\0', ' ').matchAll(/"([^"]*)"|([^\s"]+)/g)) {
    const given = phrase ?? word ?? '';
    // Of scripts without spaces, what stands between spaces is found wherever it stands.
    for (const term of isPaired(given) ? given.split(/\s+/) : [given]) {
      // A term without a letter or digit has no token; FTS5 would let it match nothing at all.
      if (!/[\p{L}\p{N}\p{Co}]/u.test(term)) continue;
      if (isPaired(term)) terms.push({ text: term, words: null, pairs: pairQuery(term) });
      else if (phrase === undefined) terms.push({ text: term, words: `"${term}"*`, pairs: touchingQuery(term) });
      else terms.push({ text: term, words: `"${term}"`, pairs: null });
    }
  }
  return terms;
}
