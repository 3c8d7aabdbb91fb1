/**
 * What it costs to show a reply as markdown, in one run:
 *
 *   node bench/terminal.bench.mjs [--smoke]
 *
 * - CPU seconds for a reply of 1 MB that arrives in deltas of 20 characters, of mixed markdown and of one kind each (a
 *   single paragraph, list, table, block of code, ...: what one open block makes of it)
 * - the time of a redraw: median, 99th percentile and the longest one. The clock is the wall's, so on a busy machine the
 *   longest one is a bound from above.
 *
 * The renderer is the real one, bundled from src/; the terminal is one of 80 x 24 that takes everything at once.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { exponent, held } from './support/held.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const size = process.argv.includes('--smoke') ? 20_000 : 1_000_000;
const deltaLength = 20;

const mixed = readFileSync(join(root, '__tests__/fixtures/terminal/reply.md'), 'utf8');
/** A beginning, and what is repeated after it. */
const documents = {
  mixed: ['', mixed],
  paragraph: ['', 'The quick **brown** fox `jumps` over the lazy dog and so on. '],
  japanese: ['', '漢字かな交じり文の段落です。長い。 '],
  list: ['', '- an item with *some* words in it\n'],
  'nested list': ['- top\n', '   - an item of an item\n'],
  quote: ['', '> a quoted line of text\n'],
  table: ['| x | y | z |\n|---|---|---|\n', '| a cell | **another** | third cell |\n'],
  code: ['```ts\n', 'const value = compute(42, "text"); // a comment\n'],
  'no space': ['', 'a'],
  'open styles': ['', '*a **b '],
};

const directory = mkdtempSync(join(tmpdir(), 'cllm-bench-'));
try {
  await build({
    stdin: {
      contents: `export { MarkdownPrinter, warmUp } from './src/cli/views/markdown-printer.ts';
        export { MarkdownStream } from './src/terminal/markdown-stream.ts';`,
      resolveDir: root,
    },
    bundle: true,
    splitting: true,
    platform: 'node',
    format: 'esm',
    outdir: directory,
    outExtension: { '.js': '.mjs' },
    logLevel: 'error',
  });
  const { MarkdownPrinter, MarkdownStream, warmUp } = await import(pathToFileURL(join(directory, 'stdin.mjs')).href);
  // As the command does while it waits for the first token.
  warmUp();
  console.log(`${size.toLocaleString('en')} characters in deltas of ${deltaLength}, 80 x 24`);
  console.log('reply        CPU s  redraws  median ms  p99 ms  longest ms  written');
  const textOf = (name, length) => {
    const [head, body] = documents[name];
    return head + body.repeat(Math.ceil(length / body.length));
  };
  const cpu = {};
  for (const name of Object.keys(documents)) {
    const shown = await show(textOf(name, size), MarkdownPrinter, MarkdownStream);
    cpu[name] = shown.cpu;
    console.log(row(name, shown));
  }
  const sizes = [size / 4, size / 2, size];
  for (const name of ['mixed', 'open styles']) {
    const costs = [];
    for (const each of sizes) costs.push((await show(textOf(name, each), MarkdownPrinter, MarkdownStream)).cpu);
    console.log(`CPU grows with the text to the power of ${exponent(sizes, costs).toFixed(2)}: ${name}`);
  }
  held('styles never closed over a paragraph', cpu['open styles'] / cpu.paragraph, 'at most', 0.25);
  held('mixed Markdown over a paragraph', cpu.mixed / cpu.paragraph, 'at most', 0.25);
} finally {
  rmSync(directory, { recursive: true, force: true });
}

async function show(text, MarkdownPrinter, MarkdownStream) {
  const frames = [];
  let written = 0;
  const { frame } = MarkdownStream.prototype;
  MarkdownStream.prototype.frame = function timed() {
    const start = performance.now();
    const result = frame.call(this);
    frames.push(performance.now() - start);
    return result;
  };
  const output = {
    isTTY: true,
    isStyled: true,
    columns: 80,
    write: (piece) => void (written += String(piece).length),
    stream: () => ({ rows: 24, on() {}, off() {} }),
  };
  const before = process.cpuUsage();
  const printer = new MarkdownPrinter(output, () => performance.now());
  for (let at = 0; at < text.length; at += deltaLength) await printer.write(text.slice(at, at + deltaLength));
  await printer.end();
  const { user, system } = process.cpuUsage(before);
  MarkdownStream.prototype.frame = frame;
  return { cpu: (user + system) / 1e6, frames: frames.toSorted((a, b) => a - b), written };
}

function row(name, { cpu, frames, written }) {
  const at = (part) => frames[Math.min(frames.length - 1, Math.floor(frames.length * part))].toFixed(1);
  return [
    name.padEnd(12),
    cpu.toFixed(2).padStart(5),
    String(frames.length).padStart(8),
    at(0.5).padStart(10),
    at(0.99).padStart(7),
    at(1).padStart(11),
    String(written).padStart(8),
  ].join(' ');
}
