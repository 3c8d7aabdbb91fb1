import { describe, expect, test } from '@jest/globals';

import type { ChatCompletion } from '../../src/protocol/types.ts';
import { verdict, type StreamEnd } from '../../src/protocol/verdict.ts';

function fold(finishReason: string | null, message: Record<string, unknown> = { content: 'text' }): ChatCompletion {
  return {
    id: '1',
    object: 'chat.completion',
    created: 1,
    model: 'm',
    choices: [{ index: 0, message: { role: 'assistant', content: null, ...message }, finish_reason: finishReason }],
    usage: null,
  };
}

const done: StreamEnd = { type: 'done' };
const error: StreamEnd = { type: 'error', error: { message: 'no', type: null, code: null, param: null } };
const deadline: StreamEnd = { type: 'deadline', deadline: 'idle', seconds: 120 };
const signal: StreamEnd = { type: 'signal', signal: 'SIGINT' };

/** The ends that say nothing of their own about the reply. */
const quietEnds: StreamEnd[] = [done, { type: 'end' }, { type: 'torn' }, { type: 'lost', message: 'reset' }];

describe.each(quietEnds)('after the end $type', (end) => {
  test.each(['stop', 'end_turn', 'eos', 'stop_sequence', 'tool_calls', 'function_call', 'tool_use'])(
    '%s with content is complete',
    (word) => {
      expect(verdict(fold(word), end)).toBe('complete');
      expect(verdict(fold(word, { content: '' }), end)).toBe('empty');
    },
  );

  test.each(['length', 'max_tokens', 'MAX_TOKENS', 'compaction'])('%s is length, with content or not', (word) => {
    expect(verdict(fold(word), end)).toBe('length');
    expect(verdict(fold(word, {}), end)).toBe('length');
  });

  test.each([
    'content_filter',
    'content_filtered',
    'SAFETY',
    'refusal',
    'RECITATION',
    'PROHIBITED_CONTENT',
    'IMAGE_SAFETY',
    'sensitive',
    'guardrail_intervened',
  ])('%s is content_filter, with content or not', (word) => {
    expect(verdict(fold(word), end)).toBe('content_filter');
    expect(verdict(fold(word, {}), end)).toBe('content_filter');
  });

  test.each([
    'error',
    'network_error',
    'MALFORMED_FUNCTION_CALL',
    'pause_turn',
    'STOPPED',
    'constructor',
    '__proto__',
    ' stop',
  ])('%s, which no table knows or which tells of a failure, is error', (word) => {
    expect(verdict(fold(word), end)).toBe('error');
  });

  test('no finish_reason is cut', () => {
    expect(verdict(fold(null), end)).toBe('cut');
    expect(verdict(fold(''), end)).toBe('cut');
    expect(verdict(null, end)).toBe('cut');
    expect(verdict({ ...fold('stop'), choices: [] }, end)).toBe('cut');
  });
});

describe('ends that decide whatever the fold says', () => {
  const folds = [null, fold(null), fold('stop'), fold('length'), fold('content_filter')];

  test.each([
    ['interrupted', signal],
    ['interrupted', { type: 'signal', signal: null }],
    ['timed_out', deadline],
    ['error', error],
    ['error', { type: 'limit', limit: 'event', bytes: 1 }],
    ['cut', { type: 'limit', limit: 'reply', bytes: 1 }],
  ] satisfies [string, StreamEnd][])('%s: %j', (expected, end) => {
    for (const given of folds) expect(verdict(given, end)).toBe(expected);
  });
});

describe('what content is', () => {
  test.each([
    ['text', { content: 'a' }],
    ['white space', { content: '\n' }],
    ['a refusal', { refusal: 'no' }],
    ['a call', { tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } }] }],
    ['a function call', { function_call: { name: 'f', arguments: '' } }],
    ['audio', { audio: { data: 'AAAA' } }],
    ['an image', { images: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AA==' } }] }],
    ['content parts', { content: [{ type: 'text', text: 'a' }] }],
  ])('%s', (_name, message) => {
    expect(verdict(fold('stop', message), done)).toBe('complete');
  });

  test.each([
    ['nothing', {}],
    ['an empty text', { content: '' }],
    ['an empty refusal', { refusal: '' }],
    ['reasoning alone', { reasoning_content: 'hmm', thinking_blocks: [{ type: 'thinking', thinking: 'hmm' }] }],
    ['an empty list of calls', { tool_calls: [], images: [] }],
    ['annotations alone', { annotations: [{}] }],
    ['nulls', { audio: null, function_call: null, refusal: null }],
  ])('not %s', (_name, message) => {
    expect(verdict(fold('stop', message), done)).toBe('empty');
  });
});

describe('several choices', () => {
  const choice = (index: number, finish_reason: string | null) => ({
    index,
    finish_reason,
    message: { role: 'assistant', content: 'a' },
  });

  test('choice 0 decides, wherever it stands', () => {
    expect(verdict({ ...fold(null), choices: [choice(0, 'stop'), choice(1, null)] }, done)).toBe('complete');
    expect(verdict({ ...fold(null), choices: [choice(1, 'stop'), choice(0, null)] }, done)).toBe('cut');
  });

  test('without choice 0 nothing is complete', () => {
    expect(verdict({ ...fold(null), choices: [choice(1, 'stop')] }, done)).toBe('cut');
  });
});
