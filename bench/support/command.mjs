import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

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
 * @returns wall time, the time from the last byte to the end of the process (both ms), peak memory (bytes; the kernel's
 * high-water mark, read every 10 ms), and what `onData` made of the output
 */
export async function run([file, ...args], { env, onData } = {}) {
  const startedAt = performance.now();
  const child = spawn(file, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let [lastByteAt, bytes, peak, errors] = [startedAt, 0, 0, ''];
  child.stdout.on('data', (data) => {
    lastByteAt = performance.now();
    bytes += data.length;
    onData?.(data);
  });
  child.stderr.on('data', (data) => (errors += data));
  const watch = setInterval(() => (peak = Math.max(peak, highWater(child.pid))), 10);
  const code = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', resolve);
  });
  const endedAt = performance.now();
  clearInterval(watch);
  if (code !== 0) throw new Error(`${file} ${args.join(' ')} ended with ${code}: ${errors.slice(0, 500)}`);
  return { wall: endedAt - startedAt, afterLastByte: bytes === 0 ? null : endedAt - lastByteAt, bytes, peak };
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

/** Runs the contenders in turn, round by round, so that a busy moment of the machine meets all of them. */
export async function rounds(contenders, count, measure) {
  const results = new Map(contenders.map((contender) => [contender, []]));
  for (const contender of contenders) await measure(contender);
  for (let round = 0; round < count; round += 1) {
    for (const contender of contenders) results.get(contender).push(await measure(contender));
  }
  return results;
}
