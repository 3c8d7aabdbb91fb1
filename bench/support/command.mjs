import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';

export const root = path.dirname(path.dirname(path.dirname(fileURLToPath(import.meta.url))));

/** Starts the upstream of the benchmarks; `close()` ends it. */
export async function startUpstream() {
  const child = spawn(process.execPath, [path.join(root, 'bench/support/upstream.mjs')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const baseUrl = await new Promise((resolve, reject) => {
    child.stdout.once('data', (line) => resolve(String(line).trim()));
    child.once('error', reject);
  });
  return { baseUrl, close: () => child.kill() };
}

/**
 * Runs a command to its end, its output through a pipe.
 *
 * @param options.keepsText whether `reads` is wanted: each read of the pipe with its time, nanoseconds of the monotonic
 * clock that all processes of the machine share
 * @param options.watchesMemory whether `peak` and `cpu` are wanted; looking every 10 ms takes a little of the machine
 * @returns the start on that clock, wall time, the time from the last byte to the end of the process (both ms), and peak
 * memory (bytes; the kernel's high-water mark), and processor time (ms, in steps of 10: the last look before its end)
 */
export async function run([file, ...args], { env, keepsText = false, watchesMemory = false } = {}) {
  // A FIFO: what Node gives a child as a pipe is a pair of sockets.
  const directory = mkdtempSync(path.join(tmpdir(), 'cllm-bench-pipe-'));
  const fifo = path.join(directory, 'stdout');
  execFileSync('mkfifo', [fifo]);
  const reader = new Worker(new URL('pipe-reader.mjs', import.meta.url), { workerData: { fifo, keepsText } });
  const output = once(reader, 'message');
  const stdout = openSync(fifo, 'w');
  rmSync(directory, { recursive: true });
  const startedAt = process.hrtime.bigint();
  const child = spawn(file, args, { env, stdio: ['ignore', stdout, 'pipe'] });
  closeSync(stdout);
  let [peak, cpu, errors] = [0, 0, ''];
  child.stderr.on('data', (data) => (errors += data));
  const look = () => {
    peak = Math.max(peak, highWater(child.pid));
    cpu = Math.max(cpu, processorTime(child.pid));
  };
  const watch = watchesMemory ? setInterval(look, 10) : undefined;
  const [code] = await once(child, 'exit');
  const endedAt = process.hrtime.bigint();
  clearInterval(watch);
  const [{ reads, bytes, lastAt }] = await output;
  if (code !== 0) throw new Error(`${file} ${args.join(' ')} ended with ${code}: ${errors.slice(0, 500)}`);
  const afterLastByte = lastAt === null ? null : milliseconds(lastAt, endedAt);
  return { startedAt, wall: milliseconds(startedAt, endedAt), afterLastByte, bytes, peak, cpu, reads };
}

/** Between two times of that clock. */
export function milliseconds(from, to) {
  // oxlint-disable-next-line typescript/no-unnecessary-type-conversion -- they are bigints
  return Number(to - from) / 1e6;
}

function highWater(pid) {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
  } catch {
    // It ended between two looks, or this is no Linux.
    return 0;
  }
}

export function quantile(values, part) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}

export const median = (values) => quantile(values, 0.5);

/**
 * Runs the contenders in turn, round by round, so that a busy moment of the machine meets all of them; each round begins
 * with another one, so that nobody always comes after the same neighbour.
 */
export async function rounds(contenders, count, measure) {
  const results = new Map(contenders.map((contender) => [contender, []]));
  for (const contender of contenders) await measure(contender);
  for (let round = 0; round < count; round += 1) {
    for (let turn = 0; turn < contenders.length; turn += 1) {
      const contender = contenders[(round + turn) % contenders.length];
      results.get(contender).push(await measure(contender));
    }
  }
  return results;
}

/** Fields 14 and 15 of /proc/PID/stat (proc_pid_stat(5)): user and system time in ticks, of which Linux has 100 a second. */
function processorTime(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) * 10;
  } catch {
    // Gone.
    return 0;
  }
}
