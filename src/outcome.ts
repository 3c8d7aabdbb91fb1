import { CllmError, DeadlineError, InterruptedError, type ErrorCode } from './errors.ts';

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

/** The one table of exit codes. */
export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  incomplete: 3,
  auth: 4,
  unreachable: 5,
  throttled: 6,
  budget: 7,
  short: 8,
  schema: 9,
  unsaved: 10,
  partial: 11,
  timeout: 124,
  sighup: 129,
  sigint: 130,
  sigterm: 143,
} as const;

export type ExitName = keyof typeof exitCodes;
export type ExitCode = (typeof exitCodes)[ExitName];
