import { closeSync, unlinkSync } from 'node:fs';
import path from 'node:path';
import { receiptFromJson } from '../../../client/receipt.ts';
import { failureReason } from '../../../files/file-error.ts';
import { createPrivateFile } from '../../../files/private-files.ts';
import { replaceFile } from '../../../files/replace-file.ts';
import type { ConversationSummary, Turn } from '../../../history/history.ts';
import { textOf, titleOf } from '../../../history/rows.ts';
import { CllmError, UsageError } from '../../../outcome/errors.ts';
import { command } from '../../command.ts';
import { optionalWord, text, toggle } from '../../flags/flag.ts';
import { OutputFile } from '../../input/output-file.ts';
import { receiptLine } from '../../views/receipt-line.ts';
import { assertWhole, named, print, reference } from './common.ts';

export const share = command({
  usage: 'share [name]',
  describe: 'a conversation as one HTML file, for any browser and without a network',
  words: { name: optionalWord(reference, 'conversations') },
  flags: {
    output: text('the file (default: standard output, at a terminal NAME.html)', { alias: 'o', completes: 'files' }),
    redact: toggle('take out keys, tokens, e-mail addresses and home paths, and say how many'),
  },
  async run({ name, output, redact }, context) {
    const { io } = context;
    const given = output === undefined ? null : new OutputFile(output, io.cwd);
    const history = await context.history();
    const summary = named(name, history);
    const turns = history.turns(summary.id);
    const { conversationPage } = await import('../../../pages/conversation-page.ts');
    const { Redaction } = await import('../../../pages/redaction.ts');
    const redaction = new Redaction({ homeDirectory: io.homeDirectory, maskKnown: io.secrets.withoutKnown });
    // A title ends anywhere in the prompt, in an address say, of which half would stay.
    const title = redact ? titleOf(redaction.redacted(textOf(turns[0]?.messages ?? []))) : summary.title;
    const page = await conversationPage({ ...summary, title }, turns, {
      receiptOf,
      shown: redact
        ? redaction.redacted
        : (words) => {
            redaction.noticeSecrets(words);
            return words;
          },
      taken: () => (redact ? redaction.summary : ''),
      version: context.version,
    });
    // Before anybody else can have the page.
    if (redact)
      context.remark(redaction.summary === '' ? 'nothing to take out was found' : `taken out: ${redaction.summary}`);
    else if (redaction.summary !== '')
      context.remark(`the page holds ${redaction.summary}; --redact takes such things out`);
    if (given !== null) {
      const failure = await given.write(page, io);
      if (failure !== null) throw failure;
      context.remark(`wrote ${given.name}`);
    } else if (io.stdout.isTTY) {
      const file = fileNameOf(summary);
      writeNew(path.join(io.cwd, file), file, page);
      context.remark(`wrote ${file}`);
    } else {
      await print(io.stdout, page);
    }
    assertWhole(history);
    return null;
  },
});

function receiptOf({ receipt, verdict }: Turn): string | null {
  if (receipt === null) return null;
  return receiptLine({ receipt: receiptFromJson(receipt), conversationId: null, verdict }).toString();
}

/** A name of letters, digits and a few marks that means the same to every shell and file system. */
function fileNameOf({ name, id }: ConversationSummary): string {
  const plain = (name ?? id).replaceAll(/[^\p{L}\p{M}\p{N}._-]+/gu, '-').replaceAll(/^[.-]+|[.-]+$/g, '');
  return `${Array.from(plain).slice(0, 60).join('') || id}.html`;
}

/** Nobody named the file, so nothing that is there can be meant by it. */
function writeNew(file: string, name: string, page: string): void {
  let isOurs = false;
  try {
    const descriptor = createPrivateFile(file);
    if (descriptor === null) {
      throw new UsageError(`${name} is there already, and stays as it is`, {
        hint: `to replace it, name it: -o ${name}`,
      });
    }
    isOurs = true;
    closeSync(descriptor);
    replaceFile(file, page);
  } catch (cause) {
    if (cause instanceof CllmError) throw cause;
    if (isOurs) unlinkSync(file);
    throw new CllmError('output_failed', `${name} could not be written (${failureReason(cause)})`, {
      cause,
      hint: 'name another place: -o FILE.html',
    });
  }
}
