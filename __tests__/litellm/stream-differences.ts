import type { ProviderName } from '../support/fake-providers.ts';

// oxlint-disable-next-line typescript/no-explicit-any
type Loose = Record<string, any>;

/**
 * What LiteLLM 1.104.2 itself makes different between a stream and a body of the same reply. The fold cannot know better:
 * what is listed here was never on the wire, or came in another form.
 */
export interface StreamDifference {
  what: string;
  reason: string;
  providers: ProviderName[];
  /** Changes the body into what the stream can give. */
  apply(body: Loose): void;
}

function messages(body: Loose): Loose[] {
  return body['choices'].map((choice: Loose) => choice['message']);
}

export const streamDifferences: StreamDifference[] = [
  {
    what: 'only the first of several choices finishes',
    reason: 'LiteLLM keeps one finish_reason a stream and sends it for index 0',
    providers: ['openai'],
    apply: (body) => {
      for (const choice of body['choices'].slice(1)) choice['finish_reason'] = null;
    },
  },
  {
    what: 'a refusal is lost',
    reason: 'LiteLLM drops delta.refusal; what is left looks like an empty reply',
    providers: ['openai'],
    apply: (body) => {
      for (const message of messages(body)) {
        const refusal = message['refusal'] ?? message['provider_specific_fields']?.['refusal'];
        if (typeof refusal !== 'string') continue;
        delete message['refusal'];
        delete message['provider_specific_fields'];
        message['content'] = '';
      }
    },
  },
  {
    what: 'content is "" and not null beside tool calls or in an empty reply',
    reason: 'every Anthropic tool delta carries content:"", and a stream without any content says nothing of null',
    providers: ['anthropic', 'gemini'],
    apply: (body) => {
      for (const message of messages(body)) {
        // Gemini's calls come without content.
        if (message['provider_specific_fields']?.['thought_signatures'] === undefined) message['content'] ??= '';
      }
    },
  },
  {
    what: 'the words of a filtered reply',
    reason: 'LiteLLM drops the text of a filtered Gemini body, but had streamed it before the filter struck',
    providers: ['gemini'],
    apply: (body) => {
      const [choice] = body['choices'];
      if (choice['finish_reason'] === 'content_filter') choice['message']['content'] = 'I was about to ';
    },
  },
  {
    what: 'tool calls of a body carry an index',
    reason: "LiteLLM leaves the provider's position in the body; a fold uses it up",
    providers: ['anthropic', 'gemini'],
    apply: (body) => {
      for (const message of messages(body)) for (const call of message['tool_calls'] ?? []) delete call['index'];
    },
  },
  {
    what: 'unsigned thinking has the signature ""',
    reason: "Anthropic's body has the key; in a stream no signature_delta came",
    providers: ['anthropic'],
    apply: (body) => {
      for (const message of messages(body)) {
        for (const block of message['thinking_blocks'] ?? []) if (block['signature'] === '') delete block['signature'];
      }
    },
  },
  {
    what: "Gemini's thinking blocks",
    reason: 'a Gemini stream carries reasoning_content alone; a body repeats it as thinking_blocks',
    providers: ['gemini'],
    apply: (body) => {
      for (const message of messages(body)) delete message['thinking_blocks'];
    },
  },
  {
    what: 'members that the format does not know lie under provider_specific_fields',
    reason:
      'LiteLLM moves them there in a body, reasoning once more among them; in a stream it leaves them in the delta, as long ' +
      'as that has text or reasoning beside them, and drops the delta otherwise',
    providers: ['openai'],
    apply: (body) => {
      for (const message of messages(body)) {
        const { reasoning_details: details, reasoning, ...others } = message['provider_specific_fields'] ?? {};
        if (details === undefined || reasoning !== message['reasoning_content']) continue;
        message['reasoning_details'] = details;
        message['provider_specific_fields'] = others;
        if (Object.keys(others).length === 0) delete message['provider_specific_fields'];
      }
    },
  },
  {
    what: "the provider's own finish word",
    reason: 'LiteLLM maps it while streaming and keeps the original in Gemini bodies only',
    providers: ['gemini'],
    apply: (body) => {
      for (const choice of body['choices']) delete choice['provider_specific_fields'];
    },
  },
  {
    what: 'the details of the completion tokens where nothing was reported',
    reason: 'LiteLLM assembles the usage chunk of a text stream itself and fills them in',
    providers: ['gemini'],
    apply: (body) => {
      const hasCalls = messages(body).some((message) => message['tool_calls'] !== undefined);
      if (hasCalls) return;
      const details = (body['usage']['completion_tokens_details'] ??= {});
      details['reasoning_tokens'] ??= 0;
      details['text_tokens'] ??= body['usage']['completion_tokens'] - details['reasoning_tokens'];
    },
  },
  {
    what: 'an empty Anthropic reply counts one token',
    reason: 'LiteLLM takes the last count above 0, which is the placeholder of message_start',
    providers: ['anthropic'],
    apply: (body) => {
      const { usage } = body as { usage: Record<string, number> };
      if (usage['completion_tokens'] === 0)
        Object.assign(usage, { completion_tokens: 1, total_tokens: usage['prompt_tokens']! + 1 });
    },
  },
];

export function differencesOf(provider: ProviderName): StreamDifference[] {
  return streamDifferences.filter((difference) => difference.providers.includes(provider));
}

/**
 * A completion without what is no difference: ids and times; the cost, which a body has in a header; the mirrors of other
 * fields; null, [] and {} where a key may as well be absent (`content: null` is kept); the white space inside arguments.
 */
export function comparable(completion: unknown): Loose {
  const copy = pruned(completion) as Loose;
  delete copy['id'];
  delete copy['created'];
  delete copy['usage']?.['cost'];
  for (const choice of copy['choices']) {
    const { message } = choice;
    message['content'] ??= null;
    choice['finish_reason'] ??= null;
    for (const call of message['tool_calls'] ?? []) {
      delete call['id'];
      call['function']['arguments'] = JSON.parse(call['function']['arguments'] || '{}');
    }
    if (message['provider_specific_fields'] !== undefined) {
      delete message['provider_specific_fields']['thinking_blocks'];
      if (Object.keys(message['provider_specific_fields']).length === 0) delete message['provider_specific_fields'];
    }
  }
  return copy;
}

function pruned(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(pruned);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, inner]) => [key, pruned(inner)] as const);
  return Object.fromEntries(entries.filter(([, inner]) => inner !== null && !isEmpty(inner)));
}

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}
