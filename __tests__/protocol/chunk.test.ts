import { describe, expect, test } from '@jest/globals';

import { hasContent, readEvent } from '../../src/protocol/chunk.ts';
import { chunkOf, choiceOf, deltaChunk } from './chunks.ts';

function read(data: unknown, event = 'message') {
  return readEvent({ event, data: typeof data === 'string' ? data : JSON.stringify(data) });
}

describe('the end mark', () => {
  test.each(['[DONE]', ' [DONE]', '[DONE] ', '  [DONE]\r', '\t[DONE]\n'])('%j ends the stream', (data) => {
    expect(read(data)).toEqual({ type: 'done' });
  });

  test.each(['[DONE]x', 'x[DONE]', '[DONE][DONE]', '[donel', 'well done'])('%j does not', (data) => {
    expect(read(data).type).toBe('error');
  });

  test.each([
    ['[done]'],
    ['[DONE'],
    ['"[DONE]"'],
    ['DONE'],
    ['[END]'],
    ['[EOS]'],
    ['<done>'],
    ['{"done": true}'],
    ['{"type":"done"}'],
    ['', 'done'],
    ['{}', 'end'],
    ['null', 'Complete'],
  ])('%j, event %s, is another way to write it', (data, event = 'message') => {
    expect(read(data, event)).toMatchObject({ type: 'ending' });
  });

  test('a delta whose text is the end mark is a chunk', () => {
    expect(read(deltaChunk({ content: '[DONE]' })).type).toBe('chunk');
  });
});

describe('chunks', () => {
  test.each([
    ['a delta', deltaChunk({ content: 'a' })],
    ['unknown keys at every level', { ...deltaChunk({ content: 'a', x_new: [1] }), x_top: { y: null } }],
    ['no choices at all', { id: '', object: 'chat.completion.chunk', prompt_filter_results: [] }],
    ['choices null', chunkOf({ choices: null })],
    ['choices empty, with usage', chunkOf({ usage: { prompt_tokens: 1 } })],
    ['a choice without delta', chunkOf({ choices: [{ index: 0, finish_reason: 'stop' }] })],
    ['a null delta', chunkOf({ choices: [{ index: 0, delta: null }] })],
    ['null where a text is expected', deltaChunk({ content: null, role: null, tool_calls: null })],
    ['error null', { ...deltaChunk({ content: 'a' }), error: null }],
    ['__proto__ as a key', JSON.parse('{"id":"1","choices":[],"__proto__":{"error":"x"}}')],
  ])('%s: kept exactly as it came', (_name, value) => {
    expect(read(value)).toEqual({ type: 'chunk', chunk: value });
  });
});

