import type { BatchSummary } from '../../../batch/batch-summary.ts';
import type { Output } from '../../../terminal/output.ts';
import type { OwnText } from '../../../terminal/own-text.ts';
import { table } from '../../views/table.ts';

/** Why items failed: a row a reason, with the first lines that met it. */
export function failureTable(stderr: Output, summary: BatchSummary): string | OwnText {
  const rows = summary.failures.map(({ code, count, examples }) => [
    count,
    code,
    `line ${examples
      .slice(0, 5)
      .map(({ line }) => line)
      .join(', ')}${count > 5 ? ', …' : ''}`,
    examples[0]?.message ?? '',
  ]);
  return table(stderr, ['failed', 'why', 'where', 'for example'], rows);
}
