import { describe, expect, test } from '@jest/globals';
import { demoReply } from '../../src/demo/demo-reply.ts';
import type { ChatMessage, ChatRequest } from '../../src/protocol/types.ts';

function replyTo(messages: ChatMessage[] | string, request: Partial<ChatRequest> = {}): string {
  const list = typeof messages === 'string' ? [{ role: 'user', content: messages }] : messages;
  return demoReply({ model: 'demo', messages: list, stream: true, ...request }).pieces.join('');
}

describe('the demo’s reply', () => {
  test.each(['Explain server-sent events in two sentences', 'What is SSE?', 'how does an event stream work'])(
    'answers a question about server-sent events in two sentences: %s',
    (prompt) => {
      const [answer = ''] = replyTo(prompt).split('\n\n');
      expect(answer).toMatch(/^Server-sent events are a one-way stream/);
      expect(answer.match(/\.(\s|$)/g)).toHaveLength(2);
    },
  );

  test.each(['Say hello', 'assess this', 'Processes'])('does not answer others, and says so: %s', (prompt) => {
    expect(replyTo(prompt)).toMatch(`A model's answer to “${prompt}” would stand here`);
  });

  test('says that it is no model and where to go next', () => {
    const text = replyTo('hello');
    expect(text).toContain('I am no model, only the small proxy inside cllm.');
    expect(text).toContain('`cllm login`');
    expect(text).toContain('`cllm proxy up`');
    expect(text).toContain('`cllm --demo -c "…"`');
    expect(text).toContain('words, as an estimate of tokens');
  });

  test.each([
    ['one two', '2 words (7 bytes)'],
    ['word', '1 word (4 bytes)'],
    ['grüße 👋', '2 words (12 bytes)'],
  ])('names the length of the prompt %j', (prompt, length) => {
    expect(replyTo(prompt)).toContain(`your prompt of ${length}`);
  });

  test('says how much of the conversation it was sent', () => {
    const text = replyTo([
      { role: 'system', content: 'Be brief please.' },
      { role: 'user', content: 'first' },
      { role: 'assistant', content: 'reply' },
      { role: 'user', content: 'second' },
    ]);
    expect(text).toContain('2 earlier messages of this conversation and a system prompt of 3 words');
    expect(text).toContain('“second”');
    expect(replyTo('first')).toContain('no earlier message.');
  });

  test('reads the text parts of a message', () => {
    const content = [
      { type: 'text', text: 'two words' },
      { type: 'image_url', image_url: { url: 'data:image/png;base64,AA==' } },
    ];
    expect(replyTo([{ role: 'user', content }])).toContain('your prompt of 2 words');
  });

  test('quotes a long prompt shortly, on one line, without cutting a character', () => {
    const text = replyTo(`first\nline ${'👩‍👩‍👧'.repeat(100)}`);
    expect(text).toContain(`“first line ${'👩‍👩‍👧'.repeat(49)}…”`);
  });

  test('is the same text every time, in pieces that join to it', () => {
    const request: ChatRequest = {
      model: 'demo',
      messages: [{ role: 'user', content: 'hello {count}' }],
      stream: true,
    };
    const [first, second] = [demoReply(request), demoReply(request)];
    expect(first).toEqual(second);
    expect(first.pieces.join('')).toContain(`in ${first.pieces.length} delta chunks`);
    expect(first.usage.completion_tokens).toBe(first.pieces.length);
  });

  test.each([[[]], [[{ role: 'user', content: null }]], [[{ role: 'assistant', content: 'odd' }]]])(
    'takes odd messages: %j',
    (messages) => {
      expect(replyTo(messages)).toContain('I am no model');
    },
  );
});
