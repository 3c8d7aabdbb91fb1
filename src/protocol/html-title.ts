/** Reverse proxies write short titles; a page that has none in its first part is named by nothing. */
const searchedCharacters = 64 * 1024;
const longestTitle = 200;

/** Whether a text is an HTML page (or another XML document) and not JSON or plain text. */
export function isHtml(text: string): boolean {
  return /^[\s\uFEFF]*<[!?a-z]/i.test(text);
}

/** The title of an HTML page, white space folded, at most 200 characters; null when it has none. */
export function htmlTitle(html: string): string | null {
  const head = html.slice(0, searchedCharacters);
  const open = /<title\b[^<>]*>/i.exec(head);
  if (open === null) return null;
  const from = open.index + open[0].length;
  const end = head.indexOf('<', from);
  const title = head
    .slice(from, end === -1 ? undefined : end)
    .replace(/\s+/g, ' ')
    .trim();
  return title === '' ? null : title.slice(0, longestTitle);
}
