/**
 * What the history costs, in one run:
 *
 *   node bench/history.bench.mjs [--smoke]
 *
 * - with 10,000 conversations and 100,000 turns: the two commits of a turn, and in a process of its own, cold, a list,
 *   searches and a long conversation, from opening the file to the result
 * - what a start pays for keeping a turn: opening, the prompt's commit, the journal
 * - one write of the journal
 * - through the built command: a reply of 100,000 chunks with history and journal beside `--ephemeral`
 *
 * Medians; rounds of the last alternate between the two.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { quantile, root, run, startUpstream } from './support/command.mjs';
import { held } from './support/held.mjs';

const isSmoke = process.argv.includes('--smoke');
const sizes = isSmoke
  ? { conversations: 100, turns: 10, appends: 20, cold: 2, chunks: 1000, rounds: 2, writes: 1000 }
  : { conversations: 10_000, turns: 10, appends: 500, cold: 9, chunks: 100_000, rounds: 7, writes: 100_000 };

const words = 'stream event chunk delta proxy model token reply prompt journal turn history cost budget retry'.split(
  ' ',
);
const uid = process.getuid?.() ?? null;

const operations = {
  'open only': () => null,
  'list of 50': (history) => history.list({ limit: 50 }),
  'list of all': (history) => history.list(),
  'search, one word in every turn': (history) => history.search('stream'),
  'search, two rare words': (history) => history.search('needle4711 reply'),
  'search, a beginning': (history) => history.search('needle47'),
  'search, nothing found': (history) => history.search('haystack'),
  'turns of the latest': (history) => history.turns(history.latest().id),
};

async function main() {
  const directory = mkdtempSync(path.join(tmpdir(), 'cllm-bench-'));
  const bundle = path.join(root, 'node_modules/.cache', `history-bench-${process.pid}.mjs`);
  try {
    await bundleInto(bundle);
    const { History, Journal, RecordingWriter, identifyProcess } = await import(pathToFileURL(bundle).href);
    const file = path.join(directory, 'data', 'history.db');
    const history = History.open(file, { uid });
    history.import(generated());
    console.log(`${sizes.conversations} conversations, ${sizes.conversations * sizes.turns} turns`);
    appends(history);
    history.close();
    for (const name of Object.keys(operations)) {
      const times = Array.from({ length: sizes.cold }, () =>
        Number(
          execFileSync(process.execPath, [import.meta.filename ?? process.argv[1], '--cold', bundle, file, name], {
            encoding: 'utf8',
          }),
        ),
      );
      line(`cold: ${name}`, times);
    }
    starts(directory, bundle);
    writes(directory, RecordingWriter);
    void Journal;
    void identifyProcess;
    await journalCost(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
    rmSync(bundle, { force: true });
  }
}

/** Two commits a turn, each durable when it returns. */
function appends(history) {
  const [begin, end] = [[], []];
  for (let index = 0; index < sizes.appends; index += 1) {
    let from = performance.now();
    const { turnId } = history.beginTurn({
      conversation: { system: null },
      messages: [{ role: 'user', content: textOf(index, 30) }],
      model: 'bench',
    });
    begin.push(performance.now() - from);
    from = performance.now();
    history.endTurn(turnId, endOf(textOf(index, 300)));
    end.push(performance.now() - from);
  }
  line("the prompt's commit", begin);
  line("the reply's commit", end);
}

/** A process that opens the history, does one thing and says how long both took. */
async function cold(bundle, file, name) {
  const { History } = await import(pathToFileURL(bundle).href);
  const from = performance.now();
  const history = History.open(file, { uid });
  operations[name](history);
  console.log(performance.now() - from);
}

function starts(directory, bundle) {
  const times = Array.from({ length: sizes.cold + 1 }, () =>
    Number(
      execFileSync(
        process.execPath,
        [import.meta.filename ?? process.argv[1], '--start', bundle, path.join(directory, 'start')],
        { encoding: 'utf8' },
      ),
    ),
  );
  line('a start: open, commit the prompt, begin the journal', times.slice(1));
}

async function start(bundle, directory) {
  const { History, Journal, identifyProcess } = await import(pathToFileURL(bundle).href);
  const from = performance.now();
  const history = History.open(path.join(directory, 'history.db'), { uid });
  const place = history.beginTurn({
    conversation: { system: null },
    messages: [{ role: 'user', content: 'hi' }],
    model: 'bench',
  });
  const journal = new Journal(path.join(directory, 'journal'), { uid, identity: identifyProcess(process.pid) });
  journal.unfinished();
  const writer = journal.begin(place);
  const time = performance.now() - from;
  history.endTurn(place.turnId, endOf('hello'));
  writer.discard();
  history.close();
  console.log(time);
}

