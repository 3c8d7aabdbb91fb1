import { readInline, type Inline } from './markdown-tokens.ts';
import { type Paint, plainPaint } from './style.ts';
import { terminalSafe } from './terminal-safe.ts';

/**
 * The words of a paragraph with their styles, its lines as they were written: what a model writes below each other (a poem,
 * `Name: A` above `Age: 3`) stays there. Where a link leads is always written out: a terminal link would hide
 * it, and the text comes from a model.
 */
export function inlineText(text: string, paint: Paint): string {
  return styledText(readInline(text), paint);
}

export function styledText(tokens: readonly Inline[], paint: Paint): string {
  let text = '';
  let isAfterBreak = false;
  for (const token of tokens) {
    const styled = styledToken(token, paint);
    text += isAfterBreak ? styled.replace(/^ +/, '') : styled;
    isAfterBreak = token.type === 'html' && styled === '\n';
  }
  return text;
}

function styledToken(token: Inline, paint: Paint): string {
  switch (token.type) {
    case 'strong':
      return paint('bold', inside(token, paint));
    case 'em':
      return paint('italic', inside(token, paint));
    case 'del':
      return paint === plainPaint ? token.raw : paint('strike', inside(token, paint));
    case 'codespan':
      // Without colours the backticks are what tells code from words.
      return paint === plainPaint ? words(token.raw) : paint('yellow', terminalSafe(token.text.replaceAll('\n', ' ')));
    case 'link': {
      const label = inside(token, paint);
      const target = terminalSafe(token.href);
      if (token.text === token.href || token.href === `mailto:${token.text}`) return paint('underline', label);
      return `${paint('underline', label)} ${paint('dim', `(${target})`)}`;
    }
    case 'image':
      return `${paint('underline', words(token.text || 'image'))} ${paint('dim', `(${terminalSafe(token.href)})`)}`;
    case 'br':
      return '\n';
    case 'math':
      return terminalSafe(token.text);
    case 'html':
      return /^<br\s*\/?>$/i.test(token.text) ? '\n' : terminalSafe(token.text.replaceAll('\n', ' '));
    case 'escape':
      return words(token.text);
    case 'text':
      return token.tokens === undefined ? words(token.text) : inside(token, paint);
    default:
      return words(token.raw);
  }
}

function inside(token: Inline, paint: Paint): string {
  const tokens = 'tokens' in token ? (token.tokens as Inline[] | undefined) : undefined;
  return tokens === undefined ? words(token.raw) : styledText(tokens, paint);
}

/** What an entity stands for must not drive the terminal either. */
function words(text: string): string {
  return terminalSafe(decodeEntities(text));
}

const entities: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  nbsp: '\u00a0',
  copy: '©',
  reg: '®',
  trade: '™',
  deg: '°',
  plusmn: '±',
  times: '×',
  middot: '·',
  bull: '•',
  hellip: '…',
  ndash: '–',
  mdash: '—',
  laquo: '«',
  raquo: '»',
  lsquo: '‘',
  rsquo: '’',
  ldquo: '“',
  rdquo: '”',
  larr: '←',
  rarr: '→',
  euro: '€',
};

/** What the entities of a text stand for, of the few that models write; another one stays as it is. */
export function decodeEntities(text: string): string {
  if (!text.includes('&')) return text;
  return text.replace(/&(?:#(\d{1,7})|#[xX]([\da-fA-F]{1,6})|([a-zA-Z]{2,8}));/g, (whole, decimal, hex, name) => {
    if (name !== undefined) return Object.hasOwn(entities, name) ? (entities[name] as string) : whole;
    const code = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal);
    if (code === 10 || code === 13) return ' ';
    const isCharacter = code > 0 && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
    return isCharacter ? String.fromCodePoint(code) : '\u{fffd}';
  });
}
