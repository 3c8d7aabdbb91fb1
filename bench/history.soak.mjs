/**
 * Whether the history loses anything, through the built command; longer than a test may take:
 *
 *   node bench/history.soak.mjs [--smoke]
 *
 * - kill -9 at a random time of a streamed turn, 200 times: every byte that reached stdout is in the recovered turn, and
 *   the database is sound each time
 * - 8 processes that write 100 turns each into one conversation
 * - a full disk at every size that the files go through: nothing committed is lost
 *
 * Random times come from a seed, `CLLM_SEED` or the clock, which is printed. Exits with 1 when anything was lost.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { setTimeout as wait } from 'node:timers/promises';
import { build } from 'esbuild';
import { root, startUpstream } from './support/command.mjs';

const isSmoke = process.argv.includes('--smoke');
const sizes = isSmoke ? { kills: 3, writers: 2, turns: 5, step: 64 } : { kills: 200, writers: 8, turns: 100, step: 4 };
const seed = Number(process.env['CLLM_SEED'] ?? Date.now() % 2 ** 31);
const random = mulberry32(seed);
const cli = path.join(root, 'dist/cli/bin.js');
const cache = path.join(root, 'node_modules/.cache');
const bundles = {
  append: [path.join(cache, `soak-append-${process.pid}.mjs`), '__tests__/history/append-turns.ts'],
  history: [path.join(cache, `soak-history-${process.pid}.mjs`), 'src/history/history.ts'],
};
let losses = 0;

async function main() {
  console.log(`seed ${seed}`);
  const directory = mkdtempSync(path.join(tmpdir(), 'cllm-soak-'));
  mkdirSync(cache, { recursive: true });
  try {
    for (const [outfile, entry] of Object.values(bundles)) {
      await build({
        entryPoints: [path.join(root, entry)],
        outfile,
        bundle: true,
        platform: 'node',
        format: 'esm',
        packages: 'external',
        logLevel: 'error',
      });
    }
    const { History } = await import(pathToFileURL(bundles.history[0]).href);
    const open = (file) => History.open(file, { uid: process.getuid?.() ?? null });
    await killed(path.join(directory, 'killed'), open);
    await together(path.join(directory, 'together', 'history.db'), open);
    await full(path.join(directory, 'full'), open);
  } finally {
    rmSync(directory, { recursive: true, force: true });
    for (const [file] of Object.values(bundles)) rmSync(file, { force: true });
  }
  process.exitCode = losses === 0 ? 0 : 1;
}

async function killed(home, open) {
  const upstream = await startUpstream();
  const env = {
    PATH: process.env['PATH'],
    HOME: home,
    CLLM_HOME: home,
    LITELLM_PROXY_URL: upstream.baseUrl,
    LITELLM_PROXY_API_KEY: 'sk-soak',
  };
  const tally = { kept: 0, bytes: 0, before: 0 };
  try {
    for (let round = 0; round < sizes.kills; round += 1) {
      const turn = launch(
        [process.execPath, cli, 'ask', '-q', '--no-stdin', '-C', 'soak', '-m', 'paced-400-2', `turn ${round}`],
        env,
      );
      await wait(80 + random() * 900);
      turn.child.kill('SIGKILL');
      const shown = (await turn.exit).stdout;
      if (shown === '') tally.before += 1;
      const restored = await launch([process.execPath, cli, 'recover', '--yes'], env).exit;
      const history = open(path.join(home, 'history.db'));
      const { problems } = history.verify();
      const conversation = history.findOrNull('soak');
      const last = conversation === null ? undefined : history.turns(conversation.id).at(-1);
      const text = last?.completion?.choices[0]?.message.content ?? '';
      const isKept =
        problems.length === 0 &&
        restored.code === 0 &&
        (shown === '' || (text.startsWith(shown.trimEnd()) && last?.messages[0]?.content === `turn ${round}`));
      history.close();
      if (isKept) tally.kept += 1;
      else
        console.log(
          `round ${round}: ${shown.length} bytes shown, ${text.length} kept; ${JSON.stringify(problems)} ${restored.stderr}`,
        );
      tally.bytes += shown.length;
    }
  } finally {
    upstream.close();
  }
  losses += sizes.kills - tally.kept;
  console.log(
    `kill -9: ${tally.kept} of ${sizes.kills} turns kept what they had shown (${tally.bytes} bytes; ${tally.before} were killed before the first)`,
  );
}

async function together(file, open) {
  const from = performance.now();
  const runs = Array.from(
    { length: sizes.writers },
    () =>
      launch([process.execPath, bundles.append[0], file, 'shared', String(sizes.turns)], { PATH: process.env['PATH'] })
        .exit,
  );
  const acknowledged = (await Promise.all(runs)).flatMap(({ stdout }) => stdout.trim().split('\n').map(Number));
  const seconds = (performance.now() - from) / 1000;
  const history = open(file);
  const seqs = history.turns(history.find('shared').id).map(({ seq }) => seq);
  const total = sizes.writers * sizes.turns;
  const isWhole =
    seqs.every((seq, index) => seq === index + 1) &&
    new Set(acknowledged).size === total &&
    history.verify().problems.length === 0;
  history.close();
  if (!isWhole || seqs.length !== total) losses += 1;
  console.log(
    `${sizes.writers} processes x ${sizes.turns} turns: ${seqs.length} of ${total}, ${isWhole ? 'without gaps' : 'WITH GAPS'}, ${seconds.toFixed(1)} s`,
  );
}

/** A limit on the size of a file fails a write as a full disk does, in the middle of a page too. */
async function full(home, open) {
  const tally = { tried: 0, failed: 0, lost: 0 };
  for (let limit = 1; limit < 420; limit += sizes.step) {
    const file = path.join(home, String(limit), 'history.db');
    const command = `ulimit -f ${limit}; exec "$@"`;
    const { stdout } = await launch(
      ['bash', '--norc', '-c', command, 'bash', process.execPath, bundles.append[0], file, 'full', '12', '9000'],
      { PATH: process.env['PATH'] },
    ).exit;
    const acknowledged = stdout
      .split('\n')
      .filter((line) => /^\d+$/.test(line))
      .map(Number);
    tally.tried += 1;
    if (stdout.includes('history_unusable')) tally.failed += 1;
    const history = open(file);
    const conversation = history.findOrNull('full');
    const turns = conversation === null ? [] : history.turns(conversation.id);
    const isWhole =
      acknowledged.every((seq, index) => turns[index]?.seq === seq && turns[index]?.verdict === 'complete') &&
      history.verify().problems.length === 0;
    history.close();
    if (isWhole) continue;
    tally.lost += 1;
    console.log(
      `limit ${limit} KiB: ${acknowledged.length} committed, ${turns.length} found; ${stdout.trim().split('\n').at(-1)}`,
    );
  }
  losses += tally.lost;
  console.log(
    `full disk: ${tally.tried} sizes tried, ${tally.failed} ran into it, ${tally.lost} lost something that was committed`,
  );
}

function launch([file, ...args], env) {
  const child = spawn(file, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text) => (stderr += text));
  const exit = new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
  return { child, exit };
}

/** A small generator of random numbers that can be seeded: https://gist.github.com/tommyettinger/46a874533244883189143505d203312c */
function mulberry32(state) {
  let value = state;
  return () => {
    value = (value + 0x6d2b79f5) | 0;
    let mixed = Math.imul(value ^ (value >>> 15), value | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
