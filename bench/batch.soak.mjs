/**
 * Kills a batch with SIGKILL again and again, at random moments of its start and of its work, and counts what is lost or
 * doubled; then lets it end:
 *
 *   npm run test:soak        (or, built: node bench/batch.soak.mjs [--kills N] [--seed N])
 *
 * Ends with 1 if a result is lost, doubled, torn or taken back.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { root } from './support/command.mjs';

const option = (name, otherwise) => {
  const at = process.argv.indexOf(`--${name}`);
  return at === -1 ? otherwise : Number(process.argv[at + 1]);
};
const kills = option('kills', 200);
const seed = option('seed', Date.now() % 2 ** 31);
// The work has to last for all the kills: on a quick machine some fifty items between two of them.
const items = kills * 80;

const home = mkdtempSync(path.join(tmpdir(), 'cllm-soak-'));
const upstream = spawn(process.execPath, [path.join(root, 'bench/batch-upstream.mjs'), '60'], {
  stdio: ['pipe', 'pipe', 'inherit'],
});
const failures = [];
try {
  const baseUrl = await new Promise((resolve) => upstream.stdout.once('data', (text) => resolve(String(text).trim())));
  await soak(baseUrl);
} finally {
  upstream.kill();
  rmSync(home, { recursive: true, force: true });
}
for (const failure of failures) console.error(failure);
process.exitCode = failures.length > 0 ? 1 : 0;

async function soak(baseUrl) {
  const input = path.join(home, 'in.jsonl');
  const output = path.join(home, 'out.jsonl');
  const prompt = (n) => `prompt ${n} ${'lorem ipsum é '.repeat(n % 40)}`;
  const wanted = new Map(Array.from({ length: items }, (_, n) => [`item-${n}`, `You said: ${prompt(n)}`]));
  writeFileSync(
    input,
    [...wanted.keys()].map((id, n) => `${JSON.stringify({ custom_id: id, prompt: prompt(n) })}\n`).join(''),
  );
  const start = (concurrency) =>
    spawn(
      process.execPath,
      [
        process.env.CLLM_TEST_BIN ?? path.join(root, 'dist/cli/bin.js'),
        'batch',
        input,
        '-o',
        output,
        '-q',
        '-m',
        'bench',
        '--concurrency',
        String(concurrency),
      ],
      {
        env: {
          PATH: process.env.PATH,
          HOME: home,
          CLLM_HOME: home,
          LITELLM_PROXY_URL: baseUrl,
          LITELLM_PROXY_API_KEY: 'sk-soak',
        },
        stdio: ['ignore', 'ignore', 'inherit'],
      },
    );
  const ended = (child) => new Promise((resolve) => child.once('exit', (code) => resolve(code)));
  const random = randomFrom(seed);
  let [kept, atWork, torn] = [0, 0, 0];
  for (let kill = 1; kill <= kills; kill += 1) {
    const child = start(8);
    const timer = setTimeout(() => child.kill('SIGKILL'), random() * 1_500);
    if ((await ended(child)) !== null) failures.push(`run ${kill} ended before it was killed`);
    clearTimeout(timer);
    const { ids, rows, isTorn } = read(output);
    if (rows.length > ids.size) failures.push(`kill ${kill}: ${rows.length - ids.size} doubled`);
    if (rows.length < kept) failures.push(`kill ${kill}: ${kept - rows.length} results are gone`);
    if (rows.length > kept) atWork += 1;
    if (isTorn) torn += 1;
    kept = rows.length;
  }
  const code = await ended(start(64));
  if (code !== 0) failures.push(`the last run ended with ${code}`);
  const { rows, ids, isTorn } = read(output);
  const results = new Map(rows.map((row) => [row.custom_id, row.is_error ? null : row.result]));
  const lost = [...wanted].filter(([id, text]) => results.get(id) !== text).length;
  const doubled = rows.length - ids.size;
  if (lost > 0 || doubled > 0 || isTorn) failures.push(`at the end: ${lost} lost, ${doubled} doubled, torn: ${isTorn}`);
  console.log(`| measured (seed ${seed}) | value |
|---|---|
| kill -9 during a batch of ${items} items | ${kills} |
| of them with results since the last one | ${atWork} |
| of them that left a torn line | ${torn} |
| results lost | ${lost} |
| results doubled | ${doubled} |`);
}

/** The whole lines, each of which has to be JSON, and whether a piece of one follows. */
function read(file) {
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [''];
  const isTorn = lines.pop() !== '';
  const rows = lines.map((line) => JSON.parse(line));
  return { rows, ids: new Set(rows.map((row) => row.custom_id)), isTorn };
}

/** Mulberry32: the same moments for the same seed. */
function randomFrom(start) {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
