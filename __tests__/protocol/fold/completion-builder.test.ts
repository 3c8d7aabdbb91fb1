import { describe, expect, test } from '@jest/globals';

import { CompletionBuilder } from '../../../src/protocol/fold/completion-builder.ts';
import type {
  ChatCompletion,
  ChatCompletionChunk,
  CompletionChoice,
  CompletionMessage,
} from '../../../src/protocol/types.ts';
import { choiceOf, chunkOf, deltaChunk } from '../chunks.ts';

function build(...chunks: unknown[]): ChatCompletion {
  const builder = new CompletionBuilder();
  for (const chunk of chunks) builder.add(chunk as ChatCompletionChunk);
  const completion = builder.build();
  if (completion === null) throw new Error('no chunk was folded');
  return completion;
}

function choiceOfDeltas(...deltas: Record<string, unknown>[]): CompletionChoice {
  return build(...deltas.map((delta) => deltaChunk(delta))).choices[0] as CompletionChoice;
}

function messageOf(...deltas: Record<string, unknown>[]): CompletionMessage {
  return choiceOfDeltas(...deltas).message;
}

const usageOf = (...usages: unknown[]) => build(...usages.map((usage) => chunkOf({ usage }))).usage;

describe('the whole', () => {
  test('a text stream as LiteLLM sends it', () => {
    expect(
      build(
        { ...deltaChunk({ role: 'assistant', content: '' }), system_fingerprint: 'fp_1' },
        { ...deltaChunk({ content: 'Hel' }), system_fingerprint: 'fp_1' },
        { ...deltaChunk({ content: 'lo' }), system_fingerprint: 'fp_1' },
        { ...deltaChunk({}, 'stop'), system_fingerprint: 'fp_1' },
        chunkOf({
          choices: [choiceOf({})],
          usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5, cost: 0.001 },
        }),
      ),
    ).toEqual({
      id: 'chatcmpl-1',
      object: 'chat.completion',
      created: 1_763_800_000,
      model: 'gpt-4o-mini',
      system_fingerprint: 'fp_1',
      choices: [{ index: 0, message: { role: 'assistant', content: 'Hello' }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5, cost: 0.001 },
    });
  });

  test('no chunk is no completion', () => {
    expect(new CompletionBuilder().build()).toBeNull();
    expect(new CompletionBuilder().snapshot()).toBeNull();
  });

  test('chunks without choices are one choice without text', () => {
    for (const choices of [undefined, null, [], 'x', {}]) {
      expect(build(chunkOf({ choices })).choices).toEqual([
        { index: 0, message: { role: 'assistant', content: '' }, finish_reason: null },
      ]);
    }
  });

  test('a fallback notice is no part of it', () => {
    const notice = chunkOf({ id: 'litellm-fallback-metadata', created: 9, model: 'rescue', litellm_fallback: {} });
    expect(build(notice, deltaChunk({ content: 'a' }))).toEqual(build(deltaChunk({ content: 'a' })));
    const builder = new CompletionBuilder();
    builder.add(notice);
    expect(builder.build()).toBeNull();
  });
});

describe('the top level', () => {
  test('id is the first that is not empty', () => {
    expect(build(chunkOf({ id: '' }), chunkOf({ id: 'a' }), chunkOf({ id: 'b' })).id).toBe('a');
    expect(build(chunkOf({ id: null }), chunkOf({ id: 7 })).id).toBe('');
  });

  test('created is the first, and never decides an order', () => {
    const texts = build(
      { ...deltaChunk({ content: 'a' }), created: 9 },
      { ...deltaChunk({ content: 'b' }), created: 1 },
    );
    expect(texts.created).toBe(9);
    expect(texts.choices[0]?.message.content).toBe('ab');
    expect(build(chunkOf({ created: null }), chunkOf({ created: 5 })).created).toBe(5);
    expect(build(chunkOf({ created: undefined })).created).toBe(0);
  });

  test.each([
    [['a', 'a', 'b', 'c'], 'b'],
    [['a', '', 'a'], 'a'],
    [['', 'a', 'b'], 'a'],
    [['a', null, 3, 'b', 'a'], 'b'],
    [[undefined, 'a'], 'a'],
    [[null], ''],
  ])('of the models %j it is %s: the first that differs from the first', (models, model) => {
    expect(build(...models.map((each) => chunkOf({ model: each }))).model).toBe(model);
  });

  test('system_fingerprint is the first that is not null', () => {
    expect(
      build(
        chunkOf({ system_fingerprint: null }),
        chunkOf({ system_fingerprint: 'a' }),
        chunkOf({ system_fingerprint: 'b' }),
      ).system_fingerprint,
    ).toBe('a');
    expect(build(chunkOf())).not.toHaveProperty('system_fingerprint');
  });

  test('service_tier is the last that is not null', () => {
    expect(
      build(chunkOf({ service_tier: 'auto' }), chunkOf({ service_tier: 'default' }), chunkOf({ service_tier: null }))
        .service_tier,
    ).toBe('default');
    expect(build(chunkOf())).not.toHaveProperty('service_tier');
  });

  test('citations and search_results are the last that are not empty', () => {
    const completion = build(
      chunkOf({ citations: ['a'], search_results: [{ url: 'a' }] }),
      chunkOf({ citations: ['a', 'b'], search_results: null }),
      chunkOf({ citations: [], search_results: [] }),
    );
    expect(completion['citations']).toEqual(['a', 'b']);
    expect(completion['search_results']).toEqual([{ url: 'a' }]);
  });

  test('other keys keep their last value that holds something', () => {
    const completion = build(
      chunkOf({ x: 1, y: {}, z: '' }),
      chunkOf({ x: null, y: { a: 1 }, z: 'z' }),
      chunkOf({ y: {} }),
    );
    expect(completion).toMatchObject({ x: 1, y: { a: 1 }, z: 'z' });
  });
});

