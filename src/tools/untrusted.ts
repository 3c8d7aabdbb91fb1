import { terminalSafe } from '../terminal/terminal-safe.ts';

/** Letters that nobody sees (Unicode's tags): words for a model that the person who allowed the call could not read. */
const unseen = /[\u{e0000}-\u{e007f}]/gu;

/** A foreign text without what drives a terminal or hides from a reader: as visible escapes. */
export function harmless(text: string): string {
  return terminalSafe(text).replaceAll(unseen, (letter) => `\\u{${letter.codePointAt(0)?.toString(16)}}`);
}

/** The beginning of a text, at most so long, with a line that says how much is left out. */
export function bounded(text: string, most: number): string {
  if (text.length <= most) return text;
  const note = (left: number): string => `\n[${left} more characters are left out]`;
  let kept = Math.max(0, most - note(text.length).length);
  // Half of a character is none.
  if (/[\ud800-\udbff]/.test(text.charAt(kept - 1))) kept -= 1;
  return text.slice(0, kept) + note(text.length - kept);
}

const mark = 'untrusted-tool-result';

/**
 * A result as the model gets it: between marks that say that it is data from elsewhere, whatever it says. It can not end
 * itself early.
 *
 * @param source names the tool: letters, digits and the like
 */
export function markedUntrusted(text: string, source: string): string {
  const inside = text.replaceAll(new RegExp(`<(?=/?${mark})`, 'gi'), '&lt;');
  return `<${mark} from="${source.slice(0, 64)}">\n${inside}\n</${mark}>`;
}

/** The text inside of the marks; one without them is as it was. */
export function unmarked(text: string): string {
  return new RegExp(`^<${mark} from="[^"\n]*">\n([^]*)\n</${mark}>$`).exec(text)?.[1] ?? text;
}
