import type { Stream } from './builder-oracle.ts';

/** A small generator of random numbers that a seed determines (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * A stream of one choice as servers send it, on which Python's builder and ours mean to agree: names and ids of calls come
 * first and once or repeated, thinking is signed and not restated, base64 is whole, roles come first.
 */
export function generateStream(random: () => number): Stream {
  const below = (count: number): number => Math.floor(random() * count);
  const oneOf = <Value>(...values: Value[]): Value => values[below(values.length)] as Value;
  const chance = (probability: number): boolean => random() < probability;
  const text = (): string =>
    oneOf('', 'a', ' ', 'Hello', '\n', 'é', '漢字', '😀', '"quoted"', '\\', '{"x":1}', '\u0000', 'null');

  const deltas: Record<string, unknown>[] = [];
  const add = (delta: Record<string, unknown>): void => {
    deltas.push(delta);
  };
  const addTexts = (key: string): void => {
    for (let count = below(4); count >= 0; count -= 1) add({ [key]: chance(0.1) ? null : text() });
  };

  const addCalls = (): void => {
    const [stride, offset] = [oneOf(1, 3), oneOf(0, 1)];
    const calls = Array.from({ length: 1 + below(3) }, (_, position) => ({
      index: position * stride + offset,
      id: `call_${position}`,
      isCustom: chance(0.2),
    }));
    if (chance(0.5)) calls.reverse();
    // Arguments are JSON, cut anywhere: what else they may be is in the list of intended differences.
    const rest = new Map(calls.map(({ id }) => [id, JSON.stringify({ [text()]: text(), x: [text(), {}, 1.5] })]));
    const piece = (id: string): string => {
      const left = rest.get(id) ?? '';
      const length = chance(0.2) ? left.length : below(left.length + 1);
      rest.set(id, left.slice(length));
      return left.slice(0, length);
    };
    const open = calls.map(({ index, id, isCustom }) =>
      isCustom
        ? { index, id, type: 'custom', custom: { name: `tool_${id}`, input: text() } }
        : { index, id, type: 'function', function: { name: `tool_${id}`, arguments: piece(id) } },
    );
    if (chance(0.5)) add({ tool_calls: open });
    else for (const fragment of open) add({ tool_calls: [fragment], ...(chance(0.3) ? { content: text() } : {}) });
    for (let count = below(5); count > 0; count -= 1) {
      const { index, id, isCustom } = oneOf(...calls);
      const repeated = chance(0.2) ? { id } : {};
      add({
        tool_calls: [
          isCustom
            ? { index, ...repeated, type: 'custom', custom: { input: text() } }
            : {
                index,
                ...repeated,
                type: 'function',
                function: { arguments: piece(id), ...(chance(0.2) ? { name: `tool_${id}` } : {}) },
                ...(chance(0.2) ? { provider_specific_fields: { thought_signature: text() } } : {}),
              },
        ],
      });
    }
  };

  const addThinking = (): void => {
    for (let count = below(2); count >= 0; count -= 1) {
      const pieces = Array.from({ length: 1 + below(3) }, () => oneOf('Let ', 'me ', 'think', '…'));
      for (const piece of pieces)
        add({
          reasoning_content: piece,
          thinking_blocks: [{ type: 'thinking', thinking: piece }],
          ...(chance(0.5) ? { content: '' } : {}),
        });
      add({ thinking_blocks: [{ type: 'thinking', thinking: oneOf('', ' end'), signature: `sig_${count}` }] });
      if (chance(0.3)) add({ thinking_blocks: [{ type: 'redacted_thinking', data: 'cmVk' }] });
    }
  };

  const addAudio = (): void => {
    for (let count = below(3); count >= 0; count -= 1) {
      const data = Buffer.from(oneOf('a', 'ab', 'abc', 'abcdef')).toString('base64');
      add({
        audio: {
          ...(chance(0.5) ? { id: 'audio_1' } : {}),
          data,
          transcript: text(),
          ...(chance(0.3) ? { expires_at: 1_800_000_000 } : {}),
        },
      });
    }
  };

  const parts = [
    () => addTexts('content'),
    () => addTexts('content'),
    () => addTexts('reasoning_content'),
    () => addTexts('reasoning'),
    addCalls,
    addThinking,
    addAudio,
    () => add({ function_call: { name: 'f', arguments: text() } }),
    () =>
      add({
        annotations: [
          { type: 'url_citation', url_citation: { url: text(), title: 't', start_index: 0, end_index: 1 } },
        ],
      }),
    () => add({ images: [{ type: 'image_url', index: 0, image_url: { url: 'data:image/png;base64,AA==' } }] }),
    () =>
      add({
        provider_specific_fields: oneOf<Record<string, unknown>>(
          { a: 1 },
          { a: [2], constructor: 'x' },
          { citation: { url: text() } },
          {},
        ),
      }),
    () => add({}),
    () => add({ content: null, tool_calls: null, function_call: null, audio: null }),
  ];
  const hasFunctionCall = new Set<number>();
  for (let count = below(5); count >= 0; count -= 1) {
    const choice = below(parts.length);
    // A second part of calls would use the same indexes again, and a second function call its name.
    if ((choice === 4 || choice === 7) && hasFunctionCall.has(choice)) continue;
    hasFunctionCall.add(choice);
    parts[choice]?.();
  }

  const usage = (): Record<string, unknown> => {
    const cached = below(3);
    return {
      prompt_tokens: below(4) * 7,
      completion_tokens: below(4) * 5,
      total_tokens: below(50),
      ...(chance(0.3)
        ? {
            prompt_tokens_details: { cached_tokens: cached, ...(chance(0.3) ? { web_search_requests: below(3) } : {}) },
          }
        : {}),
      ...(chance(0.3) ? { completion_tokens_details: { reasoning_tokens: below(5), text_tokens: below(5) } } : {}),
      ...(chance(0.3) ? { cost: oneOf(0, 0.000123, 1.5e-7) } : {}),
    };
  };
  const id = oneOf('chatcmpl-1', 'chatcmpl-2');
  const models = chance(0.2) ? ['a', 'b'] : ['a'];
  const fingerprint = chance(0.3) ? { system_fingerprint: 'fp_1' } : {};
  const chunk = (members: Record<string, unknown>): Record<string, unknown> => ({
    id,
    object: 'chat.completion.chunk',
    created: 1_763_800_000,
    model: oneOf(...models),
    ...fingerprint,
    ...members,
  });

  const stream: Stream = [];
  if (chance(0.2)) stream.push(chunk({ choices: [] }));
  if (chance(0.7)) deltas.unshift({ role: 'assistant', content: chance(0.8) ? '' : null });
  for (const delta of deltas)
    stream.push(chunk({ choices: [{ index: 0, delta }], ...(chance(0.05) ? { usage: usage() } : {}) }));
  if (chance(0.9))
    stream.push(
      chunk({
        choices: [
          {
            index: 0,
            delta: {},
            finish_reason: oneOf(
              'stop',
              'length',
              'tool_calls',
              'content_filter',
              'end_turn',
              'max_tokens',
              'tool_use',
              'SAFETY',
              'unheard_of',
            ),
          },
        ],
      }),
    );
  if (chance(0.6)) stream.push(chunk({ choices: chance(0.5) ? [] : [{ index: 0, delta: {} }], usage: usage() }));
  return stream;
}
