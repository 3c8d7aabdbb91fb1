/**
 * What somebody typed, as an FTS5 query that can not be malformed: every word must occur, each may be the beginning of a
 * longer one; words in double quotes must occur as they stand. Everything else of FTS5's syntax is text.
 * https://sqlite.org/fts5.html#full_text_query_syntax
 *
 * @returns Null when there is no word to look for.
 */
export function searchQuery(text: string): string | null {
  const terms: string[] = [];
  for (const [, phrase, word] of text.replaceAll('\0', ' ').matchAll(/"([^"]*)"|([^\s"]+)/g)) {
    const term = phrase ?? word ?? '';
    // A term without a letter or digit has no token; FTS5 would let it match nothing at all.
    if (!/[\p{L}\p{N}\p{Co}]/u.test(term)) continue;
    terms.push(phrase === undefined ? `"${term}"*` : `"${term}"`);
  }
  return terms.length === 0 ? null : terms.join(' ');
}
