import { chunk, defaultUsage, type Responder, textReply } from './fake-upstream.ts';

/** A call that a prompt asks the tool caller for. */
export interface WantedCall {
  name: string;
  arguments: unknown;
}

/**
 * A model of an OpenAI-compatible upstream that calls what it is told to: each user's message and each result may hold
 * lines `call NAME JSON`, of which each round of calls takes those up to a line `then`; without any left it says what the
 * last results were. `upstream.fallback = toolCaller();`
 */
export function toolCaller(): Responder {
  return (request) => {
    const messages = request.body.messages ?? [];
    const asked = messages.findLastIndex(({ role }) => role === 'user');
    const answered = messages.slice(asked + 1).filter(({ role }) => role === 'assistant').length;
    const rounds = textOf(messages[asked]?.content).split(/^then$/m);
    const calls = wantedCalls(rounds[answered] ?? '');
    if (calls.length === 0) {
      const results = messages.slice(asked + 1).filter(({ role }) => role === 'tool');
      return textReply(results.map(({ content }) => textOf(content)).join('\n') || 'Nothing to call.')(request);
    }
    const toolCalls = calls.map((call, index) => ({
      id: `call_${answered}_${index}`,
      type: 'function',
      function: {
        name: call.name,
        arguments: typeof call.arguments === 'string' ? call.arguments : JSON.stringify(call.arguments),
      },
    }));
    const model = request.body.model ?? 'caller';
    if (request.body.stream !== true) {
      const message = { role: 'assistant', content: null, tool_calls: toolCalls };
      const choices = [{ index: 0, finish_reason: 'tool_calls', message }];
      return {
        body: { id: 'chatcmpl-fake', object: 'chat.completion', created: 1, model, choices, usage: defaultUsage },
      };
    }
    const deltas = toolCalls.map((call, index) => ({
      data: chunk([{ index: 0, delta: { role: 'assistant', tool_calls: [{ index, ...call }] } }], { model }),
    }));
    return {
      steps: [
        ...deltas,
        { data: chunk([{ index: 0, delta: {}, finish_reason: 'tool_calls' }], { model }) },
        { data: chunk([], { model, usage: defaultUsage }) },
        { data: '[DONE]' },
      ],
    };
  };
}

function wantedCalls(text: string): WantedCall[] {
  return [...text.matchAll(/^call ([\w-]+) (.+)$/gm)].map(([, name = '', given = '']) => ({
    name,
    arguments: parsed(given),
  }));
}

/** Text that is no JSON goes out as it is: a model's arguments may be no JSON either. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content.map((part) => (part as { text?: string } | null)?.text ?? '').join('\n');
}
