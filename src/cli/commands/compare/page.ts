import { textOf, titleOf } from '../../../history/rows.ts';
import { comparisonPage } from '../../../pages/conversation-page.ts';
import type { ChatMessage } from '../../../protocol/types.ts';
import type { Context } from '../../context.ts';
import { receiptLine } from '../../views/receipt-line.ts';
import type { Answer } from './run.ts';

/** One page of all replies: what stands at the terminal, with everything that a reply has. */
export async function comparison(
  message: ChatMessage,
  answers: readonly Answer[],
  startedAt: string,
  { version }: Pick<Context, 'version'>,
): Promise<string> {
  const turns = answers.map(({ model, turn, error }, at) => ({
    id: '',
    seq: at + 1,
    createdAt: startedAt,
    endedAt: startedAt,
    model,
    messages: [message],
    request: null,
    completion: turn.completion,
    verdict: turn.verdict,
    error: error === null ? null : { code: error.code, message: error.message },
    receipt: null,
    template: null,
  }));
  const receipts = new Map(answers.map(({ turn }, at) => [at + 1, turn]));
  return comparisonPage(titleOf(textOf([message])), turns, {
    receiptOf: ({ seq, verdict }) => {
      const receipt = receipts.get(seq)?.receipt ?? null;
      return receipt === null ? null : receiptLine({ receipt, conversationId: null, verdict }).toString();
    },
    shown: (text) => text,
    taken: () => '',
    version,
  });
}
