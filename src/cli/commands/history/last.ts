import { textOf } from '../../../conversation/result-object.ts';
import type { Turn } from '../../../history/history.ts';
import { CllmError, type ErrorCode } from '../../../outcome/errors.ts';
import type { Verdict } from '../../../outcome/exits.ts';
import { command } from '../../command.ts';
import { optionalWord, reworded, toggle } from '../../flags/flag.ts';
import { schemaFlags, viewFlags } from '../../flags/flags.ts';
import { PlainPrinter } from '../../views/plain-printer.ts';
import { isMarkdown } from '../../views/create-view.ts';
import { assertWhole, named, reference } from './common.ts';

export const last = command({
  usage: 'last [name]',
  describe: 'the last reply again, as it would end now: a cut one is no success',
  words: { name: optionalWord(reference, 'conversations') },
  flags: {
    extract: schemaFlags.extract,
    'extract-lang': reworded(schemaFlags['extract-lang'], { describe: 'of the first one of this language' }),
    copy: toggle('into the clipboard, and not printed'),
    render: viewFlags.render,
    'allow-short': viewFlags['allow-short'],
  },
  async run({ name, copy, allowShort, extract, extractLang }, context) {
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
    const isExtracted = extract || extractLang !== undefined;
    const shown = isExtracted ? await blockOf(turn, extractLang ?? null) : text;
    if (shown === null) {
      // Of a reply that broke off no block is known to be whole.
    } else if (copy) {
      const { copyText } = await import('./clipboard.ts');
      context.remark(await copyText(shown, io));
    } else {
      const { render } = await context.settings();
      const printer = isMarkdown(render.value, io.stdout, isExtracted)
        ? new (await import('../../views/markdown-printer.ts')).MarkdownPrinter(io.stdout, io.now, io.hold)
        : new PlainPrinter(io.stdout);
      await printer.write(shown);
      await printer.end();
    }
    assertWhole(history);
    const error = endOf(turn, allowShort);
    if (error !== null) throw error;
    return null;
  },
});

/** @throws CllmError `nothing_to_extract` */
async function blockOf({ completion, verdict, error }: Turn, language: string | null): Promise<string | null> {
  const { blockForm } = await import('../../asking/block-form.ts');
  const reply = { completion, verdict: verdict ?? (error === null ? 'complete' : 'error') } as const;
  const { taken, error: none } = blockForm(language).take(reply, true);
  if (none !== null) throw none;
  return taken?.text ?? null;
}

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