describe('choices', () => {
  test('each index is a choice of its own, sorted', () => {
    const completion = build(
      chunkOf({ choices: [choiceOf({ content: 'B1' }, { index: 1 })] }),
      chunkOf({ choices: [choiceOf({ role: 'assistant', content: 'A1' }, { index: 0 })] }),
      chunkOf({ choices: [choiceOf({ content: 'B2' }, { index: 1 }), choiceOf({ content: 'A2' }, { index: 0 })] }),
      chunkOf({ choices: [choiceOf({}, { index: 0, finish_reason: 'stop' })] }),
      chunkOf({ choices: [choiceOf({}, { index: 1, finish_reason: 'length' })] }),
    );
    expect(completion.choices).toEqual([
      { index: 0, message: { role: 'assistant', content: 'A1A2' }, finish_reason: 'stop' },
      { index: 1, message: { role: 'assistant', content: 'B1B2' }, finish_reason: 'length' },
    ]);
  });

  test('an index that is missing, null or no whole number is 0', () => {
    const indexes = [undefined, null, '1', 0.5, 'x', [], NaN];
    const chunks = indexes.map((index) => chunkOf({ choices: [{ index, delta: { content: 'a' } }] }));
    expect(build(...chunks).choices).toEqual([
      { index: 0, message: { role: 'assistant', content: 'a'.repeat(indexes.length) }, finish_reason: null },
    ]);
  });

  test('huge and negative indexes cost no more than others', () => {
    const indexes = [2 ** 53, 1e300, -1];
    const { choices } = build(chunkOf({ choices: indexes.map((index) => choiceOf({ content: 'a' }, { index })) }));
    expect(choices.map(({ index }) => index)).toEqual([-1, 2 ** 53, 1e300]);
  });

  test('finish_reason is the last that is not empty, as received', () => {
    const reason = (...reasons: unknown[]) =>
      build(...reasons.map((finish_reason) => chunkOf({ choices: [choiceOf({}, { finish_reason })] }))).choices[0]
        ?.finish_reason;
    expect(reason('stop', null, '')).toBe('stop');
    expect(reason('stop', 'length')).toBe('length');
    expect(reason(null, 3)).toBeNull();
  });

  test.each(['error', 'end_turn', 'max_tokens', 'tool_use', 'SAFETY', 'network_error', 'whatever'])(
    '%s is not mapped',
    (word) => {
      expect(build(deltaChunk({}, word)).choices[0]?.finish_reason).toBe(word);
    },
  );

  test('a stop with calls stays a stop', () => {
    const { choices } = build(
      deltaChunk({ tool_calls: [{ index: 0, id: 'a', function: { name: 'f', arguments: '{}' } }] }),
      deltaChunk({}, 'stop'),
    );
    expect(choices[0]?.finish_reason).toBe('stop');
  });

  test('what comes after the finish or after usage is folded too', () => {
    const { choices } = build(
      deltaChunk({ content: 'a' }, 'stop'),
      chunkOf({ usage: { prompt_tokens: 1 } }),
      deltaChunk({ content: 'b' }),
    );
    expect(choices[0]?.message.content).toBe('ab');
    expect(choices[0]?.finish_reason).toBe('stop');
  });

  test('logprobs are concatenated, content and refusal apart', () => {
    const logprobs = (...parts: unknown[]) =>
      build(...parts.map((part) => chunkOf({ choices: [choiceOf({}, { logprobs: part })] }))).choices[0]?.logprobs;
    expect(
      logprobs(
        { content: [{ token: 'a' }], refusal: null },
        null,
        { content: null },
        { content: [{ token: 'b' }, { token: 'c' }] },
      ),
    ).toEqual({ content: [{ token: 'a' }, { token: 'b' }, { token: 'c' }] });
    const [first, second] = [{ token: 'x' }, { token: 'y' }];
    expect(logprobs({ refusal: [first] }, { refusal: [second], content: [] })).toEqual({
      refusal: [first, second],
      content: [],
    });
    expect(logprobs(null, undefined, 'x', { content: 3 })).toBeUndefined();
  });
});

