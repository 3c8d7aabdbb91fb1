import { endOfString } from './json.ts';

/**
 * Why programs may read a JSON text as different values, in words that go on from "it"; null when all read the same. A name
 * that stands twice in an object is the first value to some and the last to others, and a number that no double holds is
 * infinite, null or an error.
 *
 * Source: RFC 8259, 4 and 6.
 *
 * @param text JSON; what it says of any other text means nothing
 */
export function ambiguityOf(text: string): string | null {
  /** The names of each object that is open; null for a list. */
  const open: (Set<string> | null)[] = [];
  let isName = false;
  const token = /["{}[\],]|-?\d[\d.eE+-]*/g;
  for (let found = token.exec(text); found !== null; found = token.exec(text)) {
    const [word] = found;
    if (word === '"') {
      token.lastIndex = endOfString(text, found.index) + 1;
      const names = isName ? open.at(-1) : null;
      isName = false;
      if (names == null) continue;
      const name = String(JSON.parse(text.slice(found.index, token.lastIndex)));
      if (names.has(name)) return `has the name ${JSON.stringify(name.slice(0, 60))} twice in one object`;
      names.add(name);
    } else if (word === '{' || word === '[') {
      open.push(word === '{' ? new Set() : null);
      isName = word === '{';
    } else if (word === '}' || word === ']') open.pop();
    else if (word === ',') isName = open.at(-1) != null;
    else if (!Number.isFinite(Number(word)))
      return `has the number ${word.slice(0, 30)}, which is too large for most programs`;
  }
  return null;
}
