import { readFileSync } from 'node:fs';
import path from 'node:path';
import { root } from './command.mjs';

/**
 * Prints a figure that may not get worse, and has the benchmark end with 1 where it is worse than bench/RESULTS.md says by more than its noise.
 * Ratios alone are held: another machine, or another hour, has other times. A run with `--smoke` or CLLM_BENCH_ACCEPT compares nothing.
 *
 * @param name is found by it in the results, so it stands there once
 * @param bound `at most` or `at least`: which way is worse
 * @param noise how far two runs lie apart with nothing changed, as a part of the figure
 */
export function held(name, value, bound, noise, { results = path.join(root, 'bench/RESULTS.md') } = {}) {
  console.log(`held: ${value.toFixed(2)} ${bound}, ${name}`);
  if (process.argv.includes('--smoke') || process.env.CLLM_BENCH_ACCEPT !== undefined) return;
  const recorded = recordedIn(readFileSync(results, 'utf8'), name);
  if (recorded === null) return;
  const worst = bound === 'at most' ? recorded * (1 + noise) : recorded * (1 - noise);
  // Not `value > worst`: what is no number is worse.
  if (bound === 'at most' ? value <= worst : value >= worst) return;
  console.error(
    `worse than bench/RESULTS.md says: ${name} is ${value.toFixed(2)}, recorded is ${recorded} and ${(noise * 100).toFixed(0)} % is noise (CLLM_BENCH_ACCEPT=1 takes it)`,
  );
  process.exitCode = 1;
}

/** How cost grows with size: 1 is in proportion, 0 not at all. The slope through the logarithms of all sizes. */
export function exponent(sizes, costs) {
  const [xs, ys] = [sizes.map(Math.log), costs.map(Math.log)];
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [x, y] = [mean(xs), mean(ys)];
  const along = xs.reduce((sum, value, at) => sum + (value - x) * (ys[at] - y), 0);
  return along / xs.reduce((sum, value) => sum + (value - x) ** 2, 0);
}

function recordedIn(text, name) {
  const lines = text.split('\n').flatMap((line) => {
    const [, value, found] = /^held: ([\d.]+) at (?:most|least), (.+)$/.exec(line) ?? [];
    return found === name ? [Number(value)] : [];
  });
  return lines.at(-1) ?? null;
}
