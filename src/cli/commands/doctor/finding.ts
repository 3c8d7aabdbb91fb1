import type { CllmError } from '../../../outcome/errors.ts';
import type { Json } from '../../../protocol/types.ts';

/** What doctor looks at, in the order of the report. */
export const steps = [
  'configuration',
  'http proxy',
  'dns',
  'tcp',
  'tls',
  'proxy',
  'clock',
  'key',
  'model',
  'stream',
  'history',
] as const;

export type Step = (typeof steps)[number];

/** What one step found. No message, fix or fact holds a key. */
export interface Finding {
  step: Step;
  /** `skipped`: there was nothing to look at, or the way to it is blocked. */
  status: 'ok' | 'failed' | 'skipped';
  message: string;
  /** What to do, a command or a line of configuration; null where nothing is to be done. */
  fix: string | null;
  /** Figures for a bug report. */
  facts: Readonly<Record<string, Json>>;
  /** What the exit code follows from; null unless `failed`. */
  error: CllmError | null;
}

export function ok(step: Step, message: string, facts: Finding['facts'] = {}): Finding {
  return { step, status: 'ok', message, fix: null, facts, error: null };
}

export function skipped(step: Step, message: string, facts: Finding['facts'] = {}): Finding {
  return { step, status: 'skipped', message, fix: null, facts, error: null };
}

export function failed(
  step: Step,
  error: CllmError,
  options: { message?: string; fix?: string; facts?: Finding['facts'] } = {},
): Finding {
  return {
    step,
    status: 'failed',
    message: options.message ?? withoutRequest(error.message),
    fix: options.fix ?? error.hint ?? null,
    facts: { code: error.code, ...options.facts },
    error,
  };
}

/** An error of a request ends with the request; in a report about one proxy that repeats itself. */
function withoutRequest(message: string): string {
  return message.replace(/: (GET|POST) \S+$/, '');
}
