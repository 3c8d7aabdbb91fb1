import { randomUUID } from 'node:crypto';
import type { Situation } from './situation.ts';
import { lastUserMessage, textOf, type Frame, type WireProtocol, type WireRequest } from './wire.ts';

const finishReasons = { stop: 'stop', length: 'length', tools: 'tool_calls', filter: 'content_filter' };
const errors: Record<number, { message: string; type: string; code: string }> = {
  401: {
    message: 'Incorrect API key provided: fake-pro*****-key.',
    type: 'invalid_request_error',
    code: 'invalid_api_key',
  },
  429: { message: 'Rate limit reached for gpt-4o-mini', type: 'requests', code: 'rate_limit_exceeded' },
};

const ids = new WeakMap<WireRequest, string>();

/** One a request: LiteLLM's spend log has one row for each, and drops another call of the same name. */
function idOf(request: WireRequest): string {
  const id = ids.get(request) ?? `chatcmpl-${randomUUID()}`;
  ids.set(request, id);
  return id;
}

function head(request: WireRequest, object: string): Record<string, unknown> {
  return {
    id: idOf(request),
    object,
    created: 1_760_000_000,
    model: request['model'],
    service_tier: 'default',
    system_fingerprint: 'fp_fake',
  };
}

function usage({ usage: counts }: Situation): Record<string, unknown> {
  const input = counts.input + counts.cacheRead + counts.cacheWrite;
  return {
    prompt_tokens: input,
    completion_tokens: counts.output,
    total_tokens: input + counts.output,
    prompt_tokens_details: { cached_tokens: counts.cacheRead, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: counts.reasoning,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  };
}

function logprobs(request: WireRequest, text: string): { content: unknown[]; refusal: null } | null {
  if (request['logprobs'] !== true) return null;
  return { content: [{ token: text, logprob: -0.25, bytes: [...Buffer.from(text)], top_logprobs: [] }], refusal: null };
}

/** OpenAI's chat completions, with the `reasoning_content` that compatible servers add to it. */
export const openai: WireProtocol = {
  name: 'openai',
  prompt: (request) => textOf(lastUserMessage(request['messages'])?.['content']),
  isStream: (request) => request['stream'] === true,

  stream(situation, request) {
    const frames: Frame[] = [];
    const includesUsage =
      (request['stream_options'] as { include_usage?: boolean } | undefined)?.include_usage === true;
    const send = (choices: unknown[], isContent: boolean, more: Record<string, unknown> = {}): void => {
      const chunk = {
        ...head(request, 'chat.completion.chunk'),
        choices,
        ...(includesUsage ? { usage: null } : {}),
        ...more,
      };
      frames.push({ bytes: `data: ${JSON.stringify(chunk)}\n\n`, isContent });
    };
    const delta = (
      index: number,
      change: Record<string, unknown>,
      isContent = true,
      finish: string | null = null,
    ): void => {
      const text = typeof change['content'] === 'string' && isContent ? change['content'] : null;
      const choice = {
        index,
        delta: change,
        logprobs: text === null ? null : logprobs(request, text),
        finish_reason: finish,
      };
      send([choice], isContent);
    };
    const indexes = situation.texts.length === 0 ? [0] : situation.texts.map((_, index) => index);
    for (const index of indexes) {
      delta(index, { role: 'assistant', content: situation.toolCalls.length > 0 ? null : '', refusal: null }, false);
    }
    for (const block of situation.thinking) for (const text of block.text) delta(0, { reasoning_content: text });
    for (const members of situation.unknown.deltas) delta(0, members);
    const longest = Math.max(0, ...situation.texts.map((texts) => texts.length));
    for (let position = 0; position < longest; position += 1) {
      for (const [index, texts] of situation.texts.entries()) {
        if (texts[position] !== undefined) delta(index, { content: texts[position] });
      }
    }
    for (const text of situation.refusal) delta(0, { refusal: text });
    for (const [index, call] of situation.toolCalls.entries()) {
      const opening = {
        index,
        id: call.id,
        type: 'function',
        function: { name: call.name, arguments: '' },
        ...(index === 0 && situation.unknown.call),
      };
      delta(0, { tool_calls: [opening] });
      for (const text of call.arguments) delta(0, { tool_calls: [{ index, function: { arguments: text } }] });
    }
    for (const index of indexes) delta(index, {}, false, finishReasons[situation.finish]);
    if (includesUsage) send([], false, { usage: usage(situation) });
    return frames;
  },

  endMark: 'data: [DONE]\n\n',

  body(situation, request) {
    const texts = situation.texts.length === 0 ? [[]] : situation.texts;
    const reasoning = situation.thinking.flatMap((block) => block.text).join('');
    const calls = situation.toolCalls.map((call, index) => ({
      id: call.id,
      type: 'function',
      function: { name: call.name, arguments: call.arguments.join('') },
      ...(index === 0 && situation.unknown.call),
    }));
    return {
      ...head(request, 'chat.completion'),
      choices: texts.map((pieces, index) => ({
        index,
        message: {
          role: 'assistant',
          content: pieces.length === 0 && (calls.length > 0 || situation.refusal.length > 0) ? null : pieces.join(''),
          refusal: situation.refusal.length === 0 ? null : situation.refusal.join(''),
          ...(reasoning === '' ? {} : { reasoning_content: reasoning }),
          ...(calls.length === 0 ? {} : { tool_calls: calls }),
          annotations: [],
          ...(index === 0 && situation.unknown.message),
        },
        logprobs:
          request['logprobs'] === true
            ? { content: pieces.flatMap((text) => logprobs(request, text)?.content ?? []), refusal: null }
            : null,
        finish_reason: finishReasons[situation.finish],
      })),
      usage: usage(situation),
    };
  },

  error: (status) => ({
    error: { message: 'The server had an error', type: 'server_error', code: null, ...errors[status], param: null },
  }),
  errorFrame: `data: ${JSON.stringify({ error: { message: 'The server had an error', type: 'server_error', code: null } })}\n\n`,
};
