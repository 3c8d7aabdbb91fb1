import { describe, expect, test } from '@jest/globals';

import { readCompletion } from '../../src/protocol/completion-reader.ts';
import { parseJson } from '../../src/protocol/json.ts';
import type { CompletionMessage } from '../../src/protocol/types.ts';
import { wrongMembers } from '../support/completion-shape.ts';
import { jsonOf, OddValues } from '../support/odd-completions.ts';
import { seed } from '../support/seed.ts';

const whole = {
  id: 'chatcmpl-1',
  object: 'chat.completion',
  created: 1,
  model: 'm',
  choices: [
    {
      index: 0,
      finish_reason: 'tool_calls',
      logprobs: { content: [{ token: 'a' }], refusal: null },
      message: {
        role: 'assistant',
        content: 'Hi',
        refusal: null,
        annotations: [],
        audio: null,
        function_call: null,
        reasoning: 'Hm',
        reasoning_content: 'Hm',
        thinking_blocks: [{ type: 'thinking', thinking: 'Hm', signature: 's' }],
        images: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AA==' }, index: 0 }],
        provider_specific_fields: { citations: null },
        reasoning_details: [{ type: 'reasoning.text' }],
        tool_calls: [
          { id: 'a', type: 'function', function: { name: 'f', arguments: '{"a":1}' }, extra_content: { google: {} } },
          { id: 'b', type: 'custom', custom: { name: 'g', input: 'x' } },
        ],
      },
      content_filter_results: {},
    },
    { index: 1, finish_reason: null, message: { role: 'assistant', content: null } },
  ],
  usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3, cost: 0.1, completion_tokens_details: null },
  system_fingerprint: null,
  service_tier: 'default',
  x_extra: { kept: true },
};

function read(choice: Record<string, unknown>, rest: Record<string, unknown> = {}) {
  return readCompletion({ ...whole, choices: [choice], ...rest });
}

function messageOf(message: unknown): CompletionMessage | undefined {
  return read({ index: 0, message, finish_reason: 'stop' })?.choices[0]?.message;
}

test('a completion of the right shape comes out member for member as it came in', () => {
  expect(readCompletion(whole)).toStrictEqual(whole);
});

test.each([null, undefined, 5, 'x', [], [whole]])('%j is no completion', (value) => {
  expect(readCompletion(value)).toBeNull();
});

test('what is not there is what the types say of it', () => {
  expect(readCompletion({})).toEqual({
    id: '',
    object: 'chat.completion',
    created: 0,
    model: '',
    choices: [],
    usage: null,
  });
});

