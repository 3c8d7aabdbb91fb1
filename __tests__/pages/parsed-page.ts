import { type DefaultTreeAdapterTypes, parse, parseFragment } from 'parse5';

type Node = DefaultTreeAdapterTypes.Node;
export type Element = DefaultTreeAdapterTypes.Element;

/** A page, or a part of one, as a browser reads it. */
export class ParsedPage {
  readonly #root: Node;

  constructor(source: string) {
    this.#root = source.startsWith('<!doctype') ? parse(source) : parseFragment(source);
  }

  get elements(): Element[] {
    return nodesOf(this.#root).filter((node): node is Element => 'tagName' in node);
  }

  named(name: string): Element[] {
    return this.elements.filter(({ tagName }) => tagName === name);
  }

  /** Elements with a class. */
  classed(name: string): Element[] {
    return this.elements.filter((element) => attribute(element, 'class') === name);
  }

  get text(): string {
    return textOf(this.#root);
  }
}

export function attribute({ attrs }: Element, name: string): string | undefined {
  return attrs.find((each) => each.name === name)?.value;
}

export function textOf(node: Node): string {
  return nodesOf(node)
    .map((each) => ('value' in each ? each.value : ''))
    .join('');
}

function nodesOf(root: Node): Node[] {
  const found: Node[] = [];
  // A list of its own: a page may be nested deeper than the stack.
  for (const open: Node[] = [root]; open.length > 0;) {
    const node = open.pop() as Node;
    found.push(node);
    if ('childNodes' in node) for (const child of node.childNodes.toReversed()) open.push(child);
  }
  return found;
}

const elements = new Set(
  `html head meta link title style body header main footer article section h1 h2 h3 h4 h5 h6 p div span bdi time a strong em del
  code pre br hr ul ol li blockquote table thead tbody tr th td details summary figure figcaption img audio`.split(
    /\s+/,
  ),
);
const attributes = new Set(
  `lang charset http-equiv content name rel href id class dir tabindex datetime start src alt controls aria-label role`.split(
    ' ',
  ),
);

/** What in a page could run, or load something: by what it may hold, not by what it may not. Empty for none. */
export function livePartsOf(page: ParsedPage): string[] {
  return page.elements.flatMap(({ tagName, attrs }) => [
    ...(elements.has(tagName) ? [] : [`<${tagName}>`]),
    ...attrs.filter(({ name }) => !attributes.has(name)).map(({ name }) => `<${tagName} ${name}>`),
    ...attrs.filter(({ name, value }) => name === 'href' && !isHarmless(tagName, value)).map(({ value }) => value),
    ...attrs.filter(({ name, value }) => name === 'src' && !isData(value)).map(({ value }) => value),
  ]);
}

function isHarmless(tagName: string, href: string): boolean {
  if (tagName === 'link') return href === 'data:,';
  return tagName === 'a' && /^(?:https?:\/\/|mailto:)[\x21-\x7e]*$/.test(href);
}

function isData(source: string): boolean {
  return /^data:(?:image\/(?:png|jpeg|gif|webp|avif|bmp)|audio\/[a-z\d]+);base64,[A-Za-z\d+/]+=*$/.test(source);
}
