/**
 * What the built command costs, beside its peers in one run, everything through a pipe and with the history on:
 *
 *   npm run build && node bench/command.bench.mjs [--smoke]
 *
 * Start-up and a whole short reply as multiples of `node -e 0`, the way to the request, the delay of the display, chunks a
 * second, peak memory, and the end of the process after its last byte. A contender that is not installed is left out.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { median, milliseconds, quantile, root, rounds, run, startUpstream } from './support/command.mjs';
import { exponent, held } from './support/held.mjs';
import { installedPeers } from './support/peers.mjs';

const isSmoke = process.argv.includes('--smoke');
const sizes = isSmoke
  ? { rounds: 1, short: 20, large: 2_000, huge: 4_000, growing: [1_000, 2_000, 4_000], paced: 5, paces: [2] }
  : {
      rounds: 15,
      short: 20,
      large: 50_000,
      huge: 100_000,
      growing: [50_000, 100_000, 200_000],
      paced: 200,
      paces: [3, 10],
    };
const models = {
  arrival: 'arrival',
  short: `reply-${sizes.short}`,
  large: `reply-${sizes.large}`,
  huge: `reply-${sizes.huge}`,
  paced: sizes.paces.map((pace) => `paced-${sizes.paced}-${pace}`),
};

const home = mkdtempSync(path.join(tmpdir(), 'cllm-bench-'));
const upstream = await startUpstream();
try {
  await report();
} finally {
  upstream.close();
  rmSync(home, { recursive: true, force: true });
}

async function report() {
  const node = process.execPath;
  const cllm = path.join(root, 'dist/cli/bin.js');
  const { baseUrl } = upstream;
  const env = {
    // NODE_EXTRA_CA_CERTS makes every start of Node cost 100 ms more, for all of them.
    PATH: process.env.PATH,
    HOME: home,
    CLLM_HOME: path.join(home, 'cllm'),
    LITELLM_PROXY_URL: baseUrl,
    LITELLM_PROXY_API_KEY: 'sk-bench',
    BASE_URL: baseUrl,
  };
  const peersFor = isSmoke ? () => [] : installedPeers({ home, baseUrl, env, models: Object.values(models).flat() });
  const asking = (model) => [
    { name: 'cllm', command: [node, cllm, '-q', '-m', model, 'hi'], env },
    { name: 'cllm --ephemeral', command: [node, cllm, '-q', '--ephemeral', '-m', model, 'hi'], env },
    ...peersFor(model),
  ];
  const bare = { name: 'node -e 0', command: [node, '-e', '0'], env };
  const measure = (contender) => run(contender.command, contender);

  heading('start-up, as multiples of node -e 0 (median of pairs)');
  const starts = [
    bare,
    { name: 'cllm --version', command: [node, cllm, '--version'], env },
    { name: 'cllm --help', command: [node, cllm, '--help'], env },
    ...peersFor('').flatMap(({ name, command: [file], env: own }) =>
      /^(aichat|llm)/.test(name) ? [{ name: `${name} --version`, command: [file, '--version'], env: own }] : [],
    ),
  ];
  const [, version] = multiples(await rounds(starts, sizes.rounds, measure), bare);
  held('cllm --version over node -e 0', version, 'at most', 0.1);

  heading(`a whole reply of ${sizes.short} chunks, as multiples of node -e 0; ms from its last byte to its end`);
  const short = await rounds([bare, ...asking(models.short)], sizes.rounds, measure);
  const [, whole, ephemeral] = multiples(
    short,
    bare,
    (results) => `${median(results.map((result) => result.afterLastByte)).toFixed(1)} ms`,
  );
  held('a whole short reply, saved, over node -e 0', whole, 'at most', 0.1);
  held('a whole short reply, --ephemeral, over node -e 0', ephemeral, 'at most', 0.1);

  heading('from argv to the head of the request at the upstream, as multiples of node -e 0');
  const keeping = (contender) => run(contender.command, { ...contender, keepsText: true });
  const arrivals = await rounds([bare, ...asking(models.arrival)], sizes.rounds, keeping);
  const [, toHead] = multiples(
    arrivals,
    bare,
    () => '',
    (result) => (result.bytes === 0 ? result.wall : milliseconds(result.startedAt, timesIn(result)[0].sent)),
  );
  held('argv to the head of the request over node -e 0', toHead, 'at most', 0.1);

  for (const [at, pace] of sizes.paces.entries()) {
    heading(`display delay, ms from the upstream's write to the pipe; ${sizes.paced} deltas, one every ${pace} ms`);
    const delays = await rounds(asking(models.paced[at]), Math.ceil(sizes.rounds / 5), keeping);
    const medians = {};
    for (const [contender, results] of delays) {
      const each = results.flatMap((result) => timesIn(result).map(({ sent, shown }) => milliseconds(sent, shown)));
      row(contender.name, `median ${quantile(each, 0.5).toFixed(2)}`, `p95 ${quantile(each, 0.95).toFixed(2)}`);
      medians[contender.name] = quantile(each, 0.5);
    }
    if (medians['raw undici'] !== undefined)
      held(
        `display delay, a delta every ${pace} ms, median over raw undici's`,
        medians.cllm / medians['raw undici'],
        'at most',
        0.2,
      );
  }

  heading(`chunks a second to a pipe, a reply of ${sizes.large.toLocaleString('en')} chunks, start-up included`);
  // More than a handful: one slow moment of the machine must not decide a ratio.
  const large = await rounds(asking(models.large), Math.ceil((sizes.rounds * 3) / 5), measure);
  const rates = [...large].map(([contender, results]) => [
    contender.name,
    sizes.large / (median(results.map((result) => result.wall)) / 1000),
  ]);
  const openai = rates.find(([name]) => name.startsWith('openai-node'))?.[1];
  for (const [name, rate] of rates) {
    row(
      name,
      `${(rate / 1000).toFixed(1)} k/s`,
      openai === undefined ? '' : `${(rate / openai).toFixed(1)} × openai-node`,
    );
  }
  if (openai !== undefined) held('chunks a second, saved, over openai-node', rates[0][1] / openai, 'at least', 0.12);

  heading(`processor time of replies of ${sizes.growing.map((size) => size.toLocaleString('en')).join(', ')} chunks`);
  const growing = [];
  for (const size of sizes.growing) {
    const [contender] = asking(`reply-${size}`);
    const times = [];
    for (let round = 0; round < Math.ceil(sizes.rounds / 5); round += 1)
      times.push((await run(contender.command, { ...contender, watchesMemory: true })).cpu);
    growing.push(median(times));
  }
  row(
    'cllm',
    growing.map((time) => `${time} ms`).join(', '),
    `to the power of ${exponent(sizes.growing, growing).toFixed(2)}`,
  );

  heading(`peak memory of a reply of ${sizes.huge.toLocaleString('en')} chunks`);
  for (const contender of asking(models.huge)) {
    const { peak } = await run(contender.command, { ...contender, watchesMemory: true });
    row(contender.name, `${(peak / 2 ** 20).toFixed(0)} MiB`);
  }
}

/** Each delta is a time on a clock that all processes of the machine share: when it was sent, and when it was read. */
function timesIn({ reads }) {
  const times = [];
  let rest = '';
  for (const { at, text } of reads) {
    // Those that print the bytes of the wire print a line end as JSON writes it.
    const lines = (rest + text).split(/\\n|\n/);
    rest = lines.pop();
    for (const line of lines) {
      const sent = /(\d{12,})$/.exec(line)?.[1];
      if (sent !== undefined) times.push({ sent: BigInt(sent), shown: at });
    }
  }
  return times;
}

/** @returns the ratio of each contender, in their order */
function multiples(results, bare, more = () => '', timeOf = (result) => result.wall) {
  const base = results.get(bare);
  const ratios = [];
  for (const [contender, runs] of results) {
    const ratio = median(runs.map((result, at) => timeOf(result) / base[at].wall));
    const text =
      contender === bare ? `${median(base.map((result) => result.wall)).toFixed(0)} ms` : `${ratio.toFixed(2)} ×`;
    row(contender.name, text, contender === bare ? '' : more(runs));
    ratios.push(ratio);
  }
  return ratios;
}

function heading(text) {
  console.log(`\n${text}`);
}

function row(name, ...cells) {
  console.log(`  ${name.padEnd(28)} ${cells.map((cell) => cell.padEnd(16)).join(' ')}`.trimEnd());
}
