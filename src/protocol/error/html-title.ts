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

/** Whether a text is a page and nothing before it. Narrower than isHtml: an error may begin with `<` and still be a sentence. */
export function startsWithPage(text: string): boolean {
  return pageStart.exec(text.slice(0, 4096).replace(/^[\s\uFEFF]+/, ''))?.index === 0;
}

/** How a page begins that stands in a text: markup that no sentence has. */
const pageStart = /<(?:!doctype\s+html|html|head|body|title|center|h1)\b|<\?xml\s/i;

/**
 * A text in which a page stands, as LiteLLM hands on a provider's (`litellm.BadGatewayError: … - <!DOCTYPE html>…`), with the
 * page's title in its place; without one its first heading, or its words.
 */
export function titledPage(text: string): string {
  const start = pageStart.exec(text)?.index ?? -1;
  if (start === -1) return text;
  const page = text.slice(start);
  const end = page.search(/<\/html>/i);
  const rest = end === -1 ? '' : page.slice(end + '</html>'.length);
  return `${text.slice(0, start)}${pageWords(page)}${rest.trim() === '' ? '' : ` ${rest.trim()}`}`;
}

/** The title (else the first heading, else the first words) of a page. */
export function pageWords(html: string): string {
  const words =
    htmlTitle(html) ?? /<h1[^<>]*>([^<]*)/i.exec(html)?.[1] ?? withoutElements(html).replaceAll(/<[^<>]*>/g, ' ');
  const line = decodeEntities(words).replaceAll(/\s+/g, ' ').trim();
  return line.length <= longestTitle ? line : `${line.slice(0, longestTitle - 1).trimEnd()}…`;
}

/** A page without its scripts and styles. One that never ends takes the rest, as in a browser. */
function withoutElements(html: string): string {
  let text = '';
  let from = 0;
  const opening = /<(script|style)\b/gi;
  for (let open = opening.exec(html); open !== null; open = opening.exec(html)) {
    text += `${html.slice(from, open.index)} `;
    const closing = new RegExp(`</${open[1] ?? ''}>`, 'gi');
    closing.lastIndex = opening.lastIndex;
    if (closing.exec(html) === null) return text;
    from = opening.lastIndex = closing.lastIndex;
  }
  return text + html.slice(from);
}

function decodeEntities(text: string): string {
  const named: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', nbsp: ' ', ndash: '–', mdash: '—' };
  return text.replaceAll(/&(?:#(\d{1,6})|(\w{2,6}));/g, (entity, number?: string, name?: string) => {
    if (number !== undefined) return String.fromCodePoint(Math.min(Number(number), 0x10_ff_ff));
    return named[name ?? ''] ?? entity;
  });
}
