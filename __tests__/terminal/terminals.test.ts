import { expect, test } from '@jest/globals';
// oxlint-disable-next-line import/default -- CommonJS: the whole module is its default export
import unicode11 from '@xterm/addon-unicode11';
import headless from '@xterm/headless';
import fc from 'fast-check';
import { LiveRegion } from '../../src/terminal/live-region.ts';
import { MarkdownStream } from '../../src/terminal/markdown-stream.ts';
import { colourPaint } from '../../src/terminal/style.ts';
import { width } from '../../src/terminal/width.ts';
import { describeWithPrograms } from '../support/programs.ts';
import { agreedWidths, differingWidths, replyPieces } from '../support/scripts.ts';
import { seed } from '../support/seed.ts';
import { shownInTmux, type Shown } from '../support/tmux.ts';

const screen = { columns: 40, rows: 24, reflows: true };
const documentsOf = (pieces: readonly string[]): fc.Arbitrary<string> =>
  fc.array(fc.constantFrom(...pieces), { minLength: 1, maxLength: 12 }).map((chosen) => chosen.join(''));
const places = fc.array(fc.nat(10_000), { maxLength: 30 });

/** What is written to the terminal for a reply that is cut at these places. */
function written(text: string, cuts: readonly number[]): string {
  const stream = new MarkdownStream(screen, colourPaint);
  const region = new LiveRegion();
  const sorted = [...new Set(cuts.map((cut) => cut % (text.length + 1)))].toSorted((a, b) => a - b);
  let output = '';
  for (const [at, end] of [...sorted, text.length].entries()) {
    stream.push(text.slice(sorted[at - 1] ?? 0, end));
    const { committed, open } = stream.frame();
    output += region.draw(committed, open, screen);
  }
  return output + region.draw(stream.end(), [], screen);
}

async function shownInXterm(texts: readonly string[]): Promise<Shown> {
  const terminal = new headless.Terminal({
    cols: screen.columns,
    rows: screen.rows,
    scrollback: 100_000,
    allowProposedApi: true,
    convertEol: true,
  });
  terminal.loadAddon(new unicode11.Unicode11Addon());
  terminal.unicode.activeVersion = '11';
  try {
    const buffer = terminal.buffer.active;
    const columns: number[] = [];
    for (const text of texts) {
      await new Promise<void>((resolve) => terminal.write(text, resolve));
      columns.push(buffer.cursorX);
    }
    const rows = Array.from({ length: buffer.length }, (_, at) => buffer.getLine(at)?.translateToString(true) ?? '');
    return { rows: rows.map((row) => row.trimEnd()), columns };
  } finally {
    terminal.dispose();
  }
}

const mark = (at: number): string => `=== ${at} ===`;

/** The rows of each of several replies that are shown below each other. */
async function rowsOfEach(outputs: readonly string[], shown: typeof shownInXterm): Promise<string[]> {
  const { rows } = await shown(outputs.flatMap((output, at) => [`${mark(at)}\n`, output]));
  return rows
    .join('\n')
    .split(/^=== \d+ ===\n/m)
    .slice(1)
    .map((each) => each.trimEnd());
}

describeWithPrograms('tmux')('on a real terminal', () => {
  const terminals: [string, typeof shownInXterm][] = [
    ['xterm.js', shownInXterm],
    ['tmux', (texts) => shownInTmux(texts, screen)],
  ];

  test.each(terminals)('%s takes the columns that are counted, and never more', async (_name, shown) => {
    const texts = [...agreedWidths.map(([text]) => text), ...differingWidths];
    const { columns } = await shown(texts.map((text) => `\r\u001b[K${text}`));
    expect(columns.slice(0, agreedWidths.length)).toEqual(agreedWidths.map(([, each]) => each));
    expect(agreedWidths.map(([text]) => width(text))).toEqual(agreedWidths.map(([, each]) => each));
    for (const [at, text] of differingWidths.entries())
      expect({ text, isEnough: width(text) >= (columns[agreedWidths.length + at] ?? 0) }).toEqual({
        text,
        isEnough: true,
      });
  });

  test.each(terminals)('%s shows a reply the same wherever it was cut', async (name, shown) => {
    // tmux 3.3 may lose an emoji of joined parts that is drawn a second time: docs/terminal.md says so.
    const pieces = name === 'tmux' ? replyPieces.filter((piece) => !piece.includes('\u200d')) : replyPieces;
    const samples = fc.sample(fc.tuple(documentsOf(pieces), places), { numRuns: 60, seed });
    const [cut, whole] = await Promise.all([
      rowsOfEach(
        samples.map(([text, cuts]) => written(text, cuts)),
        shown,
      ),
      rowsOfEach(
        samples.map(([text]) => written(text, [])),
        shown,
      ),
    ]);
    for (const [at, [text]] of samples.entries())
      expect({ text, seed, rows: cut[at] }).toEqual({ text, seed, rows: whole[at] });
  });
});
