/**
 * What src/protocol/ costs, each figure beside what it is to be measured against, in one run:
 *
 *   node --expose-gc bench/protocol.bench.mjs [--smoke]
 *
 * - events a second out of the decoder
 * - chunks a second through decoder, readEvent and builder, and through the whole reader, beside JSON.parse alone over
 *   the same lines
 * - one line of 100 MB in 16 KiB pieces beside one of 10 MB: time, and the peak of memory beside the size of the line
 * - the heap that a reply of 1,000,000 chunks leaves beside the size of its text
 *
 * Rounds alternate between the contenders, so that a busy moment of the machine meets all of them; medians are printed.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { build } from 'esbuild';
import { exponent, held } from './support/held.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const isSmoke = process.argv.includes('--smoke');
const sizes = isSmoke
  ? { chunks: 2_000, rounds: 3, lines: [0.1, 0.3, 1], heapChunks: 20_000 }
  : { chunks: 100_000, rounds: 9, lines: [10, 30, 100], heapChunks: 1_000_000 };
const pieceSize = 16 * 1024;

/** @typedef {typeof import('../src/protocol/sse.ts') & typeof import('../src/protocol/chunk.ts') & typeof import('../src/protocol/fold/completion-builder.ts') & typeof import('../src/protocol/reply-reader.ts')} Protocol */

