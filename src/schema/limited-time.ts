import { createContext, Script } from 'node:vm';

/** What ran longer than it may. */
export class TimeLimitError extends Error {
  /** @param limitMs milliseconds */
  constructor(limitMs: number) {
    super(`it took longer than ${limitMs / 1000} s`);
  }
}

interface Action {
  run: () => void;
}

const action: Action = { run: () => undefined };
let made: { script: Script; context: Action } | null = null;

/**
 * Runs synchronous work that a stranger's data can make endless, a regular expression of a foreign schema say, and ends
 * it from outside: V8 itself stops what runs, in the middle of a pattern too.
 *
 * @throws TimeLimitError after so many milliseconds; whatever the work throws
 */
export function inLimitedTime<Result>(limitMs: number, work: () => Result): Result {
  // One context for all: making one costs more than most of the work.
  made ??= { script: new Script('run()'), context: createContext(action) as Action };
  let result: { value: Result } | null = null;
  action.run = () => {
    result = { value: work() };
  };
  try {
    made.script.runInContext(made.context, { timeout: limitMs });
  } catch (error) {
    if ((error as { code?: unknown } | null)?.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT')
      throw new TimeLimitError(limitMs);
    throw error;
  } finally {
    action.run = () => undefined;
  }
  return (result as { value: Result } | null)!.value;
}
