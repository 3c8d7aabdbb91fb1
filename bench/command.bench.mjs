/**
 * What the built command costs, beside its peers in one run, everything through a pipe and with the history on:
 *
 *   npm run build && node bench/command.bench.mjs [--smoke]
 *
 * Start-up and a whole short reply as multiples of `node -e 0`, the delay of the display, chunks a second, peak memory,
 * and the end of the process after its last byte. A contender that is not installed is left out and named.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { median, quantile, root, rounds, run, startUpstream } from './support/command.mjs';
import { found, installPeers } from './support/peers.mjs';

const isSmoke = process.argv.includes('--smoke');
const sizes = isSmoke
  ? { rounds: 1, short: 20, large: 2_000, huge: 4_000, paced: 5, pace: 2 }
  : { rounds: 15, short: 20, large: 50_000, huge: 100_000, paced: 200, pace: 10 };

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
  const peers = isSmoke ? null : installPeers();
  const curl = found('curl');
  const env = {
    // NODE_EXTRA_CA_CERTS makes every start of Node cost 100 ms more, for all of them.
    PATH: process.env.PATH,
    HOME: home,
    CLLM_HOME: path.join(home, 'cllm'),
    LITELLM_PROXY_URL: upstream.baseUrl,
    LITELLM_PROXY_API_KEY: 'sk-bench',
    BASE_URL: upstream.baseUrl,
  };
  const asking = (model) => [
    { name: 'cllm', command: [node, cllm, '-q', '-m', model, 'hi'], env },
    { name: 'cllm --ephemeral', command: [node, cllm, '-q', '--ephemeral', '-m', model, 'hi'], env },
    ...(peers === null
      ? []
      : [
          {
            name: `openai-node ${peers.packages.openai}`,
            command: [node, peers.openai],
            env: { ...env, MODEL: model },
          },
          { name: `ai SDK ${peers.packages.ai}`, command: [node, peers.ai], env: { ...env, MODEL: model } },
        ]),
    ...(curl === null ? [] : [{ name: 'curl (raw bytes)', command: curlCommand(curl, model), env }]),
  ];
  const bare = { name: 'node -e 0', command: [node, '-e', '0'], env };
  const measure = (contender) => run(contender.command, contender);

  heading('start-up, as multiples of node -e 0 (median of pairs)');
  const starts = [
    bare,
    { name: 'cllm --version', command: [node, cllm, '--version'], env },
    { name: 'cllm --help', command: [node, cllm, '--help'], env },
  ];
  multiples(await rounds(starts, sizes.rounds, measure), bare);

  heading(`a whole reply of ${sizes.short} chunks, as multiples of node -e 0; ms from its last byte to its end`);
  const short = await rounds([bare, ...asking(`reply-${sizes.short}`)], sizes.rounds, measure);
  multiples(short, bare, (results) => `${median(results.map((result) => result.afterLastByte)).toFixed(1)} ms`);

  heading(`display delay on a paced stream, ms from the upstream's write to the pipe (${sizes.paced} deltas)`);
  for (const contender of asking(`paced-${sizes.paced}-${sizes.pace}`)) {
    const delays = await displayDelays(contender);
    row(contender.name, `median ${quantile(delays, 0.5).toFixed(2)}`, `p95 ${quantile(delays, 0.95).toFixed(2)}`);
  }

  heading(`chunks a second to a pipe, a reply of ${sizes.large.toLocaleString('en')} chunks, start-up included`);
  const large = await rounds(asking(`reply-${sizes.large}`), Math.ceil(sizes.rounds / 3), measure);
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

  heading(`peak memory of a reply of ${sizes.huge.toLocaleString('en')} chunks`);
  for (const contender of asking(`reply-${sizes.huge}`)) {
    const { peak } = await run(contender.command, contender);
    row(contender.name, `${(peak / 2 ** 20).toFixed(0)} MiB`);
  }
}

function curlCommand(curl, model) {
  const body = JSON.stringify({ model, messages: [{ role: 'user', content: 'hi' }], stream: true });
  return [curl, '-sN', '-H', 'content-type: application/json', '-d', body, `${upstream.baseUrl}/v1/chat/completions`];
}

/** Each delta is the time of its write, on a clock that all processes of the machine share. */
async function displayDelays(contender) {
  const delays = [];
  let rest = '';
  await run(contender.command, {
    ...contender,
    onData(data) {
      const now = process.hrtime.bigint();
      const lines = (rest + String(data)).split(/\\n|\n/);
      rest = lines.pop();
      for (const line of lines) {
        const sent = /(\d{12,})$/.exec(line)?.[1];
        if (sent !== undefined) delays.push(Number(now - BigInt(sent)) / 1e6);
      }
    },
  });
  return delays;
}

function multiples(results, bare, more = () => '') {
  const base = results.get(bare);
  for (const [contender, runs] of results) {
    const ratio = median(runs.map((result, at) => result.wall / base[at].wall));
    const text =
      contender === bare ? `${median(base.map((result) => result.wall)).toFixed(0)} ms` : `${ratio.toFixed(2)} ×`;
    row(contender.name, text, contender === bare ? '' : more(runs));
  }
}

function heading(text) {
  console.log(`\n${text}`);
}

function row(name, ...cells) {
  console.log(`  ${name.padEnd(28)} ${cells.map((cell) => cell.padEnd(16)).join(' ')}`.trimEnd());
}
