import { endOfString } from './json.ts';

/** Deeper lines are not moved further: the blanks would be longer than what they stand before. */
const deepestIndent = 20;

/**
 * A text of JSON in lines, two blanks for each level. Nothing but the white space between its tokens changes: numbers that
 * no double holds, names that stand twice and escapes are as they came, which they are not after JSON.parse.
 *
 * @param text JSON; of any other text it gives something of the same length, roughly
 */
export function laidOutJson(text: string): string {
  let depth = 0;
  return walked(text, {
    open: (bracket) => {
      depth += 1;
      return `${bracket}${lineAt(depth)}`;
    },
    close: (bracket) => {
      depth -= 1;
      return `${lineAt(depth)}${bracket}`;
    },
    comma: () => `,${lineAt(depth)}`,
    colon: ': ',
  });
}

/** The same in one line, without blanks between the tokens. */
export function denseJson(text: string): string {
  return walked(text, { open: (bracket) => bracket, close: (bracket) => bracket, comma: () => ',', colon: ':' });
}

interface Layout {
  open: (bracket: string) => string;
  close: (bracket: string) => string;
  comma: () => string;
  colon: string;
}

function walked(text: string, { open, close, comma, colon }: Layout): string {
  const parts: string[] = [];
  const token = /"|[{[]\s*[\]}]|[{}[\],:]|[^\s"{}[\],:]+/g;
  for (let found = token.exec(text); found !== null; found = token.exec(text)) {
    const [word] = found;
    if (word === '"') {
      token.lastIndex = endOfString(text, found.index) + 1;
      parts.push(text.slice(found.index, token.lastIndex));
    } else if (word === '{' || word === '[') parts.push(open(word));
    else if (word === '}' || word === ']') parts.push(close(word));
    else if (word === ',') parts.push(comma());
    else if (word === ':') parts.push(colon);
    // An empty list, an empty object, or a plain value.
    else parts.push(word.replaceAll(/\s+/g, ''));
  }
  return parts.join('');
}

function lineAt(depth: number): string {
  return `\n${'  '.repeat(Math.max(0, Math.min(depth, deepestIndent)))}`;
}
