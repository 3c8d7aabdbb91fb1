let segmenter: Intl.Segmenter | null = null;
/** What short stretches are made of: a language has few of them, and asking takes a thousand times longer. */
const remembered = new Map<string, string[]>();
const mostRemembered = 4096;
const longestRemembered = 16;
/** A longer stretch is read in pieces; nobody writes a character of so many units. */
const longestStretch = 256;

/**
 * A text in characters as a reader counts them: grapheme clusters (UAX #29). Between two letters, digits or signs that
 * nothing is joined to there is always an end, so the tables of Unicode are only asked about what is between.
 */
export function* clusters(text: string): Generator<string> {
  let start = 0;
  for (let at = 1; at <= text.length; at += 1) {
    if (at < text.length && !(isAlone(text.charCodeAt(at - 1)) && isAlone(text.charCodeAt(at)))) continue;
    if (at - start === 1) yield text.slice(start, at);
    else yield* stretch(text.slice(start, at));
    start = at;
  }
}

function* stretch(text: string): Generator<string> {
  let rest = text;
  while (rest.length > longestStretch) {
    const found = segments(rest.slice(0, longestStretch));
    // The last one may go on in the next piece.
    if (found.length > 1) found.pop();
    yield* found;
    rest = rest.slice(found.reduce((length, each) => length + each.length, 0));
  }
  yield* segments(rest);
}

function segments(text: string): string[] {
  const before = remembered.get(text);
  if (before !== undefined) return [...before];
  segmenter ??= new Intl.Segmenter();
  const found = Array.from(segmenter.segment(text), ({ segment }) => segment);
  if (text.length <= longestRemembered && remembered.size < mostRemembered) remembered.set(text, [...found]);
  return found;
}

/** 1 for a unit that begins and ends a character by itself when it stands between others of its kind, 2 for one that does not. */
const kinds = new Uint8Array(0x10000);
/** Hangul that joins, vowels that Unicode counts as letters, and signs that stand before a number. */
const joining = /[\u1100-\u11ff\ua960-\ua97c\ud7b0-\ud7fb\u0e33\u0eb3\u0d4e]/;

function isAlone(unit: number): boolean {
  if (unit >= 0x20 && unit < 0x7f) return true;
  let kind = kinds[unit] as number;
  if (kind === 0) {
    const character = String.fromCharCode(unit);
    kind = /[\p{L}\p{N}\p{P}\p{S}\p{Zs}\t]/u.test(character) && !joining.test(character) ? 1 : 2;
    kinds[unit] = kind;
  }
  return kind === 1;
}
