import type { TemplateObject } from '../../conversation/result-object.ts';
import type { BatchSummary } from '../batch-summary.ts';

/** What every report is made of; the results themselves stay in their file. */
export interface ReportFacts {
  title: string;
  summary: BatchSummary;
  /** Why the batch ended before its items did; null when it did not. */
  stoppedBecause: string | null;
  /** The input as people name it, relative to the repository where that is known; null for standard input. */
  inputFile: string | null;
  /** What the prompts were made from; null for prompts of their own. */
  template: TemplateObject | null;
  /** When the run began, ISO 8601, UTC. */
  startedAt: string;
  /** How long it took, in milliseconds. */
  durationMs: number;
}
