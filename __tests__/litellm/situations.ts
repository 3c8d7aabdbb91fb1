import type { RequestInput } from '../../src/client/client.ts';
import type { ProviderName } from '../support/fake-providers.ts';

export const providers: ProviderName[] = ['openai', 'anthropic', 'gemini'];

const tool = (name: string, properties: Record<string, unknown>): unknown => ({
  type: 'function',
  function: { name, parameters: { type: 'object', properties } },
});

const schema = {
  type: 'object',
  properties: { city: { type: 'string' }, celsius: { type: 'number' } },
  required: ['city', 'celsius'],
  additionalProperties: false,
};

/** What a request must say for a provider to answer in a situation; the fake provider goes by the prompt alone. */
const parameters: Record<string, Record<string, unknown>> = {
  'parallel-tools': { tools: [tool('get_weather', { city: { type: 'string' } })] },
  'text-and-tools': { tools: [tool('get_weather', { city: { type: 'string' } })] },
  'unknown-members': { tools: [tool('get_weather', { city: { type: 'string' } })] },
  'tool-without-arguments': { tools: [tool('now', {})] },
  'thinking-signed': { reasoning_effort: 'low' },
  'thinking-unsigned': { reasoning_effort: 'low' },
  'thinking-redacted': { reasoning_effort: 'low' },
  json: { response_format: { type: 'json_schema', json_schema: { name: 'weather', strict: true, schema } } },
  'n-2': { n: 2 },
  logprobs: { logprobs: true },
};

const common = [
  'text',
  'multibyte',
  'parallel-tools',
  'text-and-tools',
  'tool-without-arguments',
  'thinking-unsigned',
  'usage',
  'length',
  'content-filter',
  'json',
  'empty',
];

/** The situations that each provider has. */
export const situationsOf: Record<ProviderName, string[]> = {
  openai: [...common, 'n-2', 'logprobs', 'refusal', 'unknown-members'],
  anthropic: [...common, 'thinking-signed', 'thinking-redacted'],
  gemini: [...common, 'thinking-signed'],
};

export function requestFor(provider: ProviderName, situation: string, delivery = ''): RequestInput {
  const marker = [situation, delivery].filter(Boolean).join(' ');
  // gpt-4o-mini does not reason, and LiteLLM refuses the parameter for it.
  const { reasoning_effort: effort, ...others } = parameters[situation] ?? {};
  return {
    model: `fake-${provider}`,
    messages: `[${marker}] Please.`,
    ...others,
    ...(effort === undefined || provider === 'openai' ? {} : { reasoning_effort: effort }),
  };
}
