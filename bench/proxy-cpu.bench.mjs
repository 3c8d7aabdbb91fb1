/**
 * What a reply of a batch costs the proxy, streamed and not, with a real LiteLLM on Linux:
 *
 *   npm run build && LITELLM_PROGRAM=/path/to/bin/litellm node bench/proxy-cpu.bench.mjs [--smoke]
 *
 * The program is that of a Python environment with litellm[proxy] (`cllm proxy up` makes one). A provider on this machine
 * answers with 100 words in 5 s; one LiteLLM of one worker, without a database, stands before it; `cllm batch` asks 25 at a
 * time, streamed and not in turn. CPU is what the kernel says that the process of LiteLLM took (proc_pid_stat(5)).
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { root } from './support/command.mjs';

const program = process.env.LITELLM_PROGRAM;
if (program === undefined) {
  console.error('LITELLM_PROGRAM is not set: the program litellm of a Python environment with litellm[proxy]');
  process.exit(2);
}
const isSmoke = process.argv.includes('--smoke');
const [items, atOnce, rounds] = isSmoke ? [10, 10, 1] : [100, 25, 3];
const ticksPerSecond = 100;
const masterKey = `sk-${randomBytes(24).toString('hex')}`;
const home = mkdtempSync(path.join(tmpdir(), 'cllm-bench-'));
const running = [];

try {
  await report();
} finally {
  for (const child of running) child.kill('SIGKILL');
  rmSync(home, { recursive: true, force: true });
}

async function report() {
  const upstream = await startUpstream();
  const proxy = await startLiteLLM(upstream);
  writeFileSync(
    path.join(home, 'in.jsonl'),
    Array.from({ length: items }, (_, at) => `${JSON.stringify({ prompt: `prompt ${at}` })}\n`).join(''),
  );
  // What is loaded with the first request is not a reply's.
  await batch(proxy, 'warm', []);
  const ways = { streamed: [], 'not streamed': ['--no-stream'] };
  const measured = Object.fromEntries(Object.keys(ways).map((way) => [way, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const [way, flags] of Object.entries(ways)) {
      measured[way].push(await batch(proxy, `${way}-${round}`.replace(' ', '-'), flags));
    }
  }
  const version = await (await fetch(`${proxy.url}/openapi.json`)).json().then(({ info }) => info.version);
  console.log(
    `LiteLLM ${version}, one worker; ${items} replies of 100 words in 5 s, ${atOnce} at once; median of ${rounds}`,
  );
  const medians = {};
  for (const [way, runs] of Object.entries(measured)) {
    const of = (name) => runs.map((run) => run[name]).toSorted((a, b) => a - b)[Math.floor(runs.length / 2)];
    medians[way] = of('proxyMs');
    const label = `${way}: CPU of LiteLLM a reply, of cllm, wall time`.padEnd(72);
    console.log(`${label} ${of('proxyMs').toFixed(0)} ms, ${of('ownMs').toFixed(1)} ms, ${of('wall').toFixed(1)} s`);
  }
  const ratio = medians.streamed / medians['not streamed'];
  console.log(`${'streamed beside not streamed'.padEnd(72)} ${ratio.toFixed(1)}`);
}

/** One batch: CPU milliseconds an item, of the proxy and of cllm, and its seconds. */
async function batch(proxy, name, flags) {
  const before = cpuMs(proxy.pid);
  const startedAt = performance.now();
  const args = ['batch', 'in.jsonl', '-o', `${name}.jsonl`, '--concurrency', String(atOnce), '-q', ...flags];
  const child = spawn(process.execPath, [path.join(root, 'dist/cli/bin.js'), ...args], {
    cwd: home,
    env: {
      PATH: process.env.PATH,
      CLLM_HOME: path.join(home, 'cllm'),
      CLLM_MODEL: 'bench',
      LITELLM_PROXY_API_KEY: masterKey,
      LITELLM_PROXY_URL: proxy.url,
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  running.push(child);
  let own = 0;
  const timer = setInterval(() => (own = cpuMs(child.pid) || own), 50);
  const code = await new Promise((resolve) => child.on('exit', resolve));
  clearInterval(timer);
  if (code !== 0) throw new Error(`the batch ${name} ended with ${code}`);
  const wall = (performance.now() - startedAt) / 1000;
  // What the proxy does after a reply (its log) is the reply's as well.
  await delay(2000);
  return { proxyMs: (cpuMs(proxy.pid) - before) / items, ownMs: own / items, wall };
}

/** User and system time of a process and of its children that have ended; 0 when it is gone. */
function cpuMs(pid) {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
    return (fields.slice(11, 15).reduce((sum, each) => sum + Number(each), 0) * 1000) / ticksPerSecond;
  } catch {
    return 0;
  }
}

async function startUpstream() {
  const child = spawn(process.execPath, [path.join(root, 'bench/support/chunked-upstream.mjs')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  running.push(child);
  const [line] = await new Promise((resolve) => child.stdout.once('data', (data) => resolve(String(data).split('\n'))));
  return line;
}

async function startLiteLLM(upstream) {
  const config = path.join(home, 'config.yaml');
  writeFileSync(
    config,
    `model_list:\n  - model_name: bench\n    litellm_params: {model: openai/bench, api_base: ${upstream}, api_key: none}\n`,
  );
  const port = await freePort();
  const child = spawn(program, ['--config', config, '--host', '127.0.0.1', '--port', String(port)], {
    cwd: home,
    env: {
      PATH: process.env.PATH,
      HOME: home,
      LITELLM_LOCAL_MODEL_COST_MAP: 'True',
      LITELLM_MASTER_KEY: masterKey,
      NO_PROXY: '*',
    },
    stdio: ['ignore', 'ignore', 'ignore'],
  });
  running.push(child);
  const url = `http://127.0.0.1:${port}`;
  for (let tries = 0; tries < 240; tries += 1) {
    if (child.exitCode !== null) throw new Error(`LiteLLM ended with ${child.exitCode}`);
    const isReady = await fetch(`${url}/health/readiness`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isReady) return { url, pid: child.pid };
    await delay(500);
  }
  throw new Error('LiteLLM did not begin to answer');
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}
