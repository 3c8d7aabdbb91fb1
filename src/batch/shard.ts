import { UsageError } from '../outcome/errors.ts';
import type { Shard } from './select-items.ts';

/** Where a system that starts many jobs says which of them this one is. */
interface ShardVariables {
  system: string;
  index: string;
  total: string;
  /** What the first job has. */
  base: 0 | 1;
}

/**
 * From what each system says of itself:
 * GitLab, predefined variables (`CI_NODE_TOTAL` is 1, and `CI_NODE_INDEX` not set, in a job without `parallel`);
 * Buildkite, environment variables (`BUILDKITE_PARALLEL_JOB`, beginning at 0);
 * CircleCI, project values and variables (`CIRCLE_NODE_INDEX`, from 0 to `CIRCLE_NODE_TOTAL` - 1);
 * Kubernetes, Indexed Jobs (the completion index, from 0 to `.spec.completions` - 1). No pod is told of how many it is
 * one, so a variable of ours says it.
 */
const known: readonly ShardVariables[] = [
  { system: 'GitLab', index: 'CI_NODE_INDEX', total: 'CI_NODE_TOTAL', base: 1 },
  { system: 'Buildkite', index: 'BUILDKITE_PARALLEL_JOB', total: 'BUILDKITE_PARALLEL_JOB_COUNT', base: 0 },
  { system: 'CircleCI', index: 'CIRCLE_NODE_INDEX', total: 'CIRCLE_NODE_TOTAL', base: 0 },
  { system: 'Kubernetes', index: 'JOB_COMPLETION_INDEX', total: 'CLLM_SHARD_TOTAL', base: 0 },
];

/** As `--shard` is given: `auto` is for `shardFromEnvironment`. */
export type ShardFlag = Shard | 'auto';

/** @throws UsageError */
export function parseShard(value: string): ShardFlag {
  if (value === 'auto') return value;
  const [, index = '0', count = '0'] = /^(\d{1,6})\/(\d{1,6})$/.exec(value) ?? [];
  const shard = { index: Number(index), count: Number(count) };
  if (shard.index >= 1 && shard.index <= shard.count) return shard;
  throw new UsageError(`--shard ${value} is no part I/N with I from 1 to N`, {
    hint: 'for example --shard 1/4; --shard auto takes what the CI system or Kubernetes says',
  });
}

/**
 * The part that this job is, of as many as were started. Nobody guesses: where nothing says it, or two say different
 * things, each job would ask for what another one asks for as well, or nobody would ask for a part.
 *
 * @throws UsageError
 */
export function shardFromEnvironment(env: Readonly<Record<string, string | undefined>>): Shard {
  const found = known.flatMap((variables) => {
    const shard = shardOf(variables, env);
    return shard === null ? [] : [{ variables, shard }];
  });
  const [first, ...others] = found;
  if (first === undefined) {
    throw new UsageError('--shard auto: nothing says which part this job is', {
      hint: `it is said by ${known.map(({ index, total }) => `${index} with ${total}`).join(', ')}; elsewhere name it: --shard 1/4`,
    });
  }
  const other = others.find(({ shard }) => shard.index !== first.shard.index || shard.count !== first.shard.count);
  if (other === undefined) return first.shard;
  throw new UsageError(
    `--shard auto: ${said(first.variables, env)} (${nameOf(first.shard)}) and ${said(other.variables, env)} (${nameOf(other.shard)}) say different things`,
    { hint: 'say which one holds: --shard I/N, with I from 1' },
  );
}

/** Null where the system does not say anything. */
function shardOf(variables: ShardVariables, env: Readonly<Record<string, string | undefined>>): Shard | null {
  const { system, base } = variables;
  const [index, total] = [env[variables.index] ?? '', env[variables.total] ?? ''];
  // GitLab says 1 in every job that has no others beside it. A total alone tells nobody's part.
  if (index === '' && (total === '' || (system === 'GitLab' && total === '1'))) return total === '' ? null : whole;
  const shard = { index: wholeNumber(index) - base + 1, count: wholeNumber(total) };
  if (shard.index >= 1 && shard.index <= shard.count) return shard;
  const missing = index === '' ? variables.index : total === '' ? variables.total : null;
  if (missing !== null) {
    throw new UsageError(`--shard auto: ${said(variables, env)}, and ${missing} is not set`, {
      hint: missing === 'CLLM_SHARD_TOTAL' ? 'set it to the completions of the job' : 'name the part: --shard 1/4',
    });
  }
  throw new UsageError(`--shard auto: ${said(variables, env)} is no part`, {
    hint: `${system} counts from ${base}; name the part, from 1: --shard 1/4`,
  });
}

const whole: Shard = { index: 1, count: 1 };

function wholeNumber(text: string): number {
  return /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
}

function nameOf({ index, count }: Shard): string {
  return `${index}/${count}`;
}

function said({ index, total }: ShardVariables, env: Readonly<Record<string, string | undefined>>): string {
  return [index, total]
    .filter((name) => (env[name] ?? '') !== '')
    .map((name) => `${name}=${env[name]?.slice(0, 20)}`)
    .join(' ');
}