async function main() {
  const directory = mkdtempSync(join(tmpdir(), 'cllm-bench-'));
  try {
    const file = join(directory, 'protocol.mjs');
    await bundle(file);
    const [, mode, argument] = process.argv.slice(1);
    if (mode === '--line') {
      console.log(JSON.stringify(readLine(await load(file), Number(argument))));
    } else if (mode === '--heap') {
      console.log(JSON.stringify(heapOfReply(await load(file), Number(argument))));
    } else {
      report(await load(file));
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** @param {Protocol} protocol */
function report(protocol) {
  for (const [name, content] of Object.entries({ ASCII: asciiWords, 'other scripts': otherWords })) {
    const { bytes, lines } = replyOf(sizes.chunks, content);
    const runs = {
      'events only (SseDecoder)': () => decode(protocol, bytes),
      'events, chunks, fold': () => foldAll(protocol, bytes),
      'the whole reader (ReplyReader)': () => readAll(protocol, bytes),
      'JSON.parse alone, same lines': () => parseAll(lines),
    };
    const rates = medianRates(runs, sizes.chunks + 3);
    console.log(
      `\n${sizes.chunks.toLocaleString('en')} chunks of text, ${name}, in pieces of 16 KiB (${megabytes(bytes.length)} MB)`,
    );
    const bare = rates['JSON.parse alone, same lines'];
    const reader = rates['the whole reader (ReplyReader)'] / bare;
    for (const [run, rate] of Object.entries(rates)) {
      console.log(
        `  ${run.padEnd(32)} ${Math.round(rate / 1000)
          .toLocaleString('en')
          .padStart(6)} k/s  ${(rate / bare).toFixed(2)} × JSON.parse`,
      );
    }
    held(`the whole reader over JSON.parse, ${name}`, reader, 'at least', 0.15);
  }

  const grown = sizes.lines.map((size) => inChild('--line', size));
  const [small, , large] = grown;
  console.log(`\none line of ${large.megabytes} MB in pieces of 16 KiB, beside one of ${small.megabytes} MB`);
  console.log(
    `  time                             ${(large.milliseconds / small.milliseconds).toFixed(1)} × (${large.milliseconds.toFixed(0)} ms and ${small.milliseconds.toFixed(0)} ms)`,
  );
  const growth = exponent(
    sizes.lines,
    grown.map(({ milliseconds }) => milliseconds),
  );
  console.log(`  grows to the power of            ${growth.toFixed(2)} (${sizes.lines.join(', ')} MB)`);
  console.log(`  peak memory beyond the start     ${(large.peakBytes / 1e6 / large.megabytes).toFixed(1)} × the line`);
  held('peak memory of a line over the line', large.peakBytes / 1e6 / large.megabytes, 'at most', 0.2);

  const heap = inChild('--heap', sizes.heapChunks);
  console.log(`\na reply of ${sizes.heapChunks.toLocaleString('en')} chunks, ${megabytes(heap.textBytes)} MB of text`);
  console.log(
    `  heap that the fold holds         ${(heap.heapBytes / heap.textBytes).toFixed(2)} × the text, ${(heap.heapBytes / sizes.heapChunks).toFixed(1)} bytes a chunk`,
  );
  held('heap that the fold holds over the text', heap.heapBytes / heap.textBytes, 'at most', 0.2);
}

const asciiWords = (index) =>
  [' the', ' quick', ' brown', ' fox', ' jumps', ' over', ' a', ' lazy', ' dog', '.\n'][index % 10];
const otherWords = (index) =>
  [' 静かな', ' été', ' мир', ' 😀', ' ñ', ' 漢字', ' a', ' lazy', ' dog', '.\n'][index % 10];

function replyOf(count, content) {
  const base = {
    id: 'chatcmpl-BvCkHqNQmsUJ0vAXq4mRzAbCdEfGh',
    created: 1763800000,
    model: 'gpt-4o-mini',
    object: 'chat.completion.chunk',
    system_fingerprint: 'fp_34a54ae93c',
  };
  const chunk = (delta, rest = {}) => JSON.stringify({ ...base, choices: [{ index: 0, delta, ...rest }] });
  const lines = [chunk({ content: '', role: 'assistant' })];
  for (let index = 0; index < count; index += 1) lines.push(chunk({ content: content(index) }));
  lines.push(chunk({}, { finish_reason: 'stop' }));
  lines.push(
    JSON.stringify({
      ...base,
      choices: [{ index: 0, delta: {} }],
      usage: { prompt_tokens: 10, completion_tokens: count, total_tokens: count + 10, cost: 0.01 },
    }),
  );
  const bytes = Buffer.from(`${lines.map((line) => `data: ${line}\n\n`).join('')}data: [DONE]\n\n`);
  return { bytes, lines };
}

function* pieces(bytes) {
  for (let from = 0; from < bytes.length; from += pieceSize) yield bytes.subarray(from, from + pieceSize);
}

function decode({ SseDecoder }, bytes) {
  const decoder = new SseDecoder();
  let count = 0;
  for (const piece of pieces(bytes)) count += decoder.decode(piece).length;
  return count;
}

function foldAll({ SseDecoder, readEvent, CompletionBuilder }, bytes) {
  const decoder = new SseDecoder();
  const builder = new CompletionBuilder();
  for (const piece of pieces(bytes)) {
    for (const event of decoder.decode(piece)) {
      const item = readEvent(event);
      if (item.type === 'chunk') builder.add(item.chunk);
    }
  }
  return builder.build();
}

function readAll({ ReplyReader }, bytes) {
  const reader = new ReplyReader({ status: 200, contentType: 'text/event-stream' });
  for (const piece of pieces(bytes)) reader.push(piece);
  const { reply } = reader.finish({ type: 'end' });
  if (reply.verdict !== 'complete') throw new Error(`the reply is ${reply.verdict}`);
  return reply;
}

function parseAll(lines) {
  let count = 0;
  for (const line of lines) count += JSON.parse(line).choices.length;
  return count;
}

/** Runs every contender in turn, `rounds` times after one that is not counted; the median rate of each, per second. */
function medianRates(runs, count) {
  const times = Object.fromEntries(Object.keys(runs).map((name) => [name, []]));
  for (let round = 0; round <= sizes.rounds; round += 1) {
    for (const [name, run] of Object.entries(runs)) {
      globalThis.gc?.();
      const start = performance.now();
      run();
      if (round > 0) times[name].push(performance.now() - start);
    }
  }
  return Object.fromEntries(Object.entries(times).map(([name, each]) => [name, (count / median(each)) * 1000]));
}

function median(values) {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.floor(sorted.length / 2)];
}

/** In a process of its own, whose peak of memory is that of the one line. */
function readLine({ ReplyReader }, size) {
  const options = { maxEventBytes: 2 ** 28, maxReplyBytes: 2 ** 29 };
  const reader = new ReplyReader({ status: 200, contentType: 'text/event-stream' }, options);
  const text = Buffer.alloc(pieceSize, 'the quick brown fox jumps over the lazy dog. ');
  const before = peakBytes();
  const start = performance.now();
  reader.push(Buffer.from('data: {"id":"1","choices":[{"index":0,"delta":{"content":"'));
  for (let sent = 0; sent < size * 1e6; sent += pieceSize) reader.push(text);
  reader.push(Buffer.from('"},"finish_reason":"stop"}]}\n\n'));
  const { reply } = reader.finish({ type: 'end' });
  const milliseconds = performance.now() - start;
  if (reply.verdict !== 'complete') throw new Error(`the reply is ${reply.verdict}`);
  return { megabytes: size, milliseconds, peakBytes: peakBytes() - before };
}

function heapOfReply({ CompletionBuilder }, count) {
  const heap = () => {
    globalThis.gc?.();
    return process.memoryUsage().heapUsed;
  };
  const chunk = (index) =>
    JSON.parse(
      `{"id":"1","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"${asciiWords(index % 9)}"}}]}`,
    );
  const builder = new CompletionBuilder();
  for (let index = 0; index < 100; index += 1) builder.add(chunk(index));
  const before = heap();
  for (let index = 0; index < count; index += 1) builder.add(chunk(index));
  const heapBytes = heap() - before;
  return { heapBytes, textBytes: builder.build().choices[0].message.content.length };
}

function peakBytes() {
  return process.resourceUsage().maxRSS * 1024;
}

function inChild(mode, argument) {
  return JSON.parse(
    execFileSync(process.execPath, ['--expose-gc', fileURLToPath(import.meta.url), mode, String(argument)], {
      encoding: 'utf8',
    }),
  );
}

async function bundle(outfile) {
  const modules = ['sse', 'chunk', 'fold/completion-builder', 'reply-reader'];
  await build({
    stdin: {
      contents: modules.map((name) => `export * from './src/protocol/${name}.ts';`).join('\n'),
      resolveDir: root,
      loader: 'ts',
    },
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    outfile,
    logLevel: 'error',
  });
}

/** @returns {Promise<Protocol>} */
function load(file) {
  return import(pathToFileURL(file).href);
}

const megabytes = (bytes) => (bytes / 1e6).toFixed(1);

await main();
