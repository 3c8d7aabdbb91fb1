import type { SpendTable } from '../../../spending/spend-table.ts';

/** What the proxy's log has of a job. */
export interface JobCalls {
  table: SpendTable;
  ids: ReadonlySet<string>;
  /** There are more calls than were looked at. */
  isCut: boolean;
}

/** LiteLLM writes its log every ten seconds, unless it is told otherwise: what a job asked last is there later. */
const patienceMs = 60_000;
const pauseMs = 1_000;

/** Looks until all of the known calls are there, for a minute at the most. */
export async function whenLogged(
  look: () => Promise<JobCalls>,
  known: ReadonlySet<string>,
  { now, pause }: { now: () => number; pause: (ms: number) => Promise<void> },
): Promise<{ calls: JobCalls; missingCalls: number }> {
  for (const startedAt = now(); ;) {
    const calls = await look();
    const missingCalls = calls.isCut ? 0 : [...known].filter((id) => !calls.ids.has(id)).length;
    if (missingCalls === 0 || now() - startedAt >= patienceMs) return { calls, missingCalls };
    await pause(pauseMs);
  }
}