describe('the message', () => {
  test('role is the first that is not empty, else assistant', () => {
    expect(messageOf({ role: '' }, { role: 'tool' }, { role: 'user' }).role).toBe('tool');
    expect(messageOf({ content: 'a' }, { role: null }).role).toBe('assistant');
    expect(messageOf({ role: 'made-up' }).role).toBe('made-up');
  });

  test.each([
    ['pieces', [{ content: 'a' }, { content: '' }, { content: null }, { content: ' b\n' }], 'a b\n'],
    ['nothing', [{}], ''],
    ['an empty piece beside calls', [{ content: '', tool_calls: [] }], ''],
    ['calls alone', [{ tool_calls: [{ index: 0, id: 'a', function: { name: 'f' } }] }], null],
    ['an empty list of calls', [{ tool_calls: [] }], null],
    ['a null list of calls', [{ tool_calls: null }], ''],
    ['a function call', [{ function_call: { name: 'f', arguments: '' } }], null],
    ['text and calls', [{ content: 'a' }, { tool_calls: [] }, { content: 'b' }], 'ab'],
    ['a number', [{ content: 3 }, { content: true }], ''],
    ['parts', [{ content: ['x'] }, { content: { text: 'y' } }, { content: 'z' }], 'xyz'],
  ])('content from %s', (_name, deltas, content) => {
    expect(messageOf(...deltas).content).toBe(content);
  });

  test('a surrogate pair that was cut is joined, and a lone half stays', () => {
    expect(messageOf({ content: 'a\uD83D' }, { content: '\uDE00b' }).content).toBe('a😀b');
    expect(messageOf({ content: '\uD83D' }, { content: 'b' }).content).toBe('\uD83Db');
  });

  test('refusal is concatenated, and absent without a piece', () => {
    expect(messageOf({ refusal: 'I can' }, { refusal: null }, { refusal: 'not.' })).toEqual({
      role: 'assistant',
      content: '',
      refusal: 'I cannot.',
    });
    expect(messageOf({ refusal: null })).not.toHaveProperty('refusal');
  });

  test('reasoning_content is concatenated, under either name, once where both say it', () => {
    expect(
      messageOf({ reasoning_content: 'a' }, { reasoning: 'b' }, { reasoning_content: null, reasoning: 'c' })
        .reasoning_content,
    ).toBe('abc');
    expect(messageOf({ reasoning_content: 'a', reasoning: 'a' }).reasoning_content).toBe('a');
    expect(messageOf({ reasoning: 'a', reasoning_content: '' }).reasoning_content).toBe('a');
    expect(messageOf({ reasoning: null })).not.toHaveProperty('reasoning_content');
  });

  test('function_call has the first name and all arguments', () => {
    expect(
      messageOf(
        { function_call: { arguments: '{"a"' } },
        { function_call: { name: 'f' } },
        { function_call: { name: 'g', arguments: ':1}' } },
      ).function_call,
    ).toEqual({ name: 'f', arguments: '{"a":1}' });
    expect(messageOf({ function_call: {} })).toEqual({ role: 'assistant', content: null });
    expect(messageOf({ function_call: 'x' })).toEqual({ role: 'assistant', content: '' });
  });

  test('annotations and images are concatenated, repeats kept, absent when empty', () => {
    const message = messageOf(
      { annotations: [1], images: [{ url: 'a' }] },
      { annotations: null, images: [] },
      { annotations: [1, null, 2] },
    );
    expect(message.annotations).toEqual([1, 1, 2]);
    expect(message.images).toEqual([{ url: 'a' }]);
    expect(messageOf({ annotations: [], images: [null] })).toEqual({ role: 'assistant', content: '' });
  });
});

