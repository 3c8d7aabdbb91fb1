import { History, type HistoryOptions, type NewTurn, type TurnEnd } from '../../src/history/history.ts';
import type { ChatCompletion } from '../../src/protocol/types.ts';

export const uid = process.getuid?.() ?? null;

/** A history whose clock goes a second further each time that it is asked. */
export function openHistory(path = ':memory:', options: Partial<HistoryOptions> = {}): History {
  let seconds = 0;
  return History.open(path, { uid, now: () => new Date(Date.UTC(2026, 10, 22, 12) + 1000 * seconds++), ...options });
}

export function newTurn(prompt: string, conversation: NewTurn['conversation'] = { system: null }): NewTurn {
  return {
    conversation,
    messages: [{ role: 'user', content: prompt }],
    model: 'fake-model',
    request: { temperature: 0 },
  };
}

export function completionOf(text: string): ChatCompletion {
  return {
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1795348800,
    model: 'fake-model',
    choices: [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 },
  };
}

export function ended(text: string): TurnEnd {
  return { completion: completionOf(text), verdict: 'complete', error: null, receipt: { cost_usd: null } };
}

/** A whole turn: its prompt's commit and its reply's. */
export function addTurn(
  history: History,
  prompt: string,
  reply: string,
  conversation?: NewTurn['conversation'],
): string {
  const { conversationId, turnId } = history.beginTurn(newTurn(prompt, conversation));
  history.endTurn(turnId, ended(reply));
  return conversationId;
}
