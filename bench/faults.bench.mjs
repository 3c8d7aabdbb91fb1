/**
 * How a broken stream ends for whoever reads it: cllm, as a library and as the built command, beside openai-node in the
 * same run. Prints a Markdown table.
 *
 *   npm run build && node bench/faults.bench.mjs [--smoke]
 *
 * Played are the scenarios of the tests, whole and cut off at their bytes, and a good stream that is broken by a FIN, a
 * reset and a stall at every byte. A truncation is silent when the client ends without an error though the reply had no
 * finish_reason, or not all of its text. It hangs when it has not ended six times its deadline later. A key has leaked
 * when a redirect took it to another origin.
 */
import { fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { build } from 'esbuild';
import { root } from './support/command.mjs';
import { commandContender, deadline, libraryContender, openaiContenders } from './support/fault-contenders.mjs';
import { installPeers } from './support/peers.mjs';

const isSmoke = process.argv.includes('--smoke');
const hangAfter = deadline * 6_000;
const key = 'sk-bench-canary-0123456789';
/** Every nth byte: of the good streams, and of each scenario. The command starts a process for each. */
const strides = isSmoke
  ? { swept: 40, scenario: 400, sweptCommand: 600, scenarioCommand: Number.POSITIVE_INFINITY }
  : { swept: 1, scenario: 8, sweptCommand: 24, scenarioCommand: Number.POSITIVE_INFINITY };
/** Longer ones are about their length. */
const longestSwept = 4_000;
const redirects = [301, 302, 303, 307, 308];

let isPeer = false;
// The fetch of Node 20 throws where nobody can catch it when a compressed body is cut or given up: a loud end, at least.
process.on('uncaughtException', (error) => {
  if (isPeer) return;
  console.error(error);
  process.exit(1);
});

const home = mkdtempSync(path.join(tmpdir(), 'cllm-bench-'));
const upstream = await startUpstream();
try {
  const facts = { baseUrl: upstream.baseUrl, key, home };
  const contenders = [await libraryContender(facts), commandContender(facts)];
  // Peers come from a registry, which a smoke test does not ask.
  if (!isSmoke) contenders.push(...openaiContenders({ ...facts, peers: installPeers() }));
  const results = [];
  for (const contender of contenders) {
    isPeer = contender.name.startsWith('openai');
    results.push(await examine(contender));
    await contender.close();
  }
  report(results);
} finally {
  upstream.close();
  rmSync(home, { recursive: true, force: true });
}

async function startUpstream() {
  const file = path.join(home, 'fault-upstream.mjs');
  await build({
    entryPoints: [path.join(root, 'bench/support/fault-upstream.mjs')],
    outfile: file,
    bundle: true,
    format: 'esm',
    platform: 'node',
    logLevel: 'warning',
  });
  const child = fork(file, { stdio: 'inherit' });
  const told = () => new Promise((resolve, reject) => child.once('message', resolve).once('error', reject));
  const { baseUrl, scenarios, swept } = await told();
  return {
    baseUrl,
    scenarios,
    swept,
    /** What came to the other origin since the last time. */
    async elsewhere() {
      const answer = told();
      child.send(key);
      return answer;
    },
    close: () => child.disconnect(),
  };
}

/** Everything, for one client. */
async function examine(contender) {
  const startedAt = performance.now();
  const { scenarios, swept } = upstream;
  // A process each: a smoke test has no time for all of them.
  const known = isSmoke && contender.isSlow ? scenarios.filter((_each, index) => index % 8 === 0) : scenarios;
  const result = { name: contender.name, whole: await played(contender, known.map(whole), 8) };
  const stride = contender.isSlow ? strides.sweptCommand : strides.swept;
  for (const fault of ['fin', 'reset', 'stall']) {
    // Most of a stall is waiting.
    const cuts = swept.flatMap((each) => cutsOf(each, fault, stride * (fault === 'stall' && contender.isSlow ? 4 : 1)));
    result[fault] = await played(contender, cuts, fault === 'stall' ? 200 : 16);
  }
  const short = scenarios.filter(({ length }) => length <= longestSwept);
  const scenarioStride = contender.isSlow ? strides.scenarioCommand : strides.scenario;
  result.cut = await played(
    contender,
    Number.isFinite(scenarioStride) ? short.flatMap((each) => cutsOf(each, 'fin', scenarioStride)) : [],
    16,
  );
  await upstream.elsewhere();
  await played(
    contender,
    redirects.map((redirect) => ({ prompt: { redirect }, scenario: { limits: {} } })),
    1,
  );
  result.leaks = await upstream.elsewhere();
  result.seconds = (performance.now() - startedAt) / 1000;
  return result;
}

function whole(scenario) {
  return { scenario, prompt: { scenario: scenario.name } };
}

function cutsOf(scenario, fault, stride) {
  const count = Math.ceil(scenario.length / stride);
  return Array.from({ length: count }, (_, index) => ({
    scenario,
    prompt: { scenario: scenario.name, fault, offset: index * stride },
  }));
}

/** Plays the cases, `width` at a time. */
async function played(contender, cases, width) {
  const tally = { tried: cases.length, silent: 0, hangs: 0, refused: 0, names: new Set() };
  const waiting = cases.values();
  const work = async () => {
    for (const { scenario, prompt } of waiting) {
      const end = await ended(contender, JSON.stringify(prompt), scenario.limits);
      if (end === 'hang') tally.hangs += 1;
      else if (isSilent(end, scenario)) tally.silent += 1;
      else if (isRefused(end, scenario, prompt)) tally.refused += 1;
      else continue;
      tally.names.add(`${kindOf(end)}: ${scenario.name}`);
    }
  };
  await Promise.all(Array.from({ length: contender.isSlow ? Math.min(width, 4) : width }, work));
  return tally;
}

function isRefused({ isOk }, { isWhole }, { fault }) {
  return isWhole && fault === undefined && !isOk;
}

function kindOf(end) {
  if (end === 'hang') return 'hangs';
  return end.isOk ? 'silent' : 'refused, though whole';
}

async function ended(contender, prompt, limits) {
  const controller = new AbortController();
  let timer;
  const hang = new Promise((resolve) => (timer = setTimeout(() => resolve('hang'), hangAfter)));
  const asked = contender.ask(prompt, { limits, signal: controller.signal });
  const end = await Promise.race([asked, hang]);
  clearTimeout(timer);
  if (end === 'hang') {
    controller.abort();
    await asked;
  }
  return end;
}

function isSilent({ isOk, content, finishReason }, { text }) {
  return isOk && (finishReason === null || (typeof text === 'string' && content !== text));
}

function report(results) {
  const { scenarios, swept } = upstream;
  const bytes = swept.reduce((sum, { length }) => sum + length, 0);
  console.log(
    `${scenarios.length} scenarios; two good streams of ${bytes} bytes together, broken by FIN, reset and stall; ` +
      `${redirects.length} redirects to another origin, with the key in Authorization and in x-litellm-key\n`,
  );
  const kinds = ['whole', 'fin', 'reset', 'stall', 'cut'];
  const sum = (result, name) => kinds.reduce((total, kind) => total + result[kind][name], 0);
  const of = (tally, name) => (tally.tried === 0 ? '–' : `${tally[name]} of ${tally.tried}`);
  const rows = [
    ['silent truncations, scenarios', (each) => of(each.whole, 'silent')],
    ['silent truncations, FIN at a byte', (each) => of(each.fin, 'silent')],
    ['silent truncations, reset at a byte', (each) => of(each.reset, 'silent')],
    ['silent truncations, stall at a byte', (each) => of(each.stall, 'silent')],
    ['silent truncations, scenarios cut at a byte', (each) => of(each.cut, 'silent')],
    ['**silent truncations**', (each) => `**${sum(each, 'silent')}** of ${sum(each, 'tried')}`],
    ['hangs, scenarios', (each) => of(each.whole, 'hangs')],
    ['hangs, stall at a byte', (each) => of(each.stall, 'hangs')],
    ['**hangs**', (each) => `**${sum(each, 'hangs')}** of ${sum(each, 'tried')}`],
    ['whole replies that ended as errors', (each) => `${each.whole.refused}`],
    ['redirects followed to another origin', (each) => `${each.leaks.requests} of ${redirects.length}`],
    ['the prompt sent there', (each) => String(each.leaks.prompts)],
    ['**keys leaked**', (each) => `**${each.leaks.keys}**`],
    ['seconds', (each) => each.seconds.toFixed(0)],
  ];
  line(['', ...results.map(({ name }) => name)]);
  line(['---', ...results.map(() => '---')]);
  for (const [name, cell] of rows) line([name, ...results.map(cell)]);
  for (const { name, whole: tally } of results) {
    if (tally.names.size === 0) continue;
    console.log(`\n${name}:`);
    for (const each of [...tally.names].toSorted()) console.log(`- ${each}`);
  }
}

function line(cells) {
  console.log(`| ${cells.join(' | ')} |`);
}
