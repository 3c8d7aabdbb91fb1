import { UsageError } from '../outcome/errors.ts';
import type { JsonObject } from '../protocol/json.ts';
import type { Limits } from './people-file.ts';
import type { ProxyKey } from './proxy-state.ts';

/** Before and after, by LiteLLM's name of what changes. */
export type Changes = Readonly<Record<string, readonly [from: unknown, to: unknown]>>;

/** A POST. */
export interface Call {
  path: string;
  body: JsonObject;
}

/** One thing to do. */
export interface Step {
  kind: 'team' | 'person' | 'member' | 'key';
  action: 'make' | 'change' | 'block' | 'unblock' | 'remove' | 'delete';
  /** As people know it: an alias, an id. */
  name: string;
  /** Where else: the team of a member or a key. */
  of: string | null;
  changes: Changes;
  /** Why, where it is not said by what it is. */
  why: string | null;
  /** In this order; each may be sent again. A new key is put into `body` by whoever sends it. */
  calls: readonly Call[];
  isNewKey: boolean;
  /** What has to be there before, by `kind:name`. */
  needs: readonly string[];
}

export const noLimits: Limits = {
  max_budget: null,
  budget_duration: null,
  rpm_limit: null,
  tpm_limit: null,
  max_parallel_requests: null,
  models: [],
};

/** What differs, with both. */
export function changesOf(from: Limits, to: Limits): Changes {
  return Object.fromEntries(
    (Object.keys(noLimits) as (keyof Limits)[])
      .filter((name) => JSON.stringify(from[name]) !== JSON.stringify(to[name]))
      .map((name) => [name, [from[name], to[name]] as const]),
  );
}

/** What differs: null takes a limit away. */
export function sent(to: Limits, from: Limits): JsonObject {
  return Object.fromEntries(Object.entries(changesOf(from, to)).map(([name, [, value]]) => [name, value]));
}

/** A step with nothing but what is said of it. */
export function step(given: Pick<Step, 'kind' | 'action' | 'name' | 'calls'> & Partial<Step>): Step {
  return { of: null, changes: {}, why: null, isNewKey: false, needs: [], ...given };
}

/** As people know it. */
export function nameOf({ alias, shortName }: ProxyKey): string {
  return alias ?? shortName ?? 'a key without a name';
}

/** `1 key`, `2 keys`. */
export function count(number: number, what: string): string {
  return number === 1 ? `1 ${what}` : `${number} ${what}s`;
}

/** As messages have it. */
export function quoted(text: string): string {
  return JSON.stringify(text);
}

/** A file that would take what is somebody else's. */
export function mistaken(message: string, hint = 'look at both: cllm admin keys list'): UsageError {
  return new UsageError(message, { code: 'input_invalid', hint });
}
