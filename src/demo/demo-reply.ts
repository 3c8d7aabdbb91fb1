import type { ChatMessage, ChatRequest } from '../protocol/types.ts';

/** What the demo proxy says to one request. */
export interface DemoReply {
  /** The text in the pieces that a stream sends it in, white space in front as with a model's tokens. */
  pieces: string[];
  finishReason: 'stop' | 'length';
  /** Counted in words: the demo has no tokenizer, and says so. */
  usage: { prompt_tokens: number; completion_tokens: number; total_tokens: number };
}

const aboutServerSentEvents =
  'Server-sent events are a one-way stream inside a single, ordinary HTTP response: the server keeps the response open ' +
  'and writes a small block of text, a `data:` line closed by a blank line, whenever it has something to say. The ' +
  'client reads each block as it arrives, so an answer can be shown word by word instead of after a wait for the ' +
  'whole of it.';

/**
 * The demo's answer: what happens on the wire for this very request, in words that do not change from run to run. It is
 * no model and does not pretend to be one.
 */
export function demoReply(request: ChatRequest): DemoReply {
  // The text names the number of its pieces, and that number is one piece whatever it is: so write once to count.
  const wholeCount = words(compose(request, 0)).length;
  const sentCount = Math.min(wholeCount, pieceLimit(request));
  const pieces = words(compose(request, sentCount)).slice(0, sentCount);
  const promptWords = request.messages.reduce((sum, message) => sum + countWords(textOf(message)), 0);
  return {
    pieces,
    finishReason: sentCount < wholeCount ? 'length' : 'stop',
    usage: { prompt_tokens: promptWords, completion_tokens: sentCount, total_tokens: promptWords + sentCount },
  };
}

function compose(request: ChatRequest, pieceCount: number): string {
  return [opening(request), onTheWire(request, pieceCount), whereToGo(request)].join('\n\n');
}

/** A word with the white space before it, as a model's tokens come. */
function words(text: string): string[] {
  return text.match(/\s*\S+/g) ?? [];
}

function opening(request: ChatRequest): string {
  const prompt = lastPrompt(request);
  if (/server[\s-]*sent|\bsse\b|event[\s-]*stream/i.test(prompt)) return aboutServerSentEvents;
  return `A model's answer to “${excerpt(prompt)}” would stand here; this is what comes without one.`;
}

function onTheWire(request: ChatRequest, pieceCount: number): string {
  const prompt = lastPrompt(request);
  const isStreamed = request.stream === true;
  const answer = isStreamed
    ? `- **Back:** this text in ${count(pieceCount, 'delta chunk')} of \`text/event-stream\`, paced like a model's tokens. Before ` +
      'them came one chunk with the role, after them one with the `finish_reason`, ' +
      (request.stream_options?.include_usage === true
        ? 'then, because the request asked for it, the usage in the last chunk, and `[DONE]`.'
        : 'and `[DONE]`; the request did not ask for usage (`stream_options.include_usage`), so none was sent.')
    : '- **Back:** one JSON body, because the request did not ask for a stream; without `--no-stream` the same text ' +
      'arrives in pieces.';
  return [
    'I am no model, only the small proxy inside cllm. What happened on the wire:',
    `- **Sent:** one \`POST /v1/chat/completions\` to a port of this machine, for the model \`${request.model}\`, with ` +
      `your prompt of ${count(countWords(prompt), 'word')} (${count(Buffer.byteLength(prompt), 'byte')})${context(request)}.`,
    answer,
    '- **Counted:** words, as an estimate of tokens. It cost nothing, and no cost is reported.',
    isStreamed
      ? '- **Kept:** cllm folded the chunks into one ChatCompletion and stores it as a turn, unless `--ephemeral` ' +
        'forbids it.'
      : '- **Kept:** cllm stores the ChatCompletion as a turn, just as it stores a streamed one.',
  ].join('\n');
}

function whereToGo(request: ChatRequest): string {
  const goOn =
    earlierMessages(request).length > 0
      ? 'Go on with `cllm --demo -c "…"`; `cllm history list` names what is kept.'
      : 'Go on with `cllm --demo -c "…"`: the next request then carries this turn as well.';
  return (
    `${goOn} For a real model, \`cllm login\` enters your team's LiteLLM proxy, and \`cllm proxy up\` starts one on ` +
    'this machine.'
  );
}

function context(request: ChatRequest): string {
  const earlier = earlierMessages(request).length;
  const system = request.messages.filter((message) => message.role === 'system' || message.role === 'developer');
  const parts = [
    earlier === 0 ? 'no earlier message' : `${count(earlier, 'earlier message')} of this conversation`,
    ...(system.length > 0 ? [`a system prompt of ${count(countWords(system.map(textOf).join(' ')), 'word')}`] : []),
  ];
  return ` and ${parts.join(' and ')}`;
}

/** All but the system prompt and the prompt itself. */
function earlierMessages(request: ChatRequest): ChatMessage[] {
  const dialogue = request.messages.filter((message) => message.role !== 'system' && message.role !== 'developer');
  return dialogue.slice(0, -1);
}

function lastPrompt(request: ChatRequest): string {
  const message = request.messages.findLast((candidate) => candidate.role === 'user');
  return message === undefined ? '' : textOf(message);
}

/** The text of a message, its text parts joined; images and other parts have none. */
function textOf(message: ChatMessage): string {
  const { content } = message;
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content
    .map((part) => (typeof part === 'object' && part !== null && 'text' in part ? part['text'] : null))
    .filter((text) => typeof text === 'string')
    .join('\n');
}

/** The first sixty characters, as a reader counts them, on one line. */
function excerpt(prompt: string): string {
  const line = prompt.slice(0, 1000).replaceAll(/\s+/g, ' ').trim();
  const characters = Array.from(new Intl.Segmenter().segment(line), ({ segment }) => segment);
  return characters.length > 60 ? `${characters.slice(0, 60).join('')}…` : line;
}

/** `max_tokens`, with a word for a token. */
function pieceLimit(request: ChatRequest): number {
  const limit = request['max_completion_tokens'] ?? request['max_tokens'];
  return typeof limit === 'number' && limit >= 1 ? Math.floor(limit) : Number.POSITIVE_INFINITY;
}

function countWords(text: string): number {
  return text.match(/\S+/g)?.length ?? 0;
}

function count(amount: number, thing: string): string {
  return `${amount} ${thing}${amount === 1 ? '' : 's'}`;
}
