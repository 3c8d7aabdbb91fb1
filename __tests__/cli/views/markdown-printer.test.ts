import { describe, expect, jest, test } from '@jest/globals';
import fc from 'fast-check';
import { MarkdownPrinter } from '../../../src/cli/views/markdown-printer.ts';
import { MarkdownStream } from '../../../src/terminal/markdown-stream.ts';
import { memoryIo } from '../../support/memory-io.ts';
import { seed } from '../../support/seed.ts';

/** What a model that repeats itself writes. */
const degenerate: Readonly<Record<string, string>> = {
  quotes: '>'.repeat(4000),
  'quotes with spaces': '> '.repeat(1500),
  'quotes of many lines': Array.from({ length: 90 }, (_, depth) => `${'>'.repeat(depth)} a\n`).join(''),
  bullets: '- '.repeat(1500),
  numbers: '1. '.repeat(1500),
  'quotes and bullets': '> - 1. '.repeat(600),
  'nested items': Array.from({ length: 200 }, (_, depth) => `${'  '.repeat(depth)}- a\n`).join(''),
  brackets: '['.repeat(4000),
  images: '![['.repeat(1400),
  'links in links': `${'['.repeat(800)}a${'](b)'.repeat(800)}`,
  stars: '*a '.repeat(1300),
  'nested stars': `${'*a **b '.repeat(400)}${'** *'.repeat(400)}`,
  underscores: '_a'.repeat(2000),
  backticks: '` '.repeat(2000),
  tildes: '~a '.repeat(1300),
  'angle brackets': '<a '.repeat(1300),
  'table rows': `| a | b |\n|---|---|\n${'| '.repeat(2000)}\n`,
  'table columns': `${'|a'.repeat(500)}|\n${'|-'.repeat(500)}|\n${'|b'.repeat(500)}|\n`,
  entities: '&#x'.repeat(1300),
  definitions: '[a]: <'.repeat(700),
};

function printer(isStyled = true): { printer: MarkdownPrinter; text: () => string } {
  const io = memoryIo();
  Object.assign(io.stdout, { isStyled });
  return { printer: new MarkdownPrinter(io.stdout, io.now), text: () => io.stdout.text };
}

describe('a reply that no renderer was made for', () => {
  test.each(Object.entries(degenerate))('%s: it is shown, and what follows too', async (_name, source) => {
    for (const pieceLength of [100_000, 100]) {
      const { printer: markdown, text } = printer();
      for (let at = 0; at < source.length; at += pieceLength) await markdown.write(source.slice(at, at + pieceLength));
      await markdown.write('\n\nEND OF REPLY');
      await markdown.end();
      expect(text()).toContain('END OF REPLY');
    }
  });

  test('whatever repeats, in whatever mix', async () => {
    const parts = ['>', '> ', '- ', '1. ', '[', '](', '*', '**', '_', '`', '|', '\n', '  ', 'a', '<b>', '~', '![', '&'];
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.constantFrom(...parts), fc.integer({ min: 1, max: 300 })), { maxLength: 6 }),
        async (repeats) => {
          const { printer: markdown, text } = printer();
          await markdown.write(repeats.map(([part, count]) => part.repeat(count)).join(''));
          await markdown.write('\n\nEND OF REPLY');
          await markdown.end();
          expect(text()).toContain('REPLY');
        },
      ),
      { seed, numRuns: 60 },
    );
  });

  test('what is not nested too deep keeps its looks beside what is', async () => {
    const { printer: markdown, text } = printer(false);
    await markdown.write(`# Title\n\n- item\n\n${'>'.repeat(3000)} deep\n\n- after\n\n> quote\n`);
    await markdown.end();
    expect(text()).toContain('• item');
    expect(text()).toContain('• after');
    expect(text()).toContain('│ quote');
    expect(text()).toContain('> deep');
  });
});

describe('rendering that fails', () => {
  function failFromHere(): void {
    const fail = (): never => {
      throw new RangeError('Maximum call stack size exceeded');
    };
    jest.spyOn(MarkdownStream.prototype, 'frame').mockImplementation(fail);
    jest.spyOn(MarkdownStream.prototype, 'end').mockImplementation(fail);
  }

  test.each([
    ['in the write', 2000],
    ['in the frame timer', 5],
  ])('%s: the rest is plain text, and nothing is lost', async (_where, length) => {
    const { printer: markdown, text } = printer();
    await markdown.write('# Title\n\nfirst words\n\n');
    failFromHere();
    await markdown.write(`open words BOOM ${'x'.repeat(length)}`);
    // The frame that was put off is drawn by a timer, which nobody waits for.
    await new Promise((resolve) => setTimeout(resolve, 100));
    await markdown.write(' and **more**\n');
    await markdown.settle();
    await markdown.write('after a thought\n');
    await markdown.end();
    jest.restoreAllMocks();
    for (const words of [
      'Title',
      'first words',
      'open words BOOM',
      'x'.repeat(length),
      'and **more**',
      'after a thought',
    ])
      expect(text()).toContain(words);
  });

  test('at its end', async () => {
    const { printer: markdown, text } = printer(false);
    await markdown.write('words that are open');
    failFromHere();
    await markdown.end();
    jest.restoreAllMocks();
    expect(text()).toBe('words that are open\n');
  });
});
