/**
 * What shows nothing, or a blank that is none: Unicode's Default_Ignorable_Code_Point (zero-width letters, fillers, tags,
 * variation selectors), separators other than the blank, and the blank pattern of Braille.
 */
const unseen = /(?! )[\p{Default_Ignorable_Code_Point}\p{Zs}\p{Zl}\p{Zp}\u2800]/gu;

/** A text that somebody decides on: each letter that can not be seen as an escape that can. */
export function everyLetter(text: string): string {
  return text.replaceAll(unseen, (letter) => `\\u{${letter.codePointAt(0)?.toString(16)}}`);
}
