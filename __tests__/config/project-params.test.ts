import { describe, expect, test } from '@jest/globals';
import type { CllmError } from '../../src/outcome/errors.ts';
import { readItem } from '../../src/batch/batch-item.ts';
import { projectParams } from '../../src/config/project-params.ts';
import { validateSettings } from '../../src/config/validation.ts';
import { steeringReason } from '../../src/protocol/request-fields.ts';

const steering = [
  'mock_response',
  'mock_tool_calls',
  'mock_timeout',
  'guardrails',
  'guardrail_config',
  'disable_global_guardrails',
  'user_config',
  'extra_body',
  'extra_headers',
  'extra_query',
  'api_base',
  'base_url',
  'api_key',
  'api_version',
  'custom_llm_provider',
  'model_list',
  'fallbacks',
  'context_window_fallbacks',
  'default_fallbacks',
  'disable_fallbacks',
  'input_cost_per_token',
  'litellm_params',
  'litellm_metadata',
  'litellm_credential_name',
  'aws_bedrock_runtime_endpoint',
  'vertex_credentials',
  'azure_ad_token',
  's3_endpoint_url',
  'langfuse_host',
  'success_callback',
  'no-log',
  'turn_off_message_logging',
  'max_budget',
  'configurable_clientside_auth_params',
  'proxy_server_request',
  'secret_fields',
];

/** The same name as people and other languages write it, and as somebody writes it to get past a list. */
const spellings = (name: string): string[] => [
  name,
  name.toUpperCase(),
  name.replaceAll('_', '-'),
  name.replaceAll('_', ''),
  name.replaceAll('_', ' '),
  name.replaceAll(/_(.)/g, (_, letter: string) => letter.toUpperCase()),
  name.replace(/^./, (letter) => letter.toUpperCase()),
  `${name}_`,
  ` ${name}`,
  `${name}\u200b`,
  name.replaceAll(/[a-z]/g, (letter) => String.fromCharCode(letter.charCodeAt(0) + 0xfee0)),
];

describe('what steers the proxy', () => {
  test.each(steering)(
    '%s is no param of a project file, its profiles or a line of a batch, in any spelling',
    (name) => {
      for (const spelling of spellings(name)) {
        expect({ spelling, reason: steeringReason(spelling) }).toEqual({ spelling, reason: expect.any(String) });
        for (const settings of [
          { params: { [spelling]: [] } },
          { profiles: { review: { params: { [spelling]: 'x' } } } },
        ])
          expect(() => validateSettings(settings, 'cllm.yaml', { isProject: true })).toThrow(
            expect.objectContaining({ code: 'config_invalid' }),
          );
        for (const fields of [{ [spelling]: [] }, { metadata: { [spelling]: [] } }]) {
          const lines = [
            { prompt: 'x', ...fields },
            { body: { messages: [{ role: 'user', content: 'x' }], ...fields } },
          ];
          for (const line of lines) {
            const text = JSON.stringify(line);
            const { error } = readItem({ text, number: 1, problem: null } as never, 'jsonl');
            expect({ text, code: error?.code }).toEqual({ text, code: 'input_invalid' });
          }
        }
      }
    },
  );

  test('is refused with the reason', () => {
    expect(() => validateSettings({ params: { mock_response: 'LGTM' } }, 'cllm.yaml', { isProject: true })).toThrow(
      'cllm.yaml: params.mock_response can not be a param of a project file: it makes the proxy answer without asking a model',
    );
    const { error } = readItem({ text: '{"prompt":"x","guardrails":[]}', number: 1 } as never, 'jsonl');
    expect(error).toMatchObject({
      message: 'line 1 has guardrails, which never stands in a request',
      hint: 'take it out: which guardrails hold is for the proxy and the user to say',
    });
  });
});

test('a project file may set how a model answers, and nothing that no list knows', () => {
  const params = Object.fromEntries(Object.keys(projectParams).map((name) => [name, 1]));
  expect(validateSettings({ params }, 'cllm.yaml', { isProject: true }).params).toEqual(params);
  for (const name of [
    'tools',
    'user',
    'metadata',
    'store',
    'web_search_options',
    'stream_options',
    'something_new',
    '',
  ])
    expect(() => validateSettings({ params: { [name]: 1 } }, 'cllm.yaml', { isProject: true })).toThrow(
      'can not be a param',
    );
  expect(() => validateSettings({ params: { maxTokens: 1 } }, 'cllm.yaml', { isProject: true })).toThrow(
    'write it as max_tokens',
  );
});

test('the user may set what steers the proxy, but for keys and addresses', () => {
  const params = { mock_response: 'x', tools: [] };
  expect(validateSettings({ params }, 'config.json')).toEqual({ params });
  for (const name of ['API_BASE', 'apiKey', 'base-url', 'Messages', 'extraHeaders'])
    expect(() => validateSettings({ params: { [name]: 'x' } }, 'config.json')).toThrow('can not be a param');
});

test('a line of a batch may have the fields of a request', () => {
  const fields = [
    'temperature',
    'max_tokens',
    'top_k',
    'thinking',
    'tools',
    'tool_choice',
    'user',
    'metadata',
    'tags',
    'stream_options',
    'service_tier',
    'store',
    'logit_bias',
    'provider',
    'safety_settings',
    'prompt_cache_key',
    'chat_template_kwargs',
    'reasoning_effort',
    'web_search_options',
    'modalities',
    'audio',
    'prediction',
    'drop_params',
  ];
  const text = JSON.stringify({ prompt: 'x', ...Object.fromEntries(fields.map((name) => [name, 1])) });
  expect(readItem({ text, number: 1 } as never, 'jsonl').error).toBeNull();
});

describe('what a file that is none of settings holds is not repeated', () => {
  const secret = 'hvs.CAESIJ1f3Zsecret0987654321';
  test.each<[string, unknown]>([
    ['a text', secret],
    ['a text where names should be', { params: secret }],
    ['a list', [secret]],
    ['a name', { [secret]: 1 }],
    ['a name with words', { 'the admin has the password hunter2': 1 }],
    ['a name of a param', { params: { [`${secret} and words`]: 1 } }],
    ['a name in a group', { timeouts: { [secret]: 1 } }],
    ['a profile', { profiles: { [`${secret} x`]: {} } }],
  ])('%s', (_name, values) => {
    let said = '';
    try {
      validateSettings(values, 'cllm.yaml', { isProject: true });
    } catch (error) {
      const { message, hint } = error as CllmError;
      said = `${message} ${hint}`;
    }
    expect(said).not.toMatch(/hvs|hunter2/);
    expect(said).toContain('cllm.yaml');
  });

  test('and many wrong names are one line', () => {
    const values = Object.fromEntries(Array.from({ length: 5_000 }, (_, at) => [`k${at}`, at]));
    expect(() => validateSettings(values, 'cllm.yaml', { isProject: true })).toThrow(
      /^cllm.yaml: unknown settings .{1,200} and 4995 more$/,
    );
  });
});
