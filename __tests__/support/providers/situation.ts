/**
 * What a fake provider is to answer, told apart from the wire protocol that it answers in: the same situation comes out of
 * the OpenAI, the Anthropic and the Gemini encoder, so that a test can compare what LiteLLM makes of each.
 *
 * A prompt chooses it: `[parallel-tools tag=a1 pace=20] What is the weather?`. The first word is the content, what
 * follows says how it is delivered (`Delivery`), and `tag` is for finding the request again.
 */
export interface Situation {
  thinking: Thinking[];
  /** The texts of the choices, each in the pieces that a stream sends. */
  texts: string[][];
  refusal: string[];
  toolCalls: { id: string; name: string; arguments: string[] }[];
  /** Members that no reference of the wire format names: on each of the deltas, and as one body has them. OpenAI's encoder only. */
  unknown: {
    deltas: Record<string, unknown>[];
    message: Record<string, unknown>;
    /** Of the first call: on its first fragment. */
    call: Record<string, unknown>;
  };
  finish: 'stop' | 'length' | 'tools' | 'filter';
  usage: { input: number; cacheRead: number; cacheWrite: number; output: number; reasoning: number };
}

export interface Thinking {
  text: string[];
  signature: string | null;
  /** Encrypted thinking instead of text. */
  redacted: string | null;
}

/** How a reply is delivered. Counts are in pieces of content; times in milliseconds. */
export interface Delivery {
  tag: string | null;
  /** Wait before anything, the status line included. */
  delay: number;
  /** Wait before each piece. */
  pace: number;
  /** Wait at this piece until the test releases the tag. */
  hold: number | null;
  /** What happens after so many pieces instead of the rest. */
  fault: { after: number; type: FaultType } | null;
  /** An HTTP error instead of a reply. */
  status: number | null;
  /** Its `retry-after`, in seconds. */
  retryAfter: string | null;
  /** Leave out the protocol's own end mark (`[DONE]`) after a whole reply. */
  isUnmarked: boolean;
}

/** cut: the connection closes; end: the body ends cleanly; stall: nothing more comes; error: an error frame; junk: a data line that is no JSON. */
export const faultTypes = ['cut', 'end', 'stall', 'error', 'junk'] as const;
export type FaultType = (typeof faultTypes)[number];

const usage = { input: 12, cacheRead: 0, cacheWrite: 0, output: 7, reasoning: 0 };

const none = { deltas: [], message: {}, call: {} };

function reply(parts: Partial<Situation>): Situation {
  return { thinking: [], texts: [], refusal: [], toolCalls: [], unknown: none, finish: 'stop', usage, ...parts };
}

const thinking = { text: ['First ', 'weigh ', 'both sides.'], signature: null, redacted: null };
const weather = [
  { id: 'call_paris', name: 'get_weather', arguments: ['{"city"', ':"Pa', 'ris"}'] },
  { id: 'call_oslo', name: 'get_weather', arguments: ['{"city":', '"Oslo","unit":"°C"}'] },
];

