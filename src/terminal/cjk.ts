/**
 * Characters of Chinese, Japanese and Korean as the CJK-friendly amendment of CommonMark counts them (section 2.1): of
 * East Asian Width W, F or H and no emoji, or Hangul; the ranges are those of Unicode 17.
 */
const cjk =
  '\\u1100-\\u11ff\\u20a9\\u2329\\u232a\\u2630-\\u2637\\u268a-\\u268f\\u2e80-\\u2ef3\\u2f00-\\u2fd5\\u2ff0-\\u303e\\u3041-\\u3096\\u3099-\\u318e\\u3190-\\u321e\\u3220-\\u3247\\u3250-\\ua4c6\\ua960-\\ua97c\\uac00-\\ud7fb\\uf900-\\ufaff\\ufe10-\\ufe19\\ufe30-\\ufe6b\\uff01-\\uffee\\u{16fe0}-\\u{18df2}\\u{1aff0}-\\u{1b2fb}\\u{1d300}-\\u{1d376}\\u{1f200}-\\u{1f202}\\u{1f210}-\\u{1f219}\\u{1f21b}-\\u{1f22e}\\u{1f230}-\\u{1f248}\\u{1f260}-\\u{1f265}\\u{20000}-\\u{3fffd}';
const cjkCharacter = new RegExp(`^[${cjk}]$`, 'u');
const cjkPunctuation = new RegExp(`(?=[${cjk}])[\\p{P}\\p{S}]`, 'u');

export function isCjk(character: string): boolean {
  return cjkCharacter.test(character);
}

/** Where the first punctuation mark of such a script stands in a text; -1 if there is none. */
export function indexOfCjkPunctuation(text: string): number {
  return text.search(cjkPunctuation);
}
