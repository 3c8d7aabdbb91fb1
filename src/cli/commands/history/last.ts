import { textOf } from '../../../conversation/result-object.ts';
import type { Turn } from '../../../history/history.ts';
import { CllmError, type ErrorCode } from '../../../outcome/errors.ts';
import type { Verdict } from '../../../outcome/exits.ts';
import { command } from '../../command.ts';
import { optionalWord, toggle } from '../../flags/flag.ts';
import { viewFlags } from '../../flags/flags.ts';
import { PlainPrinter } from '../../views/plain-printer.ts';
import { isMarkdown } from '../../views/create-view.ts';
import { assertWhole, named, reference } from './common.ts';

export const last = command({
  usage: 'last [name]',
  describe: 'the last reply again, as it would end now: a cut one is no success',
  words: { name: optionalWord(reference, 'conversations') },
  flags: {
    copy: toggle('into the clipboard, and not printed'),
    render: viewFlags.render,
    'allow-short': viewFlags['allow-short'],
  },
  async run({ name, copy, allowShort }, context) {
    const { io } = context;
    const history = await context.history();
    const summary = named(name, history);
    const turns = history.turns(summary.id);
    const turn = turns.findLast(({ completion }) => completion !== null);
    const text = textOf(turn?.completion ?? null);
    if (turn === undefined || text === '') {
      const what = turn === undefined ? 'no reply' : 'a last reply without text';
      throw new CllmError('not_in_history', `conversation ${summary.name ?? summary.id} has ${what}`, {
        hint: 'see what it has: cllm history show',
      });
    }
    if (turn !== turns.at(-1))
      context.remark(`turn ${turns.at(-1)?.seq} has no reply; this is the one of turn ${turn.seq}`);
    if (copy) {
      const { copyText } = await import('./clipboard.ts');
      context.remark(await copyText(text, io));
    } else {
      const { render } = await context.settings();
      const printer = isMarkdown(render.value, io.stdout, false)
        ? new (await import('../../views/markdown-printer.ts')).MarkdownPrinter(io.stdout, io.now, io.hold)
        : new PlainPrinter(io.stdout);
      await printer.write(text);
      await printer.end();
    }
    assertWhole(history);
    const error = endOf(turn, allowShort);
    if (error !== null) throw error;
    return null;
  },
});

const codes: Record<Exclude<Verdict, 'complete'>, ErrorCode> = {
  length: 'reply_short',
  content_filter: 'reply_filtered',
  cut: 'stream_cut',
  error: 'stream_error',
  empty: 'reply_empty',
  interrupted: 'stream_cut',
  timed_out: 'stream_cut',
};

/** What was not whole is none now either. The signal and the deadline of then are no matter of this run. */
function endOf({ verdict, error }: Turn, isShortAllowed: boolean): CllmError | null {
  if (verdict === 'complete' || (verdict === 'length' && isShortAllowed)) return null;
  // An import does not always say how a reply ended.
  if (verdict === null && error === null) return null;
  const word = verdict ?? 'error';
  return new CllmError(codes[word], `that reply is not whole: it ended as ${word.replaceAll('_', ' ')}`);
}
