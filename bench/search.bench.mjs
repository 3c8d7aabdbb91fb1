/**
 * What the search inside text without spaces costs, with 100,000 turns of Chinese or Japanese, and of English beside it:
 *
 *   node bench/search.bench.mjs [--smoke]
 *
 * - the size of the texts, of the index of words and of that of character pairs
 * - the upgrade of a history that an earlier cllm wrote: the migration, each step of the indexing, all of them
 * - searches in a process of its own, cold, from opening the file to the result: before, without the index, and with it
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { quantile, root } from './support/command.mjs';

const isSmoke = process.argv.includes('--smoke');
const sizes = isSmoke ? { conversations: 20, turns: 10, cold: 2 } : { conversations: 10_000, turns: 10, cold: 7 };
const uid = process.getuid?.() ?? null;

// Characters as often as they are: the first of them far more than the last.
const characters = Array.from({ length: 3000 }, (_, at) => String.fromCodePoint(0x4e00 + ((at * 7) % 6000)));
const kana = Array.from('あいうえおかきくけこさしすせそたちつてとなにぬねのはひふへほまみむめもやゆよらりるれろわをん');
const words = 'stream event chunk delta proxy model token reply prompt journal turn history cost budget retry'.split(
  ' ',
);
let state = 1;
const random = () => (state = (state * 1_103_515_245 + 12_345) % 2_147_483_648) / 2_147_483_648;
const one = (list) => list[Math.floor(list.length * random() ** 3)];

const languages = {
  'Chinese and Japanese': (count) =>
    Array.from({ length: count }, () => (random() < 0.5 ? one(characters) + one(characters) : one(kana))).join(''),
  English: (count) => Array.from({ length: count / 2 }, () => one(words)).join(' '),
};

const searches = {
  'two characters of one turn': '龘靐',
  'two frequent characters': 'いあ',
  'four characters': '龘靐龘靐',
  'one character': '靐',
  'two words': '龘靐 いあ',
  'nothing found': '鱻麤',
};

async function main() {
  const directory = mkdtempSync(path.join(tmpdir(), 'cllm-bench-'));
  const bundle = path.join(root, 'node_modules/.cache', `search-bench-${process.pid}.mjs`);
  try {
    await bundleInto(bundle);
    for (const [language, textOf] of Object.entries(languages)) {
      const file = path.join(directory, language, 'history.db');
      await measure(language, textOf, file, bundle);
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
    rmSync(bundle, { force: true });
  }
}

async function measure(language, textOf, file, bundle) {
  const { Database, History, indexStep, sqliteEngine } = await import(pathToFileURL(bundle).href);
  const history = History.open(file, { uid });
  // As an earlier cllm left it: up to there nothing is indexed.
  const raw = new (sqliteEngine().DatabaseSync)(file);
  raw.exec(`UPDATE turns_pairs_backlog SET up_to = ${Number.MAX_SAFE_INTEGER}`);
  history.import(generated(textOf));
  raw.exec('UPDATE turns_pairs_backlog SET up_to = (SELECT max(position) FROM turns)');
  raw.close();
  history.close();
  console.log(`${sizes.conversations * sizes.turns} turns of ${language}`);

  const database = Database.open(file, { uid });
  if (language !== 'English')
    cold('looked through as text', file, bundle, ['two characters of one turn', 'nothing found']);

  const steps = [];
  const begun = performance.now();
  for (let isLeft = true; isLeft;) {
    const from = performance.now();
    isLeft = indexStep(database);
    steps.push(performance.now() - from);
  }
  console.log(row('the indexing in all', ms(performance.now() - begun), `${steps.length} steps`));
  console.log(row('a step', ms(quantile(steps, 0.5)), `longest ${ms(Math.max(...steps))}`));
  const size = (sql) => `${(Number(database.get(`SELECT ${sql} AS size`).size ?? 0) / 1e6).toFixed(1)} MB`;
  console.log(row('prompts and replies', size('(SELECT sum(octet_length(prompt) + octet_length(reply)) FROM turns)')));
  console.log(row('the file', size('(SELECT page_count * page_size FROM pragma_page_count, pragma_page_size)')));
  console.log(row('the index of words', size('(SELECT sum(length(block)) FROM turns_search_data)')));
  console.log(row('the index of pairs', size('(SELECT sum(length(block)) FROM turns_pairs_data)')));
  database.close();
  if (language !== 'English') cold('with the index', file, bundle, Object.keys(searches));
  console.log('');
}

function cold(how, file, bundle, names) {
  for (const name of names) {
    const times = Array.from({ length: sizes.cold }, () =>
      Number(
        execFileSync(
          process.execPath,
          [import.meta.filename ?? process.argv[1], '--cold', bundle, file, searches[name], how],
          {
            encoding: 'utf8',
          },
        ),
      ),
    );
    console.log(row(`cold, ${how}: ${name}`, ms(quantile(times, 0.5)), `longest ${ms(Math.max(...times))}`));
  }
}

/** A process that opens the history, searches and says how long both took. */
async function coldSearch(bundle, file, query, how) {
  const { Database, History, pairedHits, searchTerms } = await import(pathToFileURL(bundle).href);
  const from = performance.now();
  // What a search does once its time for indexing is over, or where it can not write.
  if (how === 'with the index') History.open(file, { uid }).search(query);
  else pairedHits(searchTerms(query), {}, 50, Database.open(file, { uid }));
  console.log(performance.now() - from);
}

function* generated(textOf) {
  const time = '2026-11-22T12:00:00.000Z';
  for (let number = 0; number < sizes.conversations; number += 1) {
    const id = `0${number.toString(36).padStart(7, '0')}`;
    const turns = Array.from({ length: sizes.turns }, (_, index) => {
      const rare = number === 7 && index === 3 ? '龘靐龘靐' : '';
      const message = { role: 'assistant', content: textOf(240) };
      return {
        id: `${id}t${index}`,
        seq: index + 1,
        model: 'bench',
        created_at: time,
        ended_at: time,
        messages: [{ role: 'user', content: `${textOf(40)}${rare}` }],
        completion: {
          id: 'c',
          object: 'chat.completion',
          created: 1,
          model: 'bench',
          choices: [{ index: 0, message, finish_reason: 'stop' }],
          usage: null,
        },
        verdict: 'complete',
        error: null,
        receipt: null,
      };
    });
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

function ms(time) {
  return `${time.toFixed(1)} ms`;
}

function row(name, ...figures) {
  return `${name.padEnd(56)} ${figures.map((figure) => figure.padStart(14)).join('  ')}`;
}

async function bundleInto(outfile) {
  await build({
    stdin: {
      contents: ['history', 'database', 'search-index', 'search-query']
        .map((name) => `export * from './src/history/${name}.ts';`)
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
if (mode === '--cold') await coldSearch(...rest);
else await main();
