/**
 * What a batch costs beside the replies themselves, and whether its memory grows with the number of items:
 *
 *   npm run build && node bench/batch.bench.mjs [--smoke]
 *
 * 1,000 prompts, 64 at a time, against an upstream that takes 200 ms for each: the ideal is 16 rounds. Start-up is what the
 * same command takes for one prompt, less the reply. Then 1,000 and 20,000 items against a fast upstream, peak memory each.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { median, root, run } from './support/command.mjs';

const isSmoke = process.argv.includes('--smoke');
const sizes = isSmoke
  ? { items: 64, few: 50, many: 200, rounds: 1 }
  : { items: 1_000, few: 1_000, many: 20_000, rounds: 5 };
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
  const [walls, starts] = [[], []];
  for (let round = 0; round < sizes.rounds; round += 1) {
    starts.push((await batch(slow, 1, `start-${round}`)).wall - delay);
    walls.push((await batch(slow, sizes.items, `wall-${round}`)).wall);
  }
  slow.close();
  const beyond = median(walls) - median(starts);
  const { most } = slow;
  const fast = await startUpstream(0);
  const few = await batch(fast, sizes.few, 'few');
  const many = await batch(fast, sizes.many, 'many');
  fast.close();
  const megabytes = (bytes) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
  console.log(`| measured | value |
|---|---|
| ${sizes.items} prompts at ${atOnce} at once, ${delay} ms each: ideal | ${(ideal / 1000).toFixed(2)} s |
| wall time beyond a start-up of ${(median(starts) / 1000).toFixed(2)} s | ${(beyond / 1000).toFixed(2)} s |
| of the ideal | ${(beyond / ideal).toFixed(3)} |
| peak memory, ${sizes.few} items | ${megabytes(few.peak)} |
| peak memory, ${sizes.many} items | ${megabytes(many.peak)} |
| items a second, ${sizes.many} items, ${atOnce} at once, each synced to the disk | ${Math.round(sizes.many / (many.wall / 1000))} |`);
  return most;
}

async function batch(upstream, items, name) {
  const input = path.join(home, `${name}.jsonl`);
  const output = path.join(home, `${name}-results.jsonl`);
  const line = (at) => JSON.stringify({ custom_id: `item-${at}`, prompt: `Say something about the number ${at}.` });
  writeFileSync(input, `${Array.from({ length: items }, (_, at) => line(at)).join('\n')}\n`);
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
    env: {
      PATH: process.env.PATH,
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
