import { describe, expect, test } from '@jest/globals';
import { ReplyReader } from '../../src/protocol/reply-reader.ts';
import type { StreamEnd } from '../../src/protocol/verdict.ts';
import { dataLine, deltaChunk } from './chunks.ts';

/** What the words of the servers mean, written down once more: each by the name of one that says it. */
const vocabulary = {
  complete: {
    OpenAI: ['stop', 'tool_calls', 'function_call', 'completed'],
    Anthropic: ['end_turn', 'stop_sequence', 'tool_use'],
    Cohere: ['complete', 'tool_call'],
    'text-generation-inference': ['eos_token'],
    Together: ['eos'],
    AI21: ['endoftext'],
    Titan: ['finish'],
  },
  length: {
    OpenAI: ['length', 'max_output_tokens'],
    Anthropic: ['max_tokens', 'model_context_window_exceeded'],
    Mistral: ['model_length'],
    Cohere: ['error_limit'],
    watsonx: ['token_limit'],
  },
  content_filter: {
    OpenAI: ['content_filter'],
    Anthropic: ['refusal'],
    Bedrock: ['guardrail_intervened', 'content_filtered'],
    Zhipu: ['sensitive'],
    Cohere: ['error_toxic'],
    Gemini: ['safety', 'recitation', 'blocklist', 'prohibited_content', 'spii', 'image_safety', 'other', 'language'],
  },
  error: {
    Cohere: ['error'],
    Zhipu: ['network_error'],
    Gemini: ['malformed_function_call', 'unexpected_tool_call'],
    nobody: ['banana', '0', 'true'],
  },
} as const;

const exitWord = { complete: 'complete', length: 'length', content_filter: 'content_filter', error: 'error' } as const;

/** `a` is content, a word a finish_reason alone, `a+word` both in one chunk. */
function verdictOf(steps: readonly string[], end: 'end' | 'done' | 'lost'): string | null {
  const reader = new ReplyReader({ status: 200, contentType: 'text/event-stream' });
  const events = steps.map((step) => {
    const [, isBeside, word] = /^(a\+?)?(.*)$/.exec(step) ?? [];
    return dataLine(deltaChunk(isBeside === undefined ? {} : { content: 'a' }, word || undefined));
  });
  reader.push(new TextEncoder().encode(events.join('') + (end === 'done' ? 'data: [DONE]\n\n' : '')));
  const how: StreamEnd = end === 'lost' ? { type: 'lost', message: 'reset' } : { type: 'end' };
  return reader.finish(how).reply.verdict;
}

describe('a finish word', () => {
  const rows = Object.entries(vocabulary).flatMap(([verdict, servers]) =>
    Object.entries<readonly string[]>(servers).flatMap(([server, words]) =>
      [...words].map((word: string) => ({ verdict, server, word })),
    ),
  );
  test.each(rows)('$word of $server is $verdict, in any case and under the name of its enumeration', (row) => {
    const { verdict, word } = row;
    for (const form of [word, word.toUpperCase(), `FinishReason.${word.toUpperCase()}`, `FINISH_REASON_${word}`]) {
      expect([form, verdictOf(['a', form], 'done')]).toEqual([form, exitWord[verdict as keyof typeof exitWord]]);
    }
  });

  test('that says that it goes on is none', () => {
    for (const word of ['null', 'FINISH_REASON_UNSPECIFIED', 'in_progress'])
      expect([word, verdictOf(['a', word], 'done')]).toEqual([word, 'cut']);
  });
});

describe('of several finish words', () => {
  const order = ['stop', 'length', 'content_filter', 'network_error'];
  const worst = ['complete', 'length', 'content_filter', 'error'];
  const pairs = order.flatMap((first, i) => order.map((second, j) => [first, second, worst[Math.max(i, j)]] as const));
  test.each(pairs)('%s, then %s: %s', (first, second, verdict) => {
    expect(verdictOf(['a', first, second], 'done')).toBe(verdict);
    expect(verdictOf([`a+${first}`, second], 'end')).toBe(verdict);
  });
});

describe('a finish word is the last only if no content follows it', () => {
  test.each([
    { steps: ['a', 'stop'], end: 'end', verdict: 'complete' },
    { steps: ['a', 'stop'], end: 'lost', verdict: 'complete' },
    { steps: ['a+stop'], end: 'lost', verdict: 'complete' },
    { steps: ['a+stop', 'a+stop'], end: 'done', verdict: 'complete' },
    { steps: ['a+stop', 'a+stop', 'stop'], end: 'end', verdict: 'complete' },
    { steps: ['a+stop', 'a+stop'], end: 'end', verdict: 'cut' },
    { steps: ['a+stop', 'a+stop'], end: 'lost', verdict: 'cut' },
    { steps: ['a', 'stop', 'a'], end: 'end', verdict: 'cut' },
    { steps: ['a', 'stop', 'a'], end: 'done', verdict: 'cut' },
    { steps: ['a', 'stop', 'a'], end: 'lost', verdict: 'cut' },
    { steps: ['a', 'stop', 'a', 'stop'], end: 'end', verdict: 'complete' },
    { steps: ['a', 'length', 'a', 'stop'], end: 'done', verdict: 'length' },
    { steps: ['a'], end: 'done', verdict: 'cut' },
    { steps: ['stop'], end: 'done', verdict: 'empty' },
    { steps: ['stop', 'a'], end: 'end', verdict: 'cut' },
  ] as const)('$steps, $end: $verdict', ({ steps, end, verdict }) => {
    expect(verdictOf(steps, end)).toBe(verdict);
  });
});
