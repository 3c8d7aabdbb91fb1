import { terminalSafe } from '../../../terminal/terminal-safe.ts';
import { padded, width } from '../../../terminal/width.ts';
import { widestAddress, wrap } from '../../../terminal/wrap.ts';

export interface Column {
  heading: string;
  text: string;
  footer: string;
}

/** Narrower than this nobody reads a text. */
const narrowest = 24;
const gap = '  ';

/** Texts beside each other, wrapped; below each other where the terminal has no room for that. */
export function inColumns(
  columns: readonly Column[],
  available: number,
  paint: { heading: (text: string) => string; footer: (text: string) => string },
): string {
  const each = Math.floor((available - gap.length * (columns.length - 1)) / columns.length);
  const isTooNarrow = each < narrowest || columns.some(({ text }) => widestAddress(text) > each);
  if (columns.length > 1 && isTooNarrow)
    return columns.map((column) => inColumns([column], Math.max(available, narrowest), paint)).join('\n');
  const parts = columns.map(({ heading, text, footer }) => ({
    heading: lines(heading, each),
    text: lines(text, each),
    footer: lines(footer, each),
  }));
  const rows = (name: 'heading' | 'text' | 'footer', style: (text: string) => string): string[] => {
    const height = Math.max(...parts.map((part) => part[name].length));
    return Array.from({ length: height }, (_, row) =>
      parts
        .map((part, at) => {
          const line = part[name][row] ?? '';
          // Nothing is to be gained from spaces at a line's end.
          return at === parts.length - 1
            ? style(line)
            : style(line) + ' '.repeat(Math.max(0, each - width(line))) + gap;
        })
        .join('')
        .trimEnd(),
    );
  };
  const all = [
    ...rows('heading', paint.heading),
    '',
    ...rows('text', (text) => text),
    '',
    ...rows('footer', paint.footer),
  ];
  return `${all.join('\n')}\n`;
}

/**
 * The last lines of texts that are still growing, beside each other, below an empty one; none where there is no room, or no text yet. As wide as `available` at most.
 */
export function endsBeside(texts: readonly string[], available: number, height: number): string[] {
  const each = Math.floor((available - gap.length * (texts.length - 1)) / texts.length);
  if (each < narrowest || height < 3 || texts.every((text) => text.trim() === '')) return [];
  const ends = texts.map((text) => lines(endOf(text, 2 * each * height), each).slice(1 - height));
  return [
    '',
    ...Array.from({ length: Math.max(...ends.map((end) => end.length)) }, (_, row) =>
      ends
        .map((end) => padded(cut(end[row] ?? '', each), each))
        .join(gap)
        .trimEnd(),
    ),
  ];
}

/** From the beginning of a line on where one is near, so that what stands above does not break anew with each word. */
function endOf(text: string, characters: number): string {
  if (text.length <= characters) return text.trim();
  const lineStart = text.lastIndexOf('\n', text.length - characters) + 1;
  const isNear = lineStart > 0 && text.length - lineStart < 8 * characters;
  return text.slice(isNear ? lineStart : text.length - characters).trimEnd();
}

/** The beginning of a line that has no more columns than that. */
export function cut(text: string, columns: number): string {
  if (width(text) <= columns) return text;
  let kept = '';
  for (const character of text) {
    if (width(kept + character) > columns - 1) break;
    kept += character;
  }
  return `${kept}…`;
}

function lines(text: string, columns: number): string[] {
  return wrap(terminalSafe(text), columns);
}