function writes(directory, RecordingWriter) {
  const writer = new RecordingWriter(path.join(directory, 'writes.recording'), {});
  const bytes = Buffer.alloc(300, 'x');
  const from = performance.now();
  for (let index = 0; index < sizes.writes; index += 1) writer.read(bytes);
  console.log(
    row(
      "the journal's write of one read of 300 bytes",
      `${((1000 * (performance.now() - from)) / sizes.writes).toFixed(2)} µs`,
    ),
  );
  writer.close();
}

async function journalCost(directory) {
  const command = path.join(root, 'dist/cli/bin.js');
  if (!existsSync(command)) throw new Error('dist/ is missing: npm run build');
  const upstream = await startUpstream();
  const times = { kept: [], ephemeral: [] };
  mkdirSync(path.join(directory, 'home'), { mode: 0o700 });
  const env = {
    PATH: process.env['PATH'],
    HOME: directory,
    CLLM_HOME: path.join(directory, 'home'),
    LITELLM_PROXY_URL: upstream.baseUrl,
    LITELLM_PROXY_API_KEY: 'sk-bench',
  };
  try {
    for (let round = 0; round < sizes.rounds; round += 1) {
      for (const [name, flags] of Object.entries({ kept: [], ephemeral: ['--ephemeral'] })) {
        const { wall } = await run(
          [process.execPath, command, 'ask', ...flags, '-q', '--no-stdin', '-m', `reply-${sizes.chunks}`, 'go'],
          { env },
        );
        times[name].push(wall);
      }
    }
  } finally {
    upstream.close();
  }
  line(`a reply of ${sizes.chunks} chunks, kept`, times.kept);
  line(`a reply of ${sizes.chunks} chunks, --ephemeral`, times.ephemeral);
  held(
    'a reply of many chunks, kept over --ephemeral',
    quantile(times.kept, 0.5) / quantile(times.ephemeral, 0.5),
    'at most',
    0.1,
  );
}

function* generated() {
  const time = '2026-11-22T12:00:00.000Z';
  for (let number = 0; number < sizes.conversations; number += 1) {
    const id = `0${number.toString(36).padStart(7, '0')}`;
    const turns = Array.from({ length: sizes.turns }, (_, index) => ({
      id: `${id}t${index}`,
      seq: index + 1,
      model: 'bench',
      created_at: time,
      ended_at: time,
      messages: [{ role: 'user', content: `${textOf(number + index, 20)} needle${number}` }],
      ...endOf(textOf(number * 7 + index, 120)),
    }));
    yield JSON.stringify({
      type: 'conversation',
      version: 1,
      id,
      created_at: time,
      updated_at: time,
      rank: number,
      turns,
    });
  }
}

function endOf(content) {
  const message = { role: 'assistant', content };
  const completion = {
    id: 'c',
    object: 'chat.completion',
    created: 1,
    model: 'bench',
    choices: [{ index: 0, message, finish_reason: 'stop' }],
    usage: null,
  };
  return { completion, verdict: 'complete', error: null, receipt: { cost_usd: 0.001 } };
}

function textOf(seed, count) {
  return (
    Array.from({ length: count }, (_, index) => words[(seed + index * index) % words.length]).join(' ') + ' stream'
  );
}

function line(name, times) {
  console.log(row(name, `${quantile(times, 0.5).toFixed(2)} ms`, `p99 ${quantile(times, 0.99).toFixed(2)} ms`));
}

function row(name, ...figures) {
  return `${name.padEnd(56)} ${figures.map((figure) => figure.padStart(14)).join(' ')}`;
}

async function bundleInto(outfile) {
  await build({
    stdin: {
      contents: ['history/history.ts', 'journal/journal.ts', 'journal/recording.ts', 'files/process-identity.ts']
        .map((name) => `export * from './src/${name}';`)
        .join('\n'),
      resolveDir: root,
    },
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    logLevel: 'error',
  });
}

const [mode, ...rest] = process.argv.slice(2);
if (mode === '--cold') await cold(...rest);
else if (mode === '--start') await start(...rest);
else await main();
