/**
 * Scripts in which words stand without spaces between them, or with endings attached: the word index knows a run of them by
 * its beginning alone. By code points and not by Unicode's properties, which differ between versions of Node: what one
 * wrote into the index, another has to take out.
 */
const script =
  '\\u0e00-\\u0eff\\u1000-\\u109f\\u1100-\\u11ff\\u1780-\\u17ff\\u3005-\\u3007\\u3031-\\u3035\\u3041-\\u3096\\u309d-\\u309f' +
  '\\u30a1-\\u30fa\\u30fc-\\u30ff\\u3105-\\u318f\\u31a0-\\u31bf\\u31f0-\\u31ff\\u3400-\\u4dbf\\u4e00-\\u9fff\\ua960-\\ua97f' +
  '\\uac00-\\ud7ff\\uf900-\\ufaff\\uff66-\\uffdc\\u{1b000}-\\u{1b16f}\\u{20000}-\\u{3ffff}';
const hasScript = new RegExp(`[${script}]`, 'u');
/** A run of them, or a word of ASCII that touches one: to the word index both are one word. */
const piece = new RegExp(`[${script}]+|(?<=[${script}])[\\dA-Za-z]+|[\\dA-Za-z]+(?=[${script}])`, 'gu');

/** Of a longer text the rest is not found by pairs: its tokens would not fit into a value of SQLite. */
const mostCharacters = 16_000_000;

/** Whether a text has what is found by pairs of characters. */
export function isPaired(text: string): boolean {
  return hasScript.test(text);
}

/**
 * A text as the tokens of the index of pairs, separated by spaces; empty for a text that has none of these scripts. Each
 * character with the next one, the last of a run by itself, and words of ASCII that touch them. A character is its code
 * point in four digits to the base 36, so that no tokenizer has an opinion on it; a word has a `w` before it, which no
 * code point begins with.
 */
export function pairText(text: unknown): string {
  if (typeof text !== 'string' || !isPaired(text)) return '';
  return piecesOf(text.slice(0, mostCharacters)).flat().join(' ');
}

/** Such a term as an FTS5 query on the index of pairs; its last character or word may be the beginning of more. */
export function pairQuery(term: string): string {
  const pieces = piecesOf(term);
  const last = pieces.at(-1) ?? [];
  // The last pair says all that the last character says.
  const isOpen = last.length === 1;
  const tokens = [...pieces.slice(0, -1).flat(), ...(isOpen ? last : last.slice(0, -1))];
  return `"${tokens.join(' ')}"${isOpen ? '*' : ''}`;
}

/** A word that may touch such a run, as a query; null when it has other letters than those of ASCII. */
export function touchingQuery(word: string): string | null {
  return /^[\dA-Za-z]+$/.test(word) ? `"w${word.toLowerCase()}"*` : null;
}

/** Whether a word of ASCII begins anywhere in a text: what `touchingQuery` finds, and what the index of words does. */
export function hasWord(text: string, word: string): boolean {
  return /^[\dA-Za-z]+$/.test(word) && new RegExp(`(?<![\\dA-Za-z])${word}`, 'i').test(text);
}

function piecesOf(text: string): string[][] {
  return (text.normalize('NFKC').match(piece) ?? []).map((each) => {
    if (/^[\dA-Za-z]/.test(each)) return [`w${each.toLowerCase()}`];
    const codes = Array.from(each, (character) => (character.codePointAt(0) as number).toString(36).padStart(4, '0'));
    return codes.map((code, at) => code + (codes[at + 1] ?? ''));
  });
}