describe('audio', () => {
  const base64 = (text: string) => Buffer.from(text).toString('base64');

  test('pieces that end in padding are joined as bytes', () => {
    expect(
      messageOf(
        { audio: { id: 'a', data: base64('x'), transcript: 'He' } },
        { audio: { data: base64('yz') } },
        { audio: { data: base64('abc'), transcript: 'y', expires_at: 5, id: 'b' } },
        { audio: null },
      ).audio,
    ).toEqual({
      id: 'b',
      data: base64('xyzabc'),
      transcript: 'Hey',
      expires_at: 5,
    });
  });

  test('a text that was cut inside a quantum is decoded whole', () => {
    const whole = base64('the whole sound');
    expect(messageOf({ audio: { data: whole.slice(0, 7) } }, { audio: { data: whole.slice(7) } }).audio?.['data']).toBe(
      whole,
    );
  });

  test('what the stream did not say stays null', () => {
    expect(messageOf({ audio: { transcript: 'a' } }).audio).toEqual({
      id: null,
      data: '',
      transcript: 'a',
      expires_at: null,
    });
    expect(messageOf({ audio: { id: 3, data: 4, transcript: null, expires_at: 'x' } })).not.toHaveProperty('audio');
  });
});

describe('provider_specific_fields', () => {
  const fieldsOf = (...fields: unknown[]) =>
    messageOf(...fields.map((each) => ({ provider_specific_fields: each }))).provider_specific_fields;

  test('are merged by key, the last value wins', () => {
    expect(fieldsOf({ a: 1, b: { c: 1 } }, null, { b: { d: 2 } }, { a: null })).toEqual({ a: null, b: { d: 2 } });
    expect(fieldsOf({}, null)).toBeUndefined();
  });

  test('single citations are gathered', () => {
    expect(fieldsOf({ citation: { url: 'a' } }, { citation: null }, { citation: { url: 'b' } })).toEqual({
      citations: [[{ url: 'a' }, { url: 'b' }]],
    });
    expect(fieldsOf({ citation: [1] }, { citation: [2] })).toEqual({ citations: [[1], [2]] });
  });

  test('explicit citations outdo the gathered ones', () => {
    expect(fieldsOf({ citations: ['x'] }, { citation: { url: 'a' } })).toEqual({ citations: ['x'] });
  });

  test('the mirror of the thinking blocks is left out', () => {
    expect(fieldsOf({ thinking_blocks: [{}], a: 1 })).toEqual({ a: 1 });
    expect(fieldsOf({ thinking_blocks: [{}] })).toBeUndefined();
  });
});

