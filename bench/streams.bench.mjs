/**
 * The library with many streams at once: what each holds in memory, how late its deltas are, and whether one waits for
 * the others.
 *
 *   npm run build && node bench/streams.bench.mjs [--smoke]
 *
 * 250, 500 and 1,000 streams on one client, each with 20 deltas a second for some seconds, and the upstream in a process of
 * its own. Memory is what is held after a collection of garbage (heap and buffers) beyond what the process had before,
 * and the most that was resident. openai-node where CLLM_BENCH_PEERS names it. The delay counts from the upstream's write
 * to the application, so that it holds what the kernel, Node and a busy processor take as well.
 */
import { spawn } from 'node:child_process';
import { root, startUpstream } from './support/command.mjs';
import { exponent, held } from './support/held.mjs';

const isSmoke = process.argv.includes('--smoke');
const sizes = isSmoke ? [10] : [250, 500, 1_000];
const deltas = isSmoke ? 20 : 160;
const pause = 50;

const names = ['cllm', 'raw undici', ...(process.env.CLLM_BENCH_PEERS === undefined ? [] : ['openai-node'])];
const upstream = await startUpstream();
const kilobytes = (bytes) => `${(bytes / 1000).toFixed(0)} kB`.padStart(9);
const ms = (time) => `${time.toFixed(1)} ms`.padStart(10);
try {
  console.log(`${1000 / pause} deltas a second in each stream, ${deltas} of them`);
  console.log(
    'streams  who            held a stream  resident    median       p99    longest  deltas of one    CPU a delta',
  );
  const memory = {};
  let last;
  for (const size of sizes) {
    for (const name of names) {
      const result = await measured(name, size);
      (memory[name] ??= []).push(result.held);
      if (name === 'cllm') last = result;
      const { median, p99, longest, fewest, most, resident, cpu } = result;
      const parts = [kilobytes(result.held).padStart(13), kilobytes(resident), ms(median), ms(p99), ms(longest)];
      const share = `${fewest} to ${most}`.padStart(14);
      console.log(
        `${String(size).padStart(7)}  ${name.padEnd(13)}${parts.join(' ')} ${share}  ${(cpu * 1000).toFixed(0)} µs`,
      );
    }
  }
  if (!isSmoke) {
    for (const name of names)
      console.log(
        `memory a stream grows with the streams to the power of ${exponent(sizes, memory[name]).toFixed(2)}: ${name}`,
      );
    held(`kB that a stream holds, of ${sizes.at(-1)}`, last.held / 1000, 'at most', 0.15);
    held(`the delay's p99 over its median, of ${sizes.at(-1)} streams`, last.p99 / last.median, 'at most', 0.5);
  }
} finally {
  upstream.close();
}

function measured(name, size) {
  return new Promise((resolve, reject) => {
    const args = ['--expose-gc', 'bench/support/many-streams.mjs', name, upstream.baseUrl, size, deltas, pause].map(
      String,
    );
    const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text) => (output += text));
    child.on('error', reject).on('exit', (code) => {
      if (code === 0) resolve(JSON.parse(output));
      else reject(new Error(`${name} ended with ${code}`));
    });
  });
}