describe('content', () => {
  test.each<[string, unknown, Partial<CompletionMessage>]>([
    [
      'texts are joined',
      [
        { type: 'text', text: 'Two ' },
        { type: 'text', text: 'words' },
      ],
      { content: 'Two words' },
    ],
    ['strings', ['Two ', 'words'], { content: 'Two words' }],
    ['a text without a type', [{ text: 'a' }], { content: 'a' }],
    ['the text of the Responses API', [{ type: 'output_text', text: 'a' }], { content: 'a' }],
    ['a text with its annotations', [{ type: 'text', text: { value: 'a', annotations: [] } }], { content: 'a' }],
    ['one part without a list', { type: 'text', text: 'a' }, { content: 'a' }],
    ['an object that is no part is its JSON', { answer: 42 }, { content: '{"answer":42}' }],
    ['a number', 42, { content: '42' }],
    ['a refusal', [{ type: 'refusal', refusal: 'no' }], { content: null, refusal: 'no' }],
    [
      'thinking, as Mistral sends it',
      [
        { type: 'thinking', thinking: [{ type: 'text', text: 'Hm' }] },
        { type: 'text', text: 'a' },
      ],
      { content: 'a', reasoning_content: 'Hm' },
    ],
    [
      'signed thinking, as Anthropic sends it',
      [
        { type: 'thinking', thinking: 'Hm', signature: 's' },
        { type: 'redacted_thinking', data: 'd' },
        { type: 'text', text: 'a' },
      ],
      {
        content: 'a',
        reasoning_content: 'Hm',
        thinking_blocks: [
          { type: 'thinking', thinking: 'Hm', signature: 's' },
          { type: 'redacted_thinking', data: 'd' },
        ],
      },
    ],
    [
      'a call, as Anthropic sends it',
      [{ type: 'tool_use', id: 'a', name: 'f', input: { b: 1 } }],
      { content: null, tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{"b":1}' } }] },
    ],
    [
      'images',
      [
        { type: 'image_url', image_url: { url: 'u' } },
        { type: 'image', source: { type: 'base64', media_type: 'image/webp', data: 'AA==' } },
      ],
      {
        content: null,
        images: [
          { type: 'image_url', image_url: { url: 'u' } },
          { type: 'image_url', image_url: { url: 'data:image/webp;base64,AA==' } },
        ],
      },
    ],
    [
      'a recording',
      [{ type: 'output_audio', audio: { data: 'AA==', transcript: 'a' } }],
      { content: null, audio: { data: 'AA==', transcript: 'a' } },
    ],
    [
      'what has no member of its own stays',
      [null, 5, { type: 'file', file: { id: 'x' } }],
      { content: null, provider_specific_fields: { content_parts: [5, { type: 'file', file: { id: 'x' } }] } },
    ],
  ])('in parts: %s', (_name, content, message) => {
    expect(messageOf({ role: 'assistant', content })).toStrictEqual({ role: 'assistant', ...message });
  });

  test('parts join what the message has already', () => {
    expect(
      messageOf({
        content: [{ type: 'image', url: 'b' }],
        images: [{ image_url: { url: 'a' } }],
        reasoning_content: 'c',
      }),
    ).toMatchObject({ images: [{ image_url: { url: 'a' } }, { image_url: { url: 'b' } }], reasoning_content: 'c' });
  });
});

describe('calls', () => {
  const call = (name: string | null, given: string, id: string | null = 'x') => ({
    id,
    type: 'function',
    function: { name, arguments: given },
  });

  test.each<[string, unknown, unknown]>([
    ['an object is its only one', { id: 'x', function: { name: 'f', arguments: '{}' } }, [call('f', '{}')]],
    [
      'numbered',
      { 0: { id: 'x', function: { name: 'f' } }, 1: { id: 'x', function: { name: 'g' } } },
      [call('f', '{}'), call('g', '{}')],
    ],
    ['an empty object is none', {}, undefined],
    ['null is none', [null], []],
    ['a text is none', 'x', undefined],
    ['arguments as an object', [{ id: 'x', function: { name: 'f', arguments: { a: 1 } } }], [call('f', '{"a":1}')]],
    ['arguments null', [{ id: 'x', function: { name: 'f', arguments: null } }], [call('f', '{}')]],
    ['custom null', [{ ...call('f', '{}'), custom: null }], [call('f', '{}')]],
    [
      'function null',
      [{ id: 'x', type: 'custom', function: null, custom: { name: 'f', input: 5 } }],
      [{ id: 'x', type: 'custom', custom: { name: 'f', input: '5' } }],
    ],
    ['without a function', [{ id: 'x', name: 'f', arguments: { a: 1 } }], [call('f', '{"a":1}')]],
    ['neither name nor arguments', [{ id: 'x', type: 'function' }], []],
    ['arguments without a name', [{ function: { arguments: '{"a":1}' } }], [call(null, '{"a":1}', null)]],
    ['an id that is a number', [{ id: 5, function: { name: 'f' } }], [call('f', '{}', '5')]],
  ])('%s', (_name, calls, expected) => {
    expect(messageOf({ content: 'a', tool_calls: calls })?.tool_calls).toStrictEqual(expected);
  });

  test.each<[unknown, unknown]>([
    [
      { name: 'f', arguments: { a: 1 } },
      { name: 'f', arguments: '{"a":1}' },
    ],
    [{ name: '', arguments: '' }, undefined],
    [{}, undefined],
    ['x', undefined],
  ])('the older function_call %j', (given, expected) => {
    expect(messageOf({ content: 'a', function_call: given })?.function_call).toStrictEqual(expected);
  });
});

test('members of another kind are left out, and null ones stay', () => {
  expect(
    messageOf({
      role: 5,
      content: 'a',
      refusal: 5,
      reasoning_content: {},
      thinking_blocks: 5,
      annotations: 'x',
      images: 5,
      audio: 'x',
      provider_specific_fields: [],
      function_call: null,
    }),
  ).toStrictEqual({ role: 'assistant', content: 'a', function_call: null });
});

test('a text in place of thinking blocks is an unsigned one', () => {
  expect(messageOf({ thinking_blocks: 'Hm' })?.thinking_blocks).toEqual([{ type: 'thinking', thinking: 'Hm' }]);
});

test('what has another name elsewhere goes where it belongs', () => {
  expect(messageOf({ reasoning_content: '', reasoning: 'Hm' })?.reasoning_content).toBe('Hm');
  expect(messageOf({ refusal: null, provider_specific_fields: { refusal: 'no' } })?.refusal).toBe('no');
});

describe('choices', () => {
  test('in place of a list', () => {
    const choice = { message: { content: 'a' }, finish_reason: 'stop' };
    for (const choices of [choice, { 0: choice }, [null, choice]]) {
      expect(readCompletion({ choices })?.choices).toMatchObject([{ index: 0, message: { content: 'a' } }]);
    }
    expect(readCompletion({ choices: 'x' })?.choices).toEqual([]);
  });

  test('indexes that are missing, written or taken', () => {
    const indexes = (...given: unknown[]) =>
      readCompletion({ choices: given.map((index) => ({ index, message: {} })) })?.choices.map(({ index }) => index);
    expect(indexes(undefined, null)).toEqual([0, 1]);
    expect(indexes('1', '0')).toEqual([0, 1]);
    expect(indexes(0, 0, 1)).toEqual([0, 1, 2]);
    expect(indexes(-1, 0.5, 2 ** 60)).toEqual([0, 1, 2]);
  });

  test.each([
    [null, null],
    ['', null],
    ['stop', 'stop'],
    [5, '5'],
    [['stop'], '["stop"]'],
  ])('the finish_reason %j is %j', (given, expected) => {
    expect(read({ message: {}, finish_reason: given })?.choices[0]?.finish_reason).toBe(expected);
  });

  test.each(['x', [], { content: 'x', refusal: [] }])('logprobs %j', (logprobs) => {
    expect(wrongMembers(read({ message: {}, logprobs }))).toEqual([]);
  });

  test('a text in place of a message', () => {
    expect(read({ message: 'a' })?.choices[0]?.message.content).toBe('a');
    expect(read({ text: 'a' })?.choices[0]?.message.content).toBe('a');
  });
});

test.each<[unknown, unknown]>([
  ['x', null],
  [{}, null],
  [[], null],
  [{ completion_tokens: 2 }, { prompt_tokens: null, completion_tokens: 2, total_tokens: null }],
  [
    { prompt_tokens: -5, completion_tokens: '7', total_tokens: Infinity, cost: -3, prompt_tokens_details: 5 },
    { prompt_tokens: null, completion_tokens: null, total_tokens: null },
  ],
  [
    { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0, cost: { total_cost: 0.008 }, x: 'kept' },
    { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0, cost: 0.008, x: 'kept' },
  ],
])('usage %j', (given, expected) => {
  expect(readCompletion({ usage: given })?.usage).toEqual(expected);
});

test('a prototype is a member like any other', () => {
  const text = '{"__proto__":{"polluted":1},"choices":[{"__proto__":{},"message":{"__proto__":{"content":"a"}}}]}';
  const completion = readCompletion(parseJson(text));
  expect(JSON.stringify(completion)).toContain('{"__proto__":{"content":"a"}');
  expect(completion?.choices[0]?.message.content).toBeNull();
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
});

test(`whatever came, what is read is what the types say, and reading it again changes nothing (seed ${seed})`, () => {
  const odd = new OddValues(seed);
  for (let count = 0; count < 5_000; count += 1) {
    const body = jsonOf(count % 10 === 0 ? odd.value(5) : odd.completion());
    const completion = readCompletion(parseJson(body));
    if (completion === null) continue;
    expect({ body, wrong: wrongMembers(completion) }).toEqual({ body, wrong: [] });
    // A number beyond all is null in JSON, and a null in a list is nothing: what is kept is read once more.
    const kept = JSON.stringify(readCompletion(JSON.parse(JSON.stringify(completion))));
    expect({ body, again: JSON.stringify(readCompletion(JSON.parse(kept))) }).toEqual({ body, again: kept });
  }
});