describe('tool calls', () => {
  const callsOf = (...fragments: unknown[]) =>
    messageOf(...fragments.map((fragment) => ({ tool_calls: [fragment] }))).tool_calls;
  const call = (id: string | null, name: string | null, args: string) => ({
    id,
    type: 'function',
    function: { name, arguments: args },
  });

  test('as LiteLLM sends them, two in parallel', () => {
    expect(
      callsOf(
        { index: 0, id: 'a', type: 'function', function: { name: 'f', arguments: '' } },
        { index: 0, type: 'function', function: { arguments: '{"x"' } },
        { index: 1, id: 'b', type: 'function', function: { name: 'g', arguments: '' } },
        { index: 0, type: 'function', function: { arguments: ':1}' } },
        { index: 1, type: 'function', function: { arguments: '{}' } },
      ),
    ).toEqual([call('a', 'f', '{"x":1}'), call('b', 'g', '{}')]);
  });

  test('id, type and name are replaced by the last that is not empty', () => {
    expect(
      callsOf(
        { index: 0, id: 'a', type: 'x', function: { name: 'get_' } },
        { index: 0, id: '', type: '', function: { name: '' } },
        { index: 0, id: 'b', type: 'function', function: { arguments: '1' } },
        { index: 0, function: { name: 'weather' } },
      ),
    ).toEqual([call('b', 'weather', '1')]);
  });

  test('a repeated id and name is the same call', () => {
    const fragment = { index: 0, id: 'a', function: { name: 'f', arguments: '1' } };
    expect(callsOf(fragment, fragment)).toEqual([call('a', 'f', '11')]);
  });

  test('a new id with a name at a used index is another call', () => {
    expect(
      callsOf(
        { index: 0, id: 'A', function: { name: 'f', arguments: '{"a"' } },
        { index: 0, function: { arguments: ':1}' } },
        { index: 1, id: 'C', function: { name: 'h', arguments: '{}' } },
        { index: 0, id: 'B', function: { name: 'g', arguments: '{"b"' } },
        { index: 0, function: { arguments: ':2}' } },
      ),
    ).toEqual([call('A', 'f', '{"a":1}'), call('B', 'g', '{"b":2}'), call('C', 'h', '{}')]);
  });

  test('a new id without a name is the same call', () => {
    expect(
      callsOf(
        { index: 0, id: 'A', function: { name: 'f', arguments: '1' } },
        { index: 0, id: 'B', function: { arguments: '2' } },
      ),
    ).toEqual([call('B', 'f', '12')]);
  });

  test('a missing index is the position among those of its own chunk that have none', () => {
    const calls = messageOf(
      {
        tool_calls: [
          { id: 'a', function: { name: 'f', arguments: '1' } },
          null,
          { index: 7, id: 'c', function: { name: 'h' } },
          { index: null, id: 'b', function: { name: 'g', arguments: '2' } },
        ],
      },
      { tool_calls: [{ function: { arguments: '3' } }, { index: 'x', function: { arguments: '4' } }] },
    ).tool_calls;
    expect(calls).toEqual([call('a', 'f', '13'), call('b', 'g', '24'), call('c', 'h', '{}')]);
  });

  test('indexes are numbers: gaps, huge ones and any order', () => {
    expect(
      callsOf(
        { index: 10, id: 'c', function: { name: 'f' } },
        { index: 2 ** 40, id: 'd', function: { name: 'f' } },
        { index: 9, id: 'b', function: { name: 'f' } },
        { index: 1, id: 'a', function: { name: 'f' } },
      )?.map(({ id }) => id),
    ).toEqual(['a', 'b', 'c', 'd']);
  });

  test('empty arguments become an empty object, others are neither parsed nor repaired', () => {
    expect(callsOf({ index: 0, id: 'a', function: { name: 'f' } })).toEqual([call('a', 'f', '{}')]);
    expect(callsOf({ index: 0, id: 'a', function: { name: 'f', arguments: '{"x":' } })).toEqual([
      call('a', 'f', '{"x":'),
    ]);
  });

  test('custom calls have an input', () => {
    expect(
      callsOf(
        { index: 0, id: 'a', type: 'custom', custom: { name: 'f', input: 'x' } },
        { index: 0, custom: { input: 'y' } },
      ),
    ).toEqual([{ id: 'a', type: 'custom', custom: { name: 'f', input: 'xy' } }]);
    expect(callsOf({ index: 0, id: 'a', custom: { name: 'f' } })).toEqual([
      { id: 'a', type: 'custom', custom: { name: 'f', input: '' } },
    ]);
    expect(callsOf({ index: 0, id: 'a', type: 'custom', custom: { input: 'x' } })).toEqual([
      { id: 'a', type: 'custom', custom: { name: null, input: 'x' } },
    ]);
  });

  test('a call that never got its id or its name stays', () => {
    expect(callsOf({ index: 0, function: { name: 'f', arguments: '1' } })).toEqual([call(null, 'f', '1')]);
    expect(callsOf({ index: 0, id: 'a' })).toEqual([call('a', null, '{}')]);
    expect(callsOf({ index: 0, function: { arguments: '1' } })).toEqual([call(null, null, '1')]);
  });

  test('a call of nothing but empty texts is none', () => {
    expect(
      callsOf({ index: 0, id: '', type: 'function', function: { name: '', arguments: '' } }, null, 3, {}),
    ).toBeUndefined();
  });

  test('a fragment with neither function nor custom gives its id and type', () => {
    expect(
      callsOf({ index: 0, id: 'a', type: 'function' }, { index: 0, function: { name: 'f', arguments: '1' } }),
    ).toEqual([call('a', 'f', '1')]);
  });

  test('a surrogate pair cut between two fragments is joined', () => {
    expect(
      callsOf(
        { index: 0, id: 'a', function: { name: 'f', arguments: '"\uD83D' } },
        { index: 0, function: { arguments: '\uDE00"' } },
      ),
    ).toEqual([call('a', 'f', '"😀"')]);
  });

  test('provider fields of the fragment are merged, or else those of its function', () => {
    expect(
      callsOf(
        {
          index: 0,
          id: 'a',
          function: { name: 'f', provider_specific_fields: { b: 1 } },
          provider_specific_fields: { thought_signature: 's' },
        },
        { index: 0, function: { provider_specific_fields: { c: 2 } }, provider_specific_fields: {} },
      ),
    ).toEqual([{ ...call('a', 'f', '{}'), provider_specific_fields: { thought_signature: 's', c: 2 } }]);
  });

  test('calls of two choices do not mix', () => {
    const fragment = (id: string) => ({ tool_calls: [{ index: 0, id, function: { name: 'f', arguments: id } }] });
    const { choices } = build(chunkOf({ choices: [choiceOf(fragment('a')), choiceOf(fragment('b'), { index: 1 })] }));
    expect(choices.map(({ message }) => message.tool_calls)).toEqual([[call('a', 'f', 'a')], [call('b', 'f', 'b')]]);
  });
});

