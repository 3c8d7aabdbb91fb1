import type { Situation } from './situation.ts';
import { lastUserMessage, textOf, type Frame, type WireProtocol, type WireRequest } from './wire.ts';

const stopReasons = { stop: 'end_turn', length: 'max_tokens', tools: 'tool_use', filter: 'refusal' };
const errorTypes: Record<number, string> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  429: 'rate_limit_error',
  529: 'overloaded_error',
};

type Block = Record<string, unknown> & { type: string };

function usage({ usage: counts }: Situation): Record<string, number> {
  return {
    input_tokens: counts.input,
    cache_creation_input_tokens: counts.cacheWrite,
    cache_read_input_tokens: counts.cacheRead,
    output_tokens: counts.output,
  };
}

/**
 * The content blocks with the pieces that a stream sends of each. For models without structured outputs LiteLLM asks for a
 * JSON schema through a tool of its own, which a real model then calls.
 */
function blocks(situation: Situation, request: WireRequest): { start: Block; deltas: Block[]; whole: Block }[] {
  const forcedTool = (request['tool_choice'] as { name?: string } | undefined)?.name;
  const text = situation.texts[0] ?? [];
  const calls = [...situation.toolCalls];
  const isToolText = forcedTool === 'json_tool_call' && text.length > 0;
  if (isToolText) calls.push({ id: 'toolu_json', name: forcedTool, arguments: text });
  return [
    ...situation.thinking.map((block) => {
      if (block.redacted !== null) {
        const whole = { type: 'redacted_thinking', data: block.redacted };
        return { start: whole, deltas: [], whole };
      }
      const signature = block.signature ?? '';
      return {
        start: { type: 'thinking', thinking: '', signature: '' },
        deltas: [
          ...block.text.map((thinking) => ({ type: 'thinking_delta', thinking })),
          ...(block.signature === null ? [] : [{ type: 'signature_delta', signature }]),
        ],
        whole: { type: 'thinking', thinking: block.text.join(''), signature },
      };
    }),
    ...[isToolText ? [] : [...text, ...situation.refusal]]
      .filter((pieces) => pieces.length > 0)
      .map((pieces) => ({
        start: { type: 'text', text: '' },
        deltas: pieces.map((piece) => ({ type: 'text_delta', text: piece })),
        whole: { type: 'text', text: pieces.join('') },
      })),
    ...calls.map((call) => ({
      start: { type: 'tool_use', id: call.id, name: call.name, input: {} },
      deltas: ['', ...call.arguments].map((piece) => ({ type: 'input_json_delta', partial_json: piece })),
      whole: {
        type: 'tool_use',
        id: call.id,
        name: call.name,
        input: JSON.parse(call.arguments.join('') || '{}') as unknown,
      },
    })),
  ];
}

function stopReason(situation: Situation, request: WireRequest): string {
  const isForced = (request['tool_choice'] as { name?: string } | undefined)?.name === 'json_tool_call';
  return isForced && situation.finish === 'stop' ? 'tool_use' : stopReasons[situation.finish];
}

function event(type: string, data: Record<string, unknown>): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`;
}

/** Anthropic's messages. */
export const anthropic: WireProtocol = {
  name: 'anthropic',
  prompt: (request) => textOf(lastUserMessage(request['messages'])?.['content']),
  isStream: (request) => request['stream'] === true,

  stream(situation, request) {
    const frames: Frame[] = [];
    const send = (type: string, data: Record<string, unknown>, isContent = false): void => {
      frames.push({ bytes: event(type, data), isContent });
    };
    const message = { id: 'msg_fake1', type: 'message', role: 'assistant', model: request['model'], content: [] };
    send('message_start', {
      message: { ...message, stop_reason: null, stop_sequence: null, usage: { ...usage(situation), output_tokens: 1 } },
    });
    for (const [index, block] of blocks(situation, request).entries()) {
      send('content_block_start', { index, content_block: block.start });
      if (index === 0) send('ping', {});
      for (const delta of block.deltas) send('content_block_delta', { index, delta }, true);
      send('content_block_stop', { index });
    }
    send('message_delta', {
      delta: { stop_reason: stopReason(situation, request), stop_sequence: null },
      usage: { output_tokens: situation.usage.output },
    });
    send('message_stop', {});
    return frames;
  },

  endMark: '',

  body: (situation, request) => ({
    id: 'msg_fake1',
    type: 'message',
    role: 'assistant',
    model: request['model'],
    content: blocks(situation, request).map((block) => block.whole),
    stop_reason: stopReason(situation, request),
    stop_sequence: null,
    usage: usage(situation),
  }),

  error: (status) => ({
    type: 'error',
    error: {
      type: errorTypes[status] ?? 'api_error',
      message: status === 401 ? 'invalid x-api-key' : 'Try again later',
    },
  }),
  errorFrame: event('error', { error: { type: 'overloaded_error', message: 'Overloaded' } }),
};
