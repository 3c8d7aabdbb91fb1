/**
 * What a batch costs beside the replies themselves, and whether its memory grows with the number of items:
 *
 *   npm run build && node bench/batch.bench.mjs [--smoke]
 *
 * 1,000 prompts, 64 at a time, against an upstream that takes 200 ms for each: the ideal is 16 rounds. Start-up is what the
 * same command takes for one prompt, less the reply. Then 1,000 and 20,000 items against a fast upstream, peak memory each,
 * and the processor time of 5,000, beside the least that a script on undici can do (bench/peers/raw-batch.mjs).
 */
import { spawn } from 'node:child_process';
import {
  closeSync,
  fdatasyncSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { exponent, held } from './support/held.mjs';
import { median, quantile, root, run } from './support/command.mjs';

const isSmoke = process.argv.includes('--smoke');
const sizes = isSmoke
  ? { items: 64, few: 50, many: 200, counted: 500, growing: [100, 200, 400], rounds: 1 }
  : { items: 1_000, few: 1_000, many: 20_000, counted: 5_000, growing: [5_000, 10_000, 20_000], rounds: 5 };
const atOnce = 64;
const delay = 200;

const home = mkdtempSync(path.join(tmpdir(), 'cllm-bench-'));
try {
  await report();
} finally {
  rmSync(home, { recursive: true, force: true });
}

async function report() {
  const slow = await startUpstream(delay);
  const ideal = Math.ceil(sizes.items / atOnce) * delay;
  const [walls, starts, bare] = [[], [], []];
  for (let round = 0; round < sizes.rounds; round += 1) {
    starts.push((await batch(slow, 1, `start-${round}`)).wall - delay);
    walls.push((await batch(slow, sizes.items, `wall-${round}`)).wall);
    bare.push(await bareHttp(slow, sizes.items));
  }
  slow.close();
  const beyond = median(walls) - median(starts);
  const best = Math.min(...walls) - Math.min(...starts);
  const fast = await startUpstream(0);
  const few = await batch(fast, sizes.few, 'few');
  const many = await batch(fast, sizes.many, 'many');
  // V8 lets garbage lie while there is room: in a small heap only what is held counts.
  const small = '--max-old-space-size=24 --max-semi-space-size=1';
  const fewInSmall = await batch(fast, sizes.few, 'few-small', small);
  const manyInSmall = await batch(fast, sizes.many, 'many-small', small);
  const [ours, raw] = [[], []];
  for (let round = 0; round < Math.min(3, sizes.rounds); round += 1) {
    ours.push(await cpuAnItem(fast, `ours-${round}`, batch));
    raw.push(await cpuAnItem(fast, `raw-${round}`, rawBatch));
  }
  const microseconds = (times) => `${Math.round(median(times) * 1000)} µs`;
  const megabytes = (bytes) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
  const seconds = (milliseconds) => `${(milliseconds / 1000).toFixed(2)} s`;
  const ratio = (milliseconds) => `${(milliseconds / ideal).toFixed(3)} of the ideal`;
  const rows = [
    [`${sizes.items} prompts, ${atOnce} at once, ${delay} ms each: the ideal`, seconds(ideal)],
    [
      `wall time beyond a start-up of ${seconds(median(starts))}, median of ${sizes.rounds}`,
      `${seconds(beyond)}, ${ratio(beyond)}`,
    ],
    ['the quickest run', `${seconds(best)}, ${ratio(best)}`],
    [
      'the same requests by node:http alone, nothing parsed or kept',
      `${seconds(median(bare))}, ${ratio(median(bare))}`,
    ],
    ['a sync of the disk, median and 95%', syncTimes().join(', ')],
    [`${sizes.many} items, no delay: items a second`, Math.round(sizes.many / (many.wall / 1000))],
    [
      `${sizes.counted} items, no delay: processor time an item; of raw undici`,
      `${microseconds(ours)}; ${microseconds(raw)}: ${(median(ours) / median(raw)).toFixed(2)} ×`,
    ],
    [`peak memory of ${sizes.few} and of ${sizes.many} items`, `${megabytes(few.peak)}, ${megabytes(many.peak)}`],
    ['the same with a heap of 24 MB', `${megabytes(fewInSmall.peak)}, ${megabytes(manyInSmall.peak)}`],
  ];
  const growing = [];
  const start = (await batch(fast, 1, 'growing-start')).cpu;
  for (const size of sizes.growing) growing.push((await batch(fast, size, `growing-${size}`)).cpu - start);
  fast.close();
  rows.push([
    `processor time of ${sizes.growing.join(', ')} items beyond the start`,
    `${growing.map((time) => `${time} ms`).join(', ')}: to the power of ${exponent(sizes.growing, growing).toFixed(2)}`,
  ]);
  for (const [what, value] of rows) console.log(`${what.padEnd(72)} ${value}`);
  held('wall time of a batch over the ideal', beyond / ideal, 'at most', 0.05);
  held('processor time of an item over raw undici', median(ours) / median(raw), 'at most', 0.15);
  held('memory of 20,000 items over that of 1,000, small heap', manyInSmall.peak / fewInSmall.peak, 'at most', 0.1);
}

/** Milliseconds of processor time that an item takes beyond the start. */
async function cpuAnItem(upstream, name, runItems) {
  const start = (await runItems(upstream, 1, `${name}-start`)).cpu;
  return ((await runItems(upstream, sizes.counted, name)).cpu - start) / (sizes.counted - 1);
}

/** What the machine and the upstream leave to anybody: as many requests at once, each read to its end. */
async function bareHttp(upstream, items) {
  const agent = new Agent({ keepAlive: true, maxSockets: atOnce });
  const ask = () =>
    new Promise((resolve, reject) => {
      const sent = request(`${upstream.baseUrl}/v1/chat/completions`, { method: 'POST', agent }, (response) => {
        response.on('end', resolve).on('error', reject).resume();
      });
      sent.on('error', reject);
      sent.end(JSON.stringify({ messages: [{ role: 'user', content: 'Say something.' }] }));
    });
  const startedAt = performance.now();
  let left = items;
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      while (left > 0) {
        left -= 1;
        await ask();
      }
    }),
  );
  const wall = performance.now() - startedAt;
  agent.destroy();
  return wall;
}

