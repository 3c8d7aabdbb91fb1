import { errorTable } from './error-table.ts';
import { type CllmError, InterruptedError } from './errors.ts';

/** How a stream ended, decided once, by `verdict()` in protocol/verdict.ts. */
export const verdicts = [
  'complete',
  'length',
  'content_filter',
  'cut',
  'error',
  'empty',
  'interrupted',
  'timed_out',
] as const;

export type Verdict = (typeof verdicts)[number];

/** The one table of exit codes: `cllm help exit-codes` prints it. An HTTP status never becomes one by arithmetic. */
export const exits = {
  ok: { code: 0, when: 'the reply is complete; cut by length under --allow-short; the reader closed the pipe early' },
  failed: { code: 1, when: 'anything not named below' },
  usage: { code: 2, when: 'a bad flag, bad configuration, bad input, no model chosen' },
  incomplete: { code: 3, when: 'cut, error, empty or content_filter: what arrived was printed and saved' },
  auth: { code: 4, when: 'no key, a bad key (401), or a model that the key may not use' },
  unreachable: { code: 5, when: 'DNS, refused, TLS, redirect, 5xx after retries' },
  throttled: { code: 6, when: '429 that is no budget, after retries' },
  budget: { code: 7, when: 'a budget is exceeded, or our own cost cap' },
  short: { code: 8, when: 'cut by length (--allow-short makes it 0)' },
  schema: {
    code: 9,
    when: 'the reply does not match the schema, or has no block to extract (it was saved all the same)',
  },
  unsaved: { code: 10, when: 'the reply was printed but the history could not be written' },
  partial: { code: 11, when: 'some items of a batch failed' },
  blocked: {
    code: 12,
    when: 'a guardrail of the proxy refused the prompt or the reply, and said so before any of it came',
  },
  unapproved: { code: 13, when: 'a tool call that no rule allows, and nobody to ask' },
  timeout: { code: 124, when: 'one of the deadlines fired' },
  sighup: { code: 129, when: 'SIGHUP' },
  sigint: { code: 130, when: 'SIGINT (Ctrl-C)' },
  sigterm: { code: 143, when: 'SIGTERM' },
} as const;

export type ExitName = keyof typeof exits;
export type ExitCode = (typeof exits)[ExitName]['code'];

const exitOfSignal = { SIGHUP: 'sighup', SIGINT: 'sigint', SIGTERM: 'sigterm' } as const;

export function exitNameOf(error: CllmError | null): ExitName {
  if (error === null) return 'ok';
  if (error instanceof InterruptedError && error.signal !== null) return exitOfSignal[error.signal];
  return errorTable[error.code].exit;
}

export function exitCodeOf(error: CllmError | null): ExitCode {
  return exits[exitNameOf(error)].code;
}

/**
 * Signal, timeout, blocked, the error's own, unsaved, schema, short: the first of these that happened is the one to
 * report. A reader that closed the pipe is no failure, so it comes after all of them.
 */
function precedence(error: CllmError): number {
  const name = exitNameOf(error);
  if (error.code === 'interrupted') return name === 'ok' ? last : 0;
  return ranks[name] ?? ownRank;
}

const ranks: Partial<Record<ExitName, number>> = { timeout: 1, blocked: 2, unsaved: 4, schema: 5, short: 6 };
const ownRank = 3;
const last = 7;

/** Several things can go wrong in one run; this is the one that names the exit code. Null when nothing did. */
export function decisive(errors: readonly CllmError[]): CllmError | null {
  return errors.toSorted((a, b) => precedence(a) - precedence(b))[0] ?? null;
}

/** All that went wrong in a run: what of it counts, and what decides the exit code. */
export interface Judgement {
  errors: CllmError[];
  decisive: CllmError | null;
}

/** `isShortAllowed` is --allow-short: a reply that its length limit cut is no failure then. */
export function judgement(
  errors: readonly (CllmError | null)[],
  { isShortAllowed }: { isShortAllowed: boolean },
): Judgement {
  const counted = errors
    .filter((error) => error !== null)
    .filter((error) => !(isShortAllowed && error.code === 'reply_short'));
  return { errors: counted, decisive: decisive(counted) };
}