describe('thinking blocks', () => {
  const blocksOf = (...blocks: unknown[]) =>
    messageOf(...blocks.map((block) => ({ thinking_blocks: [block] }))).thinking_blocks;
  const thinking = (text: unknown, signature?: unknown) => ({
    type: 'thinking',
    thinking: text,
    ...(signature === undefined ? {} : { signature }),
  });

  test.each([
    ['a signature closes the text', [thinking('Let '), thinking('me'), thinking('', 's')], [thinking('Let me', 's')]],
    [
      'a signed restatement is not doubled',
      [thinking('Let '), thinking('me'), thinking('Let me', 's')],
      [thinking('Let me', 's')],
    ],
    ['a signed rest is appended', [thinking('Let '), thinking('me', 's')], [thinking('Let me', 's')]],
    ['a signed block at once', [thinking('Let me', 's')], [thinking('Let me', 's')]],
    ['a signature without text', [thinking('', 's')], [thinking('', 's')]],
    ['a signature without a text member', [{ type: 'thinking', signature: 's' }], [thinking('', 's')]],
    ['no signature', [thinking('Let '), thinking('me')], [thinking('Let me')]],
    [
      'two blocks',
      [thinking('a'), thinking('', 's'), thinking('b'), thinking('', 't')],
      [thinking('a', 's'), thinking('b', 't')],
    ],
    [
      'a redacted block in its place',
      [thinking('a', 's'), { type: 'redacted_thinking', data: 'd' }, thinking('b', 't')],
      [thinking('a', 's'), { type: 'redacted_thinking', data: 'd' }, thinking('b', 't')],
    ],
    [
      'an open block before a redacted one',
      [thinking('a'), { type: 'redacted_thinking', data: 'd' }],
      [thinking('a'), { type: 'redacted_thinking', data: 'd' }],
    ],
    [
      'a redacted block without data',
      [thinking('a'), { type: 'redacted_thinking' }, thinking('b', 's')],
      [thinking('a'), thinking('b', 's')],
    ],
    ['a fragment without a type', [{ thinking: 'a' }, { signature: 's' }], [thinking('a', 's')]],
    ['nothing', [null, 3, thinking(null), thinking(''), thinking(5, 6)], undefined],
  ])('%s', (_name, blocks, expected) => {
    expect(blocksOf(...blocks)).toEqual(expected);
  });
});

