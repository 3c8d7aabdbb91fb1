import type { JsonObject } from '../../src/protocol/json.ts';
import type { Stream } from '../support/builder-oracle.ts';

/** In a part of a result: the key is missing, null or an empty list. */
export const absent = Symbol('absent');
/** In a part of a result: any text, which differs from run to run. */
export const anyText = Symbol('any text');
export const anyNumber = Symbol('any number');

const chunk = (members: JsonObject): JsonObject => ({
  id: 'chatcmpl-1',
  object: 'chat.completion.chunk',
  created: 1_763_800_000,
  model: 'm',
  choices: [],
  ...members,
});
const choices = (...deltas: JsonObject[]): JsonObject[] =>
  deltas.map((delta) => chunk({ choices: [{ index: 0, delta }] }));
const finish = (reason: string): JsonObject => chunk({ choices: [{ index: 0, delta: {}, finish_reason: reason }] });
const usage = (...reports: unknown[]): JsonObject[] => reports.map((report) => chunk({ usage: report }));
const calls = (...fragments: unknown[]): JsonObject[] =>
  choices(...fragments.map((fragment) => ({ tool_calls: [fragment] })));
const thinking = (...blocks: unknown[]): JsonObject[] =>
  choices(...blocks.map((block) => ({ thinking_blocks: [block] })));
const audio = (...pieces: string[]): JsonObject[] =>
  choices(...pieces.map((data) => ({ audio: { id: 'a', data, expires_at: 5, transcript: 'x' } })));