describe('error frames', () => {
  const none = { type: null, code: null, param: null };

  test.each([
    [
      'LiteLLM',
      { error: { message: 'no', type: 'budget_exceeded', param: null, code: '422' } },
      { message: 'no', type: 'budget_exceeded', code: '422', param: null },
    ],
    ['a code as a number', { error: { message: 'no', code: 500 } }, { ...none, message: 'no', code: '500' }],
    ['a text', { error: 'no' }, { ...none, message: 'no' }],
    [
      'beside choices',
      { ...deltaChunk({}, 'error'), error: { code: 502, message: 'no' } },
      { ...none, message: 'no', code: '502' },
    ],
    ['without a message', { error: {} }, { ...none, message: 'an error without a message' }],
    ['true', { error: true }, { ...none, message: 'an error without a message' }],
    [
      'Anthropic',
      { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } },
      { ...none, type: 'overloaded_error', message: 'Overloaded' },
    ],
    [
      'vLLM',
      { object: 'error', message: 'no', type: 'BadRequestError', param: null, code: 400 },
      { ...none, message: 'no', type: 'BadRequestError', code: '400' },
    ],
    ['FastAPI', { detail: 'Not Found' }, { ...none, message: 'Not Found' }],
    ['FastAPI, nested', { detail: { error: 'no' } }, { ...none, message: 'no' }],
    [
      'FastAPI, a list',
      { detail: [{ loc: ['body'], msg: 'field required', type: 'missing' }] },
      { ...none, type: 'missing', message: 'field required' },
    ],
    [
      'Gemini, a list',
      [{ error: { code: 503, message: 'no', status: 'UNAVAILABLE' } }],
      { ...none, message: 'no', code: '503' },
    ],
    ['nested twice', { error: { error: { message: 'no', type: 't' } } }, { ...none, message: 'no', type: 't' }],
    [
      'an object as the message',
      { error: { message: { message: 'no' }, code: 1 } },
      { ...none, message: 'no', code: '1' },
    ],
    [
      "Python's None as a text",
      { error: { message: 'no', type: 'None', param: 'None', code: 'None' } },
      { ...none, message: 'no' },
    ],
    [
      'a page as the message',
      { error: { message: '<html><title>502 Bad\nGateway</title>' } },
      { ...none, message: 'an HTML page titled "502 Bad Gateway"' },
    ],
  ])('%s', (_name, value, error) => {
    expect(read(value)).toEqual({ type: 'error', error });
  });

  test.each([
    ['an object', '{"message":"no"}', 'no'],
    ['an object in an object', '{"error":{"message":"no"}}', 'no'],
    ['a text', 'no', 'no'],
    ['a JSON text', '"no"', 'no'],
    ['a chunk', JSON.stringify(deltaChunk({ content: 'a' })), 'an error without a message'],
    ['nothing', '', 'an error without a message'],
  ])('event: error with %s', (_name, data, message) => {
    expect(read(data, 'error')).toEqual({ type: 'error', error: { ...none, message } });
  });

  test('a page in place of JSON is named by its title', () => {
    expect(read('<!DOCTYPE html><html><head><TITLE lang="en"> Sign in </TITLE>')).toEqual({
      type: 'error',
      error: { ...none, message: 'an HTML page titled "Sign in"' },
    });
    expect(read('<p>hello')).toMatchObject({ error: { message: 'an HTML page without a title' } });
  });

  test.each(['{', '{"a":1', '{"a":1}}', 'secret text', 'NaN', "{'a':1}", '\u0000'])(
    'data that is no JSON, %j, is one and is not quoted',
    (data) => {
      expect(read(data)).toEqual({
        type: 'error',
        error: { ...none, message: 'the stream sent data that is no JSON' },
      });
    },
  );

  test.each(['1', '"secret"', 'true', '[1]', '[{"a":1}]'])('JSON that is no object, %j, is one', (data) => {
    expect(read(data)).toEqual({
      type: 'error',
      error: { ...none, message: 'the stream sent JSON that is no object' },
    });
  });

  test.each([
    ['arrays', `{"choices":[{"delta":{"annotations":${'['.repeat(5000)}${']'.repeat(5000)}}}]}`],
    ['objects', `${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}`],
  ])('%s nested thousands deep are one: whatever walks them would run out of stack', (_name, data) => {
    expect(read(data).type).toBe('error');
  });

  test('brackets in a text are no nesting', () => {
    const content = `${'[{'.repeat(5000)}\\"\\\\`;
    expect(read(deltaChunk({ content }))).toEqual({ type: 'chunk', chunk: deltaChunk({ content }) });
  });

  test('a long list is no nesting', () => {
    const annotations = Array.from({ length: 2000 }, (_, index) => ({ index, url: '\\"' }));
    expect(read(deltaChunk({ annotations })).type).toBe('chunk');
  });

  test('a message of any size is cut to what can be shown', () => {
    const item = read({ error: { message: 'x'.repeat(1_000_000) } });
    expect(item.type === 'error' && item.error.message.length).toBe(2001);
  });
});