describe('usage', () => {
  test('is null unless a chunk carried it', () => {
    expect(usageOf(undefined, null, 'x', [])).toBeNull();
  });

  test.each([
    [
      'a later 0 overwrites nothing',
      [
        { prompt_tokens: 5, completion_tokens: 3 },
        { prompt_tokens: 0, completion_tokens: 0 },
      ],
      5,
      3,
    ],
    [
      'the last count wins',
      [
        { prompt_tokens: 5, completion_tokens: 1 },
        { prompt_tokens: 6, completion_tokens: 9 },
      ],
      6,
      9,
    ],
    ['a reported 0 is 0', [{ prompt_tokens: 0, completion_tokens: 0, total_tokens: 7 }], 0, 0],
    ['counts as texts', [{ prompt_tokens: '5', completion_tokens: '2' }], 5, 2],
    ["counts under the names of OpenAI's Responses", [{ input_tokens: 5, output_tokens: 2 }], 5, 2],
  ])('%s', (_name, usages, prompt, completion) => {
    expect(usageOf(...usages)).toMatchObject({
      prompt_tokens: prompt,
      completion_tokens: completion,
      total_tokens: prompt + completion,
    });
  });

  test('a figure that nobody told is null, never 0, and usage of nothing is none', () => {
    expect(usageOf({}, { completion_tokens: 2 })).toEqual({
      prompt_tokens: null,
      completion_tokens: 2,
      total_tokens: null,
    });
    expect(usageOf({ prompt_tokens: null, total_tokens: 9 })).toMatchObject({ prompt_tokens: null, total_tokens: 9 });
    expect(usageOf({ cost: 0.5 })).toMatchObject({ prompt_tokens: null, completion_tokens: null, cost: 0.5 });
    expect(usageOf({ prompt_tokens: 'many', completion_tokens: -1, total_tokens: true })).toBeNull();
    expect(usageOf({}, { prompt_tokens: null })).toBeNull();
  });

  test('a cost that is an object is its sum, and stays as details', () => {
    const cost = { input_tokens_cost: 0.001, request_cost: 0.005, total_cost: 0.008 };
    expect(usageOf({ prompt_tokens: 1, cost })).toMatchObject({ cost: 0.008, cost_details: cost });
  });

  test.each([
    ['in a choice', chunkOf({ choices: [choiceOf({}, { usage: { prompt_tokens: 9, completion_tokens: 2 } })] })],
    ['in x_groq', chunkOf({ choices: [], x_groq: { id: 'r', usage: { prompt_tokens: 9, completion_tokens: 2 } } })],
  ])('usage %s counts', (_name, chunk) => {
    expect(build(chunk).usage).toEqual({ prompt_tokens: 9, completion_tokens: 2, total_tokens: 11 });
  });

  test('completion_tokens_details is the last object, as reported', () => {
    expect(
      usageOf(
        { completion_tokens_details: { reasoning_tokens: 1 } },
        { completion_tokens_details: null },
        { completion_tokens_details: { text_tokens: 2 } },
      )?.completion_tokens_details,
    ).toEqual({ text_tokens: 2 });
    expect(usageOf({ completion_tokens: 12 })).not.toHaveProperty('completion_tokens_details');
  });

  test('prompt_tokens_details is the last object, and keeps three keys of earlier ones', () => {
    expect(
      usageOf(
        {
          prompt_tokens_details: {
            cached_tokens: 1,
            cache_creation_token_details: { a: 1 },
            web_search_requests: 2,
            google_maps_grounding_requests: 3,
          },
        },
        { prompt_tokens_details: { cached_tokens: 4, web_search_requests: 5 } },
        { prompt_tokens_details: null },
      )?.prompt_tokens_details,
    ).toEqual({
      cached_tokens: 4,
      web_search_requests: 5,
      cache_creation_token_details: { a: 1 },
      google_maps_grounding_requests: 3,
    });
  });

  test.each([
    ['the first seen', [{ cache_read_input_tokens: 0 }], 0],
    [
      'a later one without any count of the prompt says nothing',
      [{ cache_read_input_tokens: 5 }, { cache_read_input_tokens: 0 }],
      5,
    ],
    [
      'a later one beside a prompt count is a count, 0 included',
      [{ cache_read_input_tokens: 5 }, { cache_read_input_tokens: 0, prompt_tokens: 1 }],
      0,
    ],
    [
      'a later one beside a cache count too',
      [{ cache_read_input_tokens: 5 }, { cache_read_input_tokens: 0, cache_creation_input_tokens: 1 }],
      0,
    ],
    ['a later count', [{ cache_read_input_tokens: 5 }, { cache_read_input_tokens: 6 }], 6],
    ['none', [{ cache_read_input_tokens: null }], undefined],
  ])('cache counts: %s', (_name, usages, expected) => {
    expect(usageOf(...usages)?.cache_read_input_tokens).toBe(expected);
  });

  test('cost and server_tool_use are the last that are not null, a 0 counts', () => {
    const usage = usageOf({ cost: 0.5, server_tool_use: { a: 1 } }, { cost: 0, server_tool_use: null }, { cost: null });
    expect(usage?.cost).toBe(0);
    expect(usage?.['server_tool_use']).toEqual({ a: 1 });
    expect(usageOf({ cost: '0.1' })?.cost).toBe(0.1);
    expect(usageOf({ prompt_tokens: 1, cost: 'much' })).not.toHaveProperty('cost');
  });

  test('speed and inference_geo are the last texts', () => {
    const usage = usageOf({ speed: 'fast', inference_geo: 'eu' }, { speed: 1, inference_geo: null });
    expect(usage).toMatchObject({ speed: 'fast', inference_geo: 'eu' });
  });

  test('unknown keys keep their last value that is not null', () => {
    expect(usageOf({ queue_time: 1 }, { queue_time: 2 }, { queue_time: null })).toMatchObject({ queue_time: 2 });
  });
});

