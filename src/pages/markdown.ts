import { mediaOf, mediaTitle } from '../protocol/media.ts';
import { languageOf, fence } from '../terminal/markdown-block.ts';
import { decodeEntities } from '../terminal/markdown-inline.ts';
import {
  type Block,
  type Inline,
  type LinkDefinitions,
  type ListItem,
  readBlocks,
  readInline,
  type Table,
} from '../terminal/markdown-tokens.ts';
import { codeHtml } from './code.ts';
import { html, type Html, type HtmlValue } from './html.ts';
import { linkOf } from './links.ts';
import { sourceOf } from './media.ts';

/** The words of a longer paragraph nobody reads, and to look for marks in it takes time that grows with its square. */
const longestParagraph = 50_000;

/**
 * Markdown of a model as a part of a page. What is HTML in it is shown as it is written, and so is a formula; what leads
 * elsewhere than to the web or a mail is no link.
 */
export function markdownHtml(source: string): Html {
  const blocks = readBlocks(source.replaceAll('\r\n', '\n'));
  const definitions: LinkDefinitions = Object.create(null) as LinkDefinitions;
  for (const block of blocks) if (block.type === 'def') definitions[block.tag] ??= block;
  return new Writer(definitions).blocks(blocks);
}

/** The names behind the fences of code, of which some may be no languages. */
export function languagesIn(source: string): string[] {
  return [...source.matchAll(/^[ \t>*+\-\d.)]*(?:`{3,}|~{3,})[ \t]*([\w+#.-]{1,30})/gm)].map(([, name = '']) => name);
}

class Writer {
  readonly #definitions: LinkDefinitions | undefined;

  constructor(definitions: LinkDefinitions) {
    this.#definitions = Object.keys(definitions).length === 0 ? undefined : definitions;
  }

  blocks(blocks: readonly Block[]): Html {
    return html`${blocks.map((block) => this.#block(block))}`;
  }

  #block(block: Block): HtmlValue {
    switch (block.type) {
      case 'heading':
        return headings[Math.min(block.depth, headings.length) - 1]?.(this.#words(block.text));
      case 'paragraph':
        return html`<p dir="auto">${this.#words(block.text)}</p>`;
      case 'text':
        return this.#words(block.text);
      case 'code':
        return codeBlock(block);
      case 'list':
        return this.#list(block.ordered, typeof block.start === 'number' ? block.start : 1, block.items);
      case 'blockquote':
        return html`<blockquote>${this.blocks(block.tokens as Block[])}</blockquote>`;
      case 'table':
        return this.#table(block);
      case 'hr':
        return html`<hr>`;
      case 'space':
        return null;
      case 'def':
        return html`<p dir="auto" class="raw">${block.raw.trim()}</p>`;
      default:
        return html`<p dir="auto" class="raw">${block.raw.trimEnd()}</p>`;
    }
  }

  #list(isOrdered: boolean, start: number, items: readonly ListItem[]): Html {
    const entries = items.map((item) => this.#item(item));
    return isOrdered ? html`<ol start="${start}">${entries}</ol>` : html`<ul>${entries}</ul>`;
  }

  #item({ task: isTask, checked: isDone, tokens }: ListItem): Html {
    if (!isTask) return html`<li dir="auto">${this.blocks(tokens as Block[])}</li>`;
    // The box stands before the words in a tight list, and in the first paragraph of a loose one.
    const [first, ...rest] = (tokens as Block[]).filter(({ type }) => (type as string) !== 'checkbox');
    const words = first?.type === 'paragraph' ? { ...first, text: first.text.replace(/^\[[ xX]\]\s*/, '') } : first;
    const content = this.blocks(words === undefined ? rest : [words, ...rest]);
    return html`<li dir="auto" class="task"><span class="box">${isDone ? '☑' : '☐'}</span> ${content}</li>`;
  }

  #table({ header, rows }: Table): Html {
    const cells = header.map((cell) => html`<th dir="auto" class="${cell.align ?? ''}">${this.#words(cell.text)}</th>`);
    const lines = rows.map(
      (row) =>
        html`<tr>${row.map((cell) => html`<td dir="auto" class="${cell.align ?? ''}">${this.#words(cell.text)}</td>`)}</tr>`,
    );
    const table = html`<table><thead><tr>${cells}</tr></thead><tbody>${lines}</tbody></table>`;
    return html`<div class="table" tabindex="0">${table}</div>`;
  }

  #words(text: string): HtmlValue {
    if (text.length > longestParagraph) return text;
    try {
      return inlines(readInline(text, this.#definitions), false);
    } catch {
      // Nested too deep for the stack: it is as it was written.
      return text;
    }
  }
}

const headings: readonly ((words: HtmlValue) => Html)[] = [
  (words) => html`<h3 dir="auto">${words}</h3>`,
  (words) => html`<h4 dir="auto">${words}</h4>`,
  (words) => html`<h5 dir="auto">${words}</h5>`,
  (words) => html`<h6 dir="auto">${words}</h6>`,
];

function codeBlock(block: { raw: string; text: string }): Html {
  const language = languageOf(fence.exec(block.raw)?.[3] ?? '');
  if (language === '') return codeHtml(block.text, '');
  return html`<figure class="code"><figcaption>${language}</figcaption>${codeHtml(block.text, language)}</figure>`;
}

function inlines(tokens: readonly Inline[], isInLink: boolean): HtmlValue[] {
  return tokens.map((token) => inline(token, isInLink));
}

function inline(token: Inline, isInLink: boolean): HtmlValue {
  switch (token.type) {
    case 'strong':
      return html`<strong>${inside(token, isInLink)}</strong>`;
    case 'em':
      return html`<em>${inside(token, isInLink)}</em>`;
    case 'del':
      return html`<del>${inside(token, isInLink)}</del>`;
    case 'codespan':
      return html`<code>${token.text.replaceAll('\n', ' ')}</code>`;
    case 'link': {
      const label = inside(token, true);
      const link = isInLink ? null : linkOf(token.href);
      if (link === null) return isInLink ? label : [label, html` <span class="target">(${token.href})</span>`];
      const anchor = html`<a href="${link.href}" rel="noopener noreferrer nofollow">${label}</a>`;
      // A label may name another place than the one it leads to.
      const isItsOwn = token.text === token.href || token.href === `mailto:${token.text}`;
      return isItsOwn ? anchor : [anchor, html` <span class="target">(${link.target})</span>`];
    }
    case 'image':
      return imageHtml(token, isInLink);
    case 'br':
      return html`<br>`;
    case 'math':
      return html`<code class="math">${token.text}</code>`;
    case 'html':
      return /^<br\s*\/?>$/i.test(token.text) ? html`<br>` : token.text;
    case 'escape':
      return decodeEntities(token.text);
    case 'text':
      return token.tokens === undefined ? decodeEntities(token.text) : inside(token, isInLink);
    default:
      return token.raw;
  }
}

function inside(token: Inline, isInLink: boolean): HtmlValue {
  const tokens = 'tokens' in token ? (token.tokens as Inline[] | undefined) : undefined;
  return tokens === undefined ? decodeEntities(token.raw) : inlines(tokens, isInLink);
}

/** Nothing is fetched: an image that is not in the reply itself is named. */
function imageHtml({ text, href }: { text: string; href: string }, isInLink: boolean): HtmlValue {
  const label = decodeEntities(text || 'image');
  if (/^data:/i.test(href)) {
    const [media] = mediaOf({ role: 'assistant', content: null, images: [href] });
    const source = media === undefined ? null : sourceOf(media);
    if (source?.startsWith('data:image/')) return html`<img src="${source}" alt="${label}">`;
    return [label, html` <span class="target">(${media === undefined ? 'no data' : mediaTitle(media)})</span>`];
  }
  const link = isInLink ? null : linkOf(href);
  if (link === null) return isInLink ? label : [label, html` <span class="target">(${href})</span>`];
  return [
    html`<a href="${link.href}" rel="noopener noreferrer nofollow">${label}</a>`,
    html` <span class="target">(image, ${link.target})</span>`,
  ];
}
