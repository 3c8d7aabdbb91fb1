/**
 * Lines of a stranger's text, folded in time that grows with its length. The obvious patterns (`\s*\n\s*`, `\n+$`)
 * look at a run of white space anew from each of its characters: a body of blank lines would stop the program for minutes.
 */

/** Makes several lines one, with a space for each line end and the white space around it. */
export function foldLines(text: string): string {
  if (!text.includes('\n')) return text;
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .join(' ');
}

/** A text without a certain character at its end. */
export function withoutFinal(character: string, text: string): string {
  let end = text.length;
  while (end > 0 && text[end - 1] === character) end -= 1;
  return text.slice(0, end);
}
