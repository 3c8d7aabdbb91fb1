import { isCjk } from './cjk.ts';

/** A piece of a text in a style: where its opening marks begin, where its closing ones end, and how many each has. */
export interface Emphasis {
  type: 'em' | 'strong' | 'del';
  start: number;
  end: number;
  markLength: 1 | 2;
}

/** A run of `*`, `_` or `~`, as CommonMark 0.31 calls it (section 6.2). */
export interface DelimiterRun {
  mark: string;
  start: number;
  length: number;
}

interface Delimiter extends DelimiterRun {
  /** As it was before parts of it were used. */
  wholeLength: number;
  canOpen: boolean;
  canClose: boolean;
}

/**
 * What of a text is emphasised: the algorithm of CommonMark 0.31 (appendix, "process emphasis"), with the CJK-friendly
 * amendment of https://github.com/tats-u/markdown-cjk-friendly for what may open and close, which people who write without
 * spaces need: `**注意，**正文`. Two tildes strike, as GitHub's markdown has it; one means "about".
 *
 * Own code: marked finds the end of a run by one pattern that has no place for another rule, and its own idea of which of
 * several runs belong together is not CommonMark's.
 *
 * @param runs in the order of the text, without those in code, links and mathematics
 * @returns by where each begins
 */
export function emphasisOf(text: string, runs: readonly DelimiterRun[]): Map<number, Emphasis> {
  const found = new Map<number, Emphasis>();
  const open: Delimiter[] = [];
  /** For each kind of closing run, how many of the open ones are known not to match it. */
  const bottoms = new Map<string, number>();
  for (const run of runs) {
    const delimiter = delimiterOf(text, run);
    if (delimiter === null) continue;
    while (delimiter.canClose && delimiter.length > 0) {
      const kind = `${delimiter.mark}${delimiter.canOpen ? 1 : 0}${delimiter.wholeLength % 3}`;
      const bottom = bottoms.get(kind) ?? 0;
      let at = open.length - 1;
      while (at >= bottom && !isPair(open[at] as Delimiter, delimiter)) at -= 1;
      if (at < bottom) {
        bottoms.set(kind, open.length);
        break;
      }
      // What stands between the two can match nothing outside any more.
      open.length = at + 1;
      for (const [each, place] of bottoms) if (place > open.length) bottoms.set(each, open.length);
      const opener = open[at] as Delimiter;
      const markLength = opener.length >= 2 && delimiter.length >= 2 ? 2 : 1;
      opener.length -= markLength;
      const start = opener.start + opener.length;
      const type = delimiter.mark === '~' ? 'del' : markLength === 2 ? 'strong' : 'em';
      found.set(start, { type, start, end: delimiter.start + markLength, markLength });
      delimiter.start += markLength;
      delimiter.length -= markLength;
      if (opener.length === 0) open.pop();
    }
    if (delimiter.canOpen && delimiter.length > 0) open.push(delimiter);
  }
  return found;
}

function isPair(opener: Delimiter, closer: Delimiter): boolean {
  if (opener.mark !== closer.mark) return false;
  if (closer.mark === '~') return true;
  // Rules 9 and 10: a run that could do both makes no pair whose lengths add up to a multiple of three.
  if (!opener.canClose && !closer.canOpen) return true;
  return (
    (opener.wholeLength + closer.wholeLength) % 3 !== 0 ||
    (opener.wholeLength % 3 === 0 && closer.wholeLength % 3 === 0)
  );
}

function delimiterOf(text: string, { mark, start, length }: DelimiterRun): Delimiter | null {
  if (mark === '~' && length !== 2) return null;
  const before = characterBefore(text, start);
  const after = characterAt(text, start + length);
  const isOpening =
    !isSpace(after) && (!isForeignPunctuation(after) || isSpace(before.text) || before.isForeign || before.isCjk);
  const isEnding =
    !isSpace(before.text) && (!before.isForeign || isSpace(after) || isForeignPunctuation(after) || isCjk(after));
  const isWord = mark === '_';
  return {
    mark,
    start,
    length,
    wholeLength: length,
    canOpen: isOpening && (!isWord || !isEnding || isPunctuation(before.text)),
    canClose: isEnding && (!isWord || !isOpening || isPunctuation(after)),
  };
}

interface Before {
  text: string;
  isCjk: boolean;
  /** A punctuation mark that belongs to no script of East Asia. */
  isForeign: boolean;
}

/** The character before a place, a variation selector read with the one that it varies. */
function characterBefore(text: string, at: number): Before {
  let character = lastCharacter(text, at);
  const isIdeographic = /^[\u{e0100}-\u{e01ef}]$/u.test(character);
  if (isIdeographic) return { text: character, isCjk: true, isForeign: false };
  if (/^[\ufe00-\ufe0e]$/.test(character)) {
    const selector = character;
    character = lastCharacter(text, at - 1);
    // Quotation marks in their full width.
    if (selector === '\ufe01' && /^[‘’“”]$/.test(character)) return { text: character, isCjk: true, isForeign: false };
  }
  return { text: character, isCjk: isCjk(character), isForeign: isForeignPunctuation(character) };
}

function lastCharacter(text: string, end: number): string {
  if (end <= 0) return '';
  const unit = text.charCodeAt(end - 1);
  const isSecond = unit >= 0xdc00 && unit <= 0xdfff && end > 1;
  return isSecond ? text.slice(end - 2, end) : text.slice(end - 1, end);
}

function characterAt(text: string, at: number): string {
  const code = text.codePointAt(at);
  return code === undefined ? '' : String.fromCodePoint(code);
}

/** The beginning and the end of a text count as whitespace. */
function isSpace(character: string): boolean {
  return character === '' || /^\s$/.test(character);
}

function isPunctuation(character: string): boolean {
  return /^[\p{P}\p{S}]$/u.test(character);
}

function isForeignPunctuation(character: string): boolean {
  return isPunctuation(character) && !isCjk(character);
}