function syncTimes() {
  const file = openSync(path.join(home, 'sync'), 'w');
  const times = Array.from({ length: 100 }, () => {
    const startedAt = performance.now();
    writeSync(file, 'x'.repeat(1_500));
    fdatasyncSync(file);
    return performance.now() - startedAt;
  });
  closeSync(file);
  return [median(times), quantile(times, 0.95)].map((time) => `${time.toFixed(1)} ms`);
}

function writeInput(items, name) {
  const input = path.join(home, `${name}.jsonl`);
  const line = (at) => JSON.stringify({ custom_id: `item-${at}`, prompt: `Say something about the number ${at}.` });
  writeFileSync(input, `${Array.from({ length: items }, (_, at) => line(at)).join('\n')}\n`);
  return { input, output: path.join(home, `${name}-results.jsonl`) };
}

function rawBatch(upstream, items, name) {
  const { input, output } = writeInput(items, name);
  const script = path.join(root, 'bench/peers/raw-batch.mjs');
  return run([process.execPath, script, input, output, 'bench', String(atOnce)], {
    watchesMemory: true,
    env: { PATH: process.env.PATH, LITELLM_PROXY_URL: upstream.baseUrl },
  });
}

async function batch(upstream, items, name, nodeOptions = '') {
  const { input, output } = writeInput(items, name);
  const cllm = process.env.CLLM_TEST_BIN ?? path.join(root, 'dist/cli/bin.js');
  const command = [
    process.execPath,
    cllm,
    'batch',
    input,
    '-o',
    output,
    '-q',
    '-m',
    'bench',
    '--concurrency',
    String(atOnce),
  ];
  const result = await run(command, {
    watchesMemory: true,
    env: {
      PATH: process.env.PATH,
      NODE_OPTIONS: nodeOptions,
      HOME: home,
      CLLM_HOME: home,
      LITELLM_PROXY_URL: upstream.baseUrl,
      LITELLM_PROXY_API_KEY: 'sk-bench',
    },
  });
  const lines = readFileSync(output, 'utf8').trimEnd().split('\n');
  const done = new Set(
    lines
      .map((text) => JSON.parse(text))
      .filter((row) => !row.is_error)
      .map((row) => row.custom_id),
  );
  if (done.size !== items || lines.length !== items)
    throw new Error(`${lines.length} results, ${done.size} of ${items} items done`);
  return result;
}

async function startUpstream(milliseconds) {
  const child = spawn(process.execPath, [path.join(root, 'bench/batch-upstream.mjs'), String(milliseconds)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const baseUrl = await new Promise((resolve, reject) => {
    child.stdout.once('data', (text) => resolve(String(text).trim()));
    child.once('error', reject);
  });
  return { baseUrl, close: () => child.kill() };
}
