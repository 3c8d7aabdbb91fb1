import { CllmError, type ErrorCode, ProxyError } from '../outcome/errors.ts';
import type { JsonObject } from '../protocol/json.ts';
import { hashOf, type KeyOutput, type NewKey, type PendingKeys } from './new-keys.ts';
import type { Plan } from './plan.ts';
import { type Asking, readKeys } from './proxy-state.ts';
import type { Step } from './step.ts';

/** What of a client making takes. */
export interface Making extends Asking {
  post(path: string, body: JsonObject): Promise<unknown>;
}

export interface Failure {
  step: Step;
  error: CllmError;
}

export interface CarriedOut {
  done: number;
  failures: readonly Failure[];
  /** Steps that were not tried: what they need failed, or the run was over. */
  untried: number;
  /** What ended the run before its end; null when nothing did. */
  stoppedBy: CllmError | null;
}

/** LiteLLM is one thread a worker: more at a time would only wait there, and keep questions waiting. */
const atATime = 4;

/**
 * Does what the plan says. A step that fails keeps back what needs it, and nothing else; when the proxy is gone, or the key
 * refused, it is over. Each call may be one that an earlier run has made already.
 */
export async function carryOut(
  plan: Plan,
  around: {
    client: Making;
    pending: PendingKeys;
    output: KeyOutput;
    now: Date;
    /** Told after each step. */
    onStep?: (step: Step) => void;
  },
): Promise<CarriedOut> {
  const failures: Failure[] = [];
  const failed = new Set<string>();
  let done = 0;
  let untried = 0;
  let inARow = 0;
  let stoppedBy: CllmError | null = null;
  const work = async (step: Step): Promise<void> => {
    if (stoppedBy !== null || step.needs.some((need) => failed.has(need))) {
      failed.add(`${step.kind}:${step.name}`);
      untried += 1;
      return;
    }
    try {
      await take(step, around);
      inARow = 0;
      done += 1;
      around.onStep?.(step);
    } catch (error) {
      if (!(error instanceof CllmError)) throw error;
      failed.add(`${step.kind}:${step.name}`);
      failures.push({ step, error });
      inARow = error.code === 'server_error' ? inARow + 1 : 0;
      if (isEnd(error) || inARow === mostFailuresInARow) stoppedBy ??= error;
    }
  };
  for (const stage of plan.stages) {
    const steps = stage.values();
    await Promise.all(
      Array.from({ length: atATime }, async () => {
        for (const step of steps) await work(step);
      }),
    );
  }
  return { done, failures, untried, stoppedBy };
}

/** What no further step would fare better with: the way is broken, the key is none, the disk is full. */
const ends: ReadonlySet<ErrorCode> = new Set([
  'no_key',
  'dns_failed',
  'connection_refused',
  'connection_failed',
  'tls_failed',
  'http_proxy_failed',
  'redirect_refused',
  'interrupted',
  'connect_timeout',
  'first_token_timeout',
  'total_timeout',
  'output_failed',
]);

function isEnd(error: CllmError): boolean {
  return ends.has(error.code) || (error.code === 'key_rejected' && error instanceof ProxyError && error.status === 401);
}

/** So many in a row, each after its retries: the proxy is down, whatever answers for it. */
const mostFailuresInARow = 5;

async function take(
  step: Step,
  { client, pending, output, now }: { client: Making; pending: PendingKeys; output: KeyOutput; now: Date },
): Promise<void> {
  if (!step.isNewKey) {
    for (const { path, body } of step.calls) await client.post(path, body);
    return;
  }
  const [call] = step.calls;
  if (call === undefined) return;
  const userId = typeof call.body['user_id'] === 'string' ? call.body['user_id'] : null;
  const chosen = pending.choose(step.name, { userId, team: step.of, now });
  await makeKey(client, call.body, chosen);
  await output.add(chosen);
  pending.forget(step.name);
}

/**
 * Makes a key that was chosen here. LiteLLM says yes to a key that it has already, and changes nothing; it refuses an alias
 * that is there, which may be our own: an answer that was lost on the way.
 */
export async function makeKey(client: Making, body: JsonObject, { alias, key }: NewKey): Promise<void> {
  try {
    await client.post('/key/generate', { ...body, key });
  } catch (error) {
    if (!(error instanceof ProxyError) || error.status !== 400 || !/already exists/.test(error.message)) throw error;
    const [found] = await readKeys(client, { key_alias: alias });
    if (found?.hash === hashOf(key)) return;
    throw new CllmError('bad_request', `somebody else has made a key ${JSON.stringify(alias)} meanwhile`, {
      cause: error,
      hint: 'run it again: it takes over what is there',
    });
  }
}

/**
 * Hands over what an earlier run made and could not hand over; what it chose and did not make stays, to be made.
 *
 * @returns how many were handed over
 */
export async function handOver(
  pending: PendingKeys,
  output: KeyOutput,
  made: ReadonlySet<string>,
  wanted: ReadonlySet<string>,
): Promise<number> {
  let count = 0;
  for (const key of pending.left) {
    if (made.has(hashOf(key.key))) {
      await output.add(key);
      count += 1;
      pending.forget(key.alias);
    } else if (!wanted.has(key.alias)) pending.forget(key.alias);
  }
  return count;
}