/** Streams on which the two agree, by hand: each row of the specification that says so. */
export const agreed: Record<string, Stream> = {
  // Both were lost by LiteLLM 1.104.2.
  'the last service tier': [chunk({ service_tier: 'auto' }), chunk({ service_tier: 'default' })],
  'a signature without thinking': thinking({ type: 'thinking', thinking: '', signature: 's' }),
  'no chunks': [],
  'a text': [...choices({ role: 'assistant', content: '' }, { content: 'Hel' }, { content: 'lo' }), finish('stop')],
  'a text cut inside a surrogate pair': choices({ content: 'a\uD83D' }, { content: '\uDE00b' }),
  'half a surrogate pair': choices({ content: '\uD83D' }),
  'no choices at all': [chunk({})],
  'a first chunk without choices, as Azure sends it': [
    chunk({ id: '', model: '' }),
    ...choices({ role: 'assistant', content: 'a' }),
    finish('stop'),
  ],
  'models a, a, b, c': ['a', 'a', 'b', 'c'].map((model) => chunk({ model })),
  'models with an empty one': ['a', '', 'b', 'a'].map((model) => chunk({ model })),
  'created that goes back': [
    chunk({ created: 9, choices: [{ index: 0, delta: { content: 'a' } }] }),
    chunk({ created: 1, choices: [{ index: 0, delta: { content: 'b' } }] }),
  ],
  'a fingerprint that changes': [chunk({ system_fingerprint: 'a' }), chunk({ system_fingerprint: 'b' })],
  'text after the finish and after usage': [
    ...choices({ content: 'a' }),
    finish('stop'),
    ...usage({ prompt_tokens: 1, completion_tokens: 1 }),
    ...choices({ content: 'b' }),
  ],
  'several finish reasons': [...choices({ content: 'a' }), finish('stop'), finish('length')],
  'content null everywhere': choices({ role: 'assistant', content: null }, { content: null }),
  'an empty list of calls': choices({ tool_calls: [] }),
  'a null list of calls': choices({ content: null, tool_calls: null }),
  'an empty text beside calls': [
    ...choices({ content: '' }),
    ...calls({ index: 0, id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } }),
  ],
  'a text around calls': [
    ...choices({ content: 'a' }),
    ...calls({ index: 0, id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } }),
    ...choices({ content: 'b' }),
    finish('tool_calls'),
  ],
  'a stop with calls': [
    ...calls({ index: 0, id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } }),
    finish('stop'),
  ],
  'two parallel calls, interleaved': calls(
    { index: 0, id: 'a', type: 'function', function: { name: 'f', arguments: '' } },
    { index: 1, id: 'b', type: 'function', function: { name: 'g', arguments: '' } },
    { index: 0, type: 'function', function: { arguments: '{"x"' } },
    { index: 1, type: 'function', function: { arguments: '{"y":2}' } },
    { index: 0, type: 'function', function: { arguments: ':1}' } },
  ),
  'a name in pieces': calls(
    { index: 0, id: 'a', type: 'function', function: { name: 'get_', arguments: '' } },
    { index: 0, function: { name: 'weather', arguments: '{}' } },
  ),
  'a repeated name and id': calls(
    { index: 0, id: 'a', type: 'function', function: { name: 'f', arguments: '1' } },
    { index: 0, id: 'a', type: 'function', function: { name: 'f', arguments: '2' } },
  ),
  'a new id without a name': calls(
    { index: 0, id: 'a', type: 'function', function: { name: 'f', arguments: '1' } },
    { index: 0, id: 'b', function: { arguments: '2' } },
  ),
  'indexes that are missing, in one chunk': choices({
    tool_calls: [
      { id: 'a', type: 'function', function: { name: 'f', arguments: '1' } },
      { id: 'b', type: 'function', function: { name: 'g', arguments: '2' } },
    ],
  }),
  'indexes that are huge, 1-based and out of order': calls(
    { index: 10, id: 'c', function: { name: 'f', arguments: '1' } },
    { index: 1_000_000, id: 'd', function: { name: 'f', arguments: '2' } },
    { index: 9, id: 'b', function: { name: 'f', arguments: '3' } },
    { index: 1, id: 'a', function: { name: 'f', arguments: '4' } },
  ),
  'no arguments': calls({ index: 0, id: 'a', type: 'function', function: { name: 'f', arguments: '' } }),
  'arguments that are no JSON': calls({
    index: 0,
    id: 'a',
    type: 'function',
    function: { name: 'f', arguments: '{"x":' },
  }),
  'a custom call': calls(
    { index: 0, id: 'a', type: 'custom', custom: { name: 'f', input: 'x' } },
    { index: 0, type: 'custom', custom: { input: 'y' } },
  ),
  'a custom call without input': calls({ index: 0, id: 'a', type: 'custom', custom: { name: 'f', input: '' } }),
  'provider fields of a call': calls(
    {
      index: 0,
      id: 'a',
      type: 'function',
      function: { name: 'f', arguments: '1' },
      provider_specific_fields: { a: 1 },
    },
    { index: 0, type: 'function', function: { arguments: '2' }, provider_specific_fields: { b: 2 } },
  ),
  'a function call': choices(
    { function_call: { name: 'f', arguments: '{"a"' } },
    { function_call: { arguments: ':1}' } },
  ),
  'a function call without arguments': choices({ function_call: { name: 'f', arguments: '' } }),
  'reasoning under both names': choices(
    { reasoning_content: 'a' },
    { reasoning: 'b' },
    { reasoning_content: null, reasoning: 'c' },
  ),
  'empty reasoning': choices({ reasoning_content: '', content: 'a' }),
  'thinking whose signature comes alone': thinking(
    { type: 'thinking', thinking: 'Let ' },
    { type: 'thinking', thinking: 'me' },
    { type: 'thinking', thinking: '', signature: 's' },
  ),
  'thinking whose signature comes with the rest': thinking(
    { type: 'thinking', thinking: 'Let ' },
    { type: 'thinking', thinking: 'me', signature: 's' },
  ),
  'two signed blocks and a redacted one between': thinking(
    { type: 'thinking', thinking: 'a', signature: 's' },
    { type: 'redacted_thinking', data: 'd' },
    { type: 'thinking', thinking: 'b', signature: 't' },
  ),
  'annotations, repeated': choices(
    { content: '', annotations: [{ type: 'url_citation' }] },
    { annotations: [{ type: 'url_citation' }] },
    { annotations: [] },
  ),
  images: choices({ images: [{ type: 'image_url', index: 0, image_url: { url: 'data:' } }] }, { images: [] }),
  'audio with padding': audio('YQ==', 'YmM=', 'ZGVm'),
  'provider fields': choices(
    { content: 'a', provider_specific_fields: { a: 1, b: { c: 1 }, constructor: 'x' } },
    { provider_specific_fields: { b: { d: 2 }, n: 0 } },
  ),
  'single citations': choices(
    { content: 'a', provider_specific_fields: { citation: { url: 'a' } } },
    { provider_specific_fields: { citation: { url: 'b' } } },
  ),
  'single citations that are lists': choices(
    { content: 'a', provider_specific_fields: { citation: [1] } },
    { provider_specific_fields: { citation: [2] } },
  ),
  'explicit citations': choices(
    { content: 'a', provider_specific_fields: { citations: ['x'] } },
    { provider_specific_fields: { citation: { url: 'b' } } },
  ),
  'usage once': usage({ prompt_tokens: 3, completion_tokens: 2, total_tokens: 99, cost: 0.25 }),
  'usage with later zeros': usage(
    { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
    { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 },
  ),
  'usage of zeros': usage({ prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 }),
  'usage that grows': usage(
    { prompt_tokens: 3, completion_tokens: 1, total_tokens: 4 },
    { prompt_tokens: 3, completion_tokens: 9, total_tokens: 12 },
  ),
  'details that are replaced': usage(
    {
      prompt_tokens: 1,
      completion_tokens: 1,
      total_tokens: 2,
      completion_tokens_details: { reasoning_tokens: 1, text_tokens: 0 },
      prompt_tokens_details: { cached_tokens: 1, web_search_requests: 2 },
    },
    {
      prompt_tokens: 1,
      completion_tokens: 1,
      total_tokens: 2,
      completion_tokens_details: { reasoning_tokens: 2, text_tokens: 5 },
      prompt_tokens_details: { cached_tokens: 4 },
    },
  ),
  'cache counts': usage(
    {
      prompt_tokens: 5,
      completion_tokens: 0,
      total_tokens: 5,
      cache_creation_input_tokens: 2,
      cache_read_input_tokens: 3,
    },
    {
      prompt_tokens: 0,
      completion_tokens: 4,
      total_tokens: 4,
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: 0,
    },
  ),
  'cache counts that a later prompt count replaces': usage(
    { prompt_tokens: 5, completion_tokens: 0, total_tokens: 5, cache_read_input_tokens: 3 },
    { prompt_tokens: 6, completion_tokens: 4, total_tokens: 10, cache_read_input_tokens: 0 },
  ),
  'a cost of 0 after another': usage(
    { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2, cost: 0.5 },
    { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2, cost: 0 },
  ),
  'speed and place': usage(
    { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2, speed: 'fast', inference_geo: 'eu' },
    { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
  ),
  'server tools': usage({
    prompt_tokens: 1,
    completion_tokens: 1,
    total_tokens: 2,
    server_tool_use: { web_search_requests: 3 },
  }),
};

export interface Intended {
  stream: Stream;
  /** What differs in the two results: a part of each. `error` where Python raises. */
  python: unknown;
  ours: unknown;
}

const message = (members: JsonObject, rest: JsonObject = {}): JsonObject => ({
  choices: [{ index: 0, message: members, ...rest }],
});
const twoChoices = (position: number, content: string): JsonObject => ({ index: position, delta: { content } });

/** Where ours means to differ, each with both results. */
export const intended: Record<string, Intended> = {
  'the texts of two choices stay apart': {
    stream: [
      chunk({ choices: [twoChoices(0, 'A1')] }),
      chunk({ choices: [twoChoices(1, 'B1')] }),
      chunk({ choices: [twoChoices(0, 'A2')] }),
      chunk({ choices: [twoChoices(1, 'B2')] }),
      finish('stop'),
      chunk({ choices: [{ index: 1, delta: {}, finish_reason: 'length' }] }),
    ],
    python: message({ content: 'A1B1A2B2' }, { finish_reason: 'length' }),
    ours: {
      choices: [
        { index: 0, message: { content: 'A1A2' }, finish_reason: 'stop' },
        { index: 1, message: { content: 'B1B2' }, finish_reason: 'length' },
      ],
    },
  },
  'two choices in one chunk are both kept': {
    stream: [
      chunk({ choices: [twoChoices(0, 'A'), twoChoices(1, 'B')] }),
      chunk({ choices: [twoChoices(0, '1'), twoChoices(1, '2')] }),
    ],
    python: message({ content: 'A1' }),
    ours: {
      choices: [
        { index: 0, message: { content: 'A1' } },
        { index: 1, message: { content: 'B2' } },
      ],
    },
  },
  'logprobs are concatenated': {
    stream: ['a', 'b'].map((token) =>
      chunk({
        choices: [
          {
            index: 0,
            delta: { content: token },
            logprobs: { content: [{ token, logprob: -1, bytes: null, top_logprobs: [] }] },
          },
        ],
      }),
    ),
    python: { choices: [{ logprobs: absent }] },
    ours: { choices: [{ logprobs: { content: [{ token: 'a' }, { token: 'b' }] } }] },
  },
  'a refusal is kept': {
    stream: [...choices({ refusal: 'I can' }, { refusal: 'not.' }), finish('stop')],
    python: {
      choices: [{ message: { refusal: absent }, finish_reason: 'stop' }],
    },
    ours: message({ content: '', refusal: 'I cannot.' }, { finish_reason: 'stop' }),
  },
  'citations at the top are kept': {
    stream: [chunk({ citations: ['https://a.example'] })],
    python: { citations: absent },
    ours: { citations: ['https://a.example'] },
  },
  'a fingerprint that comes late is kept': {
    stream: [chunk({}), chunk({ system_fingerprint: 'fp' })],
    python: { system_fingerprint: null },
    ours: { system_fingerprint: 'fp' },
  },
  'no finish_reason is none': {
    stream: choices({ content: 'a' }),
    python: { choices: [{ finish_reason: 'stop' }] },
    ours: { choices: [{ finish_reason: null }] },
  },
  ...Object.fromEntries(
    Object.entries({
      error: 'stop',
      end_turn: 'stop',
      max_tokens: 'length',
      tool_use: 'tool_calls',
      SAFETY: 'content_filter',
      network_error: 'stop',
      MALFORMED_FUNCTION_CALL: 'stop',
      pause_turn: 'stop',
      refusal: 'content_filter',
    }).map(([word, python]): [string, Intended] => [
      `the finish_reason ${word} is kept as received`,
      {
        stream: [...choices({ content: 'a' }), finish(word)],
        python: { choices: [{ finish_reason: python }] },
        ours: { choices: [{ finish_reason: word }] },
      },
    ]),
  ),
  'usage that nobody reported is null': {
    stream: choices({ content: 'Hello' }),
    python: { usage: { completion_tokens: 1, prompt_tokens: 0 } },
    ours: { usage: null },
  },
  'details that nobody reported are absent': {
    stream: [...choices({ content: 'Hello' }), ...usage({ prompt_tokens: 3, completion_tokens: 12, total_tokens: 15 })],
    python: { usage: { completion_tokens_details: { reasoning_tokens: 0, text_tokens: 12 } } },
    ours: { usage: { completion_tokens_details: absent } },
  },
  'an index that serves two calls gives two': {
    stream: calls(
      { index: 0, id: 'A', type: 'function', function: { name: 'f', arguments: '{"a":1}' } },
      { index: 0, id: 'B', type: 'function', function: { name: 'g', arguments: '{"b":2}' } },
    ),
    python: message({ tool_calls: [{ id: 'B', function: { name: 'g', arguments: '{"a":1}{"b":2}' } }] }),
    ours: message({
      tool_calls: [
        { id: 'A', function: { name: 'f', arguments: '{"a":1}' } },
        { id: 'B', function: { name: 'g', arguments: '{"b":2}' } },
      ],
    }),
  },
  'without ids, an index that serves two calls gives two': {
    stream: calls(
      { index: 0, type: 'function', function: { name: 'add', arguments: '{"a":1}' } },
      { index: 0, type: 'function', function: { name: 'mul', arguments: '{"b":2}' } },
    ),
    python: message({ tool_calls: [] }),
    ours: message({
      tool_calls: [
        { id: null, function: { name: 'add', arguments: '{"a":1}' } },
        { id: null, function: { name: 'mul', arguments: '{"b":2}' } },
      ],
    }),
  },
  ...Object.fromEntries(
    Object.entries({
      // A call is over when its arguments are whole: what says them again adds nothing.
      'the whole call again': ['{"a":1}', '{"a":1}', '{"a":1}{"a":1}'],
      'the whole call again, encoded twice': ['{"a":1}', JSON.stringify('{"a":1}'), '{"a":1}"{\\"a\\":1}"'],
      // An empty object before more is an opening.
      'an empty object as the opening': ['{}', '{"a":1}', '{}{"a":1}'],
      // Of two readings the one that is JSON.
      'cumulative arguments': ['{"a"', '{"a":1}', '{"a"{"a":1}'],
    }).map(([what, [first, second, glued]]): [string, Intended] => [
      `${what} is glued to nothing`,
      {
        stream: calls(
          { index: 0, id: 'a', type: 'function', function: { name: 'add', arguments: first } },
          { index: 0, id: 'a', function: { arguments: second } },
        ),
        python: message({ tool_calls: [{ id: 'a', function: { name: 'add', arguments: glued } }] }),
        ours: message({ tool_calls: [{ id: 'a', function: { name: 'add', arguments: '{"a":1}' } }] }),
      },
    ]),
  ),
  'one id at two indexes is one call: a known id wins over a position': {
    stream: calls(
      { index: 0, id: 'a', type: 'function', function: { name: 'add', arguments: '' } },
      { index: 1, id: 'a', type: 'function', function: { name: 'add', arguments: '{"a":1}' } },
    ),
    python: message({
      tool_calls: [
        { id: 'a', function: { name: 'add', arguments: '{}' } },
        { id: 'a', function: { name: 'add', arguments: '{"a":1}' } },
      ],
    }),
    ours: message({ tool_calls: [{ id: 'a', function: { name: 'add', arguments: '{"a":1}' } }] }),
  },
  'calls without indexes go on by their ids': {
    stream: choices(
      {
        tool_calls: [
          { id: 'a', type: 'function', function: { name: 'add', arguments: '' } },
          { id: 'b', type: 'function', function: { name: 'mul', arguments: '' } },
        ],
      },
      { tool_calls: [{ id: 'b', type: 'function', function: { arguments: '{"b":2}' } }] },
      { tool_calls: [{ id: 'a', type: 'function', function: { arguments: '{"a":1}' } }] },
    ),
    python: message({
      tool_calls: [
        { id: 'a', function: { name: 'add', arguments: '{"b":2}{"a":1}' } },
        { id: 'b', function: { name: 'mul', arguments: '{}' } },
      ],
    }),
    ours: message({
      tool_calls: [
        { id: 'a', function: { name: 'add', arguments: '{"a":1}' } },
        { id: 'b', function: { name: 'mul', arguments: '{"b":2}' } },
      ],
    }),
  },
  'a call in place of the list of calls is kept': {
    stream: choices({
      tool_calls: { index: 0, id: 'a', type: 'function', function: { name: 'add', arguments: '{}' } },
    }),
    python: message({ tool_calls: [] }),
    ours: message({ tool_calls: [{ id: 'a', function: { name: 'add', arguments: '{}' } }] }),
  },
  'unknown members of a call are kept: a thought signature goes back with the next turn': {
    stream: calls({
      index: 0,
      id: 'a',
      type: 'function',
      function: { name: 'add', arguments: '{}' },
      extra_content: { google: { thought_signature: 'c2ln' } },
    }),
    python: { choices: [{ message: { tool_calls: [{ extra_content: absent }] } }] },
    ours: message({ tool_calls: [{ extra_content: { google: { thought_signature: 'c2ln' } } }] }),
  },
  'unknown members of a delta are kept: lists by index, texts appended': {
    stream: choices(
      { reasoning_details: [{ type: 'reasoning.text', text: 'H', index: 0 }] },
      { reasoning_details: [{ type: 'reasoning.text', text: 'm', index: 0 }] },
    ),
    python: { choices: [{ message: { reasoning_details: absent } }] },
    ours: message({ reasoning_details: [{ type: 'reasoning.text', text: 'Hm', index: 0 }] }),
  },
  ...Object.fromEntries(
    ['length', 'content_filter'].map((word): [string, Intended] => [
      `of ${word} and stop the worse one stays`,
      {
        stream: [...choices({ content: 'a' }), finish(word), finish('stop')],
        python: { choices: [{ finish_reason: 'stop' }] },
        ours: { choices: [{ finish_reason: word }] },
      },
    ]),
  ),
  'reasoning beside an empty reasoning_content is read': {
    stream: choices({ reasoning_content: '', reasoning: 'Hm' }),
    python: message({ reasoning_content: '' }),
    ours: message({ reasoning_content: 'Hm' }),
  },
  'content in parts is read': {
    stream: choices({ content: [{ type: 'text', text: 'a' }] }, { content: 'b' }),
    python: message({ content: 'b' }),
    ours: message({ content: 'ab' }),
  },
  'a count that nobody told is null': {
    stream: usage({ completion_tokens: 2 }),
    python: { usage: { prompt_tokens: 0, completion_tokens: 2, total_tokens: 2 } },
    ours: { usage: { prompt_tokens: null, completion_tokens: 2, total_tokens: null } },
  },
  'usage of nothing is none': {
    stream: usage({}),
    python: { usage: { prompt_tokens: 0, completion_tokens: 0 } },
    ours: { usage: null },
  },
  'a cost that is an object is its sum': {
    stream: usage({ prompt_tokens: 1, completion_tokens: 1, total_tokens: 2, cost: { total_cost: 0.5 } }),
    python: { usage: { cost: { total_cost: 0.5 } } },
    ours: { usage: { cost: 0.5 } },
  },
  'usage in a choice counts': {
    stream: [
      chunk({
        choices: [
          {
            index: 0,
            delta: { content: 'a' },
            usage: { prompt_tokens: 9, completion_tokens: 2, total_tokens: 11 },
          },
        ],
      }),
    ],
    python: { usage: { prompt_tokens: 0, completion_tokens: 1 } },
    ours: { usage: { prompt_tokens: 9, completion_tokens: 2 } },
  },
  'a function_call of nothing is none': {
    stream: choices({ content: 'a' }, { function_call: { name: '', arguments: '' } }),
    python: message({ function_call: { name: '', arguments: '' } }),
    ours: { choices: [{ message: { function_call: absent } }] },
  },
  'audio of nothing is none': {
    stream: choices({ content: 'a', audio: {} }),
    python: message({ audio: { data: '', transcript: '' } }),
    ours: { choices: [{ message: { audio: absent } }] },
  },
  'a function_call again is glued to nothing': {
    stream: choices(
      { function_call: { name: 'f', arguments: '{"a":1}' } },
      { function_call: { name: 'f', arguments: '{"a":1}' } },
    ),
    python: message({ function_call: { name: 'f', arguments: '{"a":1}{"a":1}' } }),
    ours: message({ function_call: { name: 'f', arguments: '{"a":1}' } }),
  },
  'a call that never got an id stays': {
    stream: calls({ index: 0, type: 'function', function: { name: 'f', arguments: '{"a":1}' } }),
    python: message({ tool_calls: [] }),
    ours: message({ tool_calls: [{ id: null, function: { name: 'f', arguments: '{"a":1}' } }] }),
  },
  'a call that never got a name stays': {
    stream: calls({ index: 0, id: 'a', type: 'function', function: { arguments: '{"a":1}' } }),
    python: message({ tool_calls: [] }),
    ours: message({ tool_calls: [{ id: 'a', function: { name: null, arguments: '{"a":1}' } }] }),
  },
  "a function call's name may come late": {
    stream: choices({ function_call: { arguments: '{' } }, { function_call: { name: 'f', arguments: '}' } }),
    python: message({ function_call: { name: null, arguments: '{}' } }),
    ours: message({ function_call: { name: 'f', arguments: '{}' } }),
  },
  'signed thinking that is restated is not doubled': {
    stream: thinking(
      { type: 'thinking', thinking: 'Let ' },
      { type: 'thinking', thinking: 'me' },
      { type: 'thinking', thinking: 'Let me', signature: 's' },
    ),
    python: message({ thinking_blocks: [{ type: 'thinking', thinking: 'Let meLet me', signature: 's' }] }),
    ours: message({ thinking_blocks: [{ type: 'thinking', thinking: 'Let me', signature: 's' }] }),
  },
  'thinking that is never signed stays, unsigned': {
    stream: thinking({ type: 'thinking', thinking: 'Let ' }, { type: 'thinking', thinking: 'me' }),
    python: { choices: [{ message: { thinking_blocks: absent } }] },
    ours: {
      choices: [{ message: { thinking_blocks: [{ type: 'thinking', thinking: 'Let me' }] } }],
    },
  },
  'unsigned thinking before a redacted block stays': {
    stream: thinking({ type: 'thinking', thinking: 'a' }, { type: 'redacted_thinking', data: 'd' }),
    python: message({ thinking_blocks: [{ type: 'redacted_thinking', data: 'd' }] }),
    ours: message({
      thinking_blocks: [
        { type: 'thinking', thinking: 'a' },
        { type: 'redacted_thinking', data: 'd' },
      ],
    }),
  },
  'a fallback notice is no part of the fold': {
    stream: [
      chunk({
        id: 'litellm-fallback-metadata',
        created: 7,
        model: 'rescue',
        litellm_fallback: { fallback_model: 'rescue', errors: [] },
      }),
      ...choices({ content: 'a' }),
    ],
    python: { id: 'litellm-fallback-metadata', created: 7 },
    ours: { id: 'chatcmpl-1', created: 1_763_800_000, model: 'm' },
  },
  'the id is the wire’s': {
    stream: [chunk({ id: undefined }), chunk({ id: 'chatcmpl-2' })],
    python: { id: anyText },
    ours: { id: 'chatcmpl-2' },
  },
  'the first role of the choice counts, whatever chunk it comes in': {
    stream: choices({ content: 'a' }, { role: 'user' }),
    python: message({ role: 'assistant' }),
    ours: message({ role: 'user' }),
  },
  'an unknown role is kept': {
    stream: choices({ role: 'made-up', content: 'a' }),
    python: { error: 'APIError' },
    ours: message({ role: 'made-up' }),
  },
  'a surrogate pair cut in the arguments of a call is joined': {
    stream: calls(
      { index: 0, id: 'a', type: 'function', function: { name: 'f', arguments: '"\uD83D' } },
      { index: 0, type: 'function', function: { arguments: '\uDE00"' } },
    ),
    python: { error: anyText },
    ours: message({ tool_calls: [{ function: { arguments: '"😀"' } }] }),
  },
  'a function call without arguments is folded': {
    stream: choices({ function_call: { name: 'f' } }),
    python: { error: anyText },
    ours: message({ function_call: { name: 'f', arguments: '' } }),
  },
  'a fragment without function gives its id': {
    stream: calls(
      { index: 0, id: 'a', type: 'function' },
      { index: 0, type: 'function', function: { name: 'f', arguments: '{}' } },
    ),
    python: { error: anyText },
    ours: message({ tool_calls: [{ id: 'a', function: { name: 'f', arguments: '{}' } }] }),
  },
  'base64 cut inside a quantum is decoded whole': {
    stream: audio('YWJjZ', 'GVm'),
    python: { error: anyText },
    ours: message({ audio: { data: 'YWJjZGVm' } }),
  },
  'audio that names neither id nor expiry has none': {
    stream: choices({ audio: { data: 'YWJj', transcript: 'x' } }),
    python: message({ audio: { data: 'YWJj', id: anyText, expires_at: anyNumber } }),
    ours: message({ audio: { data: 'YWJj', id: null, expires_at: null } }),
  },
};