describe('the fallback notice', () => {
  test('as LiteLLM writes it', () => {
    const notice = {
      id: 'litellm-fallback-metadata',
      object: 'chat.completion.chunk',
      created: 1,
      model: 'rescue',
      choices: [],
      litellm_fallback: {
        fallback_model: 'rescue',
        errors: [{ message: 'no', type: 'None', param: null, code: '500' }],
      },
    };
    expect(read(notice)).toEqual({
      type: 'fallback',
      notice: { fallbackModel: 'rescue', errors: [{ message: 'no', code: '500' }] },
    });
  });

  test.each([
    [
      { id: 'litellm-fallback-metadata', choices: [] },
      { fallbackModel: null, errors: [] },
    ],
    [
      { id: 'litellm-fallback-metadata', model: 'm', litellm_fallback: { errors: 'x' } },
      { fallbackModel: 'm', errors: [] },
    ],
    [
      { litellm_fallback: { errors: ['text', null] } },
      {
        fallbackModel: null,
        errors: [
          { message: 'text', code: null },
          { message: 'an error without a message', code: null },
        ],
      },
    ],
  ])('with members missing or of another type: %j', (value, notice) => {
    expect(read(value)).toEqual({ type: 'fallback', notice });
  });
});

describe('a whole chat.completion', () => {
  const completion = {
    id: '1',
    object: 'chat.completion',
    created: 1,
    model: 'm',
    choices: [{ index: 0, message: { role: 'assistant', content: 'a' }, finish_reason: 'stop' }],
    x_extra: 1,
  };

  test.each([completion, { ...completion, object: undefined }, { ...completion, object: 'chat.completion.chunk' }])(
    'is one, exactly as it came',
    (value) => {
      const item = read(value);
      expect(item).toEqual({ type: 'completion', completion: JSON.parse(JSON.stringify(value)) });
    },
  );

  test.each([
    { ...completion, choices: [{ index: 0, message: null }] },
    { ...completion, choices: [{ index: 0, message: {}, delta: {} }] },
    { ...completion, choices: null },
  ])('is none without its parts: %j', (value) => {
    expect(read(value).type).not.toBe('completion');
  });
});

describe('hasContent', () => {
  test.each([
    ['text', { content: 'a' }],
    ['white space', { content: ' ' }],
    ['reasoning', { reasoning_content: 'a' }],
    ['reasoning under its other name', { reasoning: 'a' }],
    ['a refusal', { refusal: 'a' }],
    ['a thinking block', { thinking_blocks: [{ type: 'thinking', thinking: 'a' }] }],
    ['a fragment of a call', { tool_calls: [{ index: 0, function: { arguments: '{' } }] }],
    [
      'a name of a call',
      { tool_calls: [{ index: 0, id: 'a', type: 'function', function: { name: 'f', arguments: '' } }] },
    ],
    ['a function call', { function_call: { name: 'f' } }],
    ['audio', { audio: { data: 'AAAA' } }],
    ['an image', { images: [{ image_url: { url: 'data:' } }] }],
    ['an annotation', { annotations: [{ url_citation: { url: 'a' } }] }],
  ])('%s is content', (_name, delta) => {
    expect(hasContent(deltaChunk(delta))).toBe(true);
  });

  test.each([
    ['a role', deltaChunk({ role: 'assistant' })],
    ['a role with an empty text', deltaChunk({ role: 'assistant', content: '' })],
    ['nulls', deltaChunk({ content: null, refusal: null, tool_calls: null, audio: null })],
    ['an empty list of calls', deltaChunk({ tool_calls: [] })],
    [
      'a call of nothing',
      deltaChunk({ tool_calls: [{ index: 1, type: 'function', function: { arguments: '' } }, null] }),
    ],
    ['a finish_reason', deltaChunk({}, 'stop')],
    ['usage', chunkOf({ choices: [choiceOf({})], usage: { prompt_tokens: 1 } })],
    ['no choices', chunkOf()],
    ['choices null', chunkOf({ choices: null })],
    ['a choice null', chunkOf({ choices: [null, 1, { delta: null }] })],
  ])('%s is none', (_name, chunk) => {
    expect(hasContent(chunk)).toBe(false);
  });

  test('content of any choice counts', () => {
    expect(hasContent(chunkOf({ choices: [choiceOf({}), choiceOf({ content: 'a' }, { index: 1 })] }))).toBe(true);
  });
});