/** Every content that a prompt can name. */
export const situations: Record<string, (options: Record<string, string>) => Situation> = {
  text: (options) => reply({ texts: [pieces(Number(options['pieces'] ?? 4))] }),
  // One letter of two UTF-16 units, one of two bytes and one of three: a cut may fall inside each.
  multibyte: () => reply({ texts: [['Grüße ', '🦜 ', '日本', '語.']] }),
  'parallel-tools': () => reply({ toolCalls: weather, finish: 'tools' }),
  'text-and-tools': () => reply({ texts: [['Let me ', 'look.']], toolCalls: weather.slice(0, 1), finish: 'tools' }),
  // OpenRouter's reasoning_details and Gemini's extra_content, which both have to go back with the next turn.
  'unknown-members': () =>
    reply({
      texts: [['Let me ', 'look.']],
      toolCalls: weather.slice(0, 1),
      unknown: {
        deltas: [
          {
            reasoning: 'First ',
            reasoning_details: [{ type: 'reasoning.text', text: 'First ', format: 'x-v1', index: 0 }],
          },
          {
            reasoning: 'both.',
            reasoning_details: [{ type: 'reasoning.text', text: 'both.', signature: 'c2ln', index: 0 }],
          },
          {
            reasoning: ' ',
            reasoning_details: [{ type: 'reasoning.encrypted', data: 'ZW5j', index: 1 }],
          },
        ],
        message: {
          reasoning: 'First both. ',
          reasoning_details: [
            { type: 'reasoning.text', text: 'First both.', format: 'x-v1', signature: 'c2ln', index: 0 },
            { type: 'reasoning.encrypted', data: 'ZW5j', index: 1 },
          ],
        },
        call: { extra_content: { google: { thought_signature: 'c2lnbmF0dXJl' } } },
      },
      finish: 'tools',
    }),
  'tool-without-arguments': () =>
    reply({ toolCalls: [{ id: 'call_now', name: 'now', arguments: [] }], finish: 'tools' }),
  'thinking-signed': () =>
    reply({
      thinking: [{ ...thinking, signature: 'c2lnbmVk' }],
      texts: [['The ', 'answer.']],
      usage: { ...usage, output: 20, reasoning: 9 },
    }),
  'thinking-unsigned': () =>
    reply({ thinking: [thinking], texts: [['The ', 'answer.']], usage: { ...usage, output: 20, reasoning: 9 } }),
  'thinking-redacted': () =>
    reply({
      thinking: [
        { ...thinking, signature: 'c2lnbmVk' },
        { text: [], signature: null, redacted: 'ZW5jcnlwdGVk' },
      ],
      texts: [['The ', 'answer.']],
      usage: { ...usage, output: 20, reasoning: 9 },
    }),
  usage: () =>
    reply({ texts: [pieces(3)], usage: { input: 136, cacheRead: 1000, cacheWrite: 64, output: 25, reasoning: 11 } }),
  'n-2': () =>
    reply({
      texts: [
        ['Heads ', 'first.'],
        ['Tails ', 'first.'],
      ],
    }),
  length: () => reply({ texts: [['This is cut ', 'sho']], finish: 'length' }),
  'content-filter': () => reply({ texts: [['I was about ', 'to ']], finish: 'filter' }),
  refusal: () => reply({ refusal: ['I cannot ', 'help with that.'] }),
  json: () => reply({ texts: [['{"city":', '"Paris",', '"celsius":', '21}']] }),
  // The same piece again and again: LiteLLM ends such a stream.
  repeat: () => reply({ texts: [Array.from({ length: 150 }, () => 'ha ')] }),
  logprobs: () => reply({ texts: [pieces(2)] }),
  empty: () => reply({ usage: { ...usage, output: 0 } }),
};

/** So many different words: LiteLLM ends a stream that repeats the same piece a hundred times. */
function pieces(count: number): string[] {
  const words = ['Hello ', 'from ', 'the ', 'upstream. '];
  return Array.from({ length: count }, (_, index) => words[index] ?? `Piece ${index}. `);
}

/** What a prompt asks for; a prompt without a marker gets a short text. */
export function readPrompt(prompt: string): { name: string; situation: Situation; delivery: Delivery } {
  const match = /\[([a-z0-9-]+)((?: [a-z-]+=[^\]\s]*)*)\]/.exec(prompt);
  const options = Object.fromEntries(
    (match?.[2] ?? '')
      .split(' ')
      .filter(Boolean)
      .map((option) => option.split('=', 2) as [string, string]),
  );
  const name = match?.[1] ?? 'text';
  const content = situations[name];
  if (content === undefined) throw new Error(`no situation is called "${name}"`);
  const faultType = faultTypes.find((type) => options[type] !== undefined);
  const number = (option: string): number | null => (options[option] === undefined ? null : Number(options[option]));
  const delivery = {
    tag: options['tag'] ?? null,
    delay: number('delay') ?? 0,
    pace: number('pace') ?? 0,
    hold: number('hold'),
    fault: faultType === undefined ? null : { after: Number(options[faultType]), type: faultType },
    status: number('status'),
    retryAfter: options['retry-after'] ?? null,
    isUnmarked: options['unmarked'] !== undefined,
  };
  return { name, situation: content(options), delivery };
}
