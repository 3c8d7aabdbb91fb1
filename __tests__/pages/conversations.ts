import type { ConversationSummary, Turn } from '../../src/history/history.ts';
import { conversationPage } from '../../src/pages/conversation-page.ts';
import type { CompletionMessage } from '../../src/protocol/types.ts';
import { ParsedPage } from './parsed-page.ts';

export const png = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

export function turnOf(message: Partial<CompletionMessage> | null, facts: Partial<Turn> = {}): Turn {
  const completion: Turn['completion'] = message && {
    id: 'c',
    object: 'chat.completion',
    created: 1,
    model: 'served',
    choices: [{ index: 0, message: { role: 'assistant', content: null, ...message }, finish_reason: 'stop' }],
    usage: null,
  };
  return {
    id: 't',
    seq: 1,
    createdAt: '2026-01-02T03:04:05.678Z',
    endedAt: '2026-01-02T03:04:06.678Z',
    model: 'asked',
    messages: [{ role: 'user', content: 'a prompt' }],
    request: null,
    completion,
    verdict: 'complete',
    error: null,
    receipt: null,
    template: null,
    ...facts,
  };
}

export const summary: ConversationSummary = {
  id: '0abcdefg',
  name: 'a name',
  title: 'a title',
  createdAt: '2026-01-02T03:04:05.678Z',
  updatedAt: '2026-01-02T03:04:05.678Z',
  turnCount: 1,
  model: 'asked',
  system: null,
  parent: null,
};

export async function pageOf(
  turns: readonly Turn[],
  facts: Partial<ConversationSummary> = {},
  options: Partial<Parameters<typeof conversationPage>[2]> = {},
): Promise<{ source: string; page: ParsedPage }> {
  const source = await conversationPage({ ...summary, ...facts }, turns, {
    receiptOf: () => null,
    shown: (text) => text,
    taken: () => '',
    version: '1.2.3',
    ...options,
  });
  return { source, page: new ParsedPage(source) };
}
