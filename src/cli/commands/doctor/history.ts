import type { Context } from '../../context.ts';
import { asCllmError } from '../../thrown.ts';
import { failed, ok, skipped, type Finding } from './finding.ts';

/** Whether a turn could be kept now. */
export async function examineHistory(
  context: Pick<Context, 'paths' | 'settings' | 'history' | 'journal'>,
): Promise<Finding> {
  const file = context.paths.historyFile;
  const settings = await context.settings().catch(() => null);
  if (settings?.history.value === 'off') return skipped('history', 'switched off');
  try {
    const history = await context.history();
    history.assertWritable();
    const unfinished = (await context.journal()).unfinished().length;
    const left = unfinished === 0 ? '' : `; ${unfinished} unfinished: cllm recover`;
    return ok('history', `${file} can be written${left}`, { file, unfinished_turns: unfinished });
  } catch (thrown) {
    return failed('history', asCllmError(thrown), { facts: { file } });
  }
}
