import { width } from './width.ts';

/** A style's code, and what may stand on a line of its own: a run of spaces, a wide character, a word. */
const pieces =
  // oxlint-disable-next-line no-control-regex -- the styles that are wrapped with the text
  /\u001b\[(\d+)m|\n|[ \t]+|[\u2e80-\u9fff\uac00-\ud7a3\uf900-\ufaff\uff01-\uff60](?:[\u3001-\u3002\u300d\u300f\u3011\uff01\uff09\uff0c\uff1a\uff1b\uff1f\u30fc]|\p{M})*|[^\u001b\n \t\u2e80-\u9fff\uac00-\ud7a3\uf900-\ufaff\uff01-\uff60]+/gu;

const closing = new Set([22, 23, 24, 29, 39]);
const closeOf = (code: number): number => (code <= 2 ? 22 : code >= 30 ? 39 : code + 20);

/**
 * Breaks styled text into lines of at most so many columns: at spaces, and between the characters of Chinese, Japanese and
 * Korean, which need none; a word that no line holds is broken where the line ends. Each line closes the styles that are
 * open at its end and the next one opens them again, so every line stands for itself.
 *
 * Own code: wrap-ansi asks for the width of every character of a text without spaces, which takes eight seconds for a
 * megabyte of Japanese, and can not break it well.
 */
export function wrap(text: string, columns: number): string[] {
  const room = Math.max(1, columns);
  // Most cells and items are short, and plain.
  if (text.length <= room && /^[!-~](?:[ -~]*[!-~])?$/.test(text)) return [text];
  const lines: string[] = [];
  /** The styles that the line has opened, and those that its next word will. */
  let open: number[] = [];
  let next: number[] = [];
  let line = '';
  let used = 0;
  let space = '';
  const end = (): void => {
    lines.push(
      line +
        open
          .toReversed()
          .map((code) => `\u001b[${closeOf(code)}m`)
          .join(''),
    );
    next = [...open, ...next];
    open = [];
    line = '';
    used = 0;
    space = '';
  };
  const put = (piece: string, columnsOfPiece: number): void => {
    const before = used > 0 ? space : '';
    line += before + next.map((code) => `\u001b[${code}m`).join('') + piece;
    open.push(...next);
    next = [];
    used += before.length + columnsOfPiece;
    space = '';
  };
  for (const [piece, style] of text.matchAll(pieces)) {
    if (style !== undefined) {
      const code = Number(style);
      if (!closing.has(code)) next.push(code);
      else {
        // A terminal closes every style of the kind; what shall stay is opened again by the text.
        next = next.filter((each) => closeOf(each) !== code);
        if (open.some((each) => closeOf(each) === code)) line += piece;
        open = open.filter((each) => closeOf(each) !== code);
      }
    } else if (piece === '\n') end();
    else if (piece[0] === ' ' || piece[0] === '\t') space += piece.replaceAll('\t', '    ');
    else {
      const needed = width(piece);
      if (used > 0 && used + space.length + needed > room) end();
      if (needed <= room) put(piece, needed);
      else
        for (const [part, columnsOfPart] of parts(piece, room)) {
          if (used > 0 && used + columnsOfPart > room) end();
          put(part, columnsOfPart);
        }
    }
  }
  end();
  return lines;
}

function* parts(word: string, room: number): Iterable<[string, number]> {
  if (/^[!-~]*$/.test(word)) {
    for (let at = 0; at < word.length; at += room) yield [word.slice(at, at + room), Math.min(room, word.length - at)];
    return;
  }
  let part = '';
  let used = 0;
  for (const { segment } of new Intl.Segmenter().segment(word)) {
    const needed = width(segment);
    if (used + needed > room && part !== '') {
      yield [part, used];
      part = '';
      used = 0;
    }
    part += segment;
    used += needed;
  }
  if (part !== '') yield [part, used];
}