describe('keys and values from the network', () => {
  test('__proto__ and constructor are keys like any other', () => {
    const hostile = JSON.parse(
      `{"id":"1","__proto__":{"polluted":1},"constructor":{"a":1},"choices":[{"index":0,"__proto__":{"x":1},"delta":{
        "__proto__":{"content":"no"},"constructor":"x","content":"a",
        "provider_specific_fields":{"__proto__":{"polluted":2},"constructor":"c","toString":"t"},
        "tool_calls":[{"index":0,"id":"i","function":{"name":"__proto__","arguments":"{}"},"provider_specific_fields":{"__proto__":{"polluted":3}}}]}}],
        "usage":{"__proto__":{"polluted":4},"constructor":5,"prompt_tokens":1,"prompt_tokens_details":{"__proto__":{"a":1}}}}`,
    );
    const completion = build(hostile);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
    expect(Object.getPrototypeOf(completion)).toBe(Object.prototype);
    expect(Object.keys(completion)).toContain('__proto__');
    expect(Object.getOwnPropertyDescriptor(completion, 'constructor')?.value).toEqual({ a: 1 });
    const message = completion.choices[0]?.message;
    expect(message?.content).toBe('a');
    const fields = message?.provider_specific_fields ?? {};
    expect(Object.getPrototypeOf(fields)).toBe(Object.prototype);
    expect(Object.keys(fields).toSorted()).toEqual(['__proto__', 'constructor', 'toString']);
    expect(JSON.parse(JSON.stringify(message?.tool_calls))[0].function.name).toBe('__proto__');
    expect(Object.keys(message?.tool_calls?.[0]?.provider_specific_fields ?? {})).toEqual(['__proto__']);
    expect(Object.keys(completion.usage ?? {})).toEqual(expect.arrayContaining(['__proto__', 'constructor']));
    expect(Object.keys(completion.usage?.prompt_tokens_details ?? {})).toEqual(['__proto__']);
  });

  test.each([null, undefined, 3, 'x', true, [], [1]])('%j as a chunk adds nothing', (value) => {
    const builder = new CompletionBuilder();
    builder.add(value as unknown as ChatCompletionChunk);
    expect(builder.build()).toBeNull();
  });

  const junk = [null, 3, 'x', true, [], {}, [null], [[]], [3, 'x', {}], { a: null }];

  test.each(['id', 'created', 'model', 'choices', 'usage', 'system_fingerprint', 'service_tier', 'object'])(
    'any value of %s is taken',
    (key) => {
      for (const value of junk) {
        expect(
          build({ ...deltaChunk({ content: 'a' }), choices: [choiceOf({ content: 'a' })], [key]: value }).object,
        ).toBe('chat.completion');
      }
    },
  );

  test.each([
    'content',
    'role',
    'refusal',
    'reasoning_content',
    'reasoning',
    'thinking_blocks',
    'tool_calls',
    'function_call',
    'annotations',
    'images',
    'audio',
    'provider_specific_fields',
  ])('any value of delta.%s is taken', (key) => {
    for (const value of junk) {
      expect(typeof choiceOfDeltas({ [key]: value }, { content: 'end' }).message.content).toBe('string');
    }
  });
});

describe('snapshot() and build()', () => {
  const chunks = [
    deltaChunk({ role: 'assistant', content: 'a', annotations: [{ a: 1 }], images: [1] }),
    {
      ...deltaChunk({
        content: 'b',
        tool_calls: [
          { index: 0, id: 'i', function: { name: 'f', arguments: '1' }, provider_specific_fields: { a: 1 } },
        ],
      }),
      usage: { prompt_tokens: 1, prompt_tokens_details: { a: 1 } },
    },
    chunkOf({
      choices: [
        choiceOf(
          { thinking_blocks: [{ type: 'thinking', thinking: 't' }], provider_specific_fields: { citation: 1, b: 2 } },
          { logprobs: { content: [1] } },
        ),
      ],
    }),
    chunkOf({
      choices: [
        choiceOf(
          {
            audio: { data: 'AAAA' },
            annotations: [2],
            tool_calls: [{ index: 0, function: { arguments: '2' }, provider_specific_fields: { b: 2 } }],
          },
          { logprobs: { content: [2] }, finish_reason: 'stop' },
        ),
      ],
      usage: { prompt_tokens: 2, cost: 1 },
      x: 1,
    }),
  ] as ChatCompletionChunk[];

  test('what was returned before does not change later, and the chunks are not changed', () => {
    const before = JSON.stringify(chunks);
    const builder = new CompletionBuilder();
    const snapshots: { snapshot: ChatCompletion | null; text: string }[] = [];
    for (const chunk of [...chunks, ...chunks]) {
      builder.add(chunk);
      const snapshot = builder.snapshot();
      snapshots.push({ snapshot, text: JSON.stringify(snapshot) });
    }
    for (const { snapshot, text } of snapshots) expect(JSON.stringify(snapshot)).toBe(text);
    expect(JSON.stringify(chunks)).toBe(before);
    expect(builder.build()).toEqual(builder.snapshot());
    expect(builder.build()).toEqual(build(...chunks, ...chunks));
  });

  test('changing what was returned does not change the fold', () => {
    const builder = new CompletionBuilder();
    for (const chunk of chunks) builder.add(chunk);
    const expected = JSON.stringify(builder.build());
    const snapshot = builder.snapshot() as ChatCompletion;
    const choice = snapshot.choices[0] as CompletionChoice;
    choice.message.annotations?.push(1);
    choice.message.images?.pop();
    choice.message.tool_calls?.pop();
    choice.logprobs?.content?.pop();
    (choice.message.provider_specific_fields as Record<string, unknown>)['x'] = 1;
    choice.message.thinking_blocks?.pop();
    snapshot.choices.pop();
    expect(JSON.stringify(builder.build())).toBe(expected);
  });

  test('a hundred thousand deltas are one text', () => {
    const builder = new CompletionBuilder();
    for (let index = 0; index < 100_000; index += 1) builder.add(deltaChunk({ content: `${index % 10}` }));
    expect(builder.build()?.choices[0]?.message.content).toBe('0123456789'.repeat(10_000));
  });
});
