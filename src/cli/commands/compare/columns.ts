import { terminalSafe } from '../../../terminal/terminal-safe.ts';
import { width } from '../../../terminal/width.ts';
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

function lines(text: string, columns: number): string[] {
  return wrap(terminalSafe(text), columns);
}
