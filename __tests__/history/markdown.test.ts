import { describe, expect, test } from '@jest/globals';
import { conversationMarkdown } from '../../src/history/markdown.ts';
import { completionOf, ended, newTurn, openHistory } from '../support/history-samples.ts';

describe('a conversation as Markdown', () => {
  test('has its facts, prompts and replies in their order', () => {
    const history = openHistory();
    const { conversationId, turnId } = history.beginTurn(
      newTurn('What is **SSE**?', { name: 'sse', system: 'be brief' }),
    );
    history.endTurn(turnId, ended('A *stream*.\n\n```\ndata: x\n```\n'));
    const called = history.beginTurn({
      ...newTurn('', { id: conversationId }),
      messages: [
        { role: 'tool', content: 'the result' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'And this?' },
            { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
          ],
        },
      ],
    });
    const completion = completionOf('');
    const message = {
      role: 'assistant',
      content: null,
      tool_calls: [{ id: 'a', type: 'function', function: { name: 'look', arguments: '{"at":"```"}' } }],
    };
    history.endTurn(called.turnId, {
      ...ended(''),
      completion: { ...completion, choices: [{ index: 0, message, finish_reason: 'tool_calls' }] },
    });
    history.endTurn(history.beginTurn(newTurn('More', { id: conversationId })).turnId, {
      ...ended('Half a'),
      verdict: 'interrupted',
    });
    history.endTurn(history.beginTurn(newTurn('Nothing', { id: conversationId })).turnId, {
      completion: null,
      verdict: null,
      error: { code: 'key_rejected', message: 'no' },
      receipt: null,
    });
    history.beginTurn(newTurn('Open', { id: conversationId }));
    const markdown = conversationMarkdown(history.find('sse'), history.turns(conversationId));
    expect(markdown.replaceAll(conversationId, 'ID')).toMatchSnapshot();
  });

  test('of a fork names where it left its parent', () => {
    const history = openHistory();
    const { conversationId } = history.beginTurn(newTurn('one'));
    const fork = history.fork(conversationId);
    expect(conversationMarkdown(fork, history.turns(fork.id))).toContain(
      `- forked from: ${conversationId} after turn 1`,
    );
  });
});
